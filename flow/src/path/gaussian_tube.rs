//! A straight line inside a tube of noise: x_t = t x1 + (1 - t) x0 + sigma eps, u = x1 - x0, eps standard normal.
//!
//! I-CFM of Tong et al. 2023 (arXiv 2302.00482). The tube has the same width everywhere, so its own velocity is zero.

use super::Rule;
use crate::registry::{Entry, ParamSpec};

pub(super) struct GaussianTube;

impl Rule for GaussianTube {
    fn entry(&self) -> &'static Entry {
        &Entry {
            id: "gaussian-tube",
            label: "Gaussian tube",
            about: "A straight line that is blurred a little all along, so that the model also learns what lies beside it.",
            when: "For couplings that leave gaps between the paths, and small data sets.",
            formula: "x_t = t x1 + (1 - t) x0 + sigma eps, u = x1 - x0",
            source: "Tong et al. 2023, arXiv 2302.00482",
            params: &[ParamSpec {
                name: "sigma",
                label: "Width",
                about: "The standard deviation of the blur; 0 is the linear path.",
                default: 0.1,
                min: 0.0,
                max: 1.0,
                step: 0.01,
            }],
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

    fn tube(&self, values: &[f64]) -> f64 {
        values[0]
    }
}
