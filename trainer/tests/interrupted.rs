//! The built command on a tiny recipe and tiny data: killed at any moment, with a full disk, with damaged data.
//!
//! `FLOW_DIGITS_KILLS=200 cargo test -p trainer --test interrupted` kills as often as that instead of eight times.
#![cfg(target_os = "linux")]
// Clippy takes a helper of tests for ordinary code.
#![allow(clippy::unwrap_used)]

use burn::tensor::Device;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};
use trainer::train::latest;

const STEPS: u64 = 12;

/// Forty training and ten test images as IDX files: a bar whose height is the class.
fn bars(folder: &Path) {
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
fn arguments(data: &Path, out: &Path, resume: bool, more: &[&str]) -> Vec<String> {
    let mut arguments: Vec<String> = ["train", "recipes/mnist-unet.toml", "--device", "cpu", "--data"]
        .map(str::to_owned)
        .into_iter()
        .chain([data.display().to_string(), "--out".to_owned(), out.display().to_string()])
        .collect();
    for set in [
        "architecture.channels=[8, 16]",
        "architecture.blocks=1",
        "architecture.embedding=16",
        "architecture.groups=4",
        "architecture.attention_heads=2",
        "train.batch=6",
        "train.steps=12",
        "train.warmup_steps=2",
        "output.checkpoint_every=1",
        "output.report_every=12",
        "output.plan=solver=euler&steps=1&guidance=1&count=2",
    ] {
        arguments.extend(["--set".to_owned(), set.to_owned()]);
    }
    arguments.extend(resume.then(|| "--resume".to_owned()));
    arguments.extend(more.iter().map(|text| (*text).to_owned()));
    arguments
}

fn command(arguments: &[String]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_flow-digits"));
    command.args(arguments).current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn ended_well(output: &Output) {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// The SHA-256 of a finished run's weights and average.
fn end(run: &Path) -> [String; 2] {
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

/// What the folder of checkpoints holds that is written just now.
fn being_written(run: &Path) -> Option<PathBuf> {
    let entries = std::fs::read_dir(run.join("checkpoints")).ok()?;
    let mut paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    paths.find(|path| path.extension().is_some_and(|e| e == "writing"))
}

#[test]
fn a_run_that_is_killed_at_any_moment_resumes_to_the_same_bits() {
    let wanted: usize = std::env::var("FLOW_DIGITS_KILLS").map_or(8, |n| n.parse().unwrap());
    let scratch = tempfile::tempdir().unwrap();
    let data = scratch.path().join("data");
    bars(&data);
    let whole = scratch.path().join("whole");
    let begun = Instant::now();
    ended_well(&command(&arguments(&data, &whole, false, &[])).output().unwrap());
    let (took, expected) = (begun.elapsed(), end(&whole));

    let (mut kills, mut in_saves, mut before_any, mut runs) = (0, 0, 0, 0);
    while kills < wanted {
        runs += 1;
        let run = scratch.path().join(format!("run-{runs}"));
        loop {
            let resume = latest(&run).unwrap().is_some();
            let mut child = command(&arguments(&data, &run, resume, &[])).spawn().unwrap();
            if kills == wanted {
                ended_well(&child.wait_with_output().unwrap());
                break;
            }
            let left_over = being_written(&run);
            let begun = Instant::now();
            // By turns: after a part of the time that a whole run takes, and in the middle of the n-th save.
            let wait = took.mul_f64((kills % 7 + 1) as f64 / 9.0);
            let mut saves = kills / 2 % 3;
            let mut seen = left_over.clone();
            let ended = loop {
                if child.try_wait().unwrap().is_some() {
                    break true;
                }
                if kills % 2 == 0 {
                    if begun.elapsed() > wait {
                        break false;
                    }
                    std::thread::sleep(Duration::from_millis(1));
                } else {
                    let now = being_written(&run);
                    if now.is_some() && now != seen {
                        if saves == 0 {
                            // Somewhere within the few milliseconds that a save takes.
                            std::thread::sleep(Duration::from_micros(700 * (kills as u64 / 2 % 12)));
                            break false;
                        }
                        saves -= 1;
                    }
                    if now.is_some() {
                        seen = now;
                    }
                }
            };
            if ended {
                let output = child.wait_with_output().unwrap();
                ended_well(&output);
                break;
            }
            child.kill().unwrap();
            child.wait().unwrap();
            kills += 1;
            in_saves += usize::from(being_written(&run).is_some());
            before_any += usize::from(latest(&run).unwrap().is_none());
        }
        assert_eq!(end(&run), expected, "after {kills} kills in {runs} runs");
        std::fs::remove_dir_all(&run).unwrap();
    }
    println!(
        "{kills} kills in {runs} runs: {in_saves} in the middle of a save, {before_any} before any checkpoint"
    );
}

#[test]
fn a_full_disk_is_an_error_that_names_the_file_and_the_run_goes_on_when_there_is_room() {
    let scratch = tempfile::tempdir().unwrap();
    let (data, run, whole) =
        (scratch.path().join("data"), scratch.path().join("run"), scratch.path().join("whole"));
    bars(&data);
    ended_well(&command(&arguments(&data, &whole, false, &[])).output().unwrap());
    ended_well(&command(&arguments(&data, &run, false, &["--stop-after", "2"])).output().unwrap());

    // A disk of its own, where that is permitted: room for the run and half a checkpoint more.
    let disk = scratch.path().join("disk");
    std::fs::create_dir(&disk).unwrap();
    let size = |path: &Path| -> u64 {
        let files = std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap());
        files.map(|file| file.metadata().unwrap().len().next_multiple_of(4096)).sum()
    };
    let one = size(&run.join("checkpoints/step-00000002"));
    let room = 2 * one + one / 2 + 64 * 1024;
    let inner = format!(
        "mount -t tmpfs -o size={room} tmpfs '{disk}' && cp -r '{run}' '{disk}/run' || exit 99\n\"$@\"\ncode=$?\n\
         rm -rf '{run}' && cp -r '{disk}/run' '{run}'\nexit $code",
        disk = disk.display(),
        run = run.display()
    );
    let mut limited = Command::new("unshare");
    limited.args(["-rm", "sh", "-c", &inner, "sh", env!("CARGO_BIN_EXE_flow-digits")]);
    limited.args(arguments(&data, &disk.join("run"), true, &[]));
    limited.current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    let said = limited.output().ok().filter(|output| output.status.code() == Some(1));
    let (output, reason) = match said {
        Some(output) => (output, "No space left on device"),
        // Elsewhere, no file may be larger than 64 KiB, and the signal that says so is ignored.
        None => {
            let mut limited = Command::new("sh");
            let inner = "trap '' XFSZ; ulimit -f 64; exec \"$@\"";
            limited.args(["-c", inner, "sh", env!("CARGO_BIN_EXE_flow-digits")]);
            limited.args(arguments(&data, &run, true, &[]));
            limited.current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
            (limited.output().unwrap(), "File too large")
        }
    };
    let error = String::from_utf8(output.stderr).unwrap();
    println!("full disk: {}", error.trim());
    assert!(!output.status.success() && error.contains(reason), "{error}");
    assert!(error.contains("error: ") && error.contains(".bpk"), "{error}");
    assert!(latest(&run).unwrap().is_some_and(|checkpoint| checkpoint.state().step >= 2));
    ended_well(&command(&arguments(&data, &run, true, &[])).output().unwrap());
    assert_eq!(end(&run), end(&whole));
}

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
