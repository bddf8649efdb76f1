//! Entropic optimal transport (Cuturi 2013): the plan P that minimizes <P, C> + reg KL(P | a b), computed in the log
//! domain, f_i = -reg log sum_j b_j e^((g_j - C_ij) / reg) and g likewise, until the marginals are met or the
//! iterations run out, which is reported. `reg` is relative to the mean cost, so that it works at any image size.
//!
//! A datum's noise is drawn from its row of the plan: taking the largest entry would use some noises twice and others
//! never. A noise may still come twice in a batch; on average each comes once.

use crate::real;
use super::cost::squared_distances;
use super::{Found, Rule};
use crate::noise::open_unit;
use crate::rand_core::RngCore;
use crate::registry::{Entry, ParamSpec};

/// The marginals are met when none is further off than this part of itself.
const TOLERANCE: f64 = super::Pairing::TOLERANCE;

pub(super) struct Sinkhorn;

impl Rule for Sinkhorn {
    fn entry(&self) -> &'static Entry {
        &Entry {
            id: "sinkhorn",
            label: "Sinkhorn",
            about: "Draws for every digit a noise that lies near, more or less strictly.",
            when: "For large pools, where the exact assignment takes too long, and for models without classes.",
            formula: "min over P of <P, C> + reg KL(P | a b); pairs drawn from P",
            source: "Cuturi 2013, arXiv 1306.0895; Tong et al. 2023, arXiv 2302.00482",
            params: &[
                ParamSpec {
                    name: "reg",
                    label: "Softness",
                    about: "Relative to the mean cost: small values come near the exact assignment.",
                    default: 0.05,
                    min: 0.001,
                    max: 10.0,
                    step: 0.001,
                },
                ParamSpec {
                    name: "iterations",
                    label: "Iterations",
                    about: "At most so many rounds; fewer when both marginals are met.",
                    default: 50.0,
                    min: 1.0,
                    max: 10_000.0,
                    step: 1.0,
                },
            ],
        }
    }

    fn permutes(&self) -> bool {
        false
    }

    fn pair(
        &self,
        values: &[f64],
        x0: &[f32],
        x1: &[f32],
        dim: usize,
        labels: &[usize],
        rng: &mut dyn RngCore,
    ) -> Found {
        let n = labels.len();
        let cost = squared_distances(x0, x1, dim);
        let mean = cost.iter().sum::<f64>() / cost.len().max(1) as f64;
        if n == 0 || mean == 0.0 {
            return Found::rows((0..n).collect());
        }
        let (plan, error) = plan(&cost, n, values[0] * mean, values[1] as usize);
        let rows = plan.chunks(n).map(|row| draw(row, open_unit(rng))).collect();
        Found { rows, marginal_error: Some(error) }
    }
}

/// The plan, row-major with uniform marginals 1/n, and how far a marginal is off at most, as a part of 1/n.
fn plan(cost: &[f64], n: usize, reg: f64, iterations: usize) -> (Vec<f64>, f64) {
    let log_weight = -libm::log(n as f64);
    let (mut f, mut g) = (vec![0.0; n], vec![0.0; n]);
    let mut error = f64::INFINITY;
    for _ in 0..iterations {
        for i in 0..n {
            f[i] = -reg * log_sum_exp((0..n).map(|j| (g[j] - cost[i * n + j]) / reg + log_weight));
        }
        // The columns' update tells how far the columns were off before it; the rows are met by the last line.
        error = 0.0;
        for j in 0..n {
            let updated = -reg * log_sum_exp((0..n).map(|i| (f[i] - cost[i * n + j]) / reg + log_weight));
            error = f64::max(error, (real::exp((g[j] - updated) / reg) - 1.0).abs());
            g[j] = updated;
        }
        if error < TOLERANCE {
            break;
        }
    }
    let plan =
        (0..n * n).map(|k| real::exp((f[k / n] + g[k % n] - cost[k]) / reg + 2.0 * log_weight)).collect();
    (plan, error)
}

fn log_sum_exp(terms: impl Iterator<Item = f64> + Clone) -> f64 {
    let largest = terms.clone().fold(f64::NEG_INFINITY, f64::max);
    largest + libm::log(terms.map(|x| real::exp(x - largest)).sum())
}

/// The place in `weights`, which need not sum to 1, that `u` in (0, 1) falls on.
fn draw(weights: &[f64], u: f64) -> usize {
    let mut left = u * weights.iter().sum::<f64>();
    for (place, weight) in weights.iter().enumerate() {
        left -= weight;
        if left < 0.0 {
            return place;
        }
    }
    weights.len() - 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::coupling::Coupling;
    use crate::noise;
    use serde_json::Value;

    fn matrix(value: &Value) -> (Vec<f32>, Vec<f64>) {
        let rows = value.as_array().unwrap().iter().flat_map(|row| row.as_array().unwrap());
        let all: Vec<f64> = rows.map(|v| v.as_f64().unwrap()).collect();
        (all.iter().map(|v| *v as f32).collect(), all)
    }

    #[test]
    fn the_plan_and_the_assignment_are_those_of_python_optimal_transport() {
        let oracle: Value = serde_json::from_str(include_str!("../../tests/fixtures/oracle.json")).unwrap();
        let part = &oracle["ot"];
        let ((x, _), (y, _)) = (matrix(&part["x"]), matrix(&part["y"]));
        let n = part["x"].as_array().unwrap().len();
        let dim = x.len() / n;
        // Rows of the oracle are x, so x stands where the data stand.
        let cost = squared_distances(&y, &x, dim);
        let (_, wanted) = matrix(&part["sinkhorn_plan"]);
        let reg = part["sinkhorn_reg"].as_f64().unwrap();
        let (ours, error) = plan(&cost, n, reg, 10_000);
        assert!(error < TOLERANCE);
        let worst = ours.iter().zip(&wanted).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        // The oracle iterated further; ours stops at a thousandth of a marginal.
        assert!(worst < 1e-3 / n as f64, "{worst}");

        let exact = Coupling::parse("exact").unwrap();
        let pairing = exact.pair(&y, &x, dim, &vec![0; n], &mut noise::rng(0, 0)).unwrap();
        let rows: Vec<usize> = part["exact_assignment_x_to_y"]
            .as_array()
            .unwrap()
            .iter()
            .map(|v| v.as_u64().unwrap() as usize)
            .collect();
        assert_eq!(pairing.rows, rows);
        assert!((pairing.mean_cost - part["exact_cost"].as_f64().unwrap()).abs() < 1e-5);
    }

    #[test]
    fn both_marginals_are_met_and_running_out_of_iterations_is_told() {
        let n = 40;
        let (x0, x1) = (noise::gaussian(1, 0, 2 * n), noise::gaussian(2, 0, 2 * n));
        let coupling = Coupling::parse("sinkhorn:iterations=2000").unwrap();
        let labels = vec![0; n];
        let found = coupling.pair(&x0, &x1, 2, &labels, &mut noise::rng(0, 0)).unwrap();
        assert!(found.converged() && found.marginal_error.is_some_and(|e| e < TOLERANCE));
        let hasty = coupling.with("iterations", 1.0).unwrap().with("reg", 0.001).unwrap();
        let found = hasty.pair(&x0, &x1, 2, &labels, &mut noise::rng(0, 0)).unwrap();
        assert!(!found.converged() && found.marginal_error.is_some_and(|e| e > TOLERANCE));

        let cost = squared_distances(&x0, &x1, 2);
        let (plan, _) = plan(&cost, n, 0.5, 5000);
        for k in 0..n {
            let row: f64 = plan[k * n..(k + 1) * n].iter().sum();
            let column: f64 = (0..n).map(|i| plan[i * n + k]).sum();
            assert!((row * n as f64 - 1.0).abs() < 2e-3 && (column * n as f64 - 1.0).abs() < 2e-3);
        }
    }

    #[test]
    fn pairs_are_drawn_as_often_as_the_plan_says() {
        let weights = [0.1, 0.0, 0.3, 0.6];
        let mut rng = noise::rng(4, 4);
        let (mut counts, draws) = ([0.0; 4], 20_000.0);
        for _ in 0..20_000 {
            counts[draw(&weights, open_unit(&mut rng))] += 1.0;
        }
        for (count, weight) in counts.iter().zip(weights) {
            // Four standard errors of a share.
            let error = 4.0 * f64::sqrt(weight * (1.0 - weight) / draws);
            assert!((count / draws - weight).abs() <= error, "{counts:?}");
        }
    }
}
