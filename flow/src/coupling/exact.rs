//! Optimal transport within the batch: the permutation that makes the sum of |x0 - x1|^2 smallest, by the Hungarian
//! method of the crate `pathfinding` (Kuhn 1955, Munkres 1957; cubic in the batch).
//!
//! The method counts in whole numbers: costs are rounded to 2^-40 of the largest, far below what `f32` data can tell.

use super::cost::squared_distances;
use super::{Found, Rule};
use crate::rand_core::RngCore;
use crate::registry::Entry;
use pathfinding::matrix::Matrix;
use pathfinding::prelude::kuhn_munkres_min;

pub(super) struct Exact;

impl Rule for Exact {
    fn entry(&self) -> &'static Entry {
        &Entry {
            id: "exact",
            label: "Optimal transport",
            about: "Gives every digit the noise that lies nearest, so that no two paths cross for nothing.",
            when: "For models without classes: with classes it makes the noise depend on the class.",
            formula: "argmin over permutations p of sum |x0_p(i) - x1_i|^2",
            source: "Tong et al. 2023, arXiv 2302.00482; Pooladian et al. 2023, arXiv 2304.14772",
            params: &[],
        }
    }

    fn permutes(&self) -> bool {
        true
    }

    fn pair(&self, _: &[f64], x0: &[f32], x1: &[f32], dim: usize, _: &[usize], _: &mut dyn RngCore) -> Found {
        Found::rows(assign(&squared_distances(x0, x1, dim)))
    }
}

/// The column of each row in the cheapest permutation of a square matrix of costs.
pub(super) fn assign(cost: &[f64]) -> Vec<usize> {
    let n = cost.len().isqrt();
    if n < 2 {
        return (0..n).collect();
    }
    let largest = cost.iter().copied().fold(0.0, f64::max);
    let unit = if largest > 0.0 { (1u64 << 40) as f64 / largest } else { 0.0 };
    let whole = cost.iter().map(|c| libm::round(c * unit) as i64).collect();
    match Matrix::from_vec(n, n, whole) {
        Ok(matrix) => kuhn_munkres_min(&matrix).1,
        // A square matrix has as many values as it has places.
        Err(_) => (0..n).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::noise;

    /// The cheapest permutation, by trying all.
    fn brute_force(cost: &[f64], n: usize, row: usize, used: &mut Vec<bool>) -> f64 {
        if row == n {
            return 0.0;
        }
        let mut best = f64::INFINITY;
        for column in 0..n {
            if !used[column] {
                used[column] = true;
                best = best.min(cost[row * n + column] + brute_force(cost, n, row + 1, used));
                used[column] = false;
            }
        }
        best
    }

    #[test]
    fn no_permutation_is_cheaper() {
        for n in 0..=7 {
            for seed in 0..20 {
                let (x0, x1) = (noise::gaussian(seed, 1, 3 * n), noise::gaussian(seed, 2, 3 * n));
                let cost = squared_distances(&x0, &x1, 3);
                let rows = assign(&cost);
                let sum: f64 = rows.iter().enumerate().map(|(i, j)| cost[i * n + j]).sum();
                assert!((sum - brute_force(&cost, n, 0, &mut vec![false; n])).abs() < 1e-6, "{n}, {seed}");
            }
        }
    }

    #[test]
    fn points_that_are_all_one_are_still_permuted() {
        let mut rows = assign(&[0.0; 25]);
        rows.sort_unstable();
        assert_eq!(rows, [0, 1, 2, 3, 4]);
    }
}
