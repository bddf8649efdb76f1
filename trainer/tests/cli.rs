//! The command line as a person meets it: what it prints, and what it says when something is wrong.

// Clippy takes a helper of tests for ordinary code.
#![allow(clippy::unwrap_used)]

use std::process::{Command, Output};

fn flow_digits(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_flow-digits"))
        .args(args)
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
        .output()
        .unwrap()
}

fn stdout(args: &[&str]) -> String {
    let output = flow_digits(args);
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn stderr(args: &[&str]) -> String {
    let output = flow_digits(args);
    assert!(!output.status.success(), "{args:?} should fail");
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn list_prints_every_registry_with_orders_costs_and_ranges() {
    let all: serde_json::Value = serde_json::from_str(&stdout(&["list", "--json"])).unwrap();
    for family in flow::registry::families() {
        let listed = all[family.plural].as_array().unwrap();
        assert_eq!(listed.len(), family.entries.len(), "{}", family.plural);
        for (entry, registered) in listed.iter().zip(&family.entries) {
            assert_eq!(entry["id"], registered.id);
            assert_eq!(entry["parameters"].as_array().unwrap().len(), registered.params.len());
        }
    }
    let heun = all["solvers"].as_array().unwrap().iter().find(|s| s["id"] == "heun").unwrap();
    assert_eq!((heun["order"].as_u64(), heun["evaluations_per_step"].as_u64()), (Some(2), Some(2)));
    let text = stdout(&["list", "schedules"]);
    assert!(text.contains("logit-normal-cdf") && text.contains("mu:"), "{text}");
}

#[test]
fn every_command_has_help_with_an_example() {
    for command in [
        "data",
        "train",
        "sample",
        "eval",
        "export",
        "knots",
        "study",
        "plot",
        "inspect",
        "list",
        "likelihood",
        "mlflow",
        "invert",
        "compare",
        "recipes",
        "throughput",
    ] {
        let help = stdout(&[command, "--help"]);
        assert!(help.contains(&format!("flow-digits {command}")), "{help}");
        assert!(help.contains("Examples:"), "{help}");
    }
}

#[test]
fn inspect_prints_parameters_and_multiply_adds_within_the_budget() {
    let text = stdout(&["inspect", "recipes/mnist-unet.toml", "--json"]);
    let facts: serde_json::Value = serde_json::from_str(&text).unwrap();
    let cost = facts["multiply_adds"].as_u64().unwrap();
    assert!((1_000_000..=30_000_000).contains(&cost), "{cost}");
    // 1 MB as a file: two bytes a parameter, and the header.
    let parameters = facts["parameters"].as_u64().unwrap();
    assert!((100_000..490_000).contains(&parameters), "{parameters}");
}

#[test]
fn mistakes_are_named_with_what_is_accepted() {
    let nearest = stderr(&["sample", "nothing.safetensors", "--solver", "huen"]);
    assert!(nearest.contains("huen") && nearest.contains("heun"), "{nearest}");
    let range = stderr(&["sample", "nothing.safetensors", "--steps", "0"]);
    assert!(range.contains("steps") && range.contains("1000"), "{range}");
    let missing = stderr(&["sample", "nothing.safetensors"]);
    assert!(missing.contains("nothing.safetensors"), "{missing}");
    let device = stderr(&["train", "recipes/mnist-unet.toml", "--device", "gpu"]);
    assert!(device.contains("auto, cuda, cuda:N, wgpu, cpu, torch"), "{device}");
    let registry = stderr(&["list", "solver"]);
    assert!(registry.contains("solvers"), "{registry}");
    let start = stderr(&["train", "recipes/mnist-unet.toml", "--from", "nothing.safetensors"]);
    assert!(start.contains("nothing.safetensors") && start.contains("run folder"), "{start}");
    let data = stderr(&["train", "recipes/mnist-unet.toml", "--data", "/nonexistent"]);
    assert!(data.contains("train-images-idx3-ubyte") && data.contains("flow-digits data"), "{data}");
    let short = stderr(&["train", "recipes/mnist-unet.toml", "--steps", "20", "--data", "/nonexistent"]);
    assert!(short.contains("flow-digits data"), "a short run's warm-up is shortened: {short}");
    let mirror = stderr(&["data", "--mirror", "ftp://example.org"]);
    assert!(mirror.contains("http://"), "{mirror}");
    let same = stderr(&["sample", "public/models/mnist-unet.safetensors", "--out", "a", "--npy", "a"]);
    assert!(same.contains("two files"), "{same}");
    let negative = stderr(&["sample", "nothing.safetensors", "--digit", "-1"]);
    assert!(negative.contains("0 to 9"), "{negative}");
    let toml = stderr(&["sample", "recipes/mnist-unet.toml"]);
    assert!(toml.contains("is a recipe"), "{toml}");
    let file = stderr(&["export", "public/models/mnist-unet.safetensors"]);
    assert!(file.contains("is a file") && file.contains("run folder"), "{file}");
    let unmeasured = stderr(&["export", "runs/none", "--images", "0"]);
    assert!(unmeasured.contains("--precision"), "{unmeasured}");
    let ignored = stderr(&["eval", "public/models/mnist-unet.safetensors", "--digit", "3"]);
    assert!(ignored.contains("--digit"), "{ignored}");
    let once = stderr(&["train", "no-such-recipe.toml"]);
    assert_eq!(once.matches("No such file").count(), 1, "{once}");
    let recipe = stderr(&["train", "recipes/mnist-unet.toml", "--set", "train.stepps=3"]);
    assert!(recipe.contains("stepps"), "{recipe}");
}

#[test]
fn films_and_comparisons_are_written_and_mistakes_about_them_are_named_before_any_work() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let begins = |name: &str| std::fs::read(folder.path().join(name)).unwrap()[..4].to_vec();
    let out = path("grid.png");
    let (gif, apng) = (path("new/film.gif"), path("film.apng"));
    let small = ["sample", MODEL, "--steps", "2", "--solver", "euler", "--guidance", "1", "--out", &out];
    let film = ["--count", "2", "--frames", "3", "--gif", &gif, "--apng", &apng];
    let said = stdout(&[&small[..], &film].concat());
    assert!(said.contains("2 evaluations") && said.contains("film.gif (3 frames"), "{said}");
    assert_eq!((begins("new/film.gif"), begins("film.apng")), (b"GIF8".to_vec(), b"\x89PNG".to_vec()));
    let between = ["--digit", "3", "--interpolate", "1", "2", "--columns", "3"];
    let said = stdout(&[&small[..], &between].concat());
    assert!(said.contains("3 noises from seed 1 to seed 2, digit 3") && !said.contains("seed="), "{said}");

    let sheet = path("sheet.png");
    let both = ["compare", "mnist-unet", "mnist-unet@solver=heun", "--count", "1", "--steps", "2"];
    let rest = ["--solver", "euler", "--guidance", "1", "--arrows", "--out", &sheet, "--out", &gif];
    let said = stdout(&[&both[..], &rest, &["--frames", "2"]].concat());
    assert!(said.contains("heun, inverse-cubic, 2 steps") && said.contains("RMS"), "{said}");
    assert_eq!(begins("sheet.png"), b"\x89PNG");

    let wrong = |args: &[&str], names: &[&str]| {
        let error = stderr(args);
        assert!(names.iter().all(|name| error.contains(name)), "{args:?}: {error}");
    };
    wrong(&["sample", MODEL, "--fps", "10"], &["--fps", "--gif"]);
    wrong(&["sample", MODEL, "--gif", "a.gif", "--frames", "1"], &["--frames 1", "2 to 500"]);
    wrong(&["sample", MODEL, "--interpolate", "1", "2", "--seed", "3"], &["--seed"]);
    wrong(&["sample", MODEL, "--interpolate", "1", "2", "--solver", "sde-euler"], &["sde-euler"]);
    wrong(&["sample", MODEL, "--gif", "a", "--apng", "a"], &["--gif", "--apng", "two files"]);
    wrong(&["compare", "mnist-unit"], &["mnist-unit", "did you mean `mnist-unet`"]);
    wrong(&["compare", "mnist-unet@seed=3"], &["--seed"]);
    wrong(&["compare", "mnist-unet", "--out", "a.svg"], &["a.svg", ".png", ".gif", ".apng"]);
    wrong(&["compare", "mnist-unet", "--at", "2"], &["--at 2", "0 to 1"]);
    wrong(&["throughput", "recipes/mnist-classifier.toml"], &["no velocity network"]);
    wrong(&["recipes", "public"], &["public", ".toml"]);
}

#[cfg(unix)]
#[test]
fn another_program_takes_turns_with_ours_if_it_has_the_same_network() {
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("other.sh");
    let command = format!("sh {}", script.display());
    let recipe = "recipes/pair-independent.toml";
    let small = ["--threads", "1", "--batch", "1", "--steps", "1", "--turns", "1"];
    let ask =
        |command: &str| flow_digits(&[&["throughput", recipe, "--against", command], &small[..]].concat());
    let says = |text: &str| {
        std::fs::write(&script, text).unwrap();
        let output = ask(&command);
        (
            output.status.success(),
            String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned(),
        )
    };
    let facts: serde_json::Value = serde_json::from_str(&stdout(&["inspect", recipe, "--json"])).unwrap();
    let parameters = facts["parameters"].as_u64().unwrap();
    let turn = |parameters: u64| {
        format!(
            r#"echo '{{"name": "the other", "parameters": {parameters}, "threads": 1, "train_ms": [2.0], "evaluation_ms": [1.0]}}'"#
        )
    };
    let (well, said) = says(&format!("echo \"$@\"\n{}\n", turn(parameters)));
    assert!(well && said.contains("the other") && said.contains("ours over theirs"), "{said}");
    let (well, said) = says(&turn(7));
    assert!(!well && said.contains("has 7 parameters") && said.contains("not the same network"), "{said}");
    let (well, said) = says("echo hello");
    assert!(!well && said.contains("a line of JSON"), "{said}");
    let (well, said) = says("echo broken >&2\nexit 3");
    assert!(!well && said.contains("broken") && said.contains('3'), "{said}");
    let missing = ask("no-such-program-here");
    assert!(String::from_utf8_lossy(&missing.stderr).contains("cannot run no-such-program-here"));
}

#[test]
fn recipes_are_listed_with_size_cost_and_result() {
    let text = stdout(&["recipes"]);
    let line = text.lines().find(|line| line.starts_with("mnist-unet ")).unwrap();
    assert!(line.contains("unet 32-64") && line.contains("FID"), "{line}");
    let all: serde_json::Value = serde_json::from_str(&stdout(&["recipes", "--json"])).unwrap();
    let study = all.as_array().unwrap().iter().find(|r| r["file"] == "study").unwrap();
    assert_eq!(study["what"], "study");
}

#[test]
fn figures_are_written_and_mistakes_about_them_are_named_before_any_work() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("new/schedules.svg");
    let out = out.to_str().unwrap();
    let said = stdout(&["plot", "schedules", "linear", "shift:k=5", "--steps", "4", "--out", out]);
    assert!(said.contains(out), "{said}");
    let svg = std::fs::read_to_string(out).unwrap();
    assert!(svg.starts_with("<svg") && svg.contains("data-label=\"shift:k=5\""), "{svg}");
    let model = "public/models/mnist-unet.safetensors";
    let nearest = stderr(&["plot", "schedules", "liner"]);
    assert!(nearest.contains("`linear`"), "{nearest}");
    let figure = stderr(&["plot", "trajectory"]);
    assert!(figure.contains("'trajectories'"), "{figure}");
    let fitted = stderr(&["plot", "schedules", "optimal"]);
    assert!(fitted.contains("--model"), "{fitted}");
    let ending = stderr(&["plot", "velocity", model, "--out", "velocity.png"]);
    assert!(ending.contains("velocity.png") && ending.contains(".svg"), "{ending}");
    let range = stderr(&["plot", "velocity", model, "--block", "9"]);
    assert!(range.contains("1..=7"), "{range}");
    let count = stderr(&["plot", "velocity", model, "--count", "9"]);
    assert!(count.contains("--count"), "{count}");
    let projection = stderr(&["plot", "trajectories", model, "--projection", "pcaa"]);
    assert!(projection.contains("pca") && projection.contains("random"), "{projection}");
    let solver = stderr(&["plot", "trajectories", model, "--solver", "huen"]);
    assert!(solver.contains("`heun`"), "{solver}");
}

#[test]
fn a_damaged_model_is_refused_where_its_manifest_tells() {
    let folder = tempfile::tempdir().unwrap();
    let models = concat!(env!("CARGO_MANIFEST_DIR"), "/../public/models");
    let path = folder.path().join("mnist-unet.safetensors");
    let mut bytes = std::fs::read(format!("{models}/mnist-unet.safetensors")).unwrap();
    let last = bytes.len() - 100;
    bytes[last] ^= 1;
    std::fs::write(&path, &bytes).unwrap();
    std::fs::copy(format!("{models}/manifest.json"), folder.path().join("manifest.json")).unwrap();
    for command in ["inspect", "sample", "eval"] {
        let error = stderr(&[command, path.to_str().unwrap()]);
        assert!(error.contains("SHA-256") && error.contains("manifest.json"), "{command}: {error}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_or_closed_output_is_no_panic() {
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_flow-digits")).arg("list").stdout(full).output().unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{error}");
    assert!(error.contains("cannot write to standard output"), "{error}");
    let saved = stderr(&[
        "sample",
        "public/models/mnist-unet.safetensors",
        "--count",
        "1",
        "--steps",
        "1",
        "--out",
        "/dev/full",
    ]);
    assert!(saved.contains("no ordinary file"), "{saved}");
}

const MODEL: &str = "public/models/mnist-unet.safetensors";

/// A test set of three images, each a stroke of its own height, as IDX files.
fn strokes(folder: &std::path::Path) {
    let mut images = vec![0, 0, 8, 3, 0, 0, 0, 3, 0, 0, 0, 28, 0, 0, 0, 28];
    for image in 0..3 {
        images.extend((0..784).map(|i| {
            let (y, x) = (i / 28, i % 28);
            if (13..16).contains(&x) && (4 + image..24).contains(&y) { 250 } else { 0 }
        }));
    }
    std::fs::write(folder.join("t10k-images-idx3-ubyte"), images).unwrap();
    std::fs::write(folder.join("t10k-labels-idx1-ubyte"), [0, 0, 8, 1, 0, 0, 0, 3, 1, 1, 7]).unwrap();
}

#[test]
fn a_likelihood_has_error_bars_and_does_not_depend_on_the_other_images() {
    let folder = tempfile::tempdir().unwrap();
    strokes(folder.path());
    let ask = |index: &str, images: &str| -> serde_json::Value {
        let out = folder.path().join("likelihood.json");
        let data = folder.path().to_str().unwrap();
        let path = out.to_str().unwrap();
        // Fewer steps than these tell nonsense: three of Heun's less than no bits at all.
        let steps = ["--solver", "rk4", "--steps", "8"];
        let options = ["--probes", "2", "--index", index, "--images", images];
        let asked = ["likelihood", MODEL, "--data", data, "--out", path];
        let text = stdout(&[&asked[..], &steps, &options].concat());
        assert!(text.contains("bits a pixel") && text.contains("uniform dequantization"), "{text}");
        serde_json::from_str(&std::fs::read_to_string(out).unwrap()).unwrap()
    };
    let (all, last) = (ask("0", "3"), ask("2", "1"));
    let images = all["images"].as_array().unwrap();
    assert_eq!((images.len(), all["dimensions"].as_u64()), (3, Some(784)));
    for image in images {
        let [nats, bits] = ["nats", "bits_per_dimension"].map(|key| image[key].as_f64().unwrap());
        assert!((bits + nats / (784.0 * std::f64::consts::LN_2)).abs() < 1e-9);
        // Uniform grey levels would take 8 bits.
        assert!(bits > 0.0 && bits < 8.0, "{bits}");
        assert!(image["standard_error"].as_f64().unwrap() > 0.0);
        // Eight steps look 32 times, two probes each, forth and back.
        assert_eq!(image["evaluations"].as_u64(), Some(32 * 2 * 2));
    }
    assert!(all["nats"]["error_of_images"].as_f64().unwrap() > 0.0);
    let (together, alone) = (&images[2], &last["images"][0]);
    assert_eq!((&together["label"], &together["image"]), (&alone["label"], &alone["image"]));
    let nats = |value: &serde_json::Value| value["nats"].as_f64().unwrap();
    assert!((nats(together) - nats(alone)).abs() < 0.5, "{together} {alone}");
}

#[test]
fn an_inverted_image_comes_back_and_its_strip_shows_all_that_was_drawn() {
    let folder = tempfile::tempdir().unwrap();
    strokes(folder.path());
    let out = folder.path().join("strip.png");
    let (data, path) = (folder.path().to_str().unwrap(), out.to_str().unwrap());
    let size = || {
        let file = std::io::BufReader::new(std::fs::File::open(&out).unwrap());
        png::Decoder::new(file).read_info().unwrap().info().size()
    };
    let solver = ["--solver", "rk4", "--steps", "20"];
    let from_data = ["invert", MODEL, "--data", data, "--out", path, "--index", "1", "--images", "2"];
    let text = stdout(&[&from_data[..], &solver, &["--to", "3", "--guidance", "2"]].concat());
    assert!(text.contains("test image 1 as 1") && text.contains("test image 2 as 7"), "{text}");
    assert!(text.contains("80 evaluations to the noise, 80 back"), "{text}");
    assert!(text.contains("as 3, guidance 2: 160 evaluations"), "{text}");
    // Two rows of four images of 28 pixels, four times as large, with gutters of four.
    assert_eq!(size(), (4 * 116 + 4, 2 * 116 + 4));
    for line in text.lines().filter(|line| line.contains("round trip RMS")) {
        let rms = line.split("RMS ").nth(1).unwrap().split(',').next().unwrap().parse::<f64>().unwrap();
        assert!(rms < 0.02, "{line}");
    }

    // The picture itself as a PNG, dark on light.
    let own = folder.path().join("own.png");
    let mut encoder = png::Encoder::new(std::fs::File::create(&own).unwrap(), 28, 28);
    encoder.set_color(png::ColorType::Grayscale);
    let light: Vec<u8> = (0..784).map(|i| if (13..16).contains(&(i % 28)) { 0 } else { 255 }).collect();
    encoder.write_header().unwrap().write_image_data(&light).unwrap();
    let own = own.to_str().unwrap();
    let text = stdout(&["invert", MODEL, "--png", own, "--dark-on-light", "--steps", "4", "--out", path]);
    assert!(text.contains("without a class"), "{text}");
    assert_eq!(size(), (3 * 116 + 4, 116 + 4));

    let wrong = stderr(&["invert", MODEL, "--png", path, "--out", path]);
    assert!(wrong.contains("352 x 120") && wrong.contains("28 x 28"), "{wrong}");
}

#[test]
fn what_cannot_be_asked_of_an_image_is_refused_with_what_is_accepted() {
    let probes = stderr(&["likelihood", MODEL, "--probes", "0"]);
    assert!(probes.contains("1 to 4096"), "{probes}");
    let digit = stderr(&["likelihood", MODEL, "--digit", "3"]);
    assert!(digit.contains("--digit"), "{digit}");
    let missing = stderr(&["likelihood", MODEL, "--data", "/nonexistent"]);
    assert!(missing.contains("t10k-images-idx3-ubyte") && missing.contains("flow-digits data"), "{missing}");
    let folder = tempfile::tempdir().unwrap();
    strokes(folder.path());
    let data = folder.path().to_str().unwrap();
    let many = stderr(&["likelihood", MODEL, "--data", data, "--index", "2", "--images", "2"]);
    assert!(many.contains("3 test images"), "{many}");
    let noisy = stderr(&["likelihood", MODEL, "--data", data, "--images", "1", "--solver", "sde-euler"]);
    assert!(noisy.contains("sde-euler") && noisy.contains("heun"), "{noisy}");
    let unguided = stderr(&["invert", MODEL, "--guidance", "2", "--out", "x.png"]);
    assert!(unguided.contains("--to"), "{unguided}");
    let any = stderr(&["invert", MODEL, "--to", "any", "--out", "x.png"]);
    assert!(any.contains("0 to 9"), "{any}");
    let both = stderr(&["invert", MODEL, "--png", "a.png", "--index", "1", "--out", "x.png"]);
    assert!(both.contains("--png"), "{both}");
}
