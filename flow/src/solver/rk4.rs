//! The classic Runge-Kutta method of order 4, four evaluations a step. (torchdiffeq's `rk4` is the 3/8 rule.)

use super::runge_kutta::RungeKutta;
use super::tableau::Tableau;
use crate::registry::Entry;

pub(super) struct Rk4;

impl RungeKutta for Rk4 {
    fn entry(&self) -> &'static Entry {
        &Entry {
            id: "rk4",
            label: "Runge-Kutta 4",
            about: "Looks four times a step and weighs what it saw: few steps take it far.",
            when: "From about 40 evaluations, when the exact solution of the learned flow is wanted.",
            formula: "x + h (k1 + 2 k2 + 2 k3 + k4) / 6",
            source: "Kutta 1901",
            params: &[],
        }
    }

    fn tableau(&self) -> &'static Tableau {
        &Tableau {
            order: 4,
            c: &[0.0, 0.5, 0.5, 1.0],
            a: &[&[], &[0.5], &[0.0, 0.5], &[0.0, 0.0, 1.0]],
            b: &[1.0 / 6.0, 1.0 / 3.0, 1.0 / 3.0, 1.0 / 6.0],
            embedded: None,
        }
    }
}
