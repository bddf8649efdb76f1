//! Builds the web parts: the two workers and the page.
//!
//! ```text
//! cargo build -> wasm-bindgen -> without what is never called -> wasm-opt -> web-parts/cpu-KEY/{cpu.js, cpu.wasm}
//! cargo build -> Trunk (wasm-bindgen)  -> wasm-opt -> web-parts/page-KEY/{index.html, ...}
//! ```
//! Cargo decides whether something must be compiled. What follows is kept under a key made of its input and the
//! tools' versions, and is not done again for the same key.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};

use crate::download;
use crate::paths::{Paths, shown};
use crate::run::{self, Output};
use crate::tools::{TRUNK, Tools, WASM_BINDGEN, WASM_TARGET};
use crate::unreached::without_unreached;

/// What wasm-opt may use. Named one by one: with `--all-features` it writes encodings that browsers refuse.
const WASM_FEATURES: [&str; 7] = [
    "--enable-bulk-memory",
    "--enable-nontrapping-float-to-int",
    "--enable-sign-ext",
    "--enable-simd",
    "--enable-reference-types",
    "--enable-multivalue",
    "--enable-mutable-globals",
];

/// How many older results of each part are kept, for a change that is taken back.
const KEPT_RESULTS: usize = 3;

/// How much work a build puts into size and speed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flavor {
    /// What ships: link-time optimization and wasm-opt.
    Release,
    /// While developing, and for tests outside of CI: a third of the time.
    Fast,
}

impl Flavor {
    /// The cargo profile in the root manifest.
    pub fn profile(self) -> &'static str {
        match self {
            Self::Release => "web",
            Self::Fast => "web-fast",
        }
    }

    /// The page's own: it computes next to nothing, so its size is all that counts.
    pub fn page_profile(self) -> &'static str {
        match self {
            Self::Release => "web-page",
            Self::Fast => "web-fast",
        }
    }

    /// A worker's: only the loops of the CPU's are built for speed; the rest of it is on the way to the first digit, and the
    /// GPU's computes nothing itself.
    pub fn worker_profile(self, backend: Backend) -> &'static str {
        match (self, backend) {
            (Self::Release, Backend::Cpu) => "web-cpu",
            (Self::Release, Backend::Gpu) => "web-gpu",
            _ => self.profile(),
        }
    }
}

/// Which tensor backend a worker computes with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    /// Burn's Flex, with SIMD.
    Cpu,
    /// Burn's WGPU, on WebGPU.
    Gpu,
}

impl Backend {
    /// The cargo feature, and the stem of the files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Gpu => "gpu",
        }
    }

    /// How long its build takes on two cores, said before it starts.
    pub fn usual_time(self, flavor: Flavor) -> &'static str {
        match (self, flavor) {
            (Self::Cpu, Flavor::Release) => "about 5 min cold, seconds when nothing changed",
            (Self::Cpu, Flavor::Fast) => "about 3 min cold, seconds when nothing changed",
            (Self::Gpu, Flavor::Release) => "about 20 min cold, seconds when nothing changed",
            (Self::Gpu, Flavor::Fast) => "about 8 min cold, seconds when nothing changed",
        }
    }
}

/// A built worker.
#[derive(Clone, Debug)]
pub struct Worker {
    /// Which one.
    pub backend: Backend,
    /// Its module; started as a module worker.
    pub js: PathBuf,
    /// What the module instantiates.
    pub wasm: PathBuf,
    /// JavaScript that wasm-bindgen found in dependencies; empty for most builds.
    pub snippets: Option<PathBuf>,
    /// Of both files together; part of the served names.
    pub hash: String,
}

/// The program of a worker.
fn bin(backend: Backend) -> String {
    format!("worker-{}", backend.name())
}

/// Compiles the CPU worker while the tools are being built. Whether it worked shows when the worker is built in earnest,
/// which then finds it done or says why not.
pub fn compile_ahead(paths: &Paths, flavor: Flavor) {
    let log = paths.web().join("cpu-build.log");
    if std::fs::create_dir_all(paths.web()).and_then(|()| std::fs::write(&log, "")).is_ok() {
        eprintln!("    meanwhile the CPU worker is being compiled; that output goes to {}", shown(&log));
        let _told_later = compile_worker(paths, flavor, Backend::Cpu, &Output::Log(log));
    }
}

fn compile_worker(paths: &Paths, flavor: Flavor, backend: Backend, output: &Output) -> Result<()> {
    compile(
        paths,
        flavor.worker_profile(backend),
        &["--package", "worker", "--features", backend.name(), "--bin", &bin(backend)],
        output,
    )
}

fn compile(paths: &Paths, profile: &str, which: &[&str], output: &Output) -> Result<()> {
    let mut cargo = run::cargo();
    cargo.current_dir(&paths.root).env("CARGO_TARGET_DIR", &paths.target);
    cargo.args(["build", "--profile", profile, "--target", WASM_TARGET]).args(which);
    run::run(&mut cargo, output)
}

/// Builds web parts of one flavor.
#[derive(Clone, Debug)]
pub struct Builder<'a> {
    /// Where everything lies.
    pub paths: &'a Paths,
    /// The tools to build with.
    pub tools: &'a Tools,
    /// How much work to put in.
    pub flavor: Flavor,
}

impl Builder<'_> {
    /// A worker, compiled if its sources changed.
    pub fn worker(&self, backend: Backend, output: &Output) -> Result<Worker> {
        let (name, bin) = (backend.name(), bin(backend));
        compile_worker(self.paths, self.flavor, backend, output)?;
        let compiled = self.compiled(&bin, self.flavor.worker_profile(backend));
        let bytes = std::fs::read(&compiled).with_context(|| format!("reading {}", compiled.display()))?;
        let key = self.key(&[&bytes, include_str!("unreached.rs").as_bytes()]);
        let folder = self.kept(name, &key, |scratch| {
            let mut bindgen = Command::new(&self.tools.wasm_bindgen);
            bindgen.args(["--target", "web", "--no-typescript", "--out-name", name, "--out-dir"]);
            run::run(bindgen.arg(scratch).arg(&compiled), output)?;
            let bound = scratch.join(format!("{name}_bg.wasm"));
            let (smaller, _) = without_unreached(&std::fs::read(&bound)?)?;
            std::fs::write(scratch.join(format!("{name}.wasm")), smaller)?;
            std::fs::remove_file(bound)?;
            // What more passes make smaller, Brotli makes no smaller: the CPU's loops were optimized when they were compiled.
            let passes: &[&str] = if backend == Backend::Cpu { &["-O1"] } else { &["-O2"] };
            self.optimize(&scratch.join(format!("{name}.wasm")), passes, output)
        })?;
        let (js, wasm) = (folder.join(format!("{name}.js")), folder.join(format!("{name}.wasm")));
        let hash = short(&digest(&[&std::fs::read(&js)?, &std::fs::read(&wasm)?]));
        let snippets = Some(folder.join("snippets")).filter(|inner| inner.is_dir());
        self.remember(backend, &key)?;
        Ok(Worker { backend, js, wasm, snippets, hash })
    }

    /// The worker of the last build, if its sources have not changed since: no compiler is asked.
    pub fn remembered(&self, backend: Backend) -> Option<Worker> {
        let name = backend.name();
        let text = std::fs::read_to_string(self.stamp(backend)).ok()?;
        let (sources, key) = text.trim().split_once(' ')?;
        if sources != self.sources().ok()? {
            return None;
        }
        let folder = self.paths.web().join(format!("{name}-{key}"));
        let (js, wasm) = (folder.join(format!("{name}.js")), folder.join(format!("{name}.wasm")));
        let hash = short(&digest(&[&std::fs::read(&js).ok()?, &std::fs::read(&wasm).ok()?]));
        let snippets = Some(folder.join("snippets")).filter(|inner| inner.is_dir());
        Some(Worker { backend, js, wasm, snippets, hash })
    }

    /// The page's folder: `index.html` and what it loads, without workers and models.
    pub fn page(&self, output: &Output) -> Result<PathBuf> {
        // Compiled here first, so that Trunk finds it done and can run without the network.
        let profile = self.flavor.page_profile();
        compile(self.paths, profile, &["--package", "page"], output)?;
        let source = self.paths.root.join("web").join("page");
        let compiled = std::fs::read(self.compiled("page", profile))?;
        // What the document copies, it depends on too.
        let beside = ["web/worker/worker.js", "public"].map(|part| self.paths.root.join(part));
        let inputs: Vec<PathBuf> =
            [source.clone()].into_iter().chain(beside).filter(|part| part.exists()).collect();
        let key = self.key(&[&compiled, tree_digest(&inputs)?.as_bytes()]);
        self.kept("page", &key, |scratch| {
            let mut trunk = Command::new(&self.tools.trunk);
            let beside: Vec<PathBuf> = [Some(&self.tools.wasm_bindgen), self.tools.wasm_opt.as_ref()]
                .into_iter()
                .flatten()
                .filter_map(|tool| tool.parent().map(Path::to_path_buf))
                .collect();
            trunk.current_dir(&source).env("PATH", run::path_with(&beside)?);
            trunk.env("CARGO_TARGET_DIR", &self.paths.target).env_remove("NO_COLOR");
            // In release Trunk insists on wasm-opt, and without the network fails when there is none.
            let release = if self.optimizer().is_some() { "--release" } else { "--minify" };
            // It warns that it cannot shrink the JavaScript of today, which is small; errors are still shown.
            trunk.args(["--log", "error", "build", release, "--offline", "--cargo-profile", profile]);
            trunk
                .args(["--public-url", "./", "--skip-version-check", "--dist"])
                .arg(scratch)
                .arg("index.html");
            run::run(&mut trunk, output)?;
            Ok(())
        })
    }

    fn compiled(&self, bin: &str, profile: &str) -> PathBuf {
        self.paths.target.join(WASM_TARGET).join(profile).join(format!("{bin}.wasm"))
    }

    /// Optimizes in place, where this flavor wants it and wasm-opt is there.
    fn optimize(&self, wasm: &Path, passes: &[&str], output: &Output) -> Result<()> {
        let Some(wasm_opt) = self.optimizer() else { return Ok(()) };
        let smaller = wasm.with_extension("smaller");
        let mut command = Command::new(wasm_opt);
        command.args(passes).args(WASM_FEATURES).arg(wasm).arg("--output").arg(&smaller);
        run::run(&mut command, output)?;
        std::fs::rename(&smaller, wasm)?;
        Ok(())
    }

    fn optimizer(&self) -> Option<&PathBuf> {
        self.tools.wasm_opt.as_ref().filter(|_| self.flavor == Flavor::Release)
    }

    fn key(&self, inputs: &[&[u8]]) -> String {
        let optimized =
            if self.optimizer().is_some() { WASM_FEATURES.concat() } else { "as compiled".into() };
        let tools = format!("{} {} {optimized}", WASM_BINDGEN.version, TRUNK.version);
        let all: Vec<&[u8]> = inputs.iter().copied().chain([tools.as_bytes()]).collect();
        short(&digest(&all))
    }

    /// The folder `web-parts/NAME-KEY`, made by `work` in a scratch folder beside it if it does not exist yet.
    fn kept(&self, name: &str, key: &str, work: impl FnOnce(&Path) -> Result<()>) -> Result<PathBuf> {
        let folder = self.paths.web().join(format!("{name}-{key}"));
        if folder.is_dir() {
            return Ok(folder);
        }
        let scratch = self.paths.web().join(format!("scratch-{name}-{}", std::process::id()));
        if scratch.exists() {
            std::fs::remove_dir_all(&scratch)?;
        }
        std::fs::create_dir_all(&scratch)?;
        work(&scratch)?;
        std::fs::rename(&scratch, &folder)?;
        self.forget_old(name)?;
        Ok(folder)
    }

    fn forget_old(&self, name: &str) -> Result<()> {
        let prefix = format!("{name}-");
        let mut kept = Vec::new();
        for entry in std::fs::read_dir(self.paths.web())? {
            let entry = entry?;
            if entry.file_name().to_string_lossy().starts_with(&prefix) && entry.path().is_dir() {
                kept.push((entry.metadata()?.modified()?, entry.path()));
            }
        }
        kept.sort();
        for (_, folder) in kept.iter().rev().skip(KEPT_RESULTS) {
            std::fs::remove_dir_all(folder)?;
        }
        Ok(())
    }

    fn stamp(&self, backend: Backend) -> PathBuf {
        self.paths.web().join(format!("{}.{}.stamp", backend.name(), self.flavor.worker_profile(backend)))
    }

    fn remember(&self, backend: Backend, key: &str) -> Result<()> {
        write_whole(&self.stamp(backend), format!("{} {key}\n", self.sources()?).as_bytes())
    }

    /// A digest of every source that goes into a worker.
    fn sources(&self) -> Result<String> {
        let root = &self.paths.root;
        let parts = [
            "flow",
            "kernels",
            "model-export",
            "models",
            "web/protocol",
            "web/worker",
            "Cargo.toml",
            "Cargo.lock",
            ".cargo",
        ];
        let folders: Vec<PathBuf> = parts.iter().map(|part| root.join(part)).collect();
        Ok(self.key(&[tree_digest(&folders)?.as_bytes()]))
    }
}

/// Writes beside and renames, so that nobody ever reads half a file.
pub fn write_whole(path: &Path, bytes: &[u8]) -> Result<()> {
    let folder = path.parent().context("a file lies in a folder")?;
    std::fs::create_dir_all(folder)?;
    let name = path.file_name().context("a file has a name")?.to_string_lossy();
    let scratch = folder.join(format!(".{name}.{}.part", std::process::id()));
    std::fs::write(&scratch, bytes).with_context(|| format!("writing {}", scratch.display()))?;
    std::fs::rename(&scratch, path).with_context(|| format!("renaming to {}", path.display()))?;
    Ok(())
}

/// Every file below a folder (or the file itself), sorted.
pub fn files_below(folder: &Path) -> Result<Vec<PathBuf>> {
    if folder.is_file() {
        return Ok(vec![folder.to_path_buf()]);
    }
    let mut files = Vec::new();
    let entries = std::fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))?;
    for entry in entries {
        let path = entry?.path();
        if path.is_dir() {
            files.extend(files_below(&path)?);
        } else {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn tree_digest(folders: &[PathBuf]) -> Result<String> {
    let mut hasher = Sha256::new();
    for folder in folders {
        if !folder.exists() {
            bail!("{} is missing", folder.display());
        }
        for file in files_below(folder)? {
            hasher.update(file.to_string_lossy().as_bytes());
            hasher.update([0]);
            hasher.update(digest(&[&std::fs::read(&file)?]));
        }
    }
    Ok(download::hex(&hasher.finalize()))
}

fn digest(parts: &[&[u8]]) -> String {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update((part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    download::hex(&hasher.finalize())
}

fn short(hexadecimal: &str) -> String {
    hexadecimal.chars().take(16).collect()
}
