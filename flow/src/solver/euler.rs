//! Euler's method: x + h v(x, t). Order 1, one evaluation a step.

use super::runge_kutta::RungeKutta;
use super::tableau::Tableau;
use crate::registry::Entry;

pub(super) struct Euler;

impl RungeKutta for Euler {
    fn entry(&self) -> &'static Entry {
        &Entry {
            id: "euler",
            label: "Euler",
            about: "Looks once and walks straight ahead: cheap, and the first to show how it errs.",
            when: "To see what one evaluation a step can do, and as the measure of every other solver.",
            formula: "x + h v(x, t)",
            source: "Euler 1768, Institutionum calculi integralis",
            params: &[],
        }
    }

    fn tableau(&self) -> &'static Tableau {
        &Tableau { order: 1, c: &[0.0], a: &[&[]], b: &[1.0], embedded: None }
    }
}
