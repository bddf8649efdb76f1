//! Proportional-integral control: 0.9 e^(-alpha) e_before^beta with alpha = 0.7 / (q + 1) and beta = 0.4 / (q + 1) by
//! default, which damps the swing between long steps and rejections.
//!
//! Gustafsson 1991; Hairer and Wanner 1996, section IV.2.

use crate::real;
use super::Rule;
use super::integral::SAFETY;
use crate::registry::{Entry, ParamSpec};

pub(super) struct Pi;

impl Rule for Pi {
    fn entry(&self) -> &'static Entry {
        &Entry {
            id: "pi",
            label: "PI control",
            about: "Also remembers the error before, so that the steps change more calmly.",
            when: "When many steps are rejected under the elementary controller.",
            formula: "h' = 0.9 h e^(-alpha/(q + 1)) e_before^(beta/(q + 1))",
            source: "Gustafsson 1991, doi 10.1145/210232.210242",
            params: &[
                ParamSpec {
                    name: "alpha",
                    label: "This error",
                    about: "How strongly this step's error counts.",
                    default: 0.7,
                    min: 0.1,
                    max: 1.0,
                    step: 0.05,
                },
                ParamSpec {
                    name: "beta",
                    label: "Last error",
                    about: "How strongly the error before counts; 0 forgets it.",
                    default: 0.4,
                    min: 0.0,
                    max: 1.0,
                    step: 0.05,
                },
            ],
        }
    }

    fn factor(&self, values: &[f64], ratio: f64, before: f64, order: usize) -> f64 {
        let q = order as f64 + 1.0;
        // A step without any error says nothing about the next one's: it counts as a small one.
        SAFETY * real::pow(ratio, -values[0] / q) * real::pow(before.max(1e-4), values[1] / q)
    }
}
