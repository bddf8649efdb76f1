//! `cargo xtask size`: what a visitor downloads, part by part, as it is and compressed, and whether each part keeps to its limit.

use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::paths::{Paths, shown};
use crate::precompress::{brotli, gzip, is_beside};
use crate::step::bytes;
use crate::web::files_below;

/// A part of what is downloaded.
struct Part {
    name: &'static str,
    /// The most bytes, compressed by Brotli, of a release build.
    limit: u64,
    /// Whether it is needed for the first digits.
    before: bool,
    /// Whether a file belongs to it; `first` is the file of the model that comes first.
    holds: fn(file: &str, first: &str) -> bool,
}

/// All parts. A limit is a little above what the part is now: it is there to notice a change, and is lowered with it.
const PARTS: [Part; 4] = [
    Part {
        name: "page",
        limit: 389_000,
        before: true,
        holds: |file, _| {
            ["index.html", "start.js", "site.json", "models/manifest.json"].contains(&file)
                || (file.starts_with("page-") || file.starts_with("style-"))
        },
    },
    Part {
        name: "CPU worker",
        limit: 312_000,
        before: true,
        holds: |file, _| file == "worker.js" || file.starts_with("workers/cpu-"),
    },
    Part { name: "first model", limit: 204_000, before: true, holds: |file, first| file == first },
    Part {
        name: "GPU worker",
        limit: 1_140_000,
        before: false,
        holds: |file, _| file.starts_with("workers/gpu-"),
    },
];

/// The most bytes until the first digits.
const UNTIL_FIRST: u64 = 900_000;

/// One file: its name, and its bytes as it is, by gzip and by Brotli.
struct Row {
    name: String,
    raw: u64,
    gzip: u64,
    brotli: Option<u64>,
}

/// Prints one line a file, largest first, and one a part, with its limit.
///
/// # Errors
/// A folder that holds no built site; a part that is larger than its limit, by name.
pub fn size(paths: &Paths, folder: Option<&Path>) -> Result<()> {
    let folder = folder.map_or_else(|| paths.dist(), Path::to_path_buf);
    let rows = rows(&folder)?;
    println!("{:<44} {:>10} {:>10} {:>10}", "file", "raw", "gzip -9", "brotli 11");
    for Row { name, raw, gzip, brotli } in &rows {
        let brotli = brotli.map_or("-".into(), bytes);
        println!("{name:<44} {:>10} {:>10} {brotli:>10}", bytes(*raw), bytes(*gzip));
    }
    check(&folder, &rows)
}

/// Prints the parts of a built site and their limits; a site without the GPU worker is held to the others.
///
/// # Errors
/// As [`size`]; also where nothing that compresses by Brotli is at hand, and for a part that no file belongs to.
pub fn within_limits(folder: &Path) -> Result<()> {
    check(folder, &rows(folder)?)
}

fn rows(folder: &Path) -> Result<Vec<Row>> {
    if !folder.join("index.html").is_file() {
        bail!("{} holds no built site: run `cargo xtask build` first", shown(folder));
    }
    let mut rows = Vec::new();
    // What was compressed ahead is no further file to a visitor.
    for file in files_below(folder)?.into_iter().filter(|file| is_beside(file).is_none()) {
        let name = file.strip_prefix(folder)?.to_string_lossy().replace('\\', "/");
        let raw = std::fs::read(&file)?;
        let brotli = brotli(&file)?.map(|bytes| bytes.len() as u64);
        rows.push(Row { name, raw: raw.len() as u64, gzip: gzip(&raw)?.len() as u64, brotli });
    }
    rows.sort_by_key(|row| std::cmp::Reverse(row.raw));
    Ok(rows)
}

/// The file of the model that comes first, as the manifest says.
fn first_model(folder: &Path) -> Result<String> {
    let text = std::fs::read_to_string(folder.join("models").join("manifest.json"))?;
    let manifest: serde_json::Value = serde_json::from_str(&text).context("models/manifest.json")?;
    let entries = manifest["models"].as_array().into_iter().flatten();
    let first = entries.into_iter().find(|entry| entry["id"] == manifest["default"]);
    let file = first.and_then(|entry| entry["file"].as_str()).context("the manifest names no first model")?;
    Ok(format!("models/{file}"))
}

fn check(folder: &Path, rows: &[Row]) -> Result<()> {
    let first = first_model(folder)?;
    println!("\n{:<24} {:>10} {:>10} {:>10} {:>10}", "part", "raw", "gzip -9", "brotli 11", "at most");
    let (mut before, mut over) = ([0_u64; 3], Vec::new());
    let mut line = |name: &str, [raw, gzip, brotli]: [u64; 3], limit: u64| {
        println!(
            "{name:<24} {:>10} {:>10} {:>10} {:>10}",
            bytes(raw),
            bytes(gzip),
            bytes(brotli),
            bytes(limit)
        );
        if brotli > limit {
            over.push(format!(
                "{name}: {} compressed, and at most {} are allowed",
                bytes(brotli),
                bytes(limit)
            ));
        }
    };
    for part in &PARTS {
        let mut sum = [0; 3];
        for row in rows.iter().filter(|row| (part.holds)(&row.name, &first)) {
            let Some(brotli) = row.brotli else {
                bail!("no sums and no limits: neither the program brotli nor node is on PATH");
            };
            for (sum, bytes) in sum.iter_mut().zip([row.raw, row.gzip, brotli]) {
                *sum += bytes;
            }
        }
        match (sum[0], part.before) {
            (0, true) => bail!("{}: no file of the site belongs to this part (xtask/src/size.rs)", part.name),
            (0, false) => println!("{:<24} {:>10}", part.name, "not built"),
            _ => line(part.name, sum, part.limit),
        }
        if part.before {
            for (all, bytes) in before.iter_mut().zip(sum) {
                *all += bytes;
            }
        }
    }
    line("until the first digits", before, UNTIL_FIRST);
    if over.is_empty() {
        return Ok(());
    }
    bail!("{}. (Limits are for a release build, and stand in xtask/src/size.rs.)", over.join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_that_comes_before_the_first_digits_belongs_to_one_part() {
        let part = |file: &str| {
            let parts = PARTS.iter().filter(|part| (part.holds)(file, "models/a.safetensors"));
            parts.map(|part| part.name).collect::<Vec<_>>()
        };
        for (file, wanted) in [
            ("index.html", &["page"][..]),
            ("page-0123_bg.wasm", &["page"]),
            ("style-0123.css", &["page"]),
            ("models/manifest.json", &["page"]),
            ("worker.js", &["CPU worker"]),
            ("workers/cpu-0123.wasm", &["CPU worker"]),
            ("models/a.safetensors", &["first model"]),
            ("models/b.safetensors", &[]),
            ("workers/gpu-0123.wasm", &["GPU worker"]),
            ("embed.js", &[]),
        ] {
            assert_eq!(part(file), wanted, "{file}");
        }
    }

    #[test]
    fn a_part_that_outgrows_its_limit_is_named() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("models")).unwrap();
        let manifest = r#"{"default":"a","models":[{"id":"b","file":"b.st"},{"id":"a","file":"a.st"}]}"#;
        std::fs::write(folder.path().join("models/manifest.json"), manifest).unwrap();
        let row =
            |name: &str, size: u64| Row { name: name.into(), raw: size, gzip: size, brotli: Some(size) };
        let small = [row("models/a.st", 100_000), row("models/b.st", 900_000), row("worker.js", 100)];
        let page = || row("index.html", 10);
        let with_page = |rows: [Row; 3]| rows.into_iter().chain([page()]).collect::<Vec<_>>();
        check(folder.path(), &with_page(small)).unwrap();
        let large = [row("models/a.st", 500_000), row("workers/cpu-1.wasm", 900_000), page()];
        let said = check(folder.path(), &large).unwrap_err().to_string();
        for named in ["first model: 500.0 kB", "CPU worker: 900.0 kB", "until the first digits: 1.40 MB"] {
            assert!(said.contains(named), "{said}");
        }
        assert!(!said.contains("GPU"), "{said}");
        let gone = [row("models/a.st", 100_000), page()];
        let said = check(folder.path(), &gone).unwrap_err().to_string();
        assert!(said.contains("CPU worker: no file"), "{said}");
        let uncompressed = [Row { brotli: None, ..row("models/a.st", 1) }, row("worker.js", 1), page()];
        let said = check(folder.path(), &uncompressed).unwrap_err().to_string();
        assert!(said.contains("brotli"), "{said}");
    }
}
