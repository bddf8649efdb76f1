//! What the tests of the loop share.

use flow::Error;
use flow::field::Field;
use flow::integrate::{Options, Outcome, Stepping, integrate};
use flow::solver::Solver;
use std::ops::ControlFlow;

/// Integrates without an observer or a budget.
pub(crate) fn solve<F: Field<Vec<f64>>>(
    field: &mut F,
    solver: &Solver,
    stepping: &Stepping,
    x0: Vec<f64>,
) -> Result<Outcome<Vec<f64>>, Error> {
    pollster::block_on(integrate(field, solver, stepping, x0, &Options::default(), async |_| {
        ControlFlow::Continue(())
    }))
}

/// The largest difference between two states.
pub(crate) fn distance(a: &[f64], b: &[f64]) -> f64 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
}

/// The velocity of the linear path to finitely many data points:
/// v(x, t) = sum_i softmax_i(-|x - t d_i|^2 / (2 (1 - t)^2)) (d_i - x) / (1 - t).
pub(crate) fn finite_data_velocity(data: &[Vec<f64>], t: f64, x: &[f64]) -> Vec<f64> {
    let log_weights: Vec<f64> = data
        .iter()
        .map(|d| {
            let square: f64 = x.iter().zip(d).map(|(x, d)| (x - t * d).powi(2)).sum();
            -square / (2.0 * (1.0 - t).powi(2))
        })
        .collect();
    let largest = log_weights.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let weights: Vec<f64> = log_weights.iter().map(|w| (w - largest).exp()).collect();
    let total: f64 = weights.iter().sum();
    (0..x.len())
        .map(|k| data.iter().zip(&weights).map(|(d, w)| w / total * (d[k] - x[k]) / (1.0 - t)).sum())
        .collect()
}

/// Every solver, the stochastic ones without their noise.
pub(crate) fn deterministic() -> impl Iterator<Item = Solver> {
    Solver::all().map(|solver| if solver.stochastic() { solver.with("noise", 0.0).unwrap() } else { solver })
}
