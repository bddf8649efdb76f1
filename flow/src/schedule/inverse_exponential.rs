//! Large steps first, each a constant part of the one before: t(u) = (1 - e^(-k u)) / (1 - e^(-k)).

use super::Rule;
use crate::registry::{Entry, ParamSpec};

pub(super) struct InverseExponential;

impl Rule for InverseExponential {
    fn entry(&self) -> &'static Entry {
        &Entry {
            id: "inverse-exponential",
            label: "Inverse exponential",
            about: "Large steps first, then smaller and smaller ones; k says how much.",
            when: "When the last noise is hard to remove, and inverse-cubic is not enough or too much.",
            formula: "t(u) = (1 - e^(-k u)) / (1 - e^(-k))",
            source: "A constant ratio of successive steps, e^(-k / N)",
            params: &[ParamSpec {
                name: "k",
                label: "Rate",
                about: "Near 0 it is even; 5 makes the first step of ten 40% of the way.",
                default: 5.0,
                min: 0.1,
                max: 10.0,
                step: 0.1,
            }],
        }
    }

    fn at(&self, values: &[f64], u: f64) -> f64 {
        libm::expm1(-values[0] * u) / libm::expm1(-values[0])
    }
}
