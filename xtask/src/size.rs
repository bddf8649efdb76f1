//! `cargo xtask size`: what a visitor downloads, part by part, as it is and compressed.

use std::path::Path;

use anyhow::{Result, bail};

use crate::paths::{Paths, shown};
use crate::precompress::{brotli, gzip, is_beside};
use crate::step::bytes;
use crate::web::files_below;

/// Prints one line a file, largest first, and the sum of what the first digit needs.
pub fn size(paths: &Paths, folder: Option<&Path>) -> Result<()> {
    let folder = folder.map_or_else(|| paths.dist(), Path::to_path_buf);
    if !folder.join("index.html").is_file() {
        bail!("{} holds no built site: run `cargo xtask build` first", shown(&folder));
    }
    let mut rows = Vec::new();
    // What was compressed ahead is no further file to a visitor.
    for file in files_below(&folder)?.into_iter().filter(|file| is_beside(file).is_none()) {
        let name = file.strip_prefix(&folder)?.to_string_lossy().replace('\\', "/");
        let raw = std::fs::read(&file)?;
        let br = brotli(&file)?.map(|bytes| bytes.len() as u64);
        rows.push((name, raw.len() as u64, gzip(&raw)?.len() as u64, br));
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
