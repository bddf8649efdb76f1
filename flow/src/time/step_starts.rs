//! The starts of n even steps: the moments that a sampler of so many steps asks about, and no others.

use super::Rule;
use crate::noise::open_unit;
use crate::rand_core::RngCore;
use crate::registry::{Entry, ParamSpec};

/// In place of 0, which is no time of the open interval. Nothing that a network is told of it is different.
const BEGINNING: f64 = 1e-9;

pub(super) struct StepStarts;

impl Rule for StepStarts {
    fn entry(&self) -> &'static Entry {
        &Entry {
            id: "step-starts",
            label: "Starts of steps",
            about: "Only the moments at which a sampler of n even steps asks are practised, the first of them more often.",
            when: "To train a student on a teacher's pairs that is sampled with n Euler steps, or with a divisor of n.",
            formula: "P(t = 0) = first, P(t = k/n) = (1 - first) / (n - 1), k = 1 .. n - 1",
            source: "the grid of few-step distillation: Salimans and Ho 2022, arXiv 2202.00512",
            params: &[
                ParamSpec {
                    name: "n",
                    label: "Steps",
                    about: "Even steps, the starts of which are practised.",
                    default: 4.0,
                    min: 1.0,
                    max: 64.0,
                    step: 1.0,
                },
                ParamSpec {
                    name: "first",
                    label: "Share of the first",
                    about: "How often the very beginning is practised; the other starts share what is left.",
                    default: 0.5,
                    min: 0.0,
                    max: 1.0,
                    step: 0.05,
                },
            ],
        }
    }

    fn sample(&self, values: &[f64], rng: &mut dyn RngCore) -> f64 {
        let (n, first) = (values[0].round(), values[1]);
        let u = open_unit(rng);
        if n < 2.0 || u < first {
            return BEGINNING;
        }
        let k = 1.0 + ((u - first) / (1.0 - first) * (n - 1.0)).floor().min(n - 2.0);
        k / n
    }

    fn cdf(&self, values: &[f64], t: f64) -> f64 {
        let (n, first) = (values[0].round(), values[1]);
        if t <= BEGINNING {
            return 0.0;
        }
        if n < 2.0 {
            return 1.0;
        }
        // The starts after the first that lie below t.
        let later = ((t * n).ceil() - 1.0).clamp(0.0, n - 1.0);
        first + (1.0 - first) * later / (n - 1.0)
    }
}

#[cfg(test)]
mod tests {
    use crate::noise;
    use crate::time::TimeDistribution;

    #[test]
    fn times_are_the_starts_and_the_first_is_as_frequent_as_was_asked() {
        let distribution = TimeDistribution::parse("step-starts:n=4,first=0.4").unwrap();
        let times = distribution.sample_batch(&mut noise::rng(2, 0), 100_000);
        for (start, share) in [(0.0, 0.4), (0.25, 0.2), (0.5, 0.2), (0.75, 0.2)] {
            let count = times.iter().filter(|t| (**t - start).abs() < 1e-6).count() as f64;
            // Five standard errors of a share: at most 7.7e-3.
            assert!((count / 1e5 - share).abs() < 7.7e-3, "{start}: {count}");
        }
        assert!((distribution.cdf(0.5) - 0.6).abs() < 1e-12);
        assert!((distribution.cdf(0.51) - 0.8).abs() < 1e-12);
    }

    #[test]
    fn of_one_step_there_is_only_the_beginning() {
        let distribution = TimeDistribution::parse("step-starts:n=1,first=0").unwrap();
        assert!(distribution.sample_batch(&mut noise::rng(2, 0), 100).iter().all(|t| *t < 1e-6));
    }
}
