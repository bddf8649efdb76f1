//! The quantiles of the beta distribution. For a and b below 1 small steps at both ends, for both above 1 in the middle.

use super::Rule;
use crate::registry::{Entry, ParamSpec};
use crate::special::beta_quantile;
pub(super) struct Beta;

impl Rule for Beta {
    fn entry(&self) -> &'static Entry {
        &Entry {
            id: "beta",
            label: "Beta",
            about: "Puts the knots where a beta distribution has its mass: both ends for a and b below 1.",
            when: "When both ends matter more than the middle; the default of several image pipelines.",
            formula: "t(u) = I⁻¹(u; a, b), the quantile of Beta(a, b)",
            source: "Lee et al. 2024, arXiv 2407.12173",
            params: &[
                ParamSpec {
                    name: "a",
                    label: "Noise end",
                    about: "Below 1 gathers knots near the noise.",
                    default: 0.6,
                    min: 0.2,
                    max: 5.0,
                    step: 0.1,
                },
                ParamSpec {
                    name: "b",
                    label: "Digit end",
                    about: "Below 1 gathers knots near the digit.",
                    default: 0.6,
                    min: 0.2,
                    max: 5.0,
                    step: 0.1,
                },
            ],
        }
    }

    fn at(&self, values: &[f64], u: f64) -> f64 {
        beta_quantile(values[0], values[1], u)
    }
}
