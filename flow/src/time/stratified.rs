//! One t in each of B equal parts of the unit interval: uniform, with less variance from batch to batch.

use super::Rule;
use crate::noise::open_unit;
use crate::rand_core::RngCore;
use crate::registry::Entry;

pub(super) struct Stratified;

impl Rule for Stratified {
    fn entry(&self) -> &'static Entry {
        &Entry {
            id: "stratified",
            label: "Stratified",
            about: "As uniform, but every batch covers the whole way evenly.",
            when: "In place of uniform: the same training with a calmer loss.",
            formula: "t_i ~ U(i / B, (i + 1) / B), i = 0 .. B - 1",
            source: "Kingma et al. 2021, arXiv 2107.00630, appendix I.1",
            params: &[],
        }
    }

    fn sample(&self, _: &[f64], rng: &mut dyn RngCore) -> f64 {
        open_unit(rng)
    }

    fn sample_batch(&self, _: &[f64], rng: &mut dyn RngCore, n: usize) -> Vec<f64> {
        (0..n).map(|i| ((i as f64 + open_unit(rng)) / n as f64).min(super::BELOW_ONE)).collect()
    }

    fn cdf(&self, _: &[f64], t: f64) -> f64 {
        t
    }
}

#[cfg(test)]
mod tests {
    use crate::noise;
    use crate::time::TimeDistribution;

    #[test]
    fn every_part_of_the_interval_has_its_time() {
        let distribution = TimeDistribution::parse("stratified").unwrap();
        for n in [1, 7, 64] {
            for (i, t) in distribution.sample_batch(&mut noise::rng(1, 0), n).into_iter().enumerate() {
                assert_eq!((t * n as f64) as usize, i);
            }
        }
    }
}
