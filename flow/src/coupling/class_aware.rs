//! Optimal transport inside each class. Plain optimal transport makes the noise depend on the class, and a sampler,
//! which draws noise without knowing that, then starts where the model was never trained (C2OT, arXiv 2503.10636).
//!
//! The noises are dealt to the classes by their row, blindly, and assigned within: the noise of a class is still
//! standard normal. Costs far less than the whole batch: ten assignments of a tenth.

use super::cost::squared_distances;
use super::exact::assign;
use super::{Found, Rule};
use crate::rand_core::RngCore;
use crate::registry::Entry;
use std::collections::BTreeMap;

pub(super) struct ClassAware;

impl Rule for ClassAware {
    fn entry(&self) -> &'static Entry {
        &Entry {
            id: "class-aware",
            label: "Optimal transport in classes",
            about: "Straightens the paths of each digit among its own kind, so that asking for a digit still works.",
            when: "For class-conditional models that shall need few steps.",
            formula: "argmin over permutations p with class(p(i)) = class(i) of sum |x0_p(i) - x1_i|^2",
            source: "Cheng and Schwing 2025, arXiv 2503.10636",
            params: &[],
        }
    }

    fn permutes(&self) -> bool {
        true
    }

    fn pair(
        &self,
        _: &[f64],
        x0: &[f32],
        x1: &[f32],
        dim: usize,
        labels: &[usize],
        _: &mut dyn RngCore,
    ) -> Found {
        let mut classes: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for (row, label) in labels.iter().enumerate() {
            classes.entry(*label).or_default().push(row);
        }
        let mut rows: Vec<usize> = (0..labels.len()).collect();
        for members in classes.values() {
            let gather = |x: &[f32]| {
                members.iter().flat_map(|&r| x[r * dim..(r + 1) * dim].to_vec()).collect::<Vec<f32>>()
            };
            let found = assign(&squared_distances(&gather(x0), &gather(x1), dim));
            for (member, column) in members.iter().zip(found) {
                rows[*member] = members[column];
            }
        }
        Found::rows(rows)
    }
}

#[cfg(test)]
mod tests {
    use crate::coupling::Coupling;
    use crate::noise;

    /// Data of class c near (3, 0) or (-3, 0), and the mean first coordinate of the noise that class 0 gets.
    fn mean_noise_of_class_0(coupling: &str) -> (f64, usize) {
        let coupling = Coupling::parse(coupling).unwrap();
        let (mut sum, mut count) = (0.0, 0);
        for batch in 0..20 {
            let n = 64;
            let x0 = noise::gaussian(1, batch, 2 * n);
            let labels: Vec<usize> = (0..n).map(|i| usize::from(i % 3 == 0)).collect();
            let mut x1 = noise::gaussian(2, batch, 2 * n);
            for (point, label) in x1.chunks_mut(2).zip(&labels) {
                point[0] = 0.1 * point[0] + if *label == 0 { 3.0 } else { -3.0 };
            }
            let pairing = coupling.pair(&x0, &x1, 2, &labels, &mut noise::rng(3, batch)).unwrap();
            for (row, label) in pairing.rows.iter().zip(&labels) {
                if *label == 0 {
                    sum += f64::from(x0[2 * row]);
                    count += 1;
                }
            }
        }
        (sum / f64::from(count), count as usize)
    }

    #[test]
    fn the_noise_of_a_class_stays_standard_normal_where_plain_transport_moves_it() {
        let (mean, count) = mean_noise_of_class_0("class-aware");
        // Four standard errors of a mean of standard normal values.
        assert!(mean.abs() < 4.0 / (count as f64).sqrt(), "{mean}");
        // Two thirds of the data lie to the right: plain transport gives them the right two thirds of the noise,
        // whose mean is phi(z)/(2/3) = 0.545 with P(Z > z) = 2/3.
        let (mean, _) = mean_noise_of_class_0("exact");
        assert!((mean - 0.545).abs() < 0.1, "{mean}");
    }

    #[test]
    fn a_pair_never_leaves_its_class() {
        let labels = [3, 1, 3, 1, 3, 0];
        let (x0, x1) = (noise::gaussian(5, 0, 24), noise::gaussian(6, 0, 24));
        let coupling = Coupling::parse("class-aware").unwrap();
        let pairing = coupling.pair(&x0, &x1, 4, &labels, &mut noise::rng(0, 0)).unwrap();
        for (i, row) in pairing.rows.iter().enumerate() {
            assert_eq!(labels[i], labels[*row]);
        }
    }
}
