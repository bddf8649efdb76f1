//! Small steps at both ends: the cubic t(u) = 3 u^2 - 2 u^3.

use super::Rule;
use crate::registry::Entry;

pub(super) struct Smoothstep;

impl Rule for Smoothstep {
    fn entry(&self) -> &'static Entry {
        &Entry {
            id: "smoothstep",
            label: "Smoothstep",
            about: "Starts and stops gently: small steps at both ends.",
            when: "As a cheap cosine, to see how little the exact shape of an S matters.",
            formula: "t(u) = 3 u² - 2 u³",
            source: "The cubic Hermite polynomial",
            params: &[],
        }
    }

    fn at(&self, _: &[f64], u: f64) -> f64 {
        u * u * (3.0 - 2.0 * u)
    }
}
