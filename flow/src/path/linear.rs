//! The straight path: x_t = t x1 + (1 - t) x0, u = x1 - x0.
//!
//! Liu et al. 2022 (rectified flow, arXiv 2209.03003); Lipman et al. 2022 (arXiv 2210.02747) with sigma_min = 0.

use super::Rule;
use crate::registry::Entry;

pub(super) struct Linear;

impl Rule for Linear {
    fn entry(&self) -> &'static Entry {
        &Entry {
            id: "linear",
            label: "Straight line",
            about: "Mixes noise and data along a straight line at constant speed.",
            when: "The default: straight lines, the easiest to learn and to integrate.",
            formula: "x_t = t x1 + (1 - t) x0, u = x1 - x0",
            source: "Liu et al. 2022, rectified flow, arXiv 2209.03003",
            params: &[],
        }
    }

    fn a(&self, _: &[f64], t: f64) -> f64 {
        t
    }

    fn s(&self, _: &[f64], t: f64) -> f64 {
        1.0 - t
    }

    fn da(&self, _: &[f64], _: f64) -> f64 {
        1.0
    }

    fn ds(&self, _: &[f64], _: f64) -> f64 {
        -1.0
    }
}
