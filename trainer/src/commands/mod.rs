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
pub(crate) mod plan;
pub(crate) mod plot;
pub(crate) mod recipes;
pub(crate) mod sample;
pub(crate) mod study;
pub(crate) mod throughput;
pub(crate) mod train;

use indicatif::{ProgressBar, ProgressStyle};

/// Where the shipped models are, seen from the project's root.
pub(crate) const MODELS: &str = "public/models";
/// The judge that ships.
pub(crate) const JUDGE: &str = "trainer/judge/mnist-classifier.safetensors";
/// Where `data` puts MNIST and everything else looks for it.
pub(crate) const DATA: &str = "data/mnist";

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
