//! The built command, killed (SIGKILL) at random moments and in the middle of saves: it always resumes, and ends in the same
//! bytes as a run that nobody touched.
//!
//! `cargo xtask torment --kills 300` kills as often as that instead of eight times, and says how it goes.
#![cfg(target_os = "linux")]
// Clippy takes a helper of tests for ordinary code.
#![allow(clippy::unwrap_used)]

mod common;

use common::{STEPS, arguments, bars, command, ended_well};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use serde_json::Value;
use std::collections::BTreeMap;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::time::{Duration, Instant};
use trainer::train::latest;

/// What the folder of checkpoints holds that is written just now.
fn being_written(run: &Path) -> Option<PathBuf> {
    let entries = std::fs::read_dir(run.join("checkpoints")).ok()?;
    let mut paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    paths.find(|path| path.extension().is_some_and(|e| e == "writing"))
}

/// A number that stands in a variable of the environment.
fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).map_or(otherwise, |text| text.parse().unwrap())
}

/// Moments from a seed.
struct Moments(ChaCha8Rng);

impl Moments {
    /// Between nothing and `most`.
    fn up_to(&mut self, most: Duration) -> Duration {
        most.mul_f64(f64::from(self.0.next_u32()) / f64::from(u32::MAX))
    }

    fn below(&mut self, end: u32) -> u32 {
        self.0.next_u32() % end
    }
}

/// When to kill.
#[derive(Clone, Copy)]
enum Aim {
    /// After this time.
    At(Duration),
    /// This long after the beginning of a save, when so many saves are over.
    Save { skip: u32, after: Duration },
}

/// Waits for the moment. Whether it came: the command may have ended before.
fn moment_comes(child: &mut Child, run: &Path, aim: Aim) -> bool {
    let begun = Instant::now();
    let mut seen = being_written(run);
    let mut left = match aim {
        Aim::Save { skip, .. } => skip,
        Aim::At(_) => 0,
    };
    loop {
        if child.try_wait().unwrap().is_some() {
            return false;
        }
        match aim {
            Aim::At(moment) if begun.elapsed() >= moment => return true,
            Aim::At(_) => std::thread::sleep(Duration::from_millis(1)),
            Aim::Save { after, .. } => {
                let now = being_written(run);
                if now.is_some() && now != seen {
                    if left == 0 {
                        std::thread::sleep(after);
                        return true;
                    }
                    left -= 1;
                }
                seen = now.or(seen);
                std::thread::sleep(Duration::from_micros(100));
            }
        }
    }
}

/// The tensors of a burnpack file, behind its header (magic, version, length, and tensors' names with the numbers that Burn draws for
/// parameters anew in each process). A tensor begins at a multiple of 256 bytes, and an optimizer's lie in the order of those
/// numbers: the blocks of 256 bytes, sorted, are the same whatever the order.
fn tensors(file: &[u8]) -> Vec<u8> {
    let header = 10 + u32::from_le_bytes(file[6..10].try_into().unwrap()) as usize;
    let mut data = file[header.next_multiple_of(256)..].to_vec();
    data.resize(data.len().next_multiple_of(256), 0);
    let (blocks, _) = data.as_chunks::<256>();
    let mut blocks = blocks.to_vec();
    blocks.sort_unstable();
    blocks.concat()
}

/// All that a finished run leaves, but for the seconds that it took: the numbers and the state of its last checkpoint, and the files
/// of its export.
fn remains(run: &Path) -> BTreeMap<String, Vec<u8>> {
    let checkpoint = latest(run).unwrap().unwrap();
    assert_eq!(checkpoint.state().step, STEPS);
    let read = |path: PathBuf| std::fs::read(&path).unwrap();
    let mut remains = BTreeMap::new();
    for name in ["model.bpk", "average.bpk", "optimizer.bpk"] {
        remains.insert(name.to_owned(), tensors(&read(checkpoint.dir().join(name))));
    }
    let mut state: Value = serde_json::from_slice(&read(checkpoint.dir().join("state.json"))).unwrap();
    state["seconds"] = Value::Null;
    // Hashes of whole files, with what is drawn anew.
    state["sha256"] = Value::Null;
    remains.insert("state.json".to_owned(), state.to_string().into_bytes());

    let models = run.join("models");
    let asked =
        ["export", &run.display().to_string(), "--dir", &models.display().to_string()].map(str::to_owned);
    let how = ["--images", "0", "--precision", "f16", "--device", "cpu"].map(str::to_owned);
    ended_well(&command(&[asked.to_vec(), how.to_vec()].concat()).output().unwrap());
    let file = read(models.join("mnist-unet.safetensors"));
    let mut model = model_export::read(&file).unwrap();
    model.header.training["seconds"] = Value::Null;
    let header = 8 + u64::from_le_bytes(file[..8].try_into().unwrap()) as usize;
    remains.insert("the export's header".to_owned(), format!("{:?}", model.header).into_bytes());
    remains.insert("the export's tensors".to_owned(), file[header..].to_vec());
    remains.insert("the export's self-test".to_owned(), read(models.join("mnist-unet.self-test.bin")));
    remains
}

#[test]
fn a_run_that_is_killed_at_any_moment_resumes_to_the_same_bytes() {
    let wanted = number("FLOW_DIGITS_KILLS", 8);
    let mut moments = Moments(ChaCha8Rng::seed_from_u64(number("FLOW_DIGITS_SEED", 1)));
    let scratch = tempfile::tempdir().unwrap();
    let data = scratch.path().join("data");
    bars(&data);
    let whole = scratch.path().join("whole");
    let begun = Instant::now();
    ended_well(&command(&arguments(&data, &whole, false, &[])).output().unwrap());
    let took = begun.elapsed();
    let expected = remains(&whole);

    let (mut kills, mut in_saves, mut before_any, mut resumed, mut runs) = (0, 0, 0, 0, 0);
    while kills < wanted {
        runs += 1;
        let run = scratch.path().join(format!("run-{runs}"));
        loop {
            let resume = latest(&run).unwrap().is_some();
            let mut child = command(&arguments(&data, &run, resume, &[])).spawn().unwrap();
            resumed += u64::from(resume);
            // At least half of the kills are to be in saves, so whenever fewer are, the next one is aimed at one.
            let aim = if 2 * in_saves <= kills {
                Aim::Save { skip: moments.below(3), after: moments.up_to(Duration::from_millis(3)) }
            } else {
                Aim::At(moments.up_to(took))
            };
            if kills == wanted || !moment_comes(&mut child, &run, aim) {
                ended_well(&child.wait_with_output().unwrap());
                break;
            }
            // SIGKILL. What ended by itself in this instant was not killed.
            child.kill().unwrap();
            let status = child.wait().unwrap();
            if status.success() {
                break;
            }
            assert_eq!(status.signal(), Some(9), "it failed by itself: {status}");
            kills += 1;
            in_saves += u64::from(being_written(&run).is_some());
            before_any += u64::from(latest(&run).unwrap().is_none());
            if kills % 10 == 0 {
                println!("{kills} of {wanted} kills, {in_saves} of them in a save, {runs} runs");
            }
        }
        for (name, bytes) in remains(&run) {
            assert!(bytes == expected[&name], "{name} is another after {kills} kills in {runs} runs");
        }
        std::fs::remove_dir_all(&run).unwrap();
    }
    println!(
        "{kills} kills in {runs} runs: {in_saves} in the middle of a save, {before_any} before any checkpoint; resumed \
         {resumed} times; every run ended in the bytes of an unbroken one"
    );
    assert!(2 * in_saves >= kills, "only {in_saves} of {kills} kills were in a save");
}
