//! `cargo xtask bench`: this project's evaluations beside those of other runtimes, of the same trained network, in one run.
//!
//! - `browser`: our two workers, onnxruntime-web and TensorFlow.js in one headless Chromium (`bench/browser/`).
//! - `wait`: how long a visitor of the page waits for digits.
//! - `native`: the trainer beside PyTorch (`flow-digits throughput`, `bench/torch_bench.py`).
//! - `table`: what was found, as Markdown.
//!
//! Packages of others come into the tool folder at pinned versions. No answer, no time: whoever's velocities differ from our
//! CPU worker's by more than [`TOLERANCE`] ends the run. What is compared how stands in `docs/benchmarks.md`.

mod browser;
mod native;
mod table;
mod wait;

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use clap::ValueEnum;

use crate::download::sha256;
use crate::paths::{Paths, shown};
use crate::run::{self, Output};
use crate::step::step;
use crate::web::{Flavor, write_whole};

/// How far an answer may lie from our CPU worker's, in model units; as the worker's own self-test.
pub const TOLERANCE: f64 = 1e-3;

/// Images of an evaluation: a single large digit, the page's first grid, and a batch of training.
pub const BATCHES: [usize; 3] = [1, 16, 64];

/// The network that is compared: the flagship.
const MODEL: &str = "public/models/mnist-unet.safetensors";

/// The recipe that it was trained by.
const RECIPE: &str = "recipes/mnist-unet.toml";

/// A part of the comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Part {
    /// In Chromium
    Browser,
    /// The trainer beside PyTorch
    Native,
    /// How long a visitor waits; alone, it is printed and replaces nothing
    Wait,
}

/// What `bench` was asked for.
#[derive(clap::Args, Clone, Debug)]
pub struct Asked {
    /// One part alone; its figures replace the whole table, but for those of `wait`, which are printed
    #[arg(long, value_name = "PART")]
    only: Option<Part>,
    /// A finished site to take the page and the workers from [default: dist, which is built first]
    #[arg(long, value_name = "FOLDER")]
    site: Option<PathBuf>,
    /// A flow-digits program to time [default: the release build, which is built first]
    #[arg(long, value_name = "PROGRAM")]
    trainer: Option<PathBuf>,
    /// A Python with PyTorch (bench/requirements-torch.txt)
    #[arg(long, value_name = "PROGRAM", default_value = "python3")]
    python: PathBuf,
    /// Turns of each variant, and visits
    #[arg(long, default_value_t = 15, value_parser = clap::value_parser!(u64).range(1..=1000))]
    turns: u64,
    /// Where the table goes [default: docs/results/bench.md]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Measures, and writes the table.
pub fn bench(paths: &Paths, asked: &Asked) -> Result<()> {
    let folder = paths.tools.join("bench");
    std::fs::create_dir_all(&folder)?;
    let wants = |part: Part| asked.only.is_none_or(|only| only == part);
    if asked.only == Some(Part::Wait) {
        if let Some(out) = &asked.out {
            bail!("--only wait prints its figures, so there is nothing to write into {}", shown(out));
        }
        println!("{}", waited(paths, &folder, asked)?);
        return Ok(());
    }
    let mut sections = vec![table::preamble(&machine(), asked.turns, asked.only)];
    if wants(Part::Browser) {
        let site = site(paths, asked.site.as_deref())?;
        let node = program("node", "Node.js 20 or newer (Debian: apt-get install nodejs npm)")?;
        let network = network(paths, &folder, &asked.python)?;
        packages(paths, &folder)?;
        let found = step("timing in Chromium", "minutes; on a software GPU about 20", || {
            browser::measure(paths, &folder, &node, &site, &network, asked.turns)
        })?;
        browser::require_agreement(&found)?;
        sections.extend(table::browser(&found, &browser::programs(&site)?)?);
    }
    if wants(Part::Wait) {
        sections.push(waited(paths, &folder, asked)?);
    }
    if wants(Part::Native) {
        let trainer = trainer(paths, asked.trainer.as_deref())?;
        let found = step("timing the trainer beside PyTorch", "about 10 min", || {
            native::measure(paths, &trainer, &asked.python, asked.turns)
        })?;
        sections.extend(table::native(&found));
    }
    let out = asked.out.clone().unwrap_or_else(|| paths.root.join("docs").join("results").join("bench.md"));
    write_whole(&out, sections.join("\n").as_bytes())?;
    println!("{} holds the table", shown(&out));
    Ok(())
}

/// How long a visitor waits, as a section of the table.
fn waited(paths: &Paths, folder: &Path, asked: &Asked) -> Result<String> {
    let site = site(paths, asked.site.as_deref())?;
    let node = program("node", "Node.js 20 or newer (Debian: apt-get install nodejs npm)")?;
    packages(paths, folder)?;
    let visits = step("visiting the page", "about 10 s a turn", || {
        wait::measure(paths, folder, &node, &site, asked.turns)
    })?;
    Ok(table::wait(&visits))
}

/// A finished site: the one named, or `dist`, brought up to date.
fn site(paths: &Paths, named: Option<&Path>) -> Result<PathBuf> {
    let site = match named {
        Some(site) => std::path::absolute(site)?,
        None => {
            crate::build::build(paths, Flavor::Release)?;
            paths.dist()
        }
    };
    if !site.join("site.json").is_file() {
        bail!("{} is no finished site: it has no site.json; `cargo xtask build` makes one", shown(&site));
    }
    let shipped = std::fs::read(paths.root.join(MODEL))?;
    let model = site.join("models").join("mnist-unet.safetensors");
    if std::fs::read(&model).ok().as_deref() != Some(shipped.as_slice()) {
        bail!(
            "{} is not the network of {MODEL}: all variants take the same one; build the site again",
            shown(&model)
        );
    }
    Ok(site)
}

/// The trainer: the one named, or the release build; with the GPU backends where an NVIDIA GPU is.
fn trainer(paths: &Paths, named: Option<&Path>) -> Result<PathBuf> {
    if let Some(program) = named {
        return Ok(std::path::absolute(program)?);
    }
    step("building the trainer for release", "about 20 min cold, seconds when nothing changed", || {
        let mut cargo = run::cargo();
        cargo.current_dir(&paths.root).env("CARGO_TARGET_DIR", &paths.target);
        cargo.args(["build", "--release", "--package", "trainer"]);
        if native::gpu().is_some() {
            cargo.args(["--features", "cuda,wgpu"]);
        }
        run::run(&mut cargo, &Output::Terminal)
    })?;
    Ok(paths.target.join("release").join(format!("flow-digits{}", std::env::consts::EXE_SUFFIX)))
}

/// A program on PATH, or how to get it.
fn program(name: &str, what: &str) -> Result<PathBuf> {
    run::which(name).with_context(|| format!("{name} is not on PATH; the comparison needs {what}"))
}

/// Has npm install what `bench/package-lock.json` names into the tool folder, with checksums compared and no scripts run.
fn packages(paths: &Paths, folder: &Path) -> Result<()> {
    let npm = program("npm", "npm for onnxruntime-web and TensorFlow.js (Debian: apt-get install npm)")?;
    let bench = paths.root.join("bench");
    let mut all = Vec::new();
    for file in ["package.json", "package-lock.json", ".npmrc"] {
        all.extend(std::fs::read(bench.join(file)).with_context(|| format!("bench/{file}"))?);
        std::fs::copy(bench.join(file), folder.join(file))?;
    }
    once(&folder.join("node_modules.stamp"), &sha256(&all), || {
        step("installing onnxruntime-web and TensorFlow.js", "about 10 s", || {
            let mut command = Command::new(&npm);
            command.current_dir(folder).args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]);
            run::output(command.arg("--loglevel=error")).map(drop)
        })
    })
}

/// The network as ONNX, made by `bench/to_onnx.py` in a virtual environment of its own.
fn network(paths: &Paths, folder: &Path, python: &Path) -> Result<PathBuf> {
    let bench = paths.root.join("bench");
    let made = folder.join("made");
    std::fs::create_dir_all(&made)?;
    let venv = folder.join("venv");
    let inside = venv.join(if cfg!(windows) { "Scripts" } else { "bin" }).join(if cfg!(windows) {
        "python.exe"
    } else {
        "python"
    });
    let list = bench.join("requirements-onnx.txt");
    once(&folder.join("venv.stamp"), &sha256(&std::fs::read(&list)?), || {
        step("installing onnx for Python", "about 20 s", || {
            run::output(Command::new(python).args(["-m", "venv", "--clear"]).arg(&venv)).with_context(|| {
                format!(
                    "{} cannot make a virtual environment; the export to ONNX needs Python 3.11 or newer with venv \
                     (Debian: apt-get install python3-venv), or name another with --python",
                    python.display()
                )
            })?;
            let mut pip = Command::new(&inside);
            pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r"]).arg(&list);
            run::output(&mut pip).map(drop)
        })
    })?;
    let network = made.join("network.onnx");
    let mut export = Command::new(&inside);
    export.arg(bench.join("to_onnx.py")).arg(paths.root.join(MODEL)).arg(&network);
    run::output(export.env("PYTHONDONTWRITEBYTECODE", "1"))?;
    Ok(made)
}

/// Does `work` unless the stamp says that it was done for this key.
fn once(stamp: &Path, key: &str, work: impl FnOnce() -> Result<()>) -> Result<()> {
    if std::fs::read_to_string(stamp).is_ok_and(|done| done == key) {
        return Ok(());
    }
    work()?;
    write_whole(stamp, key.as_bytes())
}

/// The processor, its cores and how busy they were: figures of a busy machine are no figures.
fn machine() -> String {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    let name = name.map_or(std::env::consts::ARCH, |(_, name)| name.trim());
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load
        .split_whitespace()
        .next()
        .map_or(String::new(), |load| format!("; when it began, the machine's load average was {load}"));
    format!("{name}, {cores} cores, {}{load}", std::env::consts::OS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Cli, Command};
    use clap::Parser;

    fn asked(words: &str) -> Result<Asked, clap::Error> {
        let all = ["xtask", "bench"].into_iter().chain(words.split_whitespace());
        Cli::try_parse_from(all).map(|cli| match cli.command {
            Command::Bench(asked) => asked,
            other => panic!("{other:?}"),
        })
    }

    #[test]
    fn what_is_asked_for_is_read() {
        let plain = asked("").unwrap();
        assert_eq!((plain.only, plain.site, plain.turns), (None, None, 15));
        let some = asked("--only native --python some/python --trainer t --turns 3 --out t.md").unwrap();
        assert_eq!((some.only, some.turns), (Some(Part::Native), 3));
        assert_eq!((some.python, some.trainer), ("some/python".into(), Some("t".into())));
    }

    #[test]
    fn a_part_that_there_is_not_is_refused_by_name() {
        let said = asked("--only gpu").unwrap_err().to_string();
        assert!(said.contains("'gpu'") && said.contains("browser") && said.contains("native"), "{said}");
        assert!(asked("--turns 0").is_err());
    }

    #[test]
    fn a_folder_without_a_site_or_with_another_network_is_refused() {
        let root = tempfile::tempdir().unwrap();
        let here = root.path();
        let paths = Paths { root: here.into(), target: here.join("t"), tools: here.join("tools") };
        let put = |file: &str, text: &str| {
            std::fs::create_dir_all(here.join(file).parent().unwrap()).unwrap();
            std::fs::write(here.join(file), text).unwrap();
        };
        put(MODEL, "the shipped one");
        put("site/models/mnist-unet.safetensors", "another");
        let said = |folder: &str| site(&paths, Some(&here.join(folder))).unwrap_err().to_string();
        assert!(said("site").contains("no site.json"), "{}", said("site"));
        put("site/site.json", "{}");
        assert!(said("site").contains("not the network of"), "{}", said("site"));
        put("site/models/mnist-unet.safetensors", "the shipped one");
        assert_eq!(site(&paths, Some(&here.join("site"))).unwrap(), here.join("site"));
    }

    #[test]
    fn what_is_done_for_a_key_is_not_done_again() {
        let root = tempfile::tempdir().unwrap();
        let stamp = root.path().join("stamp");
        let mut times = 0;
        for key in ["a", "a", "b"] {
            once(&stamp, key, || {
                times += 1;
                Ok(())
            })
            .unwrap();
        }
        assert_eq!(times, 2);
        assert!(once(&stamp, "c", || bail!("no")).is_err());
        once(&stamp, "c", || {
            times += 1;
            Ok(())
        })
        .unwrap();
        assert_eq!(times, 3, "what failed is tried again");
    }
}
