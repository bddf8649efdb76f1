//! t = 1 / (tan(pi u / 2) + 1), u uniform: the training weights of the cosine noise schedule.
//!
//! Esser et al. 2024, section 3.1 (arXiv 2403.03206), whose s = 1 - t is the level of noise; after Nichol and
//! Dhariwal 2021.

use super::Rule;
use crate::noise::open_unit;
use crate::rand_core::RngCore;
use crate::registry::Entry;
use std::f64::consts::{FRAC_2_PI, FRAC_PI_2};

pub(super) struct Cosmap;

impl Rule for Cosmap {
    fn entry(&self) -> &'static Entry {
        &Entry {
            id: "cosmap",
            label: "CosMap",
            about: "Practises as often as a diffusion model with a cosine schedule would.",
            when: "To compare with diffusion models that were trained on the cosine schedule.",
            formula: "t = 1 / (tan(pi u / 2) + 1), u ~ U(0, 1)",
            source: "Esser et al. 2024, section 3.1, arXiv 2403.03206",
            params: &[],
        }
    }

    fn sample(&self, _: &[f64], rng: &mut dyn RngCore) -> f64 {
        let t = 1.0 / (libm::tan(FRAC_PI_2 * open_unit(rng)) + 1.0);
        t.clamp(f64::MIN_POSITIVE, super::BELOW_ONE)
    }

    fn cdf(&self, _: &[f64], t: f64) -> f64 {
        1.0 - FRAC_2_PI * libm::atan((1.0 - t) / t)
    }
}
