//! A quarter of a circle from noise to data: a = sin(pi t / 2), s = cos(pi t / 2), so that a^2 + s^2 = 1.
//!
//! Albergo and Vanden-Eijnden 2023 (arXiv 2209.15571).

use crate::real;
use super::Rule;
use crate::registry::Entry;
use std::f64::consts::FRAC_PI_2;

pub(super) struct Trigonometric;

impl Rule for Trigonometric {
    fn entry(&self) -> &'static Entry {
        &Entry {
            id: "trigonometric",
            label: "Trigonometric",
            about: "A quarter circle instead of a line: the picture keeps its overall contrast all the way.",
            when: "When all moments of the way shall have the same variance.",
            formula: "x_t = sin(pi t / 2) x1 + cos(pi t / 2) x0",
            source: "Albergo and Vanden-Eijnden 2023, arXiv 2209.15571",
            params: &[],
        }
    }

    fn a(&self, _: &[f64], t: f64) -> f64 {
        real::sin(FRAC_PI_2 * t)
    }

    fn s(&self, _: &[f64], t: f64) -> f64 {
        real::cos(FRAC_PI_2 * t)
    }

    fn da(&self, _: &[f64], t: f64) -> f64 {
        FRAC_PI_2 * real::cos(FRAC_PI_2 * t)
    }

    fn ds(&self, _: &[f64], t: f64) -> f64 {
        -FRAC_PI_2 * real::sin(FRAC_PI_2 * t)
    }
}
