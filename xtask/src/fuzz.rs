//! `cargo xtask fuzz`: what reads bytes from outside, under libFuzzer. Needs a nightly compiler; what the targets promise is
//! also tested on stable, by `cargo xtask test`.

use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::paths::Paths;
use crate::run::{self, Output, which};
use crate::step::step;

/// The version of cargo-fuzz that the targets were run with.
const CARGO_FUZZ: &str = "0.13.1";

/// What is fuzzed.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its name: the file in `fuzz/fuzz_targets`, the folder in `fuzz/corpus`.
    pub name: &'static str,
    /// Longest input in bytes: longer ones are slower, and reach no other checks.
    most_bytes: usize,
    /// Whether it is built with the trainer, and with Burn behind it.
    trainer: bool,
}

/// All of them.
pub const TARGETS: [Target; 6] = [
    Target { name: "idx", most_bytes: 256, trainer: true },
    Target { name: "manifest", most_bytes: 1100, trainer: false },
    Target { name: "model_file", most_bytes: 1536, trainer: false },
    Target { name: "plan", most_bytes: 256, trainer: false },
    Target { name: "protocol", most_bytes: 320, trainer: false },
    Target { name: "recipe", most_bytes: 1100, trainer: true },
];

/// Runs one target, or all of them one after the other, so many times.
pub fn fuzz(paths: &Paths, target: Option<&str>, runs: u64) -> Result<()> {
    ready()?;
    let chosen: Vec<Target> =
        TARGETS.into_iter().filter(|known| target.is_none_or(|name| name == known.name)).collect();
    for target in chosen {
        let usually =
            if target.trainer { "builds Burn the first time, about 10 min" } else { "builds in a minute" };
        step(&format!("fuzzing {}, {runs} runs", target.name), usually, || one(paths, target, runs))?;
    }
    Ok(())
}

fn one(paths: &Paths, target: Target, runs: u64) -> Result<()> {
    let Target { name, most_bytes, trainer } = target;
    let folder = paths.root.join("fuzz");
    // What is found goes into a corpus of this machine; the committed one is read.
    let found = paths.target.join("fuzz-corpus").join(name);
    std::fs::create_dir_all(&found).with_context(|| format!("cannot create {}", found.display()))?;
    let mut command = nightly_cargo();
    command.current_dir(&paths.root).args(["fuzz", "run", "--fuzz-dir"]).arg(&folder);
    // Nothing here is unsafe: checks and panics are what is looked for, and a sanitizer halves the runs.
    command.args(["--sanitizer", "none", "--target-dir"]).arg(paths.target.join("fuzz"));
    if trainer {
        command.args(["--features", "trainer"]);
    }
    command.arg(name).arg(&found).arg(folder.join("corpus").join(name)).arg("--");
    command.args([format!("-runs={runs}"), format!("-max_len={most_bytes}")]);
    command.arg(format!("-dict={}", folder.join("dictionaries").join(format!("{name}.dict")).display()));
    command.args(["-timeout=10", "-rss_limit_mb=1024", "-print_final_stats=1"]);
    run::run(&mut command, &Output::Terminal).with_context(|| {
        format!(
            "the input is in fuzz/artifacts/{name}: copy it to fuzz/crashes/{name}, where `cargo xtask test` runs it, \
             and mend what it shows"
        )
    })
}

/// Cargo of the nightly toolchain.
fn nightly_cargo() -> Command {
    let mut command = Command::new("rustup");
    command.args(["run", "nightly", "cargo"]);
    for name in ["CARGO", "RUSTUP_TOOLCHAIN", "RUSTFLAGS"] {
        command.env_remove(name);
    }
    command
}

/// Whether the tools are there; else what to do about it.
fn ready() -> Result<()> {
    if which("rustup").is_none() {
        bail!(
            "fuzzing needs rustup with a nightly toolchain: see https://rustup.rs, then `rustup toolchain install nightly`"
        );
    }
    if run::output(nightly_cargo().arg("--version")).is_err() {
        bail!("fuzzing needs a nightly compiler: `rustup toolchain install nightly --profile minimal`");
    }
    if run::output(nightly_cargo().args(["fuzz", "--version"])).is_err() {
        bail!("fuzzing needs cargo-fuzz: `cargo install cargo-fuzz --version {CARGO_FUZZ} --locked`");
    }
    Ok(())
}
