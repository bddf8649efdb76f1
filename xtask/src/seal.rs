//! Hashes, so that a page takes no file for one that was published and is not.
//!
//! ```text
//! index.html --integrity--> start.js, page-….js, style-….css; data-…: page-….wasm, site.json
//! embed.html --integrity--> embed.js, embed-frame.js, embed-frame.css; ?site=: site.json
//! site.json  --SHA-256----> worker.js, workers/*.js, workers/*.wasm, models/manifest.json, results.json, the page's own files
//! manifest.json --SHA-256-> every model and stored answer
//! ```
//! The document is what everything rests on: whoever can change it can change all. `docs/threat-model.md` says why it is so,
//! and what an article on another site can name instead of it.

use std::io::ErrorKind;
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

/// Documents whose scripts and styles are the site's own.
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

/// Writes the hashes of the files into the list, and those of the list, the programs and the styles into the documents. What is not
/// there is vouched for no more, and a page that trusts its list does without it.
///
/// # Errors
/// A file that the site can't do without is not there, or one that is there can't be read.
pub(crate) fn documents_and_list(folder: &Path) -> Result<()> {
    let place = folder.join(LIST);
    let text = std::fs::read_to_string(&place).with_context(|| format!("reading {}", place.display()))?;
    let mut list: Value = serde_json::from_str(&text).with_context(|| format!("{}", place.display()))?;
    for part in ["page", "cpu", "gpu"] {
        let program = &list[part];
        let files = ["js", "wasm", "css"].map(|kind| Some((kind, program[kind].as_str()?.to_owned())));
        for (kind, file) in files.into_iter().flatten() {
            let found = read_if_there(&folder.join(&file))?;
            // The GPU's program may be left out of a copy.
            if found.is_none() && part == "gpu" {
                list[part] = Value::Null;
                break;
            }
            let bytes = found.with_context(|| format!("{LIST} names {file}, which is not there"))?;
            list[part][format!("{kind}_sha256")] = sha256(&bytes).into();
            if kind == "wasm" && part != "page" {
                list[part]["bytes"] = bytes.len().into();
            }
        }
    }
    let hash = |path: &str| -> Result<Option<String>> {
        Ok(read_if_there(&folder.join(path))?.map(|bytes| sha256(&bytes)))
    };
    list["worker"] = hash("worker.js")?.map(|hash| json!({ "js": "worker.js", "js_sha256": hash })).into();
    list["manifest_sha256"] = hash("models/manifest.json")?.into();
    let results = hash(offline::RESULTS)?;
    let address = |hash: &String| format!("{}?v={}", offline::RESULTS, hash.get(..8).unwrap_or(hash));
    list["results"] = results.as_ref().map(address).into();
    list["results_sha256"] = results.into();
    write_if_other(&place, format!("{list:#}\n").as_bytes())?;
    let list_hash = sha256(&std::fs::read(&place)?);
    for document in DOCUMENTS {
        let place = folder.join(document);
        let Some(bytes) = read_if_there(&place)? else { continue };
        let text = String::from_utf8(bytes).with_context(|| format!("{}", place.display()))?;
        let sealed = sealed(folder, &text, &list_hash).with_context(|| format!("sealing {document}"))?;
        write_if_other(&place, sealed.as_bytes())?;
    }
    Ok(())
}

/// A file's content; `None` where there is none. What is there and can't be read must not pass for that.
fn read_if_there(place: &Path) -> Result<Option<Vec<u8>>> {
    match std::fs::read(place) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("reading {}", place.display())),
    }
}

/// A document whose scripts and styles name the content that they must have.
fn sealed(folder: &Path, document: &str, list_sha256: &str) -> Result<String> {
    let mut sealed = String::with_capacity(document.len() + 1024);
    let mut rest = document;
    while let Some((start, name)) = next_tag(rest) {
        let (before, tag) = rest.split_at(start);
        let Some(end) = tag.find('>') else { break };
        let attributes = attributes(&tag[name.len() + 2..end]);
        sealed.push_str(before);
        match name {
            "script" => sealed.push_str(&script(folder, &attributes, list_sha256)?),
            _ if is_style(&attributes) => sealed.push_str(&style(folder, &attributes)?),
            // Icons and what is fetched ahead stay as they are.
            _ => sealed.push_str(&tag[..=end]),
        }
        rest = &tag[end + 1..];
    }
    Ok(sealed + rest)
}

/// Where the next tag stands that may name a file with a hash.
fn next_tag(document: &str) -> Option<(usize, &'static str)> {
    let tags = ["script", "link"].into_iter();
    tags.filter_map(|name| Some((document.find(&format!("<{name} "))?, name))).min()
}

/// A tag's attributes, by name and value.
type Attributes = [(String, String)];

fn value<'a>(attributes: &'a Attributes, name: &str) -> Option<&'a str> {
    attributes.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
}

fn is_style(attributes: &Attributes) -> bool {
    value(attributes, "rel").is_some_and(|rel| rel.split_whitespace().any(|word| word == "stylesheet"))
}

/// What an `integrity` attribute says of a file that a document names; nothing where that is not the site's.
fn integrity_of(folder: &Path, address: Option<&str>) -> Result<Option<String>> {
    let Some(address) = address.filter(|address| !address.contains("//")) else { return Ok(None) };
    let path = address.split('?').next().unwrap_or(address).trim_start_matches("./");
    let bytes = std::fs::read(folder.join(path)).with_context(|| format!("reading {path}"))?;
    Ok(Some(integrity(&bytes)))
}

/// A style's tag. In a sandboxed frame each file comes from another origin, and there a browser compares only what was asked for
/// with `crossorigin`; modules always are.
fn style(folder: &Path, attributes: &Attributes) -> Result<String> {
    let own = [("integrity", integrity_of(folder, value(attributes, "href"))?)];
    Ok(tag("link", attributes, &own))
}

/// A script's opening tag. A script with `data-wasm` starts the page, and is told what else it must hold to.
fn script(folder: &Path, attributes: &Attributes, list_sha256: &str) -> Result<String> {
    let hash = |name: &str| integrity_of(folder, value(attributes, name));
    let mut own = vec![("integrity", hash("src")?)];
    if value(attributes, "data-wasm").is_some() {
        own.push(("data-js-integrity", hash("data-js")?));
        own.push(("data-wasm-integrity", hash("data-wasm")?));
        own.push(("data-site", Some(list_sha256.to_owned())));
    }
    let pinned = |(name, value): &(String, String)| {
        let is_element =
            name == "src" && value.split('?').next().is_some_and(|path| path.ends_with("embed.js"));
        (name.clone(), if is_element { pinned_address(value, list_sha256) } else { value.clone() })
    };
    Ok(tag("script", &attributes.iter().map(pinned).collect::<Vec<_>>(), &own))
}

/// A tag with these attributes, and ours in place of those that it had under the same names.
fn tag(name: &str, attributes: &Attributes, own: &[(&str, Option<String>)]) -> String {
    let mut tag = format!("<{name}");
    for (name, value) in attributes.iter().filter(|(name, _)| own.iter().all(|(own, _)| own != name)) {
        match value.as_str() {
            "" => tag.push_str(&format!(" {name}")),
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
                "<!doctype html><link href=icon.svg rel=icon><link href=./style.css integrity=sha384-of-trunk rel=stylesheet>\
                 <script src=./page-1.js type=module></script>\
                 <script data-js=./page-1.js data-wasm='./page-1.wasm' src=\"./start.js\" type=module></script><p>x",
            ),
            (
                "embed.html",
                "<link rel=\"stylesheet\" href=\"embed-frame.css\" crossorigin>\n\
                 <script type=\"module\" src=\"embed.js\"></script>",
            ),
            ("page-1.js", "1"),
            ("page-1.wasm", "2"),
            ("style.css", "3"),
            ("start.js", "4"),
            ("embed.js", "5"),
            ("embed-frame.css", "9"),
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
        assert_eq!(list["page"]["css_sha256"], sha256(b"3"));
        assert_eq!(list["cpu"]["bytes"], 5);
        assert_eq!(list["gpu"], Value::Null, "which is not there");
        assert_eq!(list["worker"]["js_sha256"], sha256(b"6"));
        assert_eq!(list["manifest_sha256"], sha256(br#"{"default":"a","models":[]}"#));
        assert_eq!(list["results"], "results.json?v=44136fa3");
        assert_eq!(list["deployed"], 1, "what others wrote stays");
        let list = sha256(read(&folder, "site.json").as_bytes());
        let wanted = format!(
            "<!doctype html><link href=icon.svg rel=icon><link href=\"./style.css\" rel=\"stylesheet\" integrity=\"{}\">\
             <script src=\"./page-1.js\" type=\"module\" integrity=\"{}\"></script>\
             <script data-js=\"./page-1.js\" data-wasm=\"./page-1.wasm\" src=\"./start.js\" type=\"module\" integrity=\"{}\" \
             data-js-integrity=\"{}\" data-wasm-integrity=\"{}\" data-site=\"{list}\"></script><p>x",
            integrity(b"3"),
            integrity(b"1"),
            integrity(b"4"),
            integrity(b"1"),
            integrity(b"2"),
        );
        assert_eq!(read(&folder, "index.html"), wanted);
        let frame = format!(
            "<link rel=\"stylesheet\" href=\"embed-frame.css\" crossorigin integrity=\"{}\">\n\
             <script type=\"module\" src=\"embed.js?site={list}\" integrity=\"{}\"></script>",
            integrity(b"9"),
            integrity(b"5"),
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

    #[test]
    fn a_changed_style_has_its_new_hash_in_the_document_and_in_the_list() {
        let folder = site();
        seal(folder.path()).unwrap();
        std::fs::write(folder.path().join("style.css"), "p {}").unwrap();
        std::fs::write(folder.path().join("embed-frame.css"), "q {}").unwrap();
        seal(folder.path()).unwrap();
        let list: Value = serde_json::from_str(&read(&folder, "site.json")).unwrap();
        assert_eq!(list["page"]["css_sha256"], sha256(b"p {}"));
        for (document, old, new) in [("index.html", "3", "p {}"), ("embed.html", "9", "q {}")] {
            let text = read(&folder, document);
            let named = [old, new].map(|style| text.matches(&integrity(style.as_bytes())).count());
            assert_eq!(named, [0, 1], "{text}");
        }
    }

    #[test]
    fn what_is_gone_is_not_vouched_for_any_more() {
        let folder = site();
        write_whole(&folder.path().join("workers/gpu.js"), b"gpu").unwrap();
        write_whole(&folder.path().join("workers/gpu.wasm"), b"gpu too").unwrap();
        seal(folder.path()).unwrap();
        let list: Value = serde_json::from_str(&read(&folder, "site.json")).unwrap();
        assert_eq!(list["gpu"]["wasm_sha256"], sha256(b"gpu too"));
        for file in ["workers/gpu.wasm", "worker.js", "results.json", "models/manifest.json"] {
            std::fs::remove_file(folder.path().join(file)).unwrap();
        }
        seal(folder.path()).unwrap();
        let list: Value = serde_json::from_str(&read(&folder, "site.json")).unwrap();
        for name in ["gpu", "worker", "results", "results_sha256", "manifest_sha256"] {
            assert_eq!(list[name], Value::Null, "{name}");
        }
    }

    #[test]
    fn without_a_file_that_the_page_needs_or_may_not_read_nothing_is_sealed() {
        for (file, is_there) in [("workers/cpu.wasm", false), ("page-1.js", false), ("start.js", false)]
            .into_iter()
            .chain(["worker.js", "results.json", "workers/cpu.js", "style.css"].map(|file| (file, true)))
        {
            let folder = site();
            let place = folder.path().join(file);
            std::fs::remove_file(&place).unwrap();
            if is_there {
                // A folder of that name is there and can't be read as a file.
                std::fs::create_dir(&place).unwrap();
            }
            let said = format!("{:#}", seal(folder.path()).unwrap_err());
            assert!(said.contains(file), "{file}: {said}");
        }
    }
}
