//! What the tests that cross crates share: the repository, tests that say that they could not run, the stored
//! answers, browsers that are driven like a reader would, and comparing what they show with stored pictures.

pub mod answer;
pub mod browser;
pub mod faulty;
pub mod plans;
pub mod screens;

use std::io::Write;
use std::path::PathBuf;

/// The repository.
pub fn root() -> PathBuf {
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    here.parent().map_or(here.clone(), PathBuf::from)
}

/// Says that a test could not run here, and why. `cargo xtask test` names it and counts it as skipped.
pub fn skip(name: &str, why: &str) {
    eprintln!("SKIPPED {name}: {why}");
    let Some(file) = std::env::var_os("FLOW_DIGITS_SKIPS") else { return };
    let line = format!("{name}\t{}\n", why.replace(['\n', '\t'], " "));
    let written = std::fs::File::options().append(true).create(true).open(&file);
    if let Err(error) = written.and_then(|mut file| file.write_all(line.as_bytes())) {
        eprintln!("and {} could not be written: {error}", file.display());
    }
}
