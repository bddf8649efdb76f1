//! `cargo xtask build`: the release folder, ready to copy to any static host.

use anyhow::Result;

use crate::paths::{Paths, shown};
use crate::precompress::precompress;
use crate::run::Output;
use crate::site::{self, Leftovers};
use crate::step::step;
use crate::tools::Tools;
use crate::web::{Backend, Builder, Flavor, compile_ahead};

/// Builds everything into `dist`.
pub fn build(paths: &Paths, flavor: Flavor) -> Result<()> {
    let tools = Tools::ready(paths, flavor == Flavor::Release, || compile_ahead(paths, flavor))?;
    let builder = Builder { paths, tools: &tools, flavor };
    let out = Output::Terminal;
    let worker = |backend: Backend| {
        step(
            &format!("building the {} worker", backend.name().to_uppercase()),
            backend.usual_time(flavor),
            || builder.worker(backend, &out),
        )
    };
    let cpu = worker(Backend::Cpu)?;
    let page =
        step("building the page", "about 2 min cold, seconds when nothing changed", || builder.page(&out))?;
    let gpu = worker(Backend::Gpu)?;
    site::assemble(paths, &paths.dist(), &page, &cpu, Some(&gpu), Leftovers::Remove)?;
    if flavor == Flavor::Release {
        let usually = "about 2 min, seconds when nothing changed";
        let done = step("compressing for servers that can use it", usually, || precompress(&paths.dist()))?;
        if done.brotli == 0 {
            eprintln!("    only gzip: neither the program brotli nor node is on PATH");
        }
    }
    println!("{} holds the site: copy it to any static host", shown(&paths.dist()));
    Ok(())
}
