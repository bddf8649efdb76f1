//! The diffusion models' path: a = e^(-T(1 - t) / 2) with T(r) = beta_min r + (beta_max - beta_min) r^2 / 2, and
//! s = sqrt(1 - a^2).
//!
//! Song et al. 2021 (arXiv 2011.13456), in data time as in Lipman et al. 2022 (arXiv 2210.02747). s' is infinite at
//! t = 1; here s = sqrt(1 - a^2 + 1e-5), which keeps it finite and leaves noise of standard deviation 0.003.

use crate::real;
use super::Rule;
use crate::registry::{Entry, ParamSpec};

/// Added to the variance of the noise.
const LEAST_VARIANCE: f64 = 1e-5;

pub(super) struct VariancePreserving;

impl Rule for VariancePreserving {
    fn entry(&self) -> &'static Entry {
        &Entry {
            id: "variance-preserving",
            label: "Variance preserving",
            about: "The way of diffusion models: long among the noise, quick at the end.",
            when: "To compare with diffusion models, or to use what was learned for one.",
            formula: "a = exp(-T(1 - t) / 2), T(r) = beta_min r + (beta_max - beta_min) r^2 / 2, s = sqrt(1 - a^2)",
            source: "Song et al. 2021, arXiv 2011.13456",
            params: &[
                ParamSpec {
                    name: "beta_min",
                    label: "Least rate",
                    about: "How fast noise comes in at the data's end.",
                    default: 0.1,
                    min: 0.01,
                    max: 1.0,
                    step: 0.01,
                },
                ParamSpec {
                    name: "beta_max",
                    label: "Largest rate",
                    about: "How fast noise comes in at the noise's end; below 19 some of the data would be left there.",
                    default: 20.0,
                    min: 19.0,
                    max: 40.0,
                    step: 0.5,
                },
            ],
        }
    }

    fn a(&self, values: &[f64], t: f64) -> f64 {
        let (r, least, most) = (1.0 - t, values[0], values[1]);
        real::exp(-0.5 * (least * r + 0.5 * (most - least) * r * r))
    }

    fn s(&self, values: &[f64], t: f64) -> f64 {
        let a = self.a(values, t);
        libm::sqrt((1.0 - a) * (1.0 + a) + LEAST_VARIANCE)
    }

    fn da(&self, values: &[f64], t: f64) -> f64 {
        0.5 * self.a(values, t) * (values[0] + (values[1] - values[0]) * (1.0 - t))
    }

    fn ds(&self, values: &[f64], t: f64) -> f64 {
        -self.a(values, t) * self.da(values, t) / self.s(values, t)
    }
}
