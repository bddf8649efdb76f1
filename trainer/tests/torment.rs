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

/// As many bytes from the front.
fn take<'a>(bytes: &mut &'a [u8], count: usize) -> &'a [u8] {
    let (taken, rest) = bytes.split_at(count);
    *bytes = rest;
    taken
}

/// One value of CBOR (RFC 8949) from the front, of the kinds that burnpack's metadata are made of. What is below zero, and what is no
/// whole number, stays as the parts that it is written in.
fn cbor(bytes: &mut &[u8]) -> Value {
    let first = take(bytes, 1)[0];
    let (kind, short) = (first >> 5, first & 31);
    let number = match short {
        0..=23 => u64::from(short),
        24..=27 => {
            let long = take(bytes, 1_usize << (short - 24));
            long.iter().fold(0_u64, |number, byte| (number << 8) | u64::from(*byte))
        }
        _ => panic!("CBOR without a length: {first:#x}"),
    };
    match kind {
        0 => Value::from(number),
        3 => Value::from(String::from_utf8(take(bytes, number as usize).to_vec()).unwrap()),
        4 => Value::Array((0..number).map(|_| cbor(bytes)).collect()),
        5 => {
            let mut table = serde_json::Map::new();
            for _ in 0..number {
                let name = cbor(bytes).as_str().unwrap().to_owned();
                table.insert(name, cbor(bytes));
            }
            Value::Object(table)
        }
        1 | 7 => Value::from(vec![u64::from(kind), u64::from(short), number]),
        _ => panic!("CBOR of another kind: {first:#x}"),
    }
}

/// A burnpack file's metadata, and the part that holds its tensors: magic, version and the metadata's length stand in front, and the
/// tensors begin at a multiple of 256 bytes.
fn unpacked(file: &[u8]) -> (Value, &[u8]) {
    let length = u32::from_le_bytes(file[6..10].try_into().unwrap()) as usize;
    let mut text = &file[10..10 + length];
    let metadata = cbor(&mut text);
    assert!(text.is_empty(), "{} bytes behind the metadata", text.len());
    (metadata, &file[(10 + length).next_multiple_of(256)..])
}

/// The entries of a table, or none where there is no such table.
fn entries(table: &Value) -> impl Iterator<Item = (&String, &Value)> {
    table.as_object().into_iter().flatten()
}

/// Everything in a checkpoint's three files (weights, average, optimizer) by its name: kind, shape and bytes of each tensor, and the
/// numbers that the optimizer counts. Burn draws a number for each parameter anew in every process, and the optimizer names what it
/// keeps by those; the file of the weights says which parameter has which.
fn contents(files: [&[u8]; 3]) -> BTreeMap<String, Vec<u8>> {
    let [weights, average, optimizer] = files.map(unpacked);
    let mut paths = BTreeMap::new();
    for (path, tensor) in entries(&weights.0["tensors"]) {
        let other = paths.insert(tensor["param_id"].to_string(), path.clone());
        assert_eq!(other, None, "two parameters have one number, {path} and another");
    }
    // Where the optimizer says it itself, it says the same.
    for (number, path) in entries(&optimizer.0["metadata"]) {
        assert_eq!(paths[number], *path);
    }
    let of_parameter = |name: &str| {
        let (number, field) = name.split_once('.').unwrap();
        let path = paths.get(number).unwrap_or_else(|| panic!("{name} is of no parameter"));
        format!("optimizer: {field} of {path}")
    };
    let mut found = BTreeMap::new();
    for (file, (metadata, data)) in [("weights", &weights), ("average", &average), ("optimizer", &optimizer)]
    {
        let named = |name: &String| match file {
            "optimizer" => of_parameter(name),
            _ => format!("{file}: {name}"),
        };
        for (name, tensor) in entries(&metadata["tensors"]) {
            let [from, to]: [usize; 2] = serde_json::from_value(tensor["data_offsets"].clone()).unwrap();
            let mut value = format!("{} {}: ", tensor["dtype"], tensor["shape"]).into_bytes();
            value.extend_from_slice(&data[from..to]);
            found.insert(named(name), value);
        }
        found
            .extend(entries(&metadata["scalars"]).map(|(name, n)| (named(name), n.to_string().into_bytes())));
    }
    found
}

/// All that a finished run leaves, but for the seconds that it took: the numbers and the state of its last checkpoint, and the files
/// of its export.
fn remains(run: &Path) -> BTreeMap<String, Vec<u8>> {
    let checkpoint = latest(run).unwrap().unwrap();
    assert_eq!(checkpoint.state().step, STEPS);
    let read = |path: PathBuf| std::fs::read(&path).unwrap();
    let files = ["model.bpk", "average.bpk", "optimizer.bpk"].map(|name| read(checkpoint.dir().join(name)));
    let mut remains = contents(files.each_ref().map(Vec::as_slice));
    let moments = remains.keys().filter(|name| name.starts_with("optimizer: momentum.moment_")).count();
    assert!(moments > 0, "the optimizer keeps no moments");
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
        let found = remains(&run);
        assert!(found.keys().eq(expected.keys()), "after {kills} kills in {runs} runs: {:?}", found.keys());
        for (name, bytes) in found {
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

/// A burnpack file of tensors of four bytes, one behind the other: each its name, its parameter's number and the byte that fills it.
fn packed(tensors: &[(&str, u8, u8)]) -> Vec<u8> {
    fn add(to: &mut Vec<u8>, text: &str) {
        to.push(0x60 + text.len() as u8);
        to.extend(text.as_bytes());
    }
    let mut metadata = vec![0xa1];
    add(&mut metadata, "tensors");
    metadata.push(0xa0 + tensors.len() as u8);
    for (index, (name, number, _)) in tensors.iter().enumerate() {
        let from = 4 * index as u8;
        add(&mut metadata, name);
        metadata.push(0xa4);
        add(&mut metadata, "dtype");
        add(&mut metadata, "F32");
        add(&mut metadata, "shape");
        metadata.extend([0x81, 1]);
        add(&mut metadata, "data_offsets");
        metadata.extend([0x82, from, from + 4]);
        add(&mut metadata, "param_id");
        metadata.push(*number);
    }
    let mut file = b"NRUB\x01\x00".to_vec();
    file.extend((metadata.len() as u32).to_le_bytes());
    file.extend(metadata);
    file.resize(file.len().next_multiple_of(256), 0);
    for (_, _, fill) in tensors {
        file.extend([*fill; 4]);
    }
    file
}

#[test]
fn checkpoints_are_the_same_parameter_by_parameter_whatever_burn_numbers_them() {
    let of = |[a, b]: [u8; 2], [weight_a, weight_b]: [u8; 2], moments: [u8; 4]| {
        let weights = packed(&[("a", a, weight_a), ("b", b, weight_b)]);
        let names =
            [(a, 1), (a, 2), (b, 1), (b, 2)].map(|(number, nth)| (format!("{number}.moment_{nth}"), number));
        let kept = names.iter().zip(moments).map(|((name, number), fill)| (name.as_str(), *number, fill));
        contents([&weights, &weights, &packed(&kept.collect::<Vec<_>>())])
    };
    let one = of([3, 5], [1, 2], [6, 7, 8, 9]);
    assert_eq!(one.len(), 8);
    assert_eq!(one["optimizer: moment_2 of a"], b"\"F32\" [1]: \x07\x07\x07\x07");
    assert_eq!(one, of([9, 4], [1, 2], [6, 7, 8, 9]), "other numbers");
    assert_ne!(one, of([3, 5], [2, 1], [6, 7, 8, 9]), "two weights have changed places");
    assert_ne!(one, of([3, 5], [1, 2], [7, 6, 8, 9]), "two moments of a parameter have changed places");
    assert_ne!(one, of([3, 5], [1, 2], [8, 9, 6, 7]), "the moments of two parameters have changed places");
}
