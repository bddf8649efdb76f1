//! `cargo xtask size`: what a visitor downloads, part by part, as it is and compressed.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use flate2::Compression;
use flate2::write::GzEncoder;

use crate::paths::{Paths, shown};
use crate::run;
use crate::step::bytes;
use crate::web::files_below;

/// Prints one line a file, largest first, and the sum of what the first digit needs.
pub fn size(paths: &Paths, folder: Option<&Path>) -> Result<()> {
    let folder = folder.map_or_else(|| paths.dist(), Path::to_path_buf);
    if !folder.join("index.html").is_file() {
        bail!("{} holds no built site: run `cargo xtask build` first", shown(&folder));
    }
    let mut rows = Vec::new();
    for file in files_below(&folder)? {
        let name = file.strip_prefix(&folder)?.to_string_lossy().replace('\\', "/");
        let raw = std::fs::read(&file)?;
        rows.push((name, raw.len() as u64, gzip(&raw)?, brotli(&file)?));
    }
    rows.sort_by_key(|row| std::cmp::Reverse(row.1));
    println!("{:<44} {:>10} {:>10} {:>10}", "file", "raw", "gzip -9", "brotli 11");
    for (name, raw, gz, br) in &rows {
        println!("{name:<44} {:>10} {:>10} {:>10}", bytes(*raw), bytes(*gz), br.map_or("-".into(), bytes));
    }
    let first = rows.iter().filter(|(name, ..)| !name.contains("gpu-"));
    let (raw, gz) = first.clone().fold((0, 0), |(raw, gz), row| (raw + row.1, gz + row.2));
    let br: Option<u64> = first.map(|row| row.3).sum();
    println!(
        "{:<44} {:>10} {:>10} {:>10}",
        "all but the GPU worker",
        bytes(raw),
        bytes(gz),
        br.map_or("-".into(), bytes)
    );
    if br.is_none() {
        println!("(no brotli column: neither the program brotli nor node is on PATH)");
    }
    Ok(())
}

fn gzip(raw: &[u8]) -> Result<u64> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(raw)?;
    Ok(encoder.finish()?.len() as u64)
}

/// By the program of that name, else by node, which has it built in; a crate would cost every newcomer its build.
fn brotli(file: &Path) -> Result<Option<u64>> {
    let mut command = if run::which("brotli").is_some() {
        let mut brotli = Command::new("brotli");
        brotli.args(["--best", "--stdout"]).arg(file);
        brotli
    } else if run::which("node").is_some() {
        let script = "process.stdout.write(require('zlib').brotliCompressSync(require('fs').readFileSync(process.argv[1])))";
        let mut node = Command::new("node");
        node.args(["-e", script]).arg(file);
        node
    } else {
        return Ok(None);
    };
    let out = command.stdin(Stdio::null()).output().context("compressing with brotli")?;
    if !out.status.success() {
        bail!("brotli failed on {}: {}", file.display(), String::from_utf8_lossy(&out.stderr));
    }
    Ok(Some(out.stdout.len() as u64))
}
