//! `sw.js`: the service worker (`web/page/sw.js`) with the list of what one version of the site consists of.
//!
//! ```text
//! self.site = {"version": "...", "shell": {"start.js": "SHA-256", ...}, "later": {"workers/gpu-....wasm": "SHA-256", ...}};
//! (web/page/sw.js)
//! ```
//! The shell is what draws digits without a network: all but the GPU worker and the models that are not the first one.
//! Everything stands under the address by which the page asks for it, with the content that it must have to be kept.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::download::hex;
use crate::precompress::is_beside;
use crate::web::{Backend, write_whole};

/// The study's figures, if the site has them.
pub(crate) const RESULTS: &str = "results.json";

/// The name of the service worker: it stays the same for ever, because browsers ask for it by name.
const FILE: &str = "sw.js";

/// What comes before the list, and what ends it.
const LIST: (&str, &str) = ("self.site = ", ";\n");

/// The program after the list.
const PROGRAM: &str = include_str!("../../web/page/sw.js");

/// Writes `sw.js` for these files of a folder, as they are now, and gives its place. It must come last: it vouches for the
/// content of the others.
pub fn write<'a>(folder: &Path, files: impl Iterator<Item = &'a Path>) -> Result<PathBuf> {
    let names = Names::read(folder)?;
    let (mut shell, mut later) = (BTreeMap::new(), BTreeMap::new());
    for file in files {
        let path = relative(folder, file)?;
        if path == FILE || is_beside(file).is_some() {
            continue;
        }
        let bytes = std::fs::read(file).with_context(|| format!("reading {}", file.display()))?;
        let hash = hex(&Sha256::digest(&bytes));
        let part = if names.is_shell(&path) { &mut shell } else { &mut later };
        part.insert(names.address(&path, &hash), hash);
    }
    let mut all = Sha256::new();
    all.update(json!([shell, later]).to_string());
    all.update(PROGRAM);
    let version: String = hex(&all.finalize()).chars().take(16).collect();
    let list = json!({ "version": version, "shell": shell, "later": later });
    let place = folder.join(FILE);
    let text = format!("{}{list}{}{PROGRAM}", LIST.0, LIST.1);
    if !std::fs::read(&place).is_ok_and(|old| old == text.as_bytes()) {
        write_whole(&place, text.as_bytes())?;
    }
    Ok(place)
}

/// The files that the folder's `sw.js` lists.
pub fn listed(folder: &Path) -> Result<BTreeSet<PathBuf>> {
    let place = folder.join(FILE);
    let text = std::fs::read_to_string(&place).with_context(|| format!("reading {}", place.display()))?;
    let list = text.strip_prefix(LIST.0).and_then(|rest| rest.split_once(LIST.1));
    let (list, _) = list.with_context(|| format!("{} does not begin with a list", place.display()))?;
    let list: Value = serde_json::from_str(list).with_context(|| format!("{}", place.display()))?;
    let parts = ["shell", "later"].into_iter().filter_map(|part| list[part].as_object());
    let path = |address: &String| match address.split('?').next() {
        Some("./") | None => folder.join("index.html"),
        Some(path) => folder.join(path),
    };
    Ok(parts.flat_map(|part| part.keys()).map(path).collect())
}

/// How the page names files, and which models it begins with.
struct Names {
    first: BTreeSet<String>,
}

impl Names {
    /// Asks the folder's manifest; a site without one has no models.
    fn read(folder: &Path) -> Result<Self> {
        let place = folder.join("models").join("manifest.json");
        let Ok(text) = std::fs::read_to_string(&place) else { return Ok(Self { first: BTreeSet::new() }) };
        let manifest: Value = serde_json::from_str(&text).with_context(|| format!("{}", place.display()))?;
        let models = manifest["models"].as_array().cloned().unwrap_or_default();
        let find = |id: &Value| models.iter().find(|model| model["id"] == *id);
        let default = find(&manifest["default"]);
        let decoder = default.and_then(|model| find(&model["decoder"]));
        let of = |model: &Value| [model["file"].clone(), model["self_test"]["file"].clone()];
        let files = [default, decoder].into_iter().flatten().flat_map(of);
        let first = files.filter_map(|file| file.as_str().map(|file| format!("models/{file}"))).collect();
        Ok(Self { first })
    }

    /// Whether a file is needed for the first digits.
    fn is_shell(&self, path: &str) -> bool {
        let gpu = format!("workers/{}-", Backend::Gpu.name());
        let is_later_model = path.starts_with("models/") && path != "models/manifest.json";
        self.first.contains(path) || !(is_later_model || path.starts_with(&gpu))
    }

    /// The address that the page asks for, relative to itself: what has no hash in its name brings one behind it
    /// (`versioned` in `web/page/src/catalog.rs`, `results` in `site.rs`).
    fn address(&self, path: &str, hash: &str) -> String {
        let is_model = path.starts_with("models/") && path != "models/manifest.json";
        match path {
            // Hosts redirect `index.html` to its folder, and a redirected answer is refused for a page.
            "index.html" => "./".to_owned(),
            _ if is_model || path == RESULTS => format!("{path}?v={}", hash.get(..8).unwrap_or(hash)),
            _ => path.to_owned(),
        }
    }
}

fn relative(folder: &Path, file: &Path) -> Result<String> {
    Ok(file.strip_prefix(folder)?.to_string_lossy().replace('\\', "/"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::web::files_below;

    fn site() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let manifest = json!({ "default": "b", "models": [
            { "id": "a", "file": "a.safetensors" },
            { "id": "b", "file": "b.safetensors", "decoder": "c", "self_test": { "file": "b.bin" } },
            { "id": "c", "file": "c.safetensors" },
        ] });
        let manifest = manifest.to_string();
        for (name, content) in [
            ("index.html", "<!doctype html>"),
            ("results.json", "{}"),
            ("site.json", "{}"),
            ("start.js", "1"),
            ("start.js.br", "compressed"),
            ("models/manifest.json", manifest.as_str()),
            ("models/a.safetensors", "a"),
            ("models/b.safetensors", "b"),
            ("models/b.bin", "an answer"),
            ("models/c.safetensors", "c"),
            ("workers/cpu-0123456789abcdef.wasm", "cpu"),
            ("workers/gpu-0123456789abcdef.wasm", "gpu"),
        ] {
            write_whole(&folder.path().join(name), content.as_bytes()).unwrap();
        }
        folder
    }

    fn list(folder: &Path) -> Value {
        let files = files_below(folder).unwrap();
        let place = write(folder, files.iter().map(PathBuf::as_path)).unwrap();
        let text = std::fs::read_to_string(place).unwrap();
        assert!(text.ends_with(PROGRAM));
        serde_json::from_str(text.strip_prefix(LIST.0).unwrap().split_once(LIST.1).unwrap().0).unwrap()
    }

    #[test]
    fn the_shell_holds_the_first_model_and_its_decoder_by_the_pages_addresses() {
        let folder = site();
        let list = list(folder.path());
        let names: Vec<&str> = list["shell"].as_object().unwrap().keys().map(String::as_str).collect();
        let wanted = [
            "./",
            "models/b.bin?v=",
            "models/b.safetensors?v=3e23e816",
            "models/c.safetensors?v=2e7d2c03",
            "models/manifest.json",
            "results.json?v=44136fa3",
            "site.json",
            "start.js",
            "workers/cpu-0123456789abcdef.wasm",
        ];
        assert_eq!(names.len(), wanted.len(), "{names:?}");
        assert!(names.iter().zip(wanted).all(|(name, wanted)| name.starts_with(wanted)), "{names:?}");
        // What `sha256sum` says of `a` and of `gpu`.
        let later = json!({
            "models/a.safetensors?v=ca978112": "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb",
            "workers/gpu-0123456789abcdef.wasm": "e3c5ba51dba85ab0c990db5e309f4d7bdb282470fb02aee75b9022c1399e91c8",
        });
        assert_eq!(list["later"], later);
        // SHA-256 of `1`.
        assert!(list["shell"]["start.js"].as_str().unwrap().starts_with("6b86b273ff34fce1"));
    }

    #[test]
    fn another_content_is_another_version_and_the_same_content_the_same() {
        let folder = site();
        let first = list(folder.path());
        assert_eq!(list(folder.path()), first);
        std::fs::write(folder.path().join("index.html"), "<!doctype html><p>").unwrap();
        let second = list(folder.path());
        assert_ne!(second["version"], first["version"]);
        // A model that only another choice asks for: its address differs, so the version does.
        std::fs::write(folder.path().join("models/a.safetensors"), "other").unwrap();
        assert_ne!(list(folder.path())["version"], second["version"]);
    }

    #[test]
    fn what_is_listed_are_the_sites_files_without_the_compressed_ones() {
        let folder = site();
        let mut wanted: BTreeSet<PathBuf> = files_below(folder.path()).unwrap().into_iter().collect();
        wanted.remove(&folder.path().join("start.js.br"));
        list(folder.path());
        assert_eq!(listed(folder.path()).unwrap(), wanted);
    }
}
