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
    for command in ["data", "train", "sample", "eval", "export", "knots", "study", "plot", "inspect", "list"]
    {
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
