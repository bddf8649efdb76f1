//! Bogacki and Shampine's method of order 3 with an embedded solution of order 2: three evaluations a step, the fourth
//! being the next step's first. Fixed steps when given steps, its own steps when given a tolerance.

use super::runge_kutta::RungeKutta;
use super::tableau::{Embedded, Tableau};
use crate::registry::Entry;

pub(super) struct Bosh3;

impl RungeKutta for Bosh3 {
    fn entry(&self) -> &'static Entry {
        &Entry {
            id: "bosh3",
            label: "Bogacki-Shampine 3(2)",
            about: "Three looks a step, and a cheap second opinion on each; given a tolerance, it chooses its own steps.",
            when: "With a loose tolerance: cheaper than order 5 while steps are long.",
            formula: "order 3 with an embedded order 2, first same as last",
            source: "Bogacki and Shampine 1989, doi 10.1016/0893-9659(89)90079-7",
            params: &[],
        }
    }

    fn tableau(&self) -> &'static Tableau {
        &Tableau {
            order: 3,
            c: &[0.0, 0.5, 0.75, 1.0],
            a: &[&[], &[0.5], &[0.0, 0.75], &[2.0 / 9.0, 1.0 / 3.0, 4.0 / 9.0]],
            b: &[2.0 / 9.0, 1.0 / 3.0, 4.0 / 9.0, 0.0],
            embedded: Some(Embedded { order: 2, error: &[-5.0 / 72.0, 1.0 / 12.0, 1.0 / 9.0, -0.125] }),
        }
    }
}
