//! t uniform in (0, 1).

use super::Rule;
use crate::noise::open_unit;
use crate::rand_core::RngCore;
use crate::registry::Entry;

pub(super) struct Uniform;

impl Rule for Uniform {
    fn entry(&self) -> &'static Entry {
        &Entry {
            id: "uniform",
            label: "Uniform",
            about: "Every moment between noise and data is practised equally often.",
            when: "As the baseline, and when the ends of the path matter as much as its middle.",
            formula: "t ~ U(0, 1)",
            source: "Lipman et al. 2022, arXiv 2210.02747",
            params: &[],
        }
    }

    fn sample(&self, _: &[f64], rng: &mut dyn RngCore) -> f64 {
        open_unit(rng)
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
    fn it_has_the_mean_and_variance_of_the_unit_interval() {
        let times = TimeDistribution::parse("uniform").unwrap().sample_batch(&mut noise::rng(3, 0), 100_000);
        let mean = times.iter().sum::<f64>() / 1e5;
        let variance = times.iter().map(|t| (t - mean).powi(2)).sum::<f64>() / 1e5;
        // Five standard errors: sqrt(1/12 / 1e5) = 9.1e-4 and sqrt(1/180 / 1e5) = 2.4e-4.
        assert!((mean - 0.5).abs() < 4.6e-3);
        assert!((variance - 1.0 / 12.0).abs() < 1.2e-3);
    }
}
