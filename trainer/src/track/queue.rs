//! The queue of a run: `mlflow/queue.jsonl`, one event a line, appended to and never changed.

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

/// Something to tell.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Event {
    /// The run; always first.
    Start { name: String, time_ms: u64, tags: BTreeMap<String, String> },
    /// The recipe.
    Params(BTreeMap<String, String>),
    /// Figures of a step.
    Metrics { step: u64, time_ms: u64, values: BTreeMap<String, f64> },
    /// A file, named from the run's folder, and the folder that it goes to.
    Artifact { file: PathBuf, folder: String },
    /// The run runs, or has ended.
    Status { status: String, time_ms: u64, ended: bool },
}

/// The queue, open to append.
pub(super) struct Queue {
    file: File,
    path: PathBuf,
    last_step: u64,
    empty: bool,
}

/// The folder of the queue.
pub(super) fn folder(run: &Path) -> PathBuf {
    run.join("mlflow")
}

/// The queue's file.
pub(super) fn path(run: &Path) -> PathBuf {
    folder(run).join("queue.jsonl")
}

impl Queue {
    /// Opens or makes it. Half a last line, which a kill leaves behind, is cut off.
    pub(super) fn open(run: &Path) -> Result<Self> {
        let path = path(run);
        let open = || -> std::io::Result<(File, Vec<u8>)> {
            std::fs::create_dir_all(folder(run))?;
            let file = File::options().create(true).append(true).open(&path)?;
            let mut bytes = std::fs::read(&path)?;
            let whole = bytes.iter().rposition(|&b| b == b'\n').map_or(0, |end| end + 1);
            if whole < bytes.len() {
                file.set_len(whole as u64)?;
                bytes.truncate(whole);
            }
            Ok((file, bytes))
        };
        let (file, bytes) = open().with_context(|| format!("cannot open {}", path.display()))?;
        let last_step = String::from_utf8_lossy(&bytes)
            .lines()
            .filter_map(|line| match serde_json::from_str(line) {
                Ok(Event::Metrics { step, .. }) => Some(step),
                _ => None,
            })
            .max();
        Ok(Self { file, path, last_step: last_step.unwrap_or(0), empty: bytes.is_empty() })
    }

    /// Whether it held nothing when it was opened.
    pub(super) fn is_empty(&self) -> bool {
        self.empty
    }

    /// The last step that it told of when it was opened.
    pub(super) fn last_step(&self) -> u64 {
        self.last_step
    }

    /// Appends an event, in one write, so that a reader finds whole lines.
    pub(super) fn push(&mut self, event: &Event) -> Result<()> {
        let mut line = serde_json::to_vec(event)?;
        line.push(b'\n');
        self.file.write_all(&line).with_context(|| format!("cannot write {}", self.path.display()))
    }
}
