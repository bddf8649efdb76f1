//! What the fuzz targets promise, on stable: over the committed corpora, over every input that once broke a promise, and over
//! seeded changes of them. `cargo xtask fuzz` runs the same functions under libFuzzer.

#![allow(unreachable_pub, reason = "the modules are those of the fuzz crate, where they are public")]
// Clippy takes a helper of tests for ordinary code.
#![allow(clippy::unwrap_used)]

use std::panic::catch_unwind;
use std::path::Path;

use mutate::Draw;

#[path = "../fuzz/src/idx.rs"]
mod idx;
#[path = "../fuzz/src/manifest.rs"]
mod manifest;
#[path = "../fuzz/src/model_file.rs"]
mod model_file;
#[path = "../fuzz/src/mutate.rs"]
mod mutate;
#[path = "../fuzz/src/plan.rs"]
mod plan;
#[path = "../fuzz/src/protocol.rs"]
mod protocol;
#[path = "../fuzz/src/recipe.rs"]
mod recipe;

/// Changed inputs a target.
const CHANGES: u64 = 4000;

/// The inputs of a folder, by name; none when it is not there.
fn inputs(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.iter().map(|path| (path.display().to_string(), std::fs::read(path).unwrap())).collect()
}

/// The committed inputs of a target, and changed ones: of each, whether it was accepted is counted, and both must occur.
fn holds(target: &str, check: fn(&[u8]) -> bool) {
    let folder = cross_tests::root().join("fuzz");
    let corpus = inputs(&folder.join("corpus").join(target));
    let crashes = inputs(&folder.join("crashes").join(target));
    assert!(!corpus.is_empty(), "fuzz/corpus/{target} is empty");
    let dictionary =
        std::fs::read_to_string(folder.join("dictionaries").join(format!("{target}.dict"))).unwrap();
    let tokens = mutate::tokens(&dictionary);
    assert!(!tokens.is_empty(), "fuzz/dictionaries/{target}.dict is empty");

    let mut accepted = [0_usize; 2];
    let mut run = |name: &str, bytes: &[u8]| match catch_unwind(|| check(bytes)) {
        Ok(yes) => accepted[usize::from(yes)] += 1,
        Err(_) => {
            panic!("{name} breaks a promise of fuzz/src/{target}.rs: {:?}", String::from_utf8_lossy(bytes))
        }
    };
    for (name, bytes) in corpus.iter().chain(&crashes) {
        run(name, bytes);
    }
    for seed in 0..CHANGES {
        let mut draw = Draw::new(seed);
        let (name, bytes) = &corpus[draw.below(corpus.len())];
        let mut blunt = |bytes: &mut Vec<u8>| mutate::blunt(bytes, &mut draw, &tokens);
        let changed = if target == "model_file" {
            mutate::model_file(bytes, seed, &mut blunt)
        } else {
            let mut changed = bytes.clone();
            blunt(&mut changed);
            changed
        };
        run(&format!("{name}, changed by seed {seed}"), &changed);
    }
    let [refused, accepted] = accepted;
    println!(
        "{target}: {} inputs and {CHANGES} changes, {accepted} accepted and {refused} refused",
        corpus.len()
    );
    assert!(
        accepted > 0 && refused > 0,
        "{accepted} accepted, {refused} refused: the changes reach one side only"
    );
}

#[test]
fn any_bytes_are_an_idx_file_or_are_refused() {
    holds("idx", idx::check);
}

#[test]
fn any_text_is_a_manifest_or_is_refused() {
    holds("manifest", manifest::check);
}

#[test]
fn any_bytes_are_a_model_or_are_refused() {
    holds("model_file", model_file::check);
}

#[test]
fn any_text_is_a_plan_that_prints_back_or_is_refused() {
    holds("plan", plan::check);
}

#[test]
fn any_text_is_a_message_or_is_refused() {
    holds("protocol", protocol::check);
}

#[test]
fn any_text_is_a_recipe_or_is_refused() {
    holds("recipe", recipe::check);
}

/// A target without a body here, a dictionary or a corpus would be fuzzed by nobody.
#[test]
fn every_fuzz_target_is_run_here_too() {
    let folder = cross_tests::root().join("fuzz");
    let names = |part: &str| -> Vec<String> {
        let entries = std::fs::read_dir(folder.join(part)).unwrap();
        let mut names: Vec<String> = entries
            .map(|entry| entry.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    };
    let targets = names("fuzz_targets");
    assert_eq!(targets, ["idx", "manifest", "model_file", "plan", "protocol", "recipe"]);
    assert_eq!(targets, names("dictionaries"));
    assert_eq!(targets, names("corpus"));
    assert_eq!(targets, xtask::fuzz::TARGETS.map(|target| target.name));
}
