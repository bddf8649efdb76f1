//! Hashes, so that a page takes no file for one that was published and is not.
//!
//! ```text
//! index.html --integrity--> start.js, page-….js, style-….css; data-…: page-….wasm, site.json
//! site.json  --SHA-256----> worker.js, workers/*.js, workers/*.wasm, models/manifest.json, results.json, the page's own files
//! manifest.json --SHA-256-> every model and stored answer
//! ```
//! The document is what everything rests on: whoever can change it can change all. `docs/threat-model.md` says why it is so,
//! and what an article on another site can name instead of it.

use std::path::Path;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::download::hex;
use crate::offline;
use crate::precompress::{is_beside, precompress};
use crate::web::{files_below, write_whole};

/// The list of programs.
pub(crate) const LIST: &str = "site.json";

/// Documents whose scripts are the site's own.
const DOCUMENTS: [&str; 2] = ["index.html", "embed.html"];

/// Seals a folder that was changed since it was built: models were added, say.
pub fn seal(folder: &Path) -> Result<()> {
    let files = files_below(folder)?;
    documents_and_list(folder)?;
    offline::write(folder, files.iter().map(std::path::PathBuf::as_path))?;
    if files.iter().any(|file| is_beside(file).is_some()) {
        precompress(folder)?;
    }
    Ok(())
}

/// Writes the hashes of the files into the list, and those of the list and of the programs into the documents. What is not there
/// is not vouched for.
pub(crate) fn documents_and_list(folder: &Path) -> Result<()> {
    let place = folder.join(LIST);
    let text = std::fs::read_to_string(&place).with_context(|| format!("reading {}", place.display()))?;
    let mut list: Value = serde_json::from_str(&text).with_context(|| format!("{}", place.display()))?;
    for part in ["page", "cpu", "gpu"] {
        for kind in ["js", "wasm", "css"] {
            let Some(file) = list[part][kind].as_str().map(str::to_owned) else { continue };
            let bytes = std::fs::read(folder.join(&file)).with_context(|| format!("reading {file}"));
            // A GPU program may be left out of a copy; then nobody can be given another one for it.
            let Ok(bytes) = bytes else { continue };
            list[part][format!("{kind}_sha256")] = sha256(&bytes).into();
            if kind == "wasm" && part != "page" {
                list[part]["bytes"] = bytes.len().into();
            }
        }
    }
    if let Ok(bytes) = std::fs::read(folder.join("worker.js")) {
        list["worker"] = json!({ "js": "worker.js", "js_sha256": sha256(&bytes) });
    }
    if let Ok(bytes) = std::fs::read(folder.join("models").join("manifest.json")) {
        list["manifest_sha256"] = sha256(&bytes).into();
    }
    if let Ok(bytes) = std::fs::read(folder.join(offline::RESULTS)) {
        let hash = sha256(&bytes);
        list["results"] = format!("{}?v={}", offline::RESULTS, hash.get(..8).unwrap_or(&hash)).into();
        list["results_sha256"] = hash.into();
    }
    write_if_other(&place, format!("{list:#}\n").as_bytes())?;
    let list_hash = sha256(&std::fs::read(&place)?);
    for document in DOCUMENTS {
        let place = folder.join(document);
        let Ok(text) = std::fs::read_to_string(&place) else { continue };
        write_if_other(&place, sealed(folder, &text, &list_hash).as_bytes())?;
    }
    Ok(())
}

/// A document whose scripts name the content that they must have.
fn sealed(folder: &Path, document: &str, list_sha256: &str) -> String {
    let mut sealed = String::with_capacity(document.len() + 1024);
    let mut rest = document;
    while let Some(start) = rest.find("<script ") {
        let (before, tag) = rest.split_at(start);
        let Some(end) = tag.find('>') else { break };
        sealed.push_str(before);
        sealed.push_str(&script(folder, attributes(&tag["<script ".len()..end]), list_sha256));
        rest = &tag[end + 1..];
    }
    sealed + rest
}

/// A script's opening tag. A script with `data-wasm` starts the page, and is told what else it must hold to.
fn script(folder: &Path, attributes: Vec<(String, String)>, list_sha256: &str) -> String {
    let hash = |file: &str| {
        let path = file.split('?').next().unwrap_or(file).trim_start_matches("./");
        std::fs::read(folder.join(path)).ok().map(|bytes| integrity(&bytes))
    };
    let find =
        |name: &str| attributes.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
    let mut own = vec![("integrity", find("src").and_then(hash))];
    if find("data-wasm").is_some() {
        own.push(("data-js-integrity", find("data-js").and_then(hash)));
        own.push(("data-wasm-integrity", find("data-wasm").and_then(hash)));
        own.push(("data-site", Some(list_sha256.to_owned())));
    }
    let mut tag = String::from("<script");
    for (name, value) in &attributes {
        if own.iter().any(|(replaced, _)| replaced == name) {
            continue;
        }
        let pinned = name == "src" && value.split('?').next().is_some_and(|path| path.ends_with("embed.js"));
        match value.as_str() {
            "" => tag.push_str(&format!(" {name}")),
            _ if pinned => tag.push_str(&format!(" src=\"{}\"", pinned_address(value, list_sha256))),
            value => tag.push_str(&format!(" {name}=\"{value}\"")),
        }
    }
    for (name, value) in own {
        if let Some(value) = value {
            tag.push_str(&format!(" {name}=\"{value}\""));
        }
    }
    tag + ">"
}

/// The element's script, told which list it must hold to.
fn pinned_address(address: &str, list_sha256: &str) -> String {
    format!("{}?site={list_sha256}", address.split('?').next().unwrap_or(address))
}

/// A tag's attributes; values with or without quotes.
fn attributes(text: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let name_end = rest.find(|c: char| c == '=' || c.is_whitespace()).unwrap_or(rest.len());
        let (name, after) = rest.split_at(name_end);
        let (value, after) = match after.strip_prefix('=') {
            None => ("", after),
            Some(quoted) if quoted.starts_with(['"', '\'']) => {
                let quote = if quoted.starts_with('"') { '"' } else { '\'' };
                quoted[1..].split_once(quote).unwrap_or((&quoted[1..], ""))
            }
            Some(plain) => plain.split_at(plain.find(char::is_whitespace).unwrap_or(plain.len())),
        };
        found.push((name.to_owned(), value.to_owned()));
        rest = after.trim_start();
    }
    found
}

fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// What `integrity` attributes hold.
fn integrity(bytes: &[u8]) -> String {
    format!("sha256-{}", base64(&Sha256::digest(bytes)))
}

/// Base64 with padding. Three lines rather than one more crate for a newcomer to wait for.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let of = |group: &[u8]| -> String {
        let number = (0..3).fold(0_u32, |all, i| all << 8 | u32::from(group.get(i).copied().unwrap_or(0)));
        let digit = |i: usize| DIGITS[(number >> (18 - 6 * i) & 63) as usize] as char;
        (0..4).map(|i| if i <= group.len() { digit(i) } else { '=' }).collect()
    };
    bytes.chunks(3).map(of).collect()
}

fn write_if_other(place: &Path, bytes: &[u8]) -> Result<()> {
    if std::fs::read(place).is_ok_and(|old| old == bytes) {
        return Ok(());
    }
    write_whole(place, bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_that_of_rfc_4648() {
        for (text, wanted) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(base64(text.as_bytes()), wanted);
        }
        assert_eq!(base64(&[0xfb, 0xff]), "+/8=");
    }

    fn site() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let list = json!({
            "page": { "js": "page-1.js", "wasm": "page-1.wasm", "css": "style.css" },
            "cpu": { "js": "workers/cpu.js", "wasm": "workers/cpu.wasm", "bytes": 7 },
            "gpu": { "js": "workers/gpu.js", "wasm": "workers/gpu.wasm", "bytes": 7 },
            "results": null, "deployed": 1,
        });
        for (name, content) in [
            ("site.json", list.to_string().as_str()),
            (
                "index.html",
                "<!doctype html><script src=./page-1.js type=module></script>\
                 <script data-js=./page-1.js data-wasm='./page-1.wasm' src=\"./start.js\" type=module></script><p>x",
            ),
            ("embed.html", "<script type=\"module\" src=\"embed.js\"></script>"),
            ("page-1.js", "1"),
            ("page-1.wasm", "2"),
            ("style.css", "3"),
            ("start.js", "4"),
            ("embed.js", "5"),
            ("worker.js", "6"),
            ("results.json", "{}"),
            ("models/manifest.json", r#"{"default":"a","models":[]}"#),
            ("workers/cpu.js", "7"),
            ("workers/cpu.wasm", "eight"),
        ] {
            write_whole(&folder.path().join(name), content.as_bytes()).unwrap();
        }
        folder
    }

    fn read(folder: &tempfile::TempDir, name: &str) -> String {
        std::fs::read_to_string(folder.path().join(name)).unwrap()
    }

    #[test]
    fn the_document_vouches_for_the_list_and_the_list_for_the_rest() {
        let folder = site();
        seal(folder.path()).unwrap();
        let list: Value = serde_json::from_str(&read(&folder, "site.json")).unwrap();
        assert_eq!(list["page"]["js_sha256"], sha256(b"1"));
        assert_eq!(list["cpu"]["wasm_sha256"], sha256(b"eight"));
        assert_eq!((&list["cpu"]["bytes"], &list["gpu"]["bytes"]), (&5.into(), &7.into()));
        assert_eq!(list["gpu"]["wasm_sha256"], Value::Null, "which is not there");
        assert_eq!(list["worker"]["js_sha256"], sha256(b"6"));
        assert_eq!(list["manifest_sha256"], sha256(br#"{"default":"a","models":[]}"#));
        assert_eq!(list["results"], "results.json?v=44136fa3");
        assert_eq!(list["deployed"], 1, "what others wrote stays");
        let list = sha256(read(&folder, "site.json").as_bytes());
        let wanted = format!(
            "<!doctype html><script src=\"./page-1.js\" type=\"module\" integrity=\"{}\"></script>\
             <script data-js=\"./page-1.js\" data-wasm=\"./page-1.wasm\" src=\"./start.js\" type=\"module\" integrity=\"{}\" \
             data-js-integrity=\"{}\" data-wasm-integrity=\"{}\" data-site=\"{list}\"></script><p>x",
            integrity(b"1"),
            integrity(b"4"),
            integrity(b"1"),
            integrity(b"2"),
        );
        assert_eq!(read(&folder, "index.html"), wanted);
        let frame = format!(
            "<script type=\"module\" src=\"embed.js?site={list}\" integrity=\"{}\"></script>",
            integrity(b"5")
        );
        assert_eq!(read(&folder, "embed.html"), frame);
        assert!(read(&folder, "sw.js").contains(&sha256(wanted.as_bytes())), "kept as it is now");
    }

    #[test]
    fn to_seal_twice_changes_nothing_and_to_seal_after_a_change_follows_it() {
        let folder = site();
        seal(folder.path()).unwrap();
        let first = ["site.json", "index.html", "embed.html", "sw.js"].map(|name| read(&folder, name));
        seal(folder.path()).unwrap();
        assert_eq!(["site.json", "index.html", "embed.html", "sw.js"].map(|name| read(&folder, name)), first);
        std::fs::write(folder.path().join("models/manifest.json"), r#"{"default":"b","models":[]}"#).unwrap();
        seal(folder.path()).unwrap();
        let second = ["site.json", "index.html", "embed.html", "sw.js"].map(|name| read(&folder, name));
        assert!(first.iter().zip(&second).all(|(first, second)| first != second));
    }
}
