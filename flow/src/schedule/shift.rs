//! Small steps near the noise for k > 1: t(u) = u / (u + k (1 - u)).
//!
//! The resolution-dependent shift of Esser et al. 2024 (arXiv 2403.03206, section 5.3.2), written in data time.

use super::Rule;
use crate::registry::{Entry, ParamSpec};

pub(super) struct Shift;

impl Rule for Shift {
    fn entry(&self) -> &'static Entry {
        &Entry {
            id: "shift",
            label: "Shift",
            about: "Spends more steps near the noise (k above 1) or near the digit (k below 1).",
            when: "For larger images: the same noise hides less of them, so the steps that decide lie nearer to the noise.",
            formula: "t(u) = u / (u + k (1 - u))",
            source: "Esser et al. 2024, section 5.3.2, arXiv 2403.03206",
            params: &[ParamSpec {
                name: "k",
                label: "Shift",
                about: "1 is even; 3 is what large image models use.",
                default: 3.0,
                min: 0.1,
                max: 20.0,
                step: 0.1,
            }],
        }
    }

    fn at(&self, values: &[f64], u: f64) -> f64 {
        u / (u + values[0] * (1.0 - u))
    }
}
