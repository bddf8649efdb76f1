//! Ralston's method: of the second-order methods with two evaluations, the one with the least bound on its error.
//!
//! Ralston 1962.

use super::runge_kutta::RungeKutta;
use super::tableau::Tableau;
use crate::registry::Entry;

pub(super) struct Ralston;

impl RungeKutta for Ralston {
    fn entry(&self) -> &'static Entry {
        &Entry {
            id: "ralston",
            label: "Ralston",
            about: "Looks once more two thirds into the step; of all methods of its kind it is off the least.",
            when: "In place of Heun when the end of the path is delicate: it never looks at t = 1.",
            formula: "x + h (k1 + 3 k2) / 4, k2 at c = 2/3",
            source: "Ralston 1962, doi 10.1090/S0025-5718-1962-0150954-0",
            params: &[],
        }
    }

    fn tableau(&self) -> &'static Tableau {
        &Tableau { order: 2, c: &[0.0, 2.0 / 3.0], a: &[&[], &[2.0 / 3.0]], b: &[0.25, 0.75], embedded: None }
    }
}
