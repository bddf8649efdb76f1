//! Tsitouras's method of order 5 with an embedded solution of order 4: six evaluations a step, the seventh being the
//! next step's first. Fixed steps when given steps, its own steps when given a tolerance.
//!
//! Tsitouras 2011, table 1, in the sixteen digits that are used everywhere; the smallest coefficients of the fifth and
//! sixth stage are changed by less than 6e-16, so that their rows sum to c and the order conditions hold to 1e-14.

use super::runge_kutta::RungeKutta;
use super::tableau::{Embedded, Tableau};
use crate::registry::Entry;

pub(super) struct Tsit5;

impl RungeKutta for Tsit5 {
    fn entry(&self) -> &'static Entry {
        &Entry {
            id: "tsit5",
            label: "Tsitouras 5(4)",
            about: "As Dormand-Prince, with coefficients chosen to be off less.",
            when: "With a tolerance, as a reference; often a little cheaper than Dormand-Prince.",
            formula: "order 5 with an embedded order 4, first same as last",
            source: "Tsitouras 2011, doi 10.1016/j.camwa.2011.06.002",
            params: &[],
        }
    }

    fn tableau(&self) -> &'static Tableau {
        &Tableau {
            order: 5,
            c: &[0.0, 0.161, 0.327, 0.9, 0.9800255409045097, 1.0, 1.0],
            a: &[
                &[],
                &[0.161],
                &[-0.008480655492356989, 0.335480655492357],
                &[2.8971530571054935, -6.359448489975075, 4.3622954328695815],
                &[5.325864828439257, -11.748883564062828, 7.4955393428898365, -0.0924950663617558],
                &[
                    5.86145544294642,
                    -12.92096931784711,
                    8.159367898576159,
                    -0.071584973281401,
                    -0.028269050394068,
                ],
                &[
                    0.09646076681806523,
                    0.01,
                    0.4798896504144996,
                    1.379008574103742,
                    -3.290069515436081,
                    2.324710524099774,
                ],
            ],
            b: &[
                0.09646076681806523,
                0.01,
                0.4798896504144996,
                1.379008574103742,
                -3.290069515436081,
                2.324710524099774,
                0.0,
            ],
            embedded: Some(Embedded {
                order: 4,
                error: &[
                    -0.001780011052225777,
                    -0.0008164344596567469,
                    0.007880878010261995,
                    -0.1447110071732629,
                    0.5823571654525552,
                    -0.45808210592918697,
                    0.015151515151515152,
                ],
            }),
        }
    }
}
