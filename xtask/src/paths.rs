//! Where things lie: the repository, cargo's build folder, our tools.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::Value;

use crate::run;

/// The folders that every command needs.
#[derive(Clone, Debug)]
pub struct Paths {
    /// The repository.
    pub root: PathBuf,
    /// Cargo's build folder: `CARGO_TARGET_DIR`, the configuration's, or `target`.
    pub target: PathBuf,
    /// Tools that we installed: `FLOW_DIGITS_TOOLS`, or `~/.cache/flow-digits/tools`.
    pub tools: PathBuf,
}

impl Paths {
    /// Asks cargo and the environment.
    pub fn find() -> Result<Self> {
        // `cargo run` says where the package lies now; the compiler knew where it lay when it was built.
        let here =
            std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
        let here = PathBuf::from(here);
        let root = here.parent().context("xtask lies in the repository's root")?.to_path_buf();
        let mut metadata = run::cargo();
        metadata.current_dir(&root).args(["metadata", "--no-deps", "--format-version", "1", "--offline"]);
        let metadata: Value = serde_json::from_str(&run::output(&mut metadata)?)?;
        let target = metadata["target_directory"].as_str().context("cargo metadata names no build folder")?;
        let tools = match std::env::var_os("FLOW_DIGITS_TOOLS") {
            Some(folder) => PathBuf::from(folder),
            None => home()?.join(".cache").join("flow-digits").join("tools"),
        };
        Ok(Self { root, target: PathBuf::from(target), tools })
    }

    /// Where the web parts are put together, beside cargo's own output.
    pub fn web(&self) -> PathBuf {
        self.target.join("web-parts")
    }

    /// What the demo serves. Not `dist`, so that a build never changes files under an open page.
    pub fn demo(&self) -> PathBuf {
        self.target.join("web-demo")
    }

    /// What the browser tests open.
    pub fn test_site(&self) -> PathBuf {
        self.target.join("web-test")
    }

    /// The release folder, ready to copy to any static host.
    pub fn dist(&self) -> PathBuf {
        self.root.join("dist")
    }
}

/// A path as a person types it: relative to where they stand, if that is shorter.
pub fn shown(path: &Path) -> String {
    let relative =
        std::env::current_dir().ok().and_then(|here| path.strip_prefix(here).ok().map(Path::to_path_buf));
    relative.unwrap_or_else(|| path.to_path_buf()).display().to_string()
}

fn home() -> Result<PathBuf> {
    let home = std::env::var_os("HOME").or_else(|| std::env::var_os("USERPROFILE"));
    Ok(PathBuf::from(
        home.context("neither HOME nor USERPROFILE is set: set FLOW_DIGITS_TOOLS to a folder for tools")?,
    ))
}
