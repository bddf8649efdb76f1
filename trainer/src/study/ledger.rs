//! The ledger of a study: one line of JSON a finished cell, appended and flushed to the disk, so that a study that was
//! killed at any moment goes on where it was. A line that was cut off is dropped.
//!
//! A cell is known by what decides its figures: the model's bytes, the weak model's, the judge's, the plan and the number
//! of images. So a new model or another judge never meets old figures, and one cell in two parts is computed once.

use crate::fid::Interval;
use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// What was measured of one cell.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Figure {
    /// Steps, where they are fixed.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub steps: Option<usize>,
    /// Evaluations that an image took on average.
    pub evaluations: f64,
    /// The most that one image took.
    pub most_evaluations: usize,
    /// Images that were judged.
    pub images: usize,
    /// Share of images that the judge reads as asked, 0 to 1.
    pub accuracy: f64,
    /// Fréchet distance.
    pub fid: f64,
    /// Lower end of its 95% interval.
    pub fid_low: f64,
    /// Upper end.
    pub fid_high: f64,
    /// The distances of the bootstrap's resamples, for paired comparisons.
    pub resamples: Vec<f32>,
    /// Mean straightness of the paths: 0 is straight and even.
    pub bend: f64,
    /// Mean length of the paths over the distance of their ends: 1 is straight.
    pub length: f64,
    /// Root mean square distance of a pixel from the reference solution of the same noise; none where the solver adds
    /// noise of its own.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub error: Option<f64>,
    /// Seconds of sampling, all images.
    pub seconds: f64,
    /// The device, and how many cells were computed beside each other.
    pub device: String,
}

impl Figure {
    /// Its distance with all that a comparison needs.
    pub fn distance(&self) -> Interval {
        let resamples = self.resamples.iter().map(|d| f64::from(*d)).collect();
        Interval { fid: self.fid, low: self.fid_low, high: self.fid_high, resamples }
    }

    /// The 95% interval of the accuracy by Wilson 1927.
    pub fn accuracy_interval(&self) -> (f64, f64) {
        let (n, p, z) = (self.images as f64, self.accuracy, 1.959_963_984_540_054);
        let middle = (p + z * z / (2.0 * n)) / (1.0 + z * z / n);
        let half = z / (1.0 + z * z / n) * (p * (1.0 - p) / n + z * z / (4.0 * n * n)).sqrt();
        ((middle - half).max(0.0), (middle + half).min(1.0))
    }
}

#[derive(Serialize, Deserialize)]
struct Line {
    key: String,
    plan: String,
    figure: Figure,
}

/// The file's name in a study's folder.
const FILE: &str = "cells.jsonl";
/// How often a lock that is taken is asked for again, and after how long.
const LOCK_TRIES: usize = 20;
const LOCK_PAUSE: Duration = Duration::from_millis(25);

/// The cells of the whole lines, and where those end.
fn parse(text: &[u8], path: &Path) -> Result<(BTreeMap<String, Figure>, usize)> {
    let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    let mut cells = BTreeMap::new();
    for (number, line) in text[..whole].split(|byte| *byte == b'\n').enumerate() {
        if line.is_empty() {
            continue;
        }
        match serde_json::from_slice::<Line>(line) {
            Ok(Line { key, figure, .. }) => {
                cells.insert(key, figure);
            }
            Err(error) => {
                bail!("{}, line {}: {error}; remove the line to compute it again", path.display(), number + 1)
            }
        }
    }
    Ok((cells, whole))
}

/// The file, and what it holds.
pub struct Ledger {
    path: PathBuf,
    inner: Mutex<(Option<File>, BTreeMap<String, Figure>)>,
}

impl Ledger {
    /// Opens or makes the ledger of a study's folder, for this process alone.
    ///
    /// # Errors
    /// A file that cannot be read or written, one that another study is writing, or a whole line that is not a figure.
    pub fn open(folder: &Path) -> Result<Self> {
        std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        let path = folder.join(FILE);
        let fault = || format!("cannot open the study's ledger {}", path.display());
        let mut file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(&path)
            .with_context(fault)?;
        // A process that another thread is just starting holds a copy of the last owner's lock for an instant.
        let mut locked = file.try_lock();
        for _ in 0..LOCK_TRIES {
            if !matches!(locked, Err(TryLockError::WouldBlock)) {
                break;
            }
            std::thread::sleep(LOCK_PAUSE);
            locked = file.try_lock();
        }
        match locked {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                bail!(
                    "another study is writing {}; wait for it, or name another folder with --work",
                    path.display()
                )
            }
            // A file system without locks: whoever has one takes care of himself.
            Err(TryLockError::Error(error)) if error.kind() == std::io::ErrorKind::Unsupported => {}
            Err(TryLockError::Error(error)) => return Err(error).with_context(fault),
        }
        let mut text = Vec::new();
        file.read_to_end(&mut text).with_context(fault)?;
        let (cells, whole) = parse(&text, &path)?;
        // What a killed run left of its last line.
        file.set_len(whole as u64).with_context(fault)?;
        file.seek(SeekFrom::End(0)).with_context(fault)?;
        Ok(Self { path, inner: Mutex::new((Some(file), cells)) })
    }

    /// Reads the ledger as it is now, also while a study is writing it; nothing can be added.
    ///
    /// # Errors
    /// No ledger, or a whole line that is not a figure.
    pub fn read(folder: &Path) -> Result<Self> {
        let path = folder.join(FILE);
        let text = std::fs::read(&path).with_context(|| {
            format!("cannot read the study's ledger {}: run the study first", path.display())
        })?;
        let (cells, _) = parse(&text, &path)?;
        Ok(Self { path, inner: Mutex::new((None, cells)) })
    }

    /// The figure of a cell, if it is finished.
    pub fn get(&self, key: &str) -> Option<Figure> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).1.get(key).cloned()
    }

    /// How many cells are finished.
    pub fn len(&self) -> usize {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).1.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Adds a finished cell; it is on the disk when this returns.
    ///
    /// # Errors
    /// A disk that is full or gone; the lines before are intact.
    pub fn add(&self, key: &str, plan: &str, figure: &Figure) -> Result<()> {
        let line = Line { key: key.to_owned(), plan: plan.to_owned(), figure: figure.clone() };
        let mut text = serde_json::to_string(&line)?;
        text.push('\n');
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let (Some(file), cells) = &mut *inner else {
            bail!("{} was opened for reading", self.path.display());
        };
        let end = file.stream_position()?;
        if let Err(error) = file.write_all(text.as_bytes()).and_then(|()| file.sync_data()) {
            // So that a later line does not stand behind half of this one.
            let _ = file.set_len(end).and_then(|()| file.seek(SeekFrom::Start(end)));
            return Err(error).with_context(|| format!("cannot write {}", self.path.display()));
        }
        cells.insert(key.to_owned(), figure.clone());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figure(fid: f64) -> Figure {
        Figure {
            steps: Some(4),
            evaluations: 8.0,
            most_evaluations: 8,
            images: 1000,
            accuracy: 0.95,
            fid,
            fid_low: fid - 1.0,
            fid_high: fid + 1.0,
            resamples: vec![1.0, 2.0],
            bend: 0.1,
            length: 1.02,
            error: None,
            seconds: 1.5,
            device: "test".into(),
        }
    }

    #[test]
    fn a_ledger_that_was_cut_at_any_byte_keeps_every_whole_line_and_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(folder.path()).unwrap();
        ledger.add("a", "plan", &figure(1.0)).unwrap();
        ledger.add("b", "plan", &figure(2.0)).unwrap();
        drop(ledger);
        let path = folder.path().join("cells.jsonl");
        let whole = std::fs::read(&path).unwrap();
        let first = whole.iter().position(|b| *b == b'\n').unwrap() + 1;
        for cut in 0..=whole.len() {
            std::fs::write(&path, &whole[..cut]).unwrap();
            let ledger = Ledger::open(folder.path()).unwrap();
            let expected = usize::from(cut >= first) + usize::from(cut == whole.len());
            assert_eq!(ledger.len(), expected, "cut at {cut}");
            ledger.add("c", "plan", &figure(3.0)).unwrap();
            drop(ledger);
            let again = Ledger::open(folder.path()).unwrap();
            assert_eq!((again.len(), again.get("c")), (expected + 1, Some(figure(3.0))));
            assert_eq!(again.get("a").is_some(), cut >= first);
        }
    }

    #[test]
    fn two_studies_never_write_one_ledger_but_anyone_may_read_it() {
        let folder = tempfile::tempdir().unwrap();
        assert!(Ledger::read(folder.path()).is_err(), "no ledger yet");
        let ledger = Ledger::open(folder.path()).unwrap();
        ledger.add("a", "plan", &figure(1.0)).unwrap();
        let error = format!("{:#}", Ledger::open(folder.path()).err().unwrap());
        assert!(error.contains("another study is writing"), "{error}");
        let reading = Ledger::read(folder.path()).unwrap();
        assert_eq!(reading.get("a"), Some(figure(1.0)));
        assert!(reading.add("b", "plan", &figure(2.0)).is_err());
        drop(ledger);
        assert_eq!(Ledger::open(folder.path()).unwrap().len(), 1);
    }

    #[test]
    fn a_whole_line_that_is_no_figure_is_named_by_its_number() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("cells.jsonl"), "\n{\"key\":1}\n").unwrap();
        let error = format!("{:#}", Ledger::open(folder.path()).err().unwrap());
        assert!(error.contains("line 2"), "{error}");
    }

    #[test]
    fn the_interval_of_an_accuracy_is_wilson_s() {
        // Newcombe 1998, table I: 81 of 263 gives 0.2553 to 0.3662.
        let (low, high) = Figure { images: 263, accuracy: 81.0 / 263.0, ..figure(1.0) }.accuracy_interval();
        assert!((low - 0.2553).abs() < 5e-5 && (high - 0.3662).abs() < 5e-5, "{low} {high}");
        assert_eq!(Figure { accuracy: 1.0, ..figure(1.0) }.accuracy_interval().1, 1.0);
    }
}
