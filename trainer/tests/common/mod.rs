//! The built command on a tiny recipe and tiny data, for the tests that break it.

#![allow(dead_code, unreachable_pub, reason = "each test file uses its own share")]
// Clippy takes a helper of tests for ordinary code.
#![allow(clippy::unwrap_used)]

use burn::tensor::Device;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use trainer::train::latest;

/// Steps of the training.
pub const STEPS: u64 = 12;

/// What makes the flagship's recipe small enough for a test.
pub const TINY: [&str; 6] = [
    "architecture.channels=[8, 16]",
    "architecture.blocks=1",
    "architecture.embedding=16",
    "architecture.groups=4",
    "architecture.attention_heads=2",
    "train.batch=6",
];

/// Forty training and ten test images as IDX files: a bar whose height is the class.
pub fn bars(folder: &Path) {
    std::fs::create_dir_all(folder).unwrap();
    for (name, count) in [("train", 40_u8), ("t10k", 10)] {
        let mut images = vec![0, 0, 8, 3, 0, 0, 0, count, 0, 0, 0, 28, 0, 0, 0, 28];
        let mut labels = vec![0, 0, 8, 1, 0, 0, 0, count];
        for i in 0..count {
            let top = 2 * (i % 10) + 3;
            images.extend((0..784_u16).map(|p| if ((p / 28) as u8).wrapping_sub(top) < 2 { 255 } else { 0 }));
            labels.push(i % 10);
        }
        std::fs::write(folder.join(format!("{name}-images-idx3-ubyte")), images).unwrap();
        std::fs::write(folder.join(format!("{name}-labels-idx1-ubyte")), labels).unwrap();
    }
}

/// The arguments of a training of twelve steps, each with a checkpoint.
pub fn arguments(data: &Path, out: &Path, resume: bool, more: &[&str]) -> Vec<String> {
    let mut arguments: Vec<String> = ["train", "recipes/mnist-unet.toml", "--device", "cpu", "--data"]
        .map(str::to_owned)
        .into_iter()
        .chain([data.display().to_string(), "--out".to_owned(), out.display().to_string()])
        .collect();
    for set in TINY.into_iter().chain([
        "train.steps=12",
        "train.warmup_steps=2",
        "output.checkpoint_every=1",
        "output.report_every=12",
        "output.plan=solver=euler&steps=1&guidance=1&count=2",
    ]) {
        arguments.extend(["--set".to_owned(), set.to_owned()]);
    }
    arguments.extend(resume.then(|| "--resume".to_owned()));
    arguments.extend(more.iter().map(|text| (*text).to_owned()));
    arguments
}

/// The command with these arguments, in the repository, its outputs kept.
pub fn command(arguments: &[String]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_flow-digits"));
    command.args(arguments).current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Fails with what the command said, unless it succeeded.
pub fn ended_well(output: &Output) {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// The SHA-256 of a finished run's weights and average.
pub fn end(run: &Path) -> [String; 2] {
    let checkpoint = latest(run).unwrap().unwrap();
    assert_eq!(checkpoint.state().step, STEPS);
    let architecture = checkpoint.recipe().unwrap().architecture.unwrap();
    let device = Device::flex();
    let hash = |weights: models::Weights| {
        let bits: Vec<u8> = weights.values().flat_map(|w| w.1.iter().flat_map(|v| v.to_le_bytes())).collect();
        model_export::manifest::sha256_hex(&bits)
    };
    [
        hash(checkpoint.load_model(architecture.init(&device)).unwrap().weights()),
        hash(checkpoint.load_average(architecture.init(&device)).unwrap().weights()),
    ]
}

/// Says that a test could not run here, and why; `cargo xtask test` counts it as skipped (as `cross_tests::skip`).
pub fn skip(name: &str, why: &str) {
    eprintln!("SKIPPED {name}: {why}");
    if let Some(file) = std::env::var_os("FLOW_DIGITS_SKIPS") {
        let mut file = std::fs::File::options().append(true).create(true).open(file).unwrap();
        writeln!(file, "{name}\t{why}").unwrap();
    }
}
