//! Puts the built parts together into a folder that can be served: the page, the models, the workers,
//! `site.json`, which tells the page which worker files are current, and `sw.js`, which keeps all that for readers without a
//! network.
//!
//! A reader may have the page open while this runs. So a file that could still be asked for is never removed
//! within a day, hashed files are never changed, and the two lists come last and whole. The lists and the documents name the
//! content of all that a page loads (`seal.rs`).

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::offline;
use crate::paths::Paths;
use crate::precompress::{is_beside, is_newer};
use crate::seal;
use crate::web::{Backend, Worker, files_below, write_whole};

/// How long a file of an earlier build stays in a folder that may be open in a browser.
const STALE_AFTER: Duration = Duration::from_secs(24 * 3600);

/// What to do with files of earlier builds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leftovers {
    /// A page may be open: keep them for a day.
    KeepADay,
    /// Nobody is served from here: the folder holds exactly this build.
    Remove,
}

/// Puts everything together. Without a GPU worker, `site.json` says `"gpu": null`.
pub fn assemble(
    paths: &Paths,
    folder: &Path,
    page: &Path,
    cpu: &Worker,
    gpu: Option<&Worker>,
    leftovers: Leftovers,
) -> Result<()> {
    std::fs::create_dir_all(folder)?;
    let mut current = BTreeSet::new();
    let public = paths.root.join("public");
    for source in [public.as_path(), page] {
        // The HTML names the hashed files, so it comes after them.
        let mut files = if source.is_dir() { files_below(source)? } else { Vec::new() };
        files.sort_by_key(|file| file.extension().is_some_and(|ending| ending == "html"));
        for file in files {
            let place = folder.join(file.strip_prefix(source)?);
            copy_if_changed(&file, &place)?;
            current.insert(place);
        }
    }
    for worker in [Some(cpu), gpu].into_iter().flatten() {
        current.extend(add_files(folder, worker)?);
    }
    let listing = folder.join("site.json");
    write_whole(&listing, site_json(folder, cpu, gpu)?.as_bytes())?;
    current.insert(listing);
    seal::documents_and_list(folder)?;
    current.insert(offline::write(folder, current.iter().map(PathBuf::as_path))?);
    remove_leftovers(folder, &current, leftovers)
}

/// Adds the GPU worker to a folder that is being served; pages loaded from now on find it.
pub fn add_gpu(folder: &Path, cpu: &Worker, gpu: &Worker) -> Result<()> {
    let mut current = offline::listed(folder)?;
    current.extend(add_files(folder, gpu)?);
    write_whole(&folder.join("site.json"), site_json(folder, cpu, Some(gpu))?.as_bytes())?;
    seal::documents_and_list(folder)?;
    offline::write(folder, current.iter().map(PathBuf::as_path))?;
    Ok(())
}

fn add_files(folder: &Path, worker: &Worker) -> Result<Vec<PathBuf>> {
    let (js, wasm) = names(worker);
    // wasm-bindgen's module falls back to a file of its own naming; point it at the hashed one.
    let plain = format!("{}_bg.wasm", worker.backend.name());
    let hashed = wasm.rsplit('/').next().unwrap_or(&wasm);
    let module = std::fs::read_to_string(&worker.js)?.replace(&plain, hashed);
    let mut added = vec![folder.join(&js), folder.join(&wasm)];
    write_if_changed(&added[0], module.as_bytes())?;
    copy_if_changed(&worker.wasm, &added[1])?;
    if let Some(snippets) = &worker.snippets {
        for file in files_below(snippets)? {
            let place = folder.join("workers").join("snippets").join(file.strip_prefix(snippets)?);
            copy_if_changed(&file, &place)?;
            added.push(place);
        }
    }
    Ok(added)
}

/// The served names: `workers/cpu-HASH.js` and `workers/cpu-HASH.wasm`.
fn names(worker: &Worker) -> (String, String) {
    let stem = format!("workers/{}-{}", worker.backend.name(), worker.hash);
    (format!("{stem}.js"), format!("{stem}.wasm"))
}

/// The page's own program and style, for the element: `index.html` names them, and an article does not read that.
fn page(folder: &Path) -> Option<Value> {
    let document = std::fs::read_to_string(folder.join("index.html")).ok()?;
    // Trunk leaves out quotes that HTML does not need.
    let attribute = |tag: &str, name: &str| {
        let start = tag.find(&format!("{name}="))? + name.len() + 1;
        let value = tag[start..].trim_start_matches('"').split(['"', ' ', '>']).next()?;
        Some(value.trim_start_matches("./").to_owned())
    };
    let (js, wasm) = (attribute(&document, "data-js")?, attribute(&document, "data-wasm")?);
    let style = document.split('<').find(|tag| tag.starts_with("link") && tag.contains("stylesheet"))?;
    let css = attribute(style, "href")?;
    Some(json!({ "js": js, "wasm": wasm, "css": css }))
}

fn site_json(folder: &Path, cpu: &Worker, gpu: Option<&Worker>) -> Result<String> {
    let entry = |worker: Option<&Worker>| -> Result<Value> {
        let Some(worker) = worker else { return Ok(Value::Null) };
        let (js, wasm) = names(worker);
        let bytes =
            std::fs::metadata(&worker.wasm).with_context(|| format!("{}", worker.wasm.display()))?.len();
        Ok(json!({ "js": js, "wasm": wasm, "bytes": bytes }))
    };
    let listing = json!({
        "page": page(folder),
        Backend::Cpu.name(): entry(Some(cpu))?, Backend::Gpu.name(): entry(gpu)?, "results": Value::Null,
    });
    Ok(format!("{listing:#}\n"))
}

fn copy_if_changed(from: &Path, to: &Path) -> Result<()> {
    write_if_changed(to, &std::fs::read(from).with_context(|| format!("reading {}", from.display()))?)
}

fn write_if_changed(to: &Path, bytes: &[u8]) -> Result<()> {
    if std::fs::read(to).is_ok_and(|old| old == bytes) {
        return Ok(());
    }
    write_whole(to, bytes)
}

fn remove_leftovers(folder: &Path, current: &BTreeSet<PathBuf>, leftovers: Leftovers) -> Result<()> {
    for file in files_below(folder)? {
        let is_current = |whole: &PathBuf| current.contains(whole) && is_newer(&file, whole);
        if current.contains(&file) || is_beside(&file).as_ref().is_some_and(is_current) {
            continue;
        }
        let age = SystemTime::now().duration_since(std::fs::metadata(&file)?.modified()?).unwrap_or_default();
        if leftovers == Leftovers::Remove || age > STALE_AFTER {
            std::fs::remove_file(&file)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn worker(folder: &Path, backend: Backend, hash: &str) -> Worker {
        let name = backend.name();
        let (js, wasm) = (folder.join(format!("{name}.js")), folder.join(format!("{name}.wasm")));
        std::fs::write(&js, format!("export default new URL('{name}_bg.wasm', import.meta.url)")).unwrap();
        std::fs::write(&wasm, [0; 7]).unwrap();
        Worker { backend, js, wasm, snippets: None, hash: hash.into() }
    }

    fn paths(root: &Path) -> Paths {
        Paths { root: root.into(), target: root.join("target"), tools: root.join("tools") }
    }

    #[test]
    fn the_gpu_worker_joins_a_served_folder_without_removing_anything() {
        let root = tempfile::tempdir().unwrap();
        let page = root.path().join("page");
        std::fs::create_dir_all(&page).unwrap();
        std::fs::write(page.join("index.html"), "<!doctype html>").unwrap();
        let folder = root.path().join("site");
        let cpu = worker(root.path(), Backend::Cpu, "0123456789abcdef");
        assemble(&paths(root.path()), &folder, &page, &cpu, None, Leftovers::KeepADay).unwrap();
        let listing: Value =
            serde_json::from_slice(&std::fs::read(folder.join("site.json")).unwrap()).unwrap();
        assert_eq!(listing["cpu"]["wasm"], "workers/cpu-0123456789abcdef.wasm");
        assert_eq!(listing["cpu"]["bytes"], 7);
        assert_eq!((&listing["gpu"], &listing["results"]), (&Value::Null, &Value::Null));

        let before = files_below(&folder).unwrap();
        let kept_before = std::fs::read_to_string(folder.join("sw.js")).unwrap();
        let gpu = worker(root.path(), Backend::Gpu, "fedcba9876543210");
        add_gpu(&folder, &cpu, &gpu).unwrap();
        let kept = std::fs::read_to_string(folder.join("sw.js")).unwrap();
        assert_ne!(kept.lines().next(), kept_before.lines().next(), "another list is another version");
        assert!(kept.contains("workers/gpu-fedcba9876543210.wasm"), "{kept}");
        let after = files_below(&folder).unwrap();
        assert!(before.iter().all(|file| after.contains(file)));
        let listing: Value =
            serde_json::from_slice(&std::fs::read(folder.join("site.json")).unwrap()).unwrap();
        assert_eq!(listing["gpu"]["js"], "workers/gpu-fedcba9876543210.js");
        let module = std::fs::read_to_string(folder.join("workers/gpu-fedcba9876543210.js")).unwrap();
        assert!(module.contains("'gpu-fedcba9876543210.wasm'"), "{module}");
    }

    #[test]
    fn a_second_build_keeps_what_an_open_page_may_still_ask_for() {
        let root = tempfile::tempdir().unwrap();
        let page = root.path().join("page");
        std::fs::create_dir_all(&page).unwrap();
        std::fs::write(page.join("index.html"), "<!doctype html>").unwrap();
        let folder = root.path().join("site");
        let old = worker(root.path(), Backend::Cpu, "0000000000000000");
        assemble(&paths(root.path()), &folder, &page, &old, None, Leftovers::KeepADay).unwrap();
        let new = worker(root.path(), Backend::Cpu, "1111111111111111");
        assemble(&paths(root.path()), &folder, &page, &new, None, Leftovers::KeepADay).unwrap();
        assert!(folder.join("workers/cpu-0000000000000000.wasm").is_file());
        assemble(&paths(root.path()), &folder, &page, &new, None, Leftovers::Remove).unwrap();
        assert!(!folder.join("workers/cpu-0000000000000000.wasm").exists());
        assert!(folder.join("workers/cpu-1111111111111111.wasm").is_file());
    }
}
