//! `FILE.gz` and `FILE.br` beside the files of a site, for servers that hand out what was compressed once and well
//! (nginx's `gzip_static` and `brotli_static`), rather than compress on every request and less.
//!
//! A server prefers them without comparing, so none may be older than its file.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use flate2::Compression;
use flate2::write::GzEncoder;

use crate::run;
use crate::web::{files_below, write_whole};

/// The endings of compressed files.
const ENDINGS: [&str; 2] = ["gz", "br"];

/// What is compressed already.
const COMPRESSED: [&str; 6] = ["gz", "br", "png", "jpg", "gif", "woff2"];

/// Compressed must be smaller than this share of the original, else it is not worth a file.
const WORTH_IT: f64 = 0.95;

/// The file that a compressed one stands beside: `page.js` for `page.js.br`.
pub fn is_beside(file: &Path) -> Option<PathBuf> {
    let ending = file.extension()?.to_str()?;
    ENDINGS.contains(&ending).then(|| file.with_extension(""))
}

/// What lies in a folder after compressing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Compressed {
    /// Files with a gzip version.
    pub gzip: usize,
    /// Files with a Brotli version; none where no program for it is there.
    pub brotli: usize,
}

/// Compresses what is worth it. What is newer than its file is taken to be of the same content.
pub fn precompress(folder: &Path) -> Result<Compressed> {
    let mut done = Compressed::default();
    for file in files_below(folder)? {
        let ending = file.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
        if COMPRESSED.contains(&ending) {
            continue;
        }
        let mut raw = None;
        for (ending, count) in ENDINGS.into_iter().zip([&mut done.gzip, &mut done.brotli]) {
            let beside = beside(&file, ending);
            if is_newer(&beside, &file) {
                *count += 1;
                continue;
            }
            if beside.exists() {
                std::fs::remove_file(&beside)?;
            }
            let raw = match &raw {
                Some(raw) => raw,
                None => raw.insert(std::fs::read(&file)?),
            };
            let smaller = if ending == "gz" { Some(gzip(raw)?) } else { brotli(&file)? };
            let worth = |bytes: &Vec<u8>| (bytes.len() as f64) < WORTH_IT * raw.len() as f64;
            if let Some(bytes) = smaller.filter(worth) {
                write_whole(&beside, &bytes)?;
                *count += 1;
            }
        }
    }
    Ok(done)
}

/// `page.js.br` for `page.js`.
fn beside(file: &Path, ending: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".");
    name.push(ending);
    PathBuf::from(name)
}

/// Whether `file` is there and was written after `other`.
pub fn is_newer(file: &Path, other: &Path) -> bool {
    let time = |path: &Path| std::fs::metadata(path).and_then(|facts| facts.modified()).ok();
    matches!((time(file), time(other)), (Some(file), Some(other)) if file >= other)
}

/// As gzip, at its best.
pub fn gzip(raw: &[u8]) -> Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(raw)?;
    Ok(encoder.finish()?)
}

/// As Brotli, at its best: by the program of that name, else by node, which has it built in. A crate would cost every newcomer
/// its build. `None` where neither is there.
pub fn brotli(file: &Path) -> Result<Option<Vec<u8>>> {
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
    Ok(Some(out.stdout))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    #[test]
    fn what_gains_is_compressed_and_follows_its_file() {
        let folder = tempfile::tempdir().unwrap();
        let page = folder.path().join("page.js");
        std::fs::write(&page, "let noise = 1;\n".repeat(200)).unwrap();
        std::fs::write(folder.path().join("short.txt"), "7").unwrap();
        std::fs::write(folder.path().join("icon.png"), "0".repeat(500)).unwrap();
        let first = precompress(folder.path()).unwrap();
        let has_brotli = run::which("brotli").is_some() || run::which("node").is_some();
        assert_eq!(first, Compressed { gzip: 1, brotli: usize::from(has_brotli) });
        let unpacked = || {
            let packed = std::fs::read(folder.path().join("page.js.gz")).unwrap();
            let mut text = String::new();
            flate2::read::GzDecoder::new(packed.as_slice()).read_to_string(&mut text).unwrap();
            text
        };
        assert_eq!(unpacked(), std::fs::read_to_string(&page).unwrap());

        // A file written after its compressed one, as a later build does.
        let ahead = std::time::SystemTime::now() + std::time::Duration::from_secs(2);
        std::fs::write(&page, "let digit = 7;\n".repeat(200)).unwrap();
        std::fs::File::options().append(true).open(&page).unwrap().set_modified(ahead).unwrap();
        assert_eq!(precompress(folder.path()).unwrap(), first);
        assert_eq!(unpacked(), std::fs::read_to_string(&page).unwrap());
    }

    #[test]
    fn a_compressed_file_names_the_one_it_stands_beside() {
        assert_eq!(is_beside(Path::new("a/page.js.br")), Some(PathBuf::from("a/page.js")));
        assert_eq!(is_beside(Path::new("a/page.js")), None);
    }
}
