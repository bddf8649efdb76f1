//! `cargo xtask demo`: from a fresh clone to digits in a browser.
//!
//! The first picture needs the CPU worker and the page only. The WGPU worker takes several times as long to
//! build, so it is built while the page is already served, and joins it when it is done.

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use anyhow::Result;

use crate::paths::{Paths, shown};
use crate::run::Output;
use crate::serve::Serving;
use crate::site::{self, Leftovers};
use crate::step::{step, took};
use crate::tools::Tools;
use crate::web::{Backend, Builder, Flavor, Worker, compile_ahead};

/// What `demo` was asked for.
#[derive(Clone, Copy, Debug)]
pub struct Demo {
    /// Open the browser.
    pub open: bool,
    /// The first port to try.
    pub port: u16,
    /// Build quickly rather than small.
    pub fast: bool,
}

/// Builds, serves, and goes on serving.
pub fn demo(paths: &Paths, asked: Demo) -> Result<()> {
    let start = Instant::now();
    let flavor = if asked.fast { Flavor::Fast } else { Flavor::Release };
    let tools = Tools::ready(paths, flavor == Flavor::Release, || compile_ahead(paths, flavor))?;
    let builder = Builder { paths, tools: &tools, flavor };
    let cpu = step("building the CPU worker", Backend::Cpu.usual_time(flavor), || {
        builder.worker(Backend::Cpu, &Output::Terminal)
    })?;
    let page = step("building the page", "about 2 min cold, seconds when nothing changed", || {
        builder.page(&Output::Terminal)
    })?;
    let folder = paths.demo();
    let known = builder.remembered(Backend::Gpu);
    site::assemble(paths, &folder, &page, &cpu, known.as_ref(), Leftovers::KeepADay)?;

    let serving = Serving::start(&folder, asked.port)?;
    println!("flow-digits: {}   (ready after {}; Ctrl-C stops it)", serving.url(), took(start.elapsed()));
    if asked.open {
        open(&serving.url());
    }
    if known.is_none() {
        println!("It computes on the CPU for now. The GPU worker is being built behind it.");
    }
    match gpu_behind(&builder, &folder, &cpu) {
        Ok(gpu) if known.as_ref().is_some_and(|old| old.hash == gpu.hash) => {}
        Ok(_) => {
            println!("The GPU worker is ready after {}: reload the page to use it.", took(start.elapsed()))
        }
        Err(why) => println!("The GPU worker could not be built, so the page stays on the CPU: {why:#}"),
    }
    loop {
        std::thread::park();
    }
}

fn gpu_behind(builder: &Builder<'_>, folder: &Path, cpu: &Worker) -> Result<Worker> {
    std::fs::create_dir_all(builder.paths.web())?;
    let log = builder.paths.web().join("gpu-build.log");
    std::fs::write(&log, "")?;
    let work = || builder.worker(Backend::Gpu, &Output::Log(log.clone()));
    let what = format!("building the GPU worker; its output goes to {}", shown(&log));
    let gpu = step(&what, Backend::Gpu.usual_time(builder.flavor), work)?;
    site::add_gpu(folder, cpu, &gpu)?;
    Ok(gpu)
}

fn open(url: &str) {
    let mut command = if cfg!(target_os = "macos") {
        Command::new("open")
    } else if cfg!(windows) {
        let mut command = Command::new("cmd");
        command.args(["/C", "start", ""]);
        command
    } else {
        Command::new("xdg-open")
    };
    if let Err(error) = command.arg(url).spawn() {
        eprintln!("    no browser could be started ({error}): open {url} yourself");
    }
}
