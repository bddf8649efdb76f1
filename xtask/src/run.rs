//! Running other programs: one way to start cargo, one way to report a failure.

use std::ffi::OsStr;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

/// Where a program's own output goes.
#[derive(Clone, Debug)]
pub enum Output {
    /// To the terminal, as it comes.
    Terminal,
    /// To a file, for builds that run behind something that a person is reading.
    Log(PathBuf),
}

/// Cargo, without the variables that `cargo run` gave to us: a build script that watches one of them
/// would otherwise run again and again.
pub fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        let ours = ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "CARGO_CRATE_"]
            .iter()
            .any(|p| text.starts_with(p));
        if ours || text == "CARGO_PRIMARY_PACKAGE" {
            command.env_remove(&name);
        }
    }
    command
}

/// Runs to the end; a failure names the command.
pub fn run(command: &mut Command, output: &Output) -> Result<()> {
    let status = match output {
        Output::Terminal => command.status(),
        Output::Log(path) => {
            let log = File::options().create(true).append(true).open(path)?;
            command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).status()
        }
    };
    let status = status.with_context(|| format!("could not start `{}`", described(command)))?;
    if status.success() {
        return Ok(());
    }
    match output {
        Output::Terminal => bail!("`{}` failed ({status})", described(command)),
        Output::Log(path) => {
            bail!("`{}` failed ({status}); its last lines:\n{}", described(command), tail(path, 20))
        }
    }
}

/// Runs and gives what it printed on standard output.
pub fn output(command: &mut Command) -> Result<String> {
    let out = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("could not start `{}`", described(command)))?;
    if !out.status.success() {
        let said = String::from_utf8_lossy(&out.stderr);
        bail!("`{}` failed ({}): {}", described(command), out.status, said.trim());
    }
    Ok(String::from_utf8_lossy(&out.stdout).into_owned())
}

/// The first file of this name on PATH.
pub fn which(name: &str) -> Option<PathBuf> {
    let file = format!("{name}{}", std::env::consts::EXE_SUFFIX);
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(&file)).find(|file| file.is_file())
}

/// The value of PATH with these folders first.
pub fn path_with(folders: &[PathBuf]) -> Result<std::ffi::OsString> {
    let old = std::env::var_os("PATH").unwrap_or_default();
    let all = folders.iter().cloned().chain(std::env::split_paths(&old));
    Ok(std::env::join_paths(all)?)
}

fn described(command: &Command) -> String {
    let name = Path::new(command.get_program()).file_name().unwrap_or_else(|| command.get_program());
    std::iter::once(name).chain(command.get_args()).map(OsStr::to_string_lossy).collect::<Vec<_>>().join(" ")
}

fn tail(path: &Path, lines: usize) -> String {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let all: Vec<&str> = text.lines().collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}
