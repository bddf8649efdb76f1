//! Every recipe that ships takes steps, at a size that a processor bears, and what it makes is sampled and exported.

// Clippy takes a helper of tests for ordinary code.
#![allow(clippy::unwrap_used)]

use burn::tensor::Device;
use flow::plan::SamplePlan;
use model_export::Precision;
use std::path::{Path, PathBuf};
use trainer::data::Dataset;
use trainer::export::{ExportOptions, export_autoencoder, export_velocity, keep_autoencoder};
use trainer::recipe::Recipe;
use trainer::reflow::{Facts, TeacherPairs, fingerprint, make};
use trainer::sampler::Sampler;
use trainer::source::{Source, open_checkpoint};
use trainer::train::{AutoencoderTask, FlowTask, JudgeTask, Latents, Run, Watch, train};

fn recipes() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../recipes")
}

/// The recipe with a few steps of a small batch, and narrow where it is wide.
fn small(name: &str) -> Recipe {
    let path = recipes().join(format!("{name}.toml"));
    let mut sets = vec![
        "train.batch=4",
        "train.steps=2",
        "train.warmup_steps=0",
        "output.checkpoint_every=1",
        "output.report_every=2",
    ];
    let whole = Recipe::load(&path, &[]).unwrap();
    if whole.architecture.is_some() {
        sets.push("output.plan=solver=euler&steps=1&count=1");
    }
    if whole.flow.as_ref().is_some_and(|flow| flow.coupling.is_some()) {
        sets.extend(["flow.coupling.pool=8", "flow.coupling.warmup_steps=0"]);
    }
    if name == "cifar10-dit" {
        sets.extend(["architecture.width=24", "architecture.heads=2", "architecture.depth=2"]);
    }
    Recipe::load(&path, &sets.iter().map(|set| (*set).to_owned()).collect::<Vec<_>>()).unwrap()
}

fn data(recipe: &Recipe) -> Dataset {
    let [channels, height, width] = match recipe.dataset {
        trainer::data::DataSet::Cifar10 => [3, 32, 32],
        _ => [1, 28, 28],
    };
    let n = channels * height * width;
    Dataset {
        images: (0..40 * n).map(|i| (i * 31 % 251) as u8).collect(),
        labels: (0..40).map(|i| i % 10).collect(),
        count: 40,
        channels,
        height,
        width,
    }
}

fn run<'a>(recipe: &'a Recipe, dir: &Path) -> Run<'a> {
    Run {
        recipe,
        dir: dir.join(&recipe.name),
        device: Device::flex(),
        device_description: "cpu (Flex)".into(),
        data_description: "stripes".into(),
        resume: false,
        start: None,
        stop_after: None,
        watch: Watch::default(),
    }
}

/// A few pairs of a teacher, made in two goes.
fn pairs(teacher: &Path, folder: &Path) -> TeacherPairs {
    let device = Device::flex();
    let source = Source::open(teacher, &device).unwrap();
    let facts = Facts {
        teacher: source.name.clone(),
        weights: fingerprint(&source.network.weights()),
        plan: "solver=euler&steps=2&guidance=1&seed=3".parse::<SamplePlan>().unwrap().to_string(),
        evaluations: 0,
        image: source.architecture.image(),
        classes: 10,
        normalization: source.normalization,
    };
    let sampler = Sampler::of(&source, &device);
    make(&sampler, &facts, 5, folder, |_| {}).unwrap();
    assert_eq!(make(&sampler, &facts, 8, folder, |_| {}).unwrap().evaluations, 2);
    // What is there is kept, and not mixed with what is asked for otherwise.
    let before = std::fs::metadata(folder.join("part-00000.safetensors")).unwrap().modified().unwrap();
    make(&sampler, &facts, 8, folder, |_| {}).unwrap();
    let after = std::fs::metadata(folder.join("part-00000.safetensors")).unwrap().modified().unwrap();
    assert_eq!(before, after);
    let other = Facts { plan: facts.plan.replace("seed=3", "seed=4"), ..facts };
    assert!(make(&sampler, &other, 8, folder, |_| {}).unwrap_err().to_string().contains("another folder"));
    let pairs = TeacherPairs::open(folder).unwrap();
    // A pair is what the teacher makes of that noise.
    let (third, _) = sampler.batch(&pairs.facts.plan.parse().unwrap(), &[2], 2..3).unwrap();
    let worst = pairs.state(2).iter().zip(&third).fold(0_f32, |worst, (a, b)| worst.max((a - b).abs()));
    assert!(pairs.count() == 8 && pairs.labels()[2] == 2 && worst < 1e-5, "{worst}");
    pairs
}

/// Trains one, and what it needs before it.
fn step(name: &str, dir: &Path) {
    let recipe = small(name);
    let (data, run) = (data(&recipe), run(&recipe, dir));
    if let Some(latent) = &recipe.latent {
        let before = dir.join(&latent.autoencoder);
        if !before.exists() {
            step(&latent.autoencoder, dir);
        }
        let coder = keep_autoencoder(&before, &run.dir, &run.device).unwrap();
        let latents = Latents::of(&coder, &data, &run.device, |_| {}).unwrap();
        train(&FlowTask::on_latents(&recipe, &latents, &coder).unwrap(), &run).unwrap();
    } else if let Some(reflow) = &recipe.reflow {
        let teacher = dir.join(&reflow.teacher);
        if !teacher.exists() {
            step(&reflow.teacher, dir);
        }
        let pairs = pairs(&teacher, &dir.join("pairs"));
        assert!(FlowTask::new(&recipe, &data).is_err(), "{name} learns from pairs, not from images");
        train(&FlowTask::on_pairs(&recipe, &pairs).unwrap(), &run).unwrap();
    } else if recipe.architecture.is_some() {
        train(&FlowTask::new(&recipe, &data).unwrap(), &run).unwrap();
    } else if recipe.classifier.is_some() {
        train(&JudgeTask::new(&recipe, &data, &data).unwrap(), &run).unwrap();
    } else {
        train(&AutoencoderTask::new(&recipe, &data, &data).unwrap(), &run).unwrap();
    }
    let metrics = std::fs::read_to_string(run.dir.join("metrics.jsonl")).unwrap();
    assert!(metrics.lines().count() >= 3, "{name}: two steps and a report, not {metrics}");
    assert!(!metrics.contains("null"), "{name}: {metrics}");
}

#[test]
fn every_shipped_recipe_takes_steps_and_reports() {
    let dir = tempfile::tempdir().unwrap();
    let mut stepped = 0;
    for entry in std::fs::read_dir(recipes()).unwrap() {
        let name = entry.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned();
        // A study trains nothing; the second part of a training has the first one's name.
        if name.starts_with("study") || name.ends_with("-more") || dir.path().join(&name).exists() {
            continue;
        }
        step(&name, dir.path());
        stepped += 1;
    }
    assert!(stepped >= 14, "{stepped}");
}

#[test]
fn a_latent_flow_is_exported_with_its_decoder_and_gives_the_same_pictures() {
    let dir = tempfile::tempdir().unwrap();
    let device = Device::flex();
    let models = dir.path().join("models");
    let options = ExportOptions {
        dir: models.clone(),
        precision: Some(Precision::F32),
        images: 0,
        default: false,
        weak: None,
    };
    let velocity = |name: &str| {
        let checkpoint = open_checkpoint(&dir.path().join(name)).unwrap();
        export_velocity(&checkpoint, None, &device, &options, |_, _| {})
    };
    step("mnist-unet", dir.path());
    velocity("mnist-unet").unwrap();
    for (coder, name) in [("mnist-vae", "latent-small"), ("mnist-vqvae", "latent-vq")] {
        step(name, dir.path());
        let error = velocity(name).err().unwrap().to_string();
        assert!(error.contains(coder) && error.contains("export its run first"), "{error}");
        let checkpoint = open_checkpoint(&dir.path().join(coder)).unwrap();
        export_autoencoder(&checkpoint, None, None, &device, &options, |_, _| {}).unwrap();
        let exported = velocity(name).unwrap();
        let plan: SamplePlan = "solver=euler&steps=3&guidance=2&count=3&seed=5".parse().unwrap();
        let sampled = |path: &Path| {
            let source = Source::open(path, &device).unwrap();
            Sampler::of(&source, &device).run(&plan, |_| {}).unwrap()
        };
        let (file, kept) = (sampled(&exported.path), sampled(&dir.path().join(name)));
        assert_eq!((file.image, file.evaluations), ([1, 28, 28], 6));
        let worst = file.pixels.iter().zip(&kept.pixels).fold(0_f32, |w, (a, b)| w.max((a - b).abs()));
        assert!(worst < 1e-5, "{name}: the file and the run differ by {worst}");
    }
    // The command's pictures and films are of images, not of latents, and so are those between two seeds.
    let command = |more: &[&str]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_flow-digits"));
        command.args(["sample", "--device", "cpu", "--solver", "euler", "--steps", "2", "--guidance", "1"]);
        let output = command.arg(models.join("latent-small.safetensors")).args(more).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    let [png, gif] = ["a.png", "a.gif"].map(|name| dir.path().join(name));
    let [out, film] = [&png, &gif].map(|path| path.to_str().unwrap());
    let size = |path: &Path| {
        let file = std::io::BufReader::new(std::fs::File::open(path).unwrap());
        let reader = png::Decoder::new(file).read_info().unwrap();
        (reader.info().width, reader.info().height)
    };
    command(&["--count", "4", "--out", out, "--gif", film, "--frames", "3"]);
    // Two columns of 28 pixels at twice their size, with a gutter of 2.
    assert_eq!(size(&png), (118, 118));
    let film = std::fs::read(&gif).unwrap();
    let side = |at: usize| u16::from_le_bytes([film[at], film[at + 1]]);
    assert_eq!((side(6), side(8)), (230, 230));
    command(&["--interpolate", "1", "2", "--columns", "3", "--out", out]);
    assert_eq!(size(&png), (176, 60));

    // The variational one is a model of its own, without evaluations; the other has no prior.
    let plan: SamplePlan = "steps=9&count=3".parse().unwrap();
    let vae = Source::open(&models.join("mnist-vae.safetensors"), &device).unwrap();
    let drawn = Sampler::of(&vae, &device).run(&plan, |_| {}).unwrap();
    assert_eq!((drawn.evaluations, drawn.pixels.len()), (0, 3 * 784));
    let error = Source::open(&models.join("mnist-vqvae.safetensors"), &device).err().unwrap();
    assert!(format!("{error:#}").contains("no prior"), "{error:#}");
    // Work on images refuses latents by name.
    assert!(vae.require_images("invert").unwrap_err().to_string().contains("mnist-vae"));
}

#[test]
fn a_flow_over_latents_does_not_go_on_with_another_autoencoder() {
    let dir = tempfile::tempdir().unwrap();
    step("latent-small", dir.path());
    let other = Recipe::load(
        &recipes().join("mnist-vae.toml"),
        &["seed=7", "train.batch=4", "train.steps=1", "train.warmup_steps=0"].map(str::to_owned),
    )
    .unwrap();
    let data = data(&other);
    let elsewhere = dir.path().join("elsewhere");
    train(&AutoencoderTask::new(&other, &data, &data).unwrap(), &run(&other, &elsewhere)).unwrap();
    let kept = dir.path().join("latent-small");
    let error = keep_autoencoder(&elsewhere.join("mnist-vae"), &kept, &Device::flex()).err().unwrap();
    assert!(error.to_string().contains("another autoencoder"), "{error}");
    // Without the run, the copy is enough.
    keep_autoencoder(&dir.path().join("gone"), &kept, &Device::flex()).unwrap();
}
