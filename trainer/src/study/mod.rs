//! Studies: models x guidances x solvers x schedules x budgets, all from the same noises, each judged by accuracy,
//! Fréchet distance, straightness, distance from a reference solution, true evaluations and time.
//!
//! A [recipe](StudyRecipe) says what, [`run`] computes what its [ledger](Ledger) lacks, [`Findings`] gathers the figures
//! and [report](report) writes them for people and for the page.

mod cell;
mod findings;
mod ledger;
mod recipe;
pub mod report;
mod run;

pub use cell::{Allowance, Cell, cells};
pub use findings::{Comparison, Findings, Row, Settled, Verdict};
pub use ledger::{Figure, Ledger};
pub use recipe::{Axis, Claim, IMAGES, Part, Selection, StudyRecipe};
pub use run::{Models, Opened, Options, Progress, open_models, run};
