//! The part in Chromium: asks `bench/browser/run.mjs`, and reads what it found.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use super::{BATCHES, TOLERANCE};
use crate::paths::Paths;
use crate::tools;

/// What times are compared with: onnxruntime-web on the CPU.
pub(super) const RIVAL: &str = "ort-wasm";

const ON_CPU: [&str; 3] = ["ours-cpu", RIVAL, "tfjs-wasm"];
/// Theirs on the CPU stands among them, so that each group has its own times to compare with.
const ON_GPU: [&str; 4] = [RIVAL, "ours-gpu", "ort-webgpu", "tfjs-webgpu"];

/// All that was found in the browser.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Found {
    /// The browser and its version.
    pub(super) browser: String,
    /// The graphics adapter; none where WebGPU is not to be had.
    pub(super) adapter: Option<String>,
    /// Whether that adapter is a program on the CPU.
    pub(super) software: bool,
    /// The variants that took turns with each other.
    pub(super) groups: Vec<Vec<Variant>>,
}

/// What one variant did.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Variant {
    /// `ours-cpu`, `ort-wasm` and so on.
    pub(super) id: String,
    /// The version of its package.
    pub(super) version: Option<String>,
    /// Why it did not run.
    pub(super) failed: Option<String>,
    /// By batch: the greatest difference from our CPU worker's answer.
    pub(super) differences: BTreeMap<usize, f64>,
    /// By batch: the milliseconds of an evaluation in each turn.
    pub(super) ms: BTreeMap<usize, Vec<f64>>,
}

/// Runs all of it in one Chromium.
pub(super) fn measure(
    paths: &Paths,
    folder: &Path,
    node: &Path,
    site: &Path,
    made: &Path,
    turns: u64,
) -> Result<Found> {
    let chromium = tools::chromium().with_context(|| tools::HOW_TO_GET_CHROMIUM.to_owned())?;
    let group = |only: &[&str], batches: &[usize], turns: u64| json!({ "only": only, "batches": batches, "turns": turns });
    let asked = json!({
        "modules": folder, "site": site, "made": made, "chrome": chromium, "tolerance": TOLERANCE,
        "cpu": group(&ON_CPU, &BATCHES, turns),
        "gpu": group(&ON_GPU, &BATCHES, turns),
        // An evaluation takes such an adapter seconds, and more turns say nothing about graphics processors.
        "software": group(&ON_GPU, &BATCHES[..2], turns.min(3)),
    });
    let script = paths.root.join("bench").join("browser").join("run.mjs");
    let out = Command::new(node)
        .arg(script)
        .arg(asked.to_string())
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .context("could not start node")?;
    if !out.status.success() {
        bail!("bench/browser/run.mjs failed ({})", out.status);
    }
    let text = String::from_utf8_lossy(&out.stdout);
    read(text.lines().last().unwrap_or_default())
}

/// Reads the script's last line.
pub(super) fn read(line: &str) -> Result<Found> {
    let value: Value =
        serde_json::from_str(line).context("bench/browser/run.mjs ends with a line of JSON")?;
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let variant = |value: &Value| -> Result<Variant> {
        let mut variant = Variant {
            id: text(&value["id"]).context("a variant without a name")?,
            version: text(&value["version"]),
            failed: text(&value["failed"]),
            differences: BTreeMap::new(),
            ms: BTreeMap::new(),
        };
        for (batch, difference) in value["differences"].as_object().into_iter().flatten() {
            variant.differences.insert(batch.parse()?, difference.as_f64().unwrap_or(f64::INFINITY));
        }
        for (batch, ms) in value["ms"].as_object().into_iter().flatten() {
            let ms: Vec<f64> = list(ms).iter().filter_map(Value::as_f64).collect();
            variant.ms.insert(batch.parse()?, ms);
        }
        Ok(variant)
    };
    let variants = |group: &Value| list(&group["variants"]).iter().map(variant).collect();
    let groups: Result<Vec<Vec<Variant>>> = list(&value["groups"]).iter().map(variants).collect();
    Ok(Found {
        browser: text(&value["browser"]).context("the script names no browser")?,
        adapter: text(&value["adapter"]),
        software: value["software"].as_bool().unwrap_or(false),
        groups: groups?,
    })
}

/// Ends the run when an answer is another one, or ours is missing: times of something else are worth nothing.
pub(super) fn require_agreement(found: &Found) -> Result<()> {
    for variant in found.groups.iter().flatten() {
        for (batch, difference) in &variant.differences {
            // Written so that what is not a number does not agree.
            if !matches!(
                difference.partial_cmp(&TOLERANCE),
                Some(std::cmp::Ordering::Less | std::cmp::Ordering::Equal)
            ) {
                bail!(
                    "{}: its velocities of a batch of {batch} are {difference:.1e} off our CPU worker's; accepted is {TOLERANCE:.0e}. \
                     It does not compute the same network, so nothing is written",
                    variant.id
                );
            }
        }
        if [RIVAL, "ours-cpu"].contains(&variant.id.as_str())
            && let Some(why) = &variant.failed
        {
            bail!("{} did not run, and everything is compared with it: {why}", variant.id);
        }
    }
    Ok(())
}

/// The two worker programs of a site, by their hashed names.
pub(super) fn programs(site: &Path) -> Result<String> {
    let listing: Value = serde_json::from_slice(&std::fs::read(site.join("site.json"))?)?;
    let name = |which: &str| listing[which]["wasm"].as_str().map(|name| format!("`{name}`"));
    Ok(["cpu", "gpu"].iter().filter_map(|which| name(which)).collect::<Vec<_>>().join(" and "))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = r#"{"browser":"Chromium 156","adapter":null,"software":false,"groups":[{"variants":[
        {"id":"ours-cpu","version":null,"failed":null,"differences":{"1":0},"ms":{"1":[4.5,4.25]}},
        {"id":"ort-wasm","version":"1.30.0","failed":null,"differences":{"1":1e-5,"16":2e-5},"ms":{"1":[4.0]}},
        {"id":"tfjs-wasm","version":null,"failed":"no such thing","differences":{},"ms":{}}]}]}"#;

    fn found() -> Found {
        read(&LINE.replace('\n', " ")).unwrap()
    }

    #[test]
    fn what_the_script_found_is_read() {
        let found = found();
        assert_eq!((found.adapter.as_deref(), found.groups[0].len()), (None, 3));
        assert_eq!(found.groups[0][0].ms[&1], [4.5, 4.25]);
        assert_eq!(found.groups[0][1].differences[&16], 2e-5);
        assert_eq!(found.groups[0][2].failed.as_deref(), Some("no such thing"));
        assert!(read("Error: it broke").unwrap_err().to_string().contains("line of JSON"));
    }

    #[test]
    fn another_answer_ends_the_run_and_names_who_gave_it() {
        require_agreement(&found()).unwrap();
        for off in [1.1e-3, f64::NAN, f64::INFINITY] {
            let mut found = found();
            found.groups[0][1].differences.insert(16, off);
            let said = require_agreement(&found).unwrap_err().to_string();
            assert!(said.contains("ort-wasm") && said.contains("batch of 16"), "{said}");
        }
    }

    #[test]
    fn a_run_without_what_everything_is_compared_with_ends() {
        let mut found = found();
        found.groups[0][1].failed = Some("out of memory".to_owned());
        let said = require_agreement(&found).unwrap_err().to_string();
        assert!(said.contains("ort-wasm did not run") && said.contains("out of memory"), "{said}");
    }
}
