//! Large steps first, slowing to the end: t(u) = 1 - (1 - u)^3.

use super::Rule;
use crate::registry::Entry;

pub(super) struct InverseCubic;

impl Rule for InverseCubic {
    fn entry(&self) -> &'static Entry {
        &Entry {
            id: "inverse-cubic",
            label: "Inverse cubic",
            about: "Leaves the noise in large strides and slows down towards the finished digit.",
            when: "The default: it spends its steps where the last noise leaves the paper.",
            formula: "t(u) = 1 - (1 - u)³",
            source: "A polynomial easing curve",
            params: &[],
        }
    }

    fn at(&self, _: &[f64], u: f64) -> f64 {
        let rest = 1.0 - u;
        1.0 - rest * rest * rest
    }
}
