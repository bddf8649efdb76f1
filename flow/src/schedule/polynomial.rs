//! Small steps at both ends: t(u) = u^p / (u^p + (1 - u)^p). p = 1 is the even schedule.

use crate::real;
use super::Rule;
use crate::registry::{Entry, ParamSpec};

pub(super) struct Polynomial;

impl Rule for Polynomial {
    fn entry(&self) -> &'static Entry {
        &Entry {
            id: "polynomial",
            label: "Polynomial",
            about: "Small steps at both ends, large ones in the middle; p says how much.",
            when: "To vary the S shape by one number: p = 1 is even.",
            formula: "t(u) = u^p / (u^p + (1 - u)^p)",
            source: "The odds of u raised to the power p",
            params: &[ParamSpec {
                name: "p",
                label: "Power",
                about: "1 is even, 2 a gentle S, more a steep one.",
                default: 2.0,
                min: 1.0,
                max: 6.0,
                step: 0.1,
            }],
        }
    }

    fn at(&self, values: &[f64], u: f64) -> f64 {
        let (rise, fall) = (real::pow(u, values[0]), real::pow(1.0 - u, values[0]));
        rise / (rise + fall)
    }
}
