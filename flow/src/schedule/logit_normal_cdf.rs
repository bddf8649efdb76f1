//! Large steps at both ends, small ones in the middle: t(u) = Φ((logit(u) - mu) / std), the cumulative
//! probability of the logit-normal distribution. mu < 0 moves the slow part towards the end.
//!
//! With a small std the normal distribution's tails saturate and the first and last knots crowd at 0 and 1.

use super::Rule;
use crate::registry::{Entry, ParamSpec};
use crate::special::{logit, normal_cdf};

pub(super) struct LogitNormalCdf;

impl Rule for LogitNormalCdf {
    fn entry(&self) -> &'static Entry {
        &Entry {
            id: "logit-normal-cdf",
            label: "Logit-normal",
            about: "Hurries at both ends and takes its time where the digit is decided.",
            when: "To try where the flow is hard: move the slow part with mu, deepen it with std.",
            formula: "t(u) = Φ((logit(u) - mu) / std)",
            source: "The distribution of Esser et al. 2024, arXiv 2403.03206, used as a schedule",
            params: &[
                ParamSpec {
                    name: "mu",
                    label: "Where it slows",
                    about: "Below 0 the small steps move towards the finished digit, above 0 towards the noise.",
                    default: 0.0,
                    min: -5.0,
                    max: 5.0,
                    step: 0.1,
                },
                ParamSpec {
                    name: "std",
                    label: "How much it slows",
                    about: "Larger values make the middle slower and the ends faster.",
                    default: 3.0,
                    min: 0.5,
                    max: 10.0,
                    step: 0.1,
                },
            ],
        }
    }

    fn at(&self, values: &[f64], u: f64) -> f64 {
        normal_cdf((logit(u) - values[0]) / values[1])
    }
}
