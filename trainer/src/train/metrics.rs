//! Metrics as JSON lines, one an event. On resume, lines past the checkpoint are dropped: they will be written again.

use anyhow::{Context, Result};
use serde_json::Value;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

/// An open metrics file.
pub(super) struct Metrics {
    file: BufWriter<File>,
    path: PathBuf,
}

impl Metrics {
    /// Opens or makes the file, keeping lines up to and including `step`. A half-written last line is dropped.
    pub(super) fn open(path: &Path, step: u64) -> Result<Self> {
        let old = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(e) => return Err(e).with_context(|| format!("cannot read {}", path.display())),
        };
        let mut kept = String::new();
        for line in old.lines() {
            let at = serde_json::from_str::<Value>(line).ok().and_then(|v| v["step"].as_u64());
            if at.is_some_and(|at| at <= step) {
                kept.push_str(line);
                kept.push('\n');
            }
        }
        if kept != old {
            model_export::write_atomically(path, kept.as_bytes())
                .with_context(|| format!("cannot write {}", path.display()))?;
        }
        let file = File::options()
            .create(true)
            .append(true)
            .open(path)
            .with_context(|| format!("cannot open {}", path.display()))?;
        Ok(Self { file: BufWriter::new(file), path: path.to_owned() })
    }

    pub(super) fn line(&mut self, value: &Value) -> Result<()> {
        writeln!(self.file, "{value}").with_context(|| format!("cannot write {}", self.path.display()))
    }

    pub(super) fn flush(&mut self) -> Result<()> {
        self.file.flush().with_context(|| format!("cannot write {}", self.path.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resuming_drops_what_came_after_the_checkpoint_and_half_a_line() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("metrics.jsonl");
        std::fs::write(&path, "{\"step\":1}\n{\"step\":2}\n{\"step\":3}\n{\"st").unwrap();
        let mut metrics = Metrics::open(&path, 2).unwrap();
        metrics.line(&serde_json::json!({"step": 3})).unwrap();
        metrics.flush().unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "{\"step\":1}\n{\"step\":2}\n{\"step\":3}\n");
    }
}
