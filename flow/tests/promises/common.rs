//! What the tests of the loop share.

use flow::Error;
use flow::field::Field;
use flow::integrate::{Options, Outcome, Stepping, integrate};
use flow::solver::Solver;
use flow::state::Rows;
use std::ops::ControlFlow;

/// Integrates one sample without an observer or a budget.
pub(crate) fn solve(
    field: &mut dyn Field<Vec<f64>>,
    solver: &Solver,
    stepping: &Stepping,
    x0: Vec<f64>,
) -> Result<Outcome<Vec<f64>>, Error> {
    unseen(field, solver, stepping, x0, &Options::default())
}

/// Integrates without an observer. One type of field for all tests: the loop is compiled for it once.
pub(crate) fn unseen<S: Rows>(
    mut field: &mut dyn Field<S>,
    solver: &Solver,
    stepping: &Stepping,
    x0: S,
    options: &Options,
) -> Result<Outcome<S>, Error> {
    pollster::block_on(integrate(&mut field, solver, stepping, x0, options, async |_| {
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

/// Phi, the standard normal distribution's cumulative probability.
pub(crate) fn normal_cdf(z: f64) -> f64 {
    0.5 * libm::erfc(-z / std::f64::consts::SQRT_2)
}

/// Data of a mixture of Gaussians of one width in each dimension by itself, on the linear path: a flow that is not affine,
/// with everything known. x_t given component i is N(t d_i, r^2) with r^2 = t^2 width^2 + (1 - t)^2, and
/// v = sum_i softmax_i(-(x - t d_i)^2 / 2 r^2) (d_i + r'/r (x - t d_i)).
pub(crate) struct Mixture {
    centres: Vec<f64>,
    width: f64,
}

impl Default for Mixture {
    fn default() -> Self {
        Self { centres: vec![-1.2, 0.1, 1.3], width: 0.4 }
    }
}

impl Mixture {
    pub(crate) fn velocity(&self, t: f64, x: &[f64]) -> Vec<f64> {
        let square = t * t * self.width * self.width + (1.0 - t) * (1.0 - t);
        let growth = (t * self.width * self.width - (1.0 - t)) / square;
        let one = |x: f64| {
            let weights = self.centres.iter().map(|d| (-(x - t * d).powi(2) / (2.0 * square)).exp());
            let total: f64 = weights.clone().sum();
            let pulls = self.centres.iter().map(|d| d + growth * (x - t * d));
            weights.zip(pulls).map(|(w, v)| w / total * v).sum()
        };
        x.iter().map(|x| one(*x)).collect()
    }

    /// The logarithm of the density of the data, in one dimension.
    pub(crate) fn log_density(&self, x: f64) -> f64 {
        let norm = self.width * std::f64::consts::TAU.sqrt() * self.centres.len() as f64;
        let terms = self.centres.iter().map(|d| (-0.5 * ((x - d) / self.width).powi(2)).exp());
        (terms.sum::<f64>() / norm).ln()
    }

    /// The cumulative probability of the data, in one dimension.
    pub(crate) fn cdf(&self, x: f64) -> f64 {
        let terms = self.centres.iter().map(|d| normal_cdf((x - d) / self.width));
        terms.sum::<f64>() / self.centres.len() as f64
    }
}
