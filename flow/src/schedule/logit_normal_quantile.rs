//! Small steps in the middle: t(u) = sigmoid(mean + std Φ⁻¹(u)), knots as dense as the logit-normal distribution.
//!
//! With std above 2 or so most knots crowd at both ends instead.

use super::Rule;
use crate::registry::{Entry, ParamSpec};
use crate::special::{normal_quantile, sigmoid};
pub(super) struct LogitNormalQuantile;

impl Rule for LogitNormalQuantile {
    fn entry(&self) -> &'static Entry {
        &Entry {
            id: "logit-normal-quantile",
            label: "Logit-normal quantiles",
            about: "Puts the knots as densely as logit-normal training puts its times: many in the middle.",
            when: "To sample where a logit-normal training looked most.",
            formula: "t(u) = sigmoid(mean + std Φ⁻¹(u))",
            source: "The inverse of the distribution of Esser et al. 2024, arXiv 2403.03206",
            params: &[
                ParamSpec {
                    name: "mean",
                    label: "Centre",
                    about: "Below 0 the knots gather near the noise, above 0 near the digit.",
                    default: 0.0,
                    min: -3.0,
                    max: 3.0,
                    step: 0.1,
                },
                ParamSpec {
                    name: "std",
                    label: "Spread",
                    about: "Small keeps the knots together, large sends them to both ends.",
                    default: 1.0,
                    min: 0.1,
                    max: 4.0,
                    step: 0.1,
                },
            ],
        }
    }

    fn at(&self, values: &[f64], u: f64) -> f64 {
        sigmoid(values[0] + values[1] * normal_quantile(u))
    }
}
