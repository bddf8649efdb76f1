//! Knots fitted to a model: the shortest way through a table of local errors, one table row of knots for every number
//! of steps that was fitted. See [`fit`](super::fit), and [`KnotTable`](super::KnotTable) for where they are kept.
//!
//! There is no formula: what a plan calls `optimal` with N steps are the knots that the model's manifest has for N.

use super::Rule;
use crate::registry::Entry;

pub(super) struct Optimal;

impl Rule for Optimal {
    fn entry(&self) -> &'static Entry {
        &Entry {
            id: "optimal",
            label: "Optimal",
            about: "Fitted to the model: the knots at which its own steps go wrong least.",
            when: "Whenever the model comes with fitted knots for the number of steps wanted.",
            formula: "argmin over knots of the sum of the local errors e(t_i, t_i+1), by dynamic programming",
            source: "arXiv 2503.21774",
            params: &[],
        }
    }

    fn fitted(&self) -> bool {
        true
    }

    fn at(&self, _: &[f64], _: f64) -> f64 {
        f64::NAN
    }
}
