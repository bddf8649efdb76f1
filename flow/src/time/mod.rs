//! Training-time distributions of t: where along the path a network is asked to learn. One distribution a file.
//!
//! Every t drawn lies strictly between 0 and 1.

use crate::rand_core::RngCore;
use crate::registry::Entry;

/// The largest f64 below 1, so that what saturates stays inside the open interval.
const BELOW_ONE: f64 = 1.0 - f64::EPSILON / 2.0;

/// What a distribution must know.
trait Rule: Sync {
    fn entry(&self) -> &'static Entry;
    /// One t in (0, 1).
    fn sample(&self, values: &[f64], rng: &mut dyn RngCore) -> f64;
    /// `n` of them: independent, unless the distribution spreads them over the batch.
    fn sample_batch(&self, values: &[f64], rng: &mut dyn RngCore, n: usize) -> Vec<f64> {
        (0..n).map(|_| self.sample(values, rng)).collect()
    }
    /// The probability of a time below t, for t in (0, 1).
    fn cdf(&self, values: &[f64], t: f64) -> f64;
}

family! {
    /// A training-time distribution with valid parameters.
    TimeDistribution, "time distribution", "times", Rule,
    [
        uniform::Uniform,
        stratified::Stratified,
        logit_normal::LogitNormal,
        mode::Mode,
        cosmap::Cosmap,
        step_starts::StepStarts,
    ]
}
choice_text!(TimeDistribution);

impl TimeDistribution {
    /// One t in (0, 1).
    pub fn sample<R: RngCore>(&self, rng: &mut R) -> f64 {
        self.rule().sample(self.choice.values(), rng)
    }

    /// The probability of a time below t: 0 at or below t = 0, 1 at or above t = 1.
    pub fn cdf(&self, t: f64) -> f64 {
        if t >= 1.0 {
            1.0
        } else if t > 0.0 {
            self.rule().cdf(self.choice.values(), t)
        } else {
            0.0
        }
    }

    /// `n` times in (0, 1) for one batch.
    pub fn sample_batch<R: RngCore>(&self, rng: &mut R, n: usize) -> Vec<f64> {
        self.rule().sample_batch(self.choice.values(), rng, n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::noise;

    #[test]
    fn every_time_lies_strictly_between_0_and_1_even_at_the_ends_of_the_parameters() {
        for distribution in TimeDistribution::all() {
            let mut variants = vec![distribution.clone()];
            for spec in distribution.choice().entry().params {
                for value in [spec.min, spec.max] {
                    let changed: Vec<_> =
                        variants.iter().map(|d| d.with(spec.name, value).unwrap()).collect();
                    variants.extend(changed);
                }
            }
            for variant in variants {
                let mut rng = noise::rng(1, 2);
                let times = variant.sample_batch(&mut rng, 2000);
                assert_eq!(times.len(), 2000);
                assert!(times.iter().all(|t| *t > 0.0 && *t < 1.0), "{variant}");
            }
        }
    }

    #[test]
    fn the_times_drawn_follow_the_declared_law() {
        for distribution in TimeDistribution::all() {
            let mut variants = vec![distribution.clone()];
            for spec in distribution.choice().entry().params {
                variants.push(distribution.with(spec.name, 0.5 * spec.default + 0.5 * spec.min).unwrap());
            }
            for variant in variants {
                let n = 20_000;
                let mut times = variant.sample_batch(&mut noise::rng(11, 0), n);
                times.sort_by(f64::total_cmp);
                // Below a time lie those that are less, and just above it those too that are equal: a law may have jumps.
                let worst = times
                    .chunk_by(|a, b| a == b)
                    .scan(0, |before, equal| {
                        let below = *before as f64 / n as f64;
                        *before += equal.len();
                        let (law, above) = (variant.cdf(equal[0]), variant.cdf((equal[0] + 1e-12).min(1.0)));
                        Some((law - below).abs().max((above - *before as f64 / n as f64).abs()))
                    })
                    .fold(0.0, f64::max);
                // Kolmogorov and Smirnov: 1.95 / sqrt(n) is passed with a probability of 0.1%.
                assert!(worst < 1.95 / (n as f64).sqrt(), "{variant}: {worst}");
                assert_eq!((variant.cdf(0.0), variant.cdf(1.0)), (0.0, 1.0));
            }
        }
    }

    #[test]
    fn the_same_generator_gives_the_same_times() {
        for distribution in TimeDistribution::all() {
            let draw = || distribution.sample_batch(&mut noise::rng(7, 0), 10);
            assert_eq!(draw(), draw());
        }
    }
}
