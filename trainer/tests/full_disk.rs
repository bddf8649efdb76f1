//! The built command without room: on a disk that is full (a small tmpfs, where mounting is permitted), and where files may
//! not grow. What was there stays whole, the error names the file and the reason, and with room again all goes on.
#![cfg(target_os = "linux")]
// Clippy takes a helper of tests for ordinary code.
#![allow(clippy::unwrap_used)]

mod common;

use common::{arguments, bars, command, end, ended_well, skip};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Output};
use trainer::train::latest;

const BINARY: &str = env!("CARGO_BIN_EXE_flow-digits");
const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
/// What a file takes on a tmpfs is counted in pages.
const PAGE: u64 = 4096;

/// Runs the command on a disk of this size that holds a copy of `folder`, which stands at `disk/it` for the command; and
/// brings back what is there afterwards. `None` where no disk can be mounted.
fn on_a_disk(
    scratch: &Path,
    size: u64,
    folder: &Path,
    arguments: &dyn Fn(&Path) -> Vec<String>,
) -> Option<Output> {
    let disk = scratch.join("disk");
    std::fs::create_dir_all(&disk).unwrap();
    // The mount is in a namespace of its own and goes with the command.
    let script = format!(
        "mount -t tmpfs -o size={size} tmpfs '{disk}' && cp -r '{folder}' '{disk}/it' || exit 99\n\"$@\"\ncode=$?\n\
         rm -rf '{folder}' && cp -r '{disk}/it' '{folder}'\nexit $code",
        disk = disk.display(),
        folder = folder.display()
    );
    let mut command = Command::new("unshare");
    command
        .args(["-rm", "sh", "-c", &script, "sh", BINARY])
        .args(arguments(&disk.join("it")))
        .current_dir(ROOT);
    let output = command.output().ok()?;
    // 1 is the command's own; unshare ends with 1, too, but says so.
    let mounted = output.status.code() == Some(1) && !output.stderr.starts_with(b"unshare");
    (mounted || output.status.success()).then_some(output)
}

/// Runs the command where no file may grow beyond this many blocks of 512 bytes; the signal that says so is ignored.
fn with_small_files(blocks: u64, arguments: Vec<String>) -> Output {
    let script = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$@\"");
    Command::new("sh").args(["-c", &script, "sh", BINARY]).args(arguments).current_dir(ROOT).output().unwrap()
}

/// The error of a command that failed, with this reason and this file.
fn failed(output: &Output, reason: &str, file: &str) {
    let error = String::from_utf8_lossy(&output.stderr);
    println!("{}", error.trim());
    assert!(!output.status.success(), "it succeeded");
    assert!(error.contains("error: ") && error.contains(reason) && error.contains(file), "{error}");
}

/// What the files of a folder take.
fn size(folder: &Path) -> u64 {
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    files.map(|file| file.metadata().unwrap().len().next_multiple_of(PAGE)).sum()
}

/// The files of a folder by name.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    entries
        .map(|entry| (entry.file_name().into_string().unwrap(), std::fs::read(entry.path()).unwrap()))
        .collect()
}

/// A training that has two of its steps, and where it would end.
struct Half {
    scratch: tempfile::TempDir,
}

impl Half {
    fn new() -> Self {
        let half = Self { scratch: tempfile::tempdir().unwrap() };
        bars(&half.path("data"));
        ended_well(&command(&half.train("whole", false, &[])).output().unwrap());
        ended_well(&command(&half.train("run", false, &["--stop-after", "2"])).output().unwrap());
        half
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.scratch.path().join(name)
    }

    fn train(&self, run: &str, resume: bool, more: &[&str]) -> Vec<String> {
        arguments(&self.path("data"), &self.path(run), resume, more)
    }

    /// The checkpoint is there, and the training goes on to the bits of the one that never stopped.
    fn goes_on(&self) {
        let run = self.path("run");
        assert!(latest(&run).unwrap().is_some_and(|checkpoint| checkpoint.state().step >= 2));
        ended_well(&command(&self.train("run", true, &[])).output().unwrap());
        assert_eq!(end(&run), end(&self.path("whole")));
    }
}

#[test]
fn a_checkpoint_that_finds_no_room_is_an_error_and_the_run_goes_on_when_there_is_room() {
    let half = Half::new();
    let run = half.path("run");
    let one = size(&run.join("checkpoints/step-00000002"));
    // For the run and a half of a checkpoint more.
    let room = 2 * one + one / 2 + 16 * PAGE;
    let resumed = |run: &Path| arguments(&half.path("data"), run, true, &[]);
    match on_a_disk(half.scratch.path(), room, &run, &resumed) {
        Some(output) => failed(&output, "No space left on device", ".bpk"),
        None => {
            return skip(
                "a_checkpoint_that_finds_no_room",
                "no disk can be mounted here (unshare -rm, mount)",
            );
        }
    }
    half.goes_on();
}

#[test]
fn a_checkpoint_whose_files_may_not_grow_is_an_error_and_the_run_goes_on() {
    let half = Half::new();
    let output = with_small_files(64, half.train("run", true, &[]));
    failed(&output, "File too large", ".bpk");
    half.goes_on();
}

/// Two runs that differ, the first exported: its folder of models.
fn exported(half: &Half) -> std::path::PathBuf {
    let models = half.path("models");
    ended_well(&command(&export(&half.path("whole"), &models)).output().unwrap());
    models
}

fn export(run: &Path, models: &Path) -> Vec<String> {
    let (run, models) = (run.display().to_string(), models.display().to_string());
    ["export", &run, "--dir", &models, "--images", "0", "--precision", "f16", "--device", "cpu"]
        .map(str::to_owned)
        .to_vec()
}

#[test]
fn an_export_that_finds_no_room_leaves_the_older_model_and_its_manifest() {
    let half = Half::new();
    let models = exported(&half);
    let before = files(&models);
    assert_eq!(before.len(), 3, "{:?}", before.keys());
    let pages = |name: &str| (before[name].len() as u64).next_multiple_of(PAGE);
    let (model, answer) = (pages("mnist-unet.safetensors"), pages("mnist-unet.self-test.bin"));
    // Room beside the older files for nothing, for the model alone, and for all but the manifest.
    for (room, file) in [
        (0, "mnist-unet.safetensors"),
        (model, "mnist-unet.self-test.bin"),
        (model + answer, "manifest.json"),
    ] {
        let other = |models: &Path| export(&half.path("run"), models);
        let Some(output) = on_a_disk(half.scratch.path(), size(&models) + room, &models, &other) else {
            return skip("an_export_that_finds_no_room", "no disk can be mounted here (unshare -rm, mount)");
        };
        failed(&output, "No space left on device", file);
        assert!(files(&models) == before, "with room for {room} bytes: {:?}", files(&models).keys());
    }
    ended_well(&command(&export(&half.path("run"), &models)).output().unwrap());
    let after = files(&models);
    assert!(after.keys().eq(before.keys()), "{:?}", after.keys());
    assert!(after.iter().all(|(name, bytes)| *bytes != before[name]), "the other run is exported now");
}

#[test]
fn an_export_whose_files_may_not_grow_leaves_the_older_model_and_its_manifest() {
    let half = Half::new();
    let models = exported(&half);
    let before = files(&models);
    let output = with_small_files(8, export(&half.path("run"), &models));
    failed(&output, "File too large", "mnist-unet.safetensors");
    assert!(files(&models) == before, "{:?}", files(&models).keys());
}
