//! A run that was stopped and resumed ends in the same bits as one that was not (Flex, CPU).
//!
//! One test in a process of its own, because Burn's seed is global to a device.

// Clippy takes a helper of tests for ordinary code.
#![allow(clippy::unwrap_used)]

mod common;

use burn::tensor::Device;
use std::path::Path;
use trainer::data::Dataset;
use trainer::recipe::Recipe;
use trainer::train::{FlowTask, Run, Start, latest, train};

/// Small images with labels: a bar whose position is the class.
fn bars() -> Dataset {
    let (count, side) = (40, 28);
    let mut images = vec![0; count * side * side];
    for (i, image) in images.chunks_mut(side * side).enumerate() {
        let row = 2 * (i % 10) + 3;
        image[row * side..(row + 2) * side].fill(255);
    }
    let labels = (0..count).map(|i| (i % 10) as u8).collect();
    Dataset { images, labels, count, channels: 1, height: side, width: side }
}

fn recipe() -> Recipe {
    let text = include_str!("../../recipes/mnist-unet.toml");
    let own = [
        "train.steps=9",
        "train.warmup_steps=2",
        "output.checkpoint_every=2",
        "output.report_every=9",
        "output.plan=solver=euler&steps=2&guidance=2&count=10",
    ];
    let overrides: Vec<String> = common::TINY.into_iter().chain(own).map(str::to_owned).collect();
    Recipe::parse(text, "test", &overrides).unwrap()
}

fn run(dir: &Path, resume: bool, stop_after: Option<u64>) -> anyhow::Result<()> {
    run_from(dir, &recipe(), None, resume, stop_after)
}

fn run_from(
    dir: &Path,
    recipe: &Recipe,
    start: Option<Start>,
    resume: bool,
    stop_after: Option<u64>,
) -> anyhow::Result<()> {
    let data = bars();
    let task = FlowTask::new(recipe, &data)?;
    let run = Run {
        recipe,
        dir: dir.to_owned(),
        device: Device::flex(),
        device_description: "cpu (Flex)".into(),
        data_description: "bars".into(),
        resume,
        start,
        stop_after,
        watch: trainer::train::Watch::default(),
    };
    train(&task, &run).map(|_| ())
}

/// The SHA-256 of weights, average and optimizer, and the metrics without their speeds.
fn end(dir: &Path) -> (Vec<String>, Vec<String>) {
    let checkpoint = latest(dir).unwrap().unwrap();
    assert_eq!(checkpoint.state().step, 9);
    assert_eq!(checkpoint.state().images, 54);
    let recipe = recipe();
    let architecture = recipe.architecture.unwrap();
    let device = Device::flex();
    let hash = |weights: models::Weights| {
        let bits: Vec<u8> = weights.values().flat_map(|w| w.1.iter().flat_map(|v| v.to_le_bytes())).collect();
        model_export::manifest::sha256_hex(&bits)
    };
    let model = checkpoint.load_model(architecture.init(&device)).unwrap();
    let average = checkpoint.load_average(architecture.init(&device)).unwrap();
    let metrics = std::fs::read_to_string(dir.join("metrics.jsonl")).unwrap();
    let losses = metrics
        .lines()
        .map(|line| {
            let value: serde_json::Value = serde_json::from_str(line).unwrap();
            format!("{} {} {}", value["step"], value["loss"], value["gradient_norm"])
        })
        .collect();
    (vec![hash(model.weights()), hash(average.weights())], losses)
}

#[test]
fn a_resumed_run_ends_in_the_same_bits_as_an_unbroken_one() {
    let scratch = tempfile::tempdir().unwrap();
    let (whole, broken) = (scratch.path().join("whole"), scratch.path().join("broken"));
    run(&whole, false, None).unwrap();

    run(&broken, false, Some(3)).unwrap();
    let refusal = run(&broken, false, None).unwrap_err().to_string();
    assert!(refusal.contains("--resume"), "{refusal}");
    run(&broken, true, Some(5)).unwrap();
    // What a kill in the middle of a save leaves behind is no checkpoint, and does not stop the next one.
    let half = broken.join("checkpoints/.step-00000006.writing");
    std::fs::create_dir_all(&half).unwrap();
    std::fs::write(half.join("model.bpk"), b"half").unwrap();
    run(&broken, true, None).unwrap();

    assert_eq!(end(&whole), end(&broken));
    assert!(whole.join("grids/step-00000009.png").exists());

    // A further run starts from the average: steps at next to no rate leave it where it was, and the images
    // and the history go on.
    let further = scratch.path().join("further");
    let mut second = recipe();
    second.train.learning_rate = 1e-30;
    second.train.final_learning_rate = 0.0;
    run_from(&further, &second, Some(Start::open(&whole).unwrap()), false, Some(2)).unwrap();
    let (before, after) = (latest(&whole).unwrap().unwrap(), latest(&further).unwrap().unwrap());
    let architecture = second.architecture.clone().unwrap();
    let average = |c: &trainer::train::Checkpoint| {
        c.load_average(architecture.init(&Device::flex())).unwrap().weights()
    };
    let mut furthest = 0.0_f32;
    for (name, (_, values)) in average(&before) {
        let now = &average(&after)[&name].1;
        furthest = values.iter().zip(now).fold(furthest, |d, (a, b)| d.max((a - b).abs()));
    }
    assert!(furthest < 1e-6, "{furthest}");
    assert_eq!((after.state().step, after.state().images), (2, 54 + 12));
    let history = after.state().started_from.clone().unwrap();
    assert_eq!(history["training"]["images_seen"], 54);

    second.normalization.mean = 0.0;
    let start = Start::open(&whole).unwrap();
    let refusal = run_from(&scratch.path().join("scaled"), &second, Some(start), false, None).unwrap_err();
    assert!(refusal.to_string().contains("mean 0.5"), "{refusal}");

    // A newest checkpoint that is damaged gives way to the one before.
    std::fs::write(broken.join("checkpoints/step-00000009/model.bpk"), b"damaged").unwrap();
    assert_eq!(latest(&broken).unwrap().unwrap().state().step, 8);

    let nothing = run(&scratch.path().join("nowhere"), true, None).unwrap_err().to_string();
    assert!(nothing.contains("no checkpoint"), "{nothing}");
}
