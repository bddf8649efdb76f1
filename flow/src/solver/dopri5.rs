//! Dormand and Prince's method of order 5 with an embedded solution of order 4: six evaluations a step, the
//! seventh being the next step's first. Fixed steps when given steps, its own steps when given a tolerance.
//!
//! Dormand and Prince 1980, table 2; Hairer, Norsett and Wanner 1993, table II.5.2.

use super::runge_kutta::RungeKutta;
use super::tableau::{Embedded, Tableau};
use crate::registry::Entry;

pub(super) struct Dopri5;

impl RungeKutta for Dopri5 {
    fn entry(&self) -> &'static Entry {
        &Entry {
            id: "dopri5",
            label: "Dormand-Prince 5(4)",
            about: "Checks every step against a second opinion; given a tolerance, it chooses its own steps.",
            when: "With a tolerance, as a reference: the error is known instead of the number of steps.",
            formula: "order 5 with an embedded order 4, first same as last",
            source: "Dormand and Prince 1980, doi 10.1016/0771-050X(80)90013-3",
            params: &[],
        }
    }

    fn tableau(&self) -> &'static Tableau {
        &Tableau {
            order: 5,
            c: &[0.0, 1.0 / 5.0, 3.0 / 10.0, 4.0 / 5.0, 8.0 / 9.0, 1.0, 1.0],
            a: &[
                &[],
                &[1.0 / 5.0],
                &[3.0 / 40.0, 9.0 / 40.0],
                &[44.0 / 45.0, -56.0 / 15.0, 32.0 / 9.0],
                &[19372.0 / 6561.0, -25360.0 / 2187.0, 64448.0 / 6561.0, -212.0 / 729.0],
                &[9017.0 / 3168.0, -355.0 / 33.0, 46732.0 / 5247.0, 49.0 / 176.0, -5103.0 / 18656.0],
                &[35.0 / 384.0, 0.0, 500.0 / 1113.0, 125.0 / 192.0, -2187.0 / 6784.0, 11.0 / 84.0],
            ],
            b: &[35.0 / 384.0, 0.0, 500.0 / 1113.0, 125.0 / 192.0, -2187.0 / 6784.0, 11.0 / 84.0, 0.0],
            embedded: Some(Embedded {
                order: 4,
                error: &[
                    71.0 / 57600.0,
                    0.0,
                    -71.0 / 16695.0,
                    71.0 / 1920.0,
                    -17253.0 / 339200.0,
                    22.0 / 525.0,
                    -1.0 / 40.0,
                ],
            }),
        }
    }
}
