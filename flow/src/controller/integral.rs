//! The elementary controller: 0.9 e^(-1/(q + 1)), from this step's error alone.
//!
//! Hairer, Norsett and Wanner 1993, section II.4.

use crate::real;
use super::Rule;
use crate::registry::Entry;

pub(super) const SAFETY: f64 = 0.9;

pub(super) struct Integral;

impl Rule for Integral {
    fn entry(&self) -> &'static Entry {
        &Entry {
            id: "integral",
            label: "Elementary",
            about: "The next step is as long as this step's error allows.",
            when: "The default: good wherever the difficulty changes slowly.",
            formula: "h' = 0.9 h e^(-1/(q + 1))",
            source: "Hairer, Norsett and Wanner 1993, section II.4",
            params: &[],
        }
    }

    fn factor(&self, _: &[f64], ratio: f64, _: f64, order: usize) -> f64 {
        SAFETY * real::pow(ratio, -1.0 / (order as f64 + 1.0))
    }
}
