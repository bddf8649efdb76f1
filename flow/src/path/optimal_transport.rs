//! The straight path that keeps a little noise at the end: x_t = t x1 + (1 - (1 - sigma_min) t) x0,
//! u = x1 - (1 - sigma_min) x0.
//!
//! Lipman et al. 2022, equation 22 (arXiv 2210.02747).

use super::Rule;
use crate::registry::{Entry, ParamSpec};

pub(super) struct OptimalTransport;

impl Rule for OptimalTransport {
    fn entry(&self) -> &'static Entry {
        &Entry {
            id: "optimal-transport",
            label: "Conditional optimal transport",
            about: "A straight line that stops just short of the data, so that a trace of noise is left.",
            when: "To reproduce the first flow-matching papers; at small sigma_min it is the linear path.",
            formula: "x_t = t x1 + (1 - (1 - sigma_min) t) x0, u = x1 - (1 - sigma_min) x0",
            source: "Lipman et al. 2022, eq. 22, arXiv 2210.02747",
            params: &[ParamSpec {
                name: "sigma_min",
                label: "Noise left at the end",
                about: "The standard deviation of the noise that remains at t = 1.",
                default: 1e-5,
                min: 0.0,
                max: 0.1,
                step: 1e-5,
            }],
        }
    }

    fn a(&self, _: &[f64], t: f64) -> f64 {
        t
    }

    fn s(&self, values: &[f64], t: f64) -> f64 {
        1.0 - (1.0 - values[0]) * t
    }

    fn da(&self, _: &[f64], _: f64) -> f64 {
        1.0
    }

    fn ds(&self, values: &[f64], _: f64) -> f64 {
        values[0] - 1.0
    }
}
