//! t = u + scale (cos^2(pi u / 2) - 1 + u), u uniform: one number moves the weight between the middle and the ends.
//!
//! Esser et al. 2024, section 3.1 (arXiv 2403.03206), whose s = 1 - t is the level of noise.

use crate::real;
use super::Rule;
use crate::noise::open_unit;
use crate::rand_core::RngCore;
use crate::registry::{Entry, ParamSpec};
use std::f64::consts::{FRAC_PI_2, PI};

pub(super) struct Mode;

fn t_of(scale: f64, u: f64) -> f64 {
    let c = real::cos(FRAC_PI_2 * u);
    u + scale * (c * c - 1.0 + u)
}

impl Rule for Mode {
    fn entry(&self) -> &'static Entry {
        &Entry {
            id: "mode",
            label: "Mode",
            about: "Practises the middle more than the ends, without ever leaving the ends out.",
            when: "When logit-normal times neglect the ends.",
            formula: "t = u + scale (cos^2(pi u / 2) - 1 + u), u ~ U(0, 1)",
            source: "Esser et al. 2024, section 3.1, arXiv 2403.03206",
            params: &[ParamSpec {
                name: "scale",
                label: "Weight of the middle",
                about: "0 is uniform, below 0 prefers the ends.",
                default: 1.29,
                min: -1.0,
                max: 2.0 / (PI - 2.0),
                step: 0.01,
            }],
        }
    }

    fn sample(&self, values: &[f64], rng: &mut dyn RngCore) -> f64 {
        t_of(values[0], open_unit(rng)).clamp(f64::MIN_POSITIVE, super::BELOW_ONE)
    }

    fn cdf(&self, values: &[f64], t: f64) -> f64 {
        // t grows with u within the range of the scale: the probability is the u that gives t.
        let (mut low, mut high) = (0.0, 1.0);
        for _ in 0..60 {
            let middle = 0.5 * (low + high);
            if t_of(values[0], middle) < t { low = middle } else { high = middle }
        }
        0.5 * (low + high)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_times_are_those_of_the_paper_s_formula() {
        // u + 1.29 (cos^2(pi u / 2) - 1 + u) by hand: cos^2(pi / 8) = (1 + 1 / sqrt 2) / 2.
        let quarter = 0.25 + 1.29 * (0.5 + 0.125f64.sqrt() - 0.75);
        for (u, t) in [(0.0, 0.0), (0.25, quarter), (0.5, 0.5), (1.0, 1.0)] {
            assert!((t_of(1.29, u) - t).abs() < 1e-15, "{u}");
        }
        assert_eq!(t_of(0.0, 0.3), 0.3);
    }
}
