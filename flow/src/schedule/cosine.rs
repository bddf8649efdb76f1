//! Small steps at both ends: t(u) = (1 - cos(pi u)) / 2.

use crate::real;
use super::Rule;
use crate::registry::Entry;
use std::f64::consts::FRAC_PI_2;

pub(super) struct Cosine;

impl Rule for Cosine {
    fn entry(&self) -> &'static Entry {
        &Entry {
            id: "cosine",
            label: "Cosine",
            about: "Small steps near the noise and near the digit, large ones between.",
            when: "When a model is known to be stiff at both ends.",
            formula: "t(u) = (1 - cos(π u)) / 2",
            source: "The Chebyshev extreme points, moved to [0, 1]",
            params: &[],
        }
    }

    fn at(&self, _: &[f64], u: f64) -> f64 {
        // The same as (1 - cos(pi u)) / 2, without its cancellation near u = 0.
        let half = real::sin(FRAC_PI_2 * u);
        half * half
    }
}
