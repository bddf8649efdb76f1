//! Knots fitted to a model by dynamic programming along a reference trajectory: one row of knots for every number
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
            formula: "argmin over knots of |x_N - x_ref(1)|, by dynamic programming over z(i, j), the best state after i steps at time j",
            source: "Pei et al. 2025, arXiv 2503.21774",
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
