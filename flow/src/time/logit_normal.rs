//! t = sigmoid(mean + std z), z standard normal: the middle of the path is practised most.
//!
//! Esser et al. 2024 (Stable Diffusion 3, arXiv 2403.03206), whose t runs the other way: their mean is minus ours.

use super::Rule;
use crate::noise::standard_normal;
use crate::rand_core::RngCore;
use crate::registry::{Entry, ParamSpec};
use crate::special::{logit, normal_cdf, sigmoid};

pub(super) struct LogitNormal;

impl Rule for LogitNormal {
    fn entry(&self) -> &'static Entry {
        &Entry {
            id: "logit-normal",
            label: "Logit-normal",
            about: "The middle of the way, where noise and data are hardest to tell apart, is practised most.",
            when: "The default: most training where the flow bends.",
            formula: "t = sigmoid(mean + std z), z ~ N(0, 1)",
            source: "Esser et al. 2024, arXiv 2403.03206",
            params: &[
                ParamSpec {
                    name: "mean",
                    label: "Mean",
                    about: "Below 0 practises closer to noise, above 0 closer to data.",
                    default: 0.0,
                    min: -5.0,
                    max: 5.0,
                    step: 0.1,
                },
                ParamSpec {
                    name: "std",
                    label: "Spread",
                    about: "Small keeps to one moment, large reaches both ends.",
                    default: 1.0,
                    min: 0.1,
                    max: 5.0,
                    step: 0.1,
                },
            ],
        }
    }

    fn sample(&self, values: &[f64], rng: &mut dyn RngCore) -> f64 {
        sigmoid(values[0] + values[1] * standard_normal(rng)).clamp(f64::MIN_POSITIVE, super::BELOW_ONE)
    }

    fn cdf(&self, values: &[f64], t: f64) -> f64 {
        normal_cdf((logit(t) - values[0]) / values[1])
    }
}

#[cfg(test)]
mod tests {
    use crate::noise;
    use crate::special::logit;
    use crate::time::TimeDistribution;

    #[test]
    fn the_logit_of_t_has_the_declared_mean_and_spread() {
        let distribution = TimeDistribution::parse("logit-normal:mean=-0.5,std=2").unwrap();
        let logits: Vec<f64> =
            distribution.sample_batch(&mut noise::rng(5, 0), 100_000).into_iter().map(logit).collect();
        let mean = logits.iter().sum::<f64>() / 1e5;
        let std = (logits.iter().map(|z| (z - mean).powi(2)).sum::<f64>() / 1e5).sqrt();
        // Five standard errors: 2 / sqrt(1e5) = 6.3e-3 and 2 / sqrt(2e5) = 4.5e-3.
        assert!((mean + 0.5).abs() < 0.032);
        assert!((std - 2.0).abs() < 0.023);
    }
}
