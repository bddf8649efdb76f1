//! The subcommands, one a file: arguments, then what is printed. The work itself is in the library.

pub(crate) mod compare;
pub(crate) mod data;
pub(crate) mod eval;
pub(crate) mod export;
pub(crate) mod film;
pub(crate) mod inspect;
pub(crate) mod invert;
pub(crate) mod knots;
pub(crate) mod likelihood;
pub(crate) mod list;
pub(crate) mod mlflow;
pub(crate) mod plan;
pub(crate) mod plot;
pub(crate) mod recipes;
pub(crate) mod reflow;
pub(crate) mod sample;
pub(crate) mod study;
pub(crate) mod throughput;
pub(crate) mod train;
pub(crate) mod zoo;

use anyhow::{Result, bail};
use indicatif::{ProgressBar, ProgressStyle};
use std::path::{Path, PathBuf};
use trainer::data::DataSet;

/// Where the shipped models are, seen from the project's root.
pub(crate) const MODELS: &str = "public/models";

/// The folder that was named, else the data set's own.
pub(crate) fn data_folder(named: Option<&Path>, set: DataSet) -> PathBuf {
    named.map_or_else(|| PathBuf::from(set.folder()), Path::to_owned)
}

/// The judge that was named, else the one that ships for the data set.
pub(crate) fn judge_file(named: Option<&Path>, set: DataSet) -> Result<PathBuf> {
    match (named, set.judge()) {
        (Some(path), _) => Ok(path.to_owned()),
        (None, Some(path)) => Ok(PathBuf::from(path)),
        (None, None) => bail!("no judge ships for {}: name a classifier of it with --judge", set.label()),
    }
}

/// A bar that counts images.
pub(crate) fn image_bar(total: usize, what: &'static str) -> ProgressBar {
    let bar = ProgressBar::new(total as u64);
    if let Ok(style) = ProgressStyle::with_template("{msg:10} {bar:30} {pos}/{len} images, {eta} left") {
        bar.set_style(style);
    }
    bar.set_message(what);
    bar
}

/// The length of a [`part_bar`].
pub(crate) const PARTS: u64 = 1000;

/// A bar for work that is done by parts: full at [`PARTS`].
pub(crate) fn part_bar(what: &'static str) -> ProgressBar {
    let bar = ProgressBar::new(PARTS);
    if let Ok(style) = ProgressStyle::with_template("{msg:10} {bar:30} {percent}%, {eta} left") {
        bar.set_style(style);
    }
    bar.set_message(what);
    bar
}
