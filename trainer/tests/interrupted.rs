//! The built command on a tiny recipe and tiny data: damaged data, every option of the loop, stopping early.
#![cfg(target_os = "linux")]
// Clippy takes a helper of tests for ordinary code.
#![allow(clippy::unwrap_used)]

mod common;

use common::{STEPS, arguments, bars, command, end, ended_well};
use trainer::train::latest;

#[test]
fn damaged_data_is_named_with_what_was_expected() {
    let scratch = tempfile::tempdir().unwrap();
    let data = scratch.path().join("data");
    let said = |file: &str, change: &dyn Fn(&mut Vec<u8>)| {
        bars(&data);
        let path = data.join(file);
        let mut bytes = std::fs::read(&path).unwrap();
        change(&mut bytes);
        std::fs::write(&path, bytes).unwrap();
        let output = command(&arguments(&data, &scratch.path().join("run"), false, &[])).output().unwrap();
        assert!(!output.status.success());
        assert!(!scratch.path().join("run").exists());
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(error.contains(file), "{error}");
        error
    };
    let cut = said("train-images-idx3-ubyte", &|bytes| bytes.truncate(5000));
    assert!(cut.contains("4984") && cut.contains("[40, 28, 28]"), "{cut}");
    let html = said("t10k-images-idx3-ubyte", &|bytes| bytes[..6].copy_from_slice(b"<html>"));
    assert!(html.contains("IDX"), "{html}");
    let short = said("train-labels-idx1-ubyte", &|bytes| {
        bytes[7] = 39;
        bytes.truncate(8 + 39);
    });
    assert!(short.contains("39") && short.contains("40"), "{short}");
    let packed = said("train-labels-idx1-ubyte", &|bytes| bytes[..2].copy_from_slice(&[0x1f, 0x8b]));
    assert!(packed.contains("deflate"), "{packed}");
}

#[test]
fn every_option_of_the_loop_resumes_to_the_same_bits() {
    let scratch = tempfile::tempdir().unwrap();
    let data = scratch.path().join("data");
    bars(&data);
    let options = [
        ["--set", "train.optimizer=muon"],
        ["--set", "train.accumulate=3"],
        ["--set", "train.precision=bf16"],
        ["--set", "train.ema_warmup=none"],
    ];
    let options: Vec<&str> = options.into_iter().flatten().collect();
    let (whole, broken) = (scratch.path().join("whole"), scratch.path().join("broken"));
    ended_well(&command(&arguments(&data, &whole, false, &options)).output().unwrap());
    let stop: Vec<&str> = options.iter().copied().chain(["--stop-after", "5"]).collect();
    ended_well(&command(&arguments(&data, &broken, false, &stop)).output().unwrap());
    let other = command(&arguments(&data, &broken, true, &[])).output().unwrap();
    let refusal = String::from_utf8(other.stderr).unwrap();
    assert!(refusal.contains("train.optimizer was \"muon\", now none"), "{refusal}");
    ended_well(&command(&arguments(&data, &broken, true, &options)).output().unwrap());
    assert_eq!(end(&whole), end(&broken));
    let plain = scratch.path().join("plain");
    ended_well(&command(&arguments(&data, &plain, false, &[])).output().unwrap());
    assert_ne!(end(&whole), end(&plain));
}

#[test]
fn the_command_stops_early_on_the_distance_and_finds_a_rate() {
    let scratch = tempfile::tempdir().unwrap();
    let (data, run) = (scratch.path().join("data"), scratch.path().join("run"));
    bars(&data);
    let stop =
        "train.early_stop={ every = 3, images = 100, patience = 100, plan = \"solver=euler&steps=1\" }";
    let output = command(&arguments(&data, &run, false, &["--set", stop])).output().unwrap();
    ended_well(&output);
    assert!(!String::from_utf8_lossy(&output.stderr).contains("failed"), "{output:?}");
    let metrics = std::fs::read_to_string(run.join("metrics.jsonl")).unwrap();
    assert_eq!(metrics.lines().filter(|line| line.contains("\"fid\":")).count(), 4, "{metrics}");
    let best = latest(&run.join("best")).unwrap().unwrap();
    let told = latest(&run).unwrap().unwrap().state().best.clone().unwrap();
    assert_eq!(told.step, best.state().step);
    assert!(told.fid.is_finite() && told.worse == (STEPS - told.step) / 3);

    let rate = scratch.path().join("rate");
    let output = command(&arguments(&data, &rate, false, &["--find-rate"])).output().unwrap();
    ended_well(&output);
    let said = String::from_utf8(output.stdout).unwrap();
    println!("{said}");
    assert!(said.contains("learning rate") && said.contains("lr-finder.csv"), "{said}");
    assert!(rate.join("lr-finder.csv").exists() && !rate.join("checkpoints").exists());
}
