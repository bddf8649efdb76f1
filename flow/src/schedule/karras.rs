//! The levels of noise of EDM: sigma_i = (max^(1/rho) + i / (N - 1) (min^(1/rho) - max^(1/rho)))^rho for i below N,
//! and t = 1 - sigma / (1 + sigma), since x_t / t = x1 + sigma x0 with sigma = (1 - t) / t on the linear path.
//!
//! Karras et al. 2022, equation 5 (arXiv 2206.00364). The knots depend on N beyond t(i / N): the last level above zero
//! is always sigma_min. The curve t is the limit of many steps. The ends are pinned to 0 and 1.

use crate::real;
use super::Rule;
use crate::registry::{Entry, ParamSpec};

pub(super) struct Karras;

impl Rule for Karras {
    fn entry(&self) -> &'static Entry {
        &Entry {
            id: "karras",
            label: "Karras",
            about: "The schedule of a well-known diffusion sampler, translated to these times.",
            when: "To compare with EDM samplers; on the linear path it spends many steps at both ends.",
            formula: "t_i = 1 - sigma_i / (1 + sigma_i), sigma_i = (max^(1/rho) + i / (N - 1) (min^(1/rho) - max^(1/rho)))^rho",
            source: "Karras et al. 2022, eq. 5, arXiv 2206.00364",
            params: &[
                ParamSpec {
                    name: "rho",
                    label: "Curvature",
                    about: "7 is what EDM takes; larger shortens the steps near the digit.",
                    default: 7.0,
                    min: 1.0,
                    max: 15.0,
                    step: 0.5,
                },
                ParamSpec {
                    name: "sigma_min",
                    label: "Least noise",
                    about: "The level of noise before the last step.",
                    default: 0.002,
                    min: 0.0001,
                    max: 0.1,
                    step: 0.0001,
                },
                ParamSpec {
                    name: "sigma_max",
                    label: "Most noise",
                    about: "The level that the first step starts from; pure noise is taken in its place.",
                    default: 80.0,
                    min: 10.0,
                    max: 200.0,
                    step: 1.0,
                },
            ],
        }
    }

    fn at(&self, values: &[f64], u: f64) -> f64 {
        let (rho, least, most) = (values[0], values[1], values[2]);
        let (low, high) = (real::pow(least, 1.0 / rho), real::pow(most, 1.0 / rho));
        let sigma = real::pow(high + u * (low - high), rho);
        1.0 / (1.0 + sigma)
    }

    fn knot(&self, values: &[f64], i: usize, n: usize) -> f64 {
        self.at(values, i as f64 / (n - 1) as f64)
    }
}
