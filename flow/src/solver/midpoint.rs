//! The midpoint method: x + h v(x + h/2 k1, t + h/2). Order 2, two evaluations a step.

use super::runge_kutta::RungeKutta;
use super::tableau::Tableau;
use crate::registry::Entry;

pub(super) struct Midpoint;

impl RungeKutta for Midpoint {
    fn entry(&self) -> &'static Entry {
        &Entry {
            id: "midpoint",
            label: "Midpoint",
            about: "Tries half a step, looks there, and takes the whole step in that direction.",
            when: "Where the end of the path is delicate: it never looks at t = 1, where no noise is left to tell the direction from.",
            formula: "x + h v(x + h/2 k1, t + h/2)",
            source: "Runge 1895",
            params: &[],
        }
    }

    fn tableau(&self) -> &'static Tableau {
        &Tableau { order: 2, c: &[0.0, 0.5], a: &[&[], &[0.5]], b: &[0.0, 1.0], embedded: None }
    }
}
