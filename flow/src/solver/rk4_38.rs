//! Kutta's 3/8 rule: order 4, four evaluations a step; slightly smaller errors than the classic method.

use super::runge_kutta::RungeKutta;
use super::tableau::Tableau;
use crate::registry::Entry;

pub(super) struct Rk438;

impl RungeKutta for Rk438 {
    fn entry(&self) -> &'static Entry {
        &Entry {
            id: "rk4-38",
            label: "Runge-Kutta 3/8",
            about: "The sister of the classic fourth order: looks at thirds of the step.",
            when: "To compare with torchdiffeq, whose rk4 it is.",
            formula: "x + h (k1 + 3 k2 + 3 k3 + k4) / 8",
            source: "Kutta 1901",
            params: &[],
        }
    }

    fn tableau(&self) -> &'static Tableau {
        &Tableau {
            order: 4,
            c: &[0.0, 1.0 / 3.0, 2.0 / 3.0, 1.0],
            a: &[&[], &[1.0 / 3.0], &[-1.0 / 3.0, 1.0], &[1.0, -1.0, 1.0]],
            b: &[0.125, 0.375, 0.375, 0.125],
            embedded: None,
        }
    }
}
