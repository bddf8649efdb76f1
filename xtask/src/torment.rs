//! `cargo xtask torment`: the real command is killed again and again while it trains, half of the time while it saves; it
//! always resumes, and ends in the bytes of a run that nobody touched. The test `torment` of the trainer, more often.

use anyhow::Result;

use crate::paths::Paths;
use crate::run::{self, Output};
use crate::step::step;

/// Kills so often, at moments from this seed.
pub fn torment(paths: &Paths, kills: u64, seed: u64) -> Result<()> {
    let mut cargo = run::cargo();
    cargo.current_dir(&paths.root).env("CARGO_TARGET_DIR", &paths.target).arg("test");
    crate::test::select_native(&mut cargo);
    cargo.args(["--test", "torment", "--", "--nocapture"]);
    cargo.env("FLOW_DIGITS_KILLS", kills.to_string()).env("FLOW_DIGITS_SEED", seed.to_string());
    step(&format!("{kills} kills"), "about a second each", || run::run(&mut cargo, &Output::Terminal))
}
