//! Constant steps: t(u) = u.

use super::Rule;
use crate::registry::Entry;

pub(super) struct Linear;

impl Rule for Linear {
    fn entry(&self) -> &'static Entry {
        &Entry {
            id: "linear",
            label: "Even",
            about: "All steps have the same length.",
            when: "As the baseline of every comparison.",
            formula: "t(u) = u",
            source: "Lipman et al. 2022, arXiv 2210.02747",
            params: &[],
        }
    }

    fn at(&self, _: &[f64], u: f64) -> f64 {
        u
    }
}
