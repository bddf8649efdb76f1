//! Heun's method of order 3, three evaluations a step.

use super::runge_kutta::RungeKutta;
use super::tableau::Tableau;
use crate::registry::Entry;

pub(super) struct Heun3;

impl RungeKutta for Heun3 {
    fn entry(&self) -> &'static Entry {
        &Entry {
            id: "heun3",
            label: "Heun, third order",
            about: "Three looks a step, at the start, one third and two thirds of it.",
            when: "Between Heun and the classic fourth order, from about 12 evaluations.",
            formula: "x + h (k1 + 3 k3) / 4, c = (0, 1/3, 2/3)",
            source: "Heun 1900; Hairer, Norsett and Wanner 1993, table II.1.1",
            params: &[],
        }
    }

    fn tableau(&self) -> &'static Tableau {
        &Tableau {
            order: 3,
            c: &[0.0, 1.0 / 3.0, 2.0 / 3.0],
            a: &[&[], &[1.0 / 3.0], &[0.0, 2.0 / 3.0]],
            b: &[0.25, 0.0, 0.75],
            embedded: None,
        }
    }
}
