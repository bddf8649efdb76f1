//! What a visitor waits for: asks `bench/browser/wait.mjs`, and reads what it found.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::paths::Paths;
use crate::tools;

/// Milliseconds since navigation, one a turn: until the first step of the page's first run is on screen, and until its last.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Visit {
    pub(super) step: Vec<f64>,
    pub(super) done: Vec<f64>,
}

/// Visits the site's page so many times with an empty cache, and each time once more. Returns the first visits and the second ones.
pub(super) fn measure(
    paths: &Paths,
    folder: &Path,
    node: &Path,
    site: &Path,
    turns: u64,
) -> Result<[Visit; 2]> {
    let chromium = tools::chromium().with_context(|| tools::HOW_TO_GET_CHROMIUM.to_owned())?;
    let asked = json!({ "modules": folder, "site": site, "chrome": chromium, "turns": turns });
    let script = paths.root.join("bench").join("browser").join("wait.mjs");
    let mut command = Command::new(node);
    command.arg(script).arg(asked.to_string()).stdin(Stdio::null()).stderr(Stdio::inherit());
    let out = command.output().context("could not start node")?;
    if !out.status.success() {
        bail!("bench/browser/wait.mjs failed ({})", out.status);
    }
    let text = String::from_utf8_lossy(&out.stdout);
    read(text.lines().last().unwrap_or_default())
}

/// Reads the script's last line.
fn read(line: &str) -> Result<[Visit; 2]> {
    let value: Value =
        serde_json::from_str(line).context("bench/browser/wait.mjs ends with a line of JSON")?;
    let list = |visit: &str, moment: &str| -> Result<Vec<f64>> {
        let ms: Vec<f64> =
            value[visit][moment].as_array().into_iter().flatten().filter_map(Value::as_f64).collect();
        if ms.is_empty() {
            bail!("bench/browser/wait.mjs says nothing of the {visit} visit's {moment}");
        }
        Ok(ms)
    };
    let visit = |visit: &str| -> Result<Visit> {
        Ok(Visit { step: list(visit, "step")?, done: list(visit, "done")? })
    };
    Ok([visit("first")?, visit("second")?])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_visits_are_read_and_a_missing_moment_is_named() {
        let line = r#"{"first": {"step": [3.5, 4], "done": [9, 8]}, "second": {"step": [1], "done": [2]}}"#;
        let [first, second] = read(line).unwrap();
        assert_eq!(first, Visit { step: vec![3.5, 4.0], done: vec![9.0, 8.0] });
        assert_eq!(second, Visit { step: vec![1.0], done: vec![2.0] });
        let missing = read(r#"{"first": {"step": [3.5], "done": []}}"#).unwrap_err().to_string();
        assert!(missing.contains("first visit's done"), "{missing}");
        assert!(read("").is_err());
    }
}
