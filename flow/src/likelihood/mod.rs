//! How probable a sample is under a flow: log p1(x) = log p0(x0) - integral from 0 to 1 of div v(t, x_t) dt, along the way
//! that leads from x at t = 1 back to x0 at t = 0, where p0 is the standard normal distribution.
//!
//! Chen et al. 2018 (arXiv 1806.07366, instantaneous change of variables); Grathwohl et al. 2019 (FFJORD, arXiv
//! 1810.01367); Lipman et al. 2022 (arXiv 2210.02747), appendix C. The divergence is the mean of e^T J e over random probes
//! e (Hutchinson 1990), held fixed along the way and drawn from (seed, image, probe) alone, or exactly the sum over unit
//! vectors. All probes ride along on one way, so that the spread of their integrals gives the estimate's error bar; the
//! error of the steps is beside that, and shrinks with more steps or a smaller tolerance.
//!
//! What is given is a density where the flow ends, in nats and in the values that the field works in. A density of other
//! values, such as pixels, differs by the logarithm of the scale a dimension. Where s(0) is not exactly 1 or a(0) not
//! exactly 0 (variance-preserving), p0 is that path's start only as closely.

mod divergence;
mod grown;

pub use divergence::{CentralDifferences, Divergence, FnDivergence};
pub use grown::Grown;

use crate::Error;
use crate::integrate::{Options, Outcome, Report, Stepping, integrate};
use crate::noise;
use crate::solver::Solver;
use crate::state::Elements;
use grown::Growing;
use std::f64::consts::{LN_2, TAU};
use std::ops::ControlFlow;

/// The most probes of an estimate.
pub const MOST_PROBES: usize = 4096;
/// The most dimensions of an exact divergence.
pub const MOST_EXACT: usize = 4096;

/// How the divergence is had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Probes {
    /// Estimated from so many probes whose values are 1 or -1: of all such estimates the one of least variance.
    Rademacher(usize),
    /// Estimated from so many standard normal probes.
    Gaussian(usize),
    /// The sum over all unit vectors: as many derivatives as there are dimensions.
    Exact,
}

/// A log-density in nats.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// Its value, the mean over the probes.
    pub nats: f64,
    /// The standard error of that mean: 0 for an exact divergence, unknown from a single probe.
    pub standard_error: Option<f64>,
}

/// The log-densities of a batch, and the run that told them.
#[derive(Clone, Debug, PartialEq)]
pub struct Likelihood<S> {
    /// One for each sample. They are those of the samples only if the outcome's `end` is `Finished`.
    pub samples: Vec<Estimate>,
    /// The run back to noise; its state is the noise itself.
    pub outcome: Outcome<S>,
}

/// The log-density of each sample of `x` at the end of the flow.
///
/// `stepping` is that of a run from noise to data, as for drawing; it is walked backwards. `options` gives the probes their
/// seed and the number of the first image. Evaluations are those of the field's [`Divergence`], probes included.
///
/// # Errors
/// No probes or too many of them, too many dimensions for an exact divergence, a solver that adds noise, a stepping that
/// leads back already, and what [`integrate`] fails with.
pub async fn log_likelihood<S, F, O>(
    field: &mut F,
    solver: &Solver,
    stepping: &Stepping,
    x: S,
    probes: Probes,
    options: &Options,
    mut observe: O,
) -> Result<Likelihood<S>, Error>
where
    S: Elements,
    F: Divergence<S>,
    O: AsyncFnMut(Report<'_, S>) -> ControlFlow<()>,
{
    solver.require_deterministic("a likelihood")?;
    let stepping = stepping.back_to_noise()?;
    let dimension = x.elements();
    let probe_states = probes.states(&x, options)?;
    let columns = probe_states.len();
    let exact = probes == Probes::Exact;
    let start = Grown {
        divergence: x.with_lists(&vec![0.0; columns * x.samples()]),
        x,
        share: if exact { 1.0 } else { 1.0 / dimension.max(1) as f64 },
    };
    let mut growing = Growing { field, probes: probe_states };
    let outcome = integrate(&mut growing, solver, &stepping, start, options, async |report| {
        observe(Report {
            t: report.t,
            h: report.h,
            x: &report.x.x,
            times: report.times,
            accepted: report.accepted,
            rejected: report.rejected,
            evaluations: report.evaluations,
            total_steps: report.total_steps,
        })
        .await
    })
    .await?;
    let Grown { x, divergence, .. } = outcome.x;
    let squares = S::inner(&x, &x).await?;
    // Integrated from 1 to 0: what has grown is the integral from 0 to 1 with its sign changed already.
    let integrals = divergence.values().await?;
    if integrals.len() != squares.len() * columns {
        let reason = format!(
            "{} integrals came back for {} samples and {columns} probes",
            integrals.len(),
            squares.len()
        );
        return Err(Error::Field { reason });
    }
    let samples = squares
        .iter()
        .enumerate()
        .map(|(i, square)| {
            let base = -0.5 * (dimension as f64 * libm::log(TAU) + square);
            let own = &integrals[i * columns..(i + 1) * columns];
            let grown = if exact { exactly(own) } else { estimated(own) };
            Estimate { nats: base + grown.nats, ..grown }
        })
        .collect();
    let outcome = Outcome {
        x,
        t: outcome.t,
        evaluations: outcome.evaluations,
        accepted: outcome.accepted,
        rejected: outcome.rejected,
        end: outcome.end,
        samples: outcome.samples,
    };
    Ok(Likelihood { samples, outcome })
}

/// Bits a dimension that a code for a density of so many nats takes: -nats / (dimensions ln 2).
pub fn bits_per_dimension(nats: f64, dimensions: usize) -> f64 {
    -nats / (dimensions as f64 * LN_2)
}

fn exactly(integrals: &[f64]) -> Estimate {
    Estimate { nats: integrals.iter().sum(), standard_error: Some(0.0) }
}

fn estimated(integrals: &[f64]) -> Estimate {
    let n = integrals.len() as f64;
    let mean = integrals.iter().sum::<f64>() / n;
    let squares: f64 = integrals.iter().map(|value| (value - mean) * (value - mean)).sum();
    let standard_error = (integrals.len() > 1).then(|| libm::sqrt(squares / (n - 1.0) / n));
    Estimate { nats: mean, standard_error }
}

impl Probes {
    /// The probes of a batch, each of its shape: probe k of image i depends on the seed, i and k alone.
    fn states<S: Elements>(self, x: &S, options: &Options) -> Result<Vec<S>, Error> {
        let (samples, n) = (x.samples(), x.elements());
        match self {
            Self::Rademacher(got) | Self::Gaussian(got) if !(1..=MOST_PROBES).contains(&got) => {
                Err(Error::Probes { got, most: MOST_PROBES })
            }
            Self::Exact if n > MOST_EXACT => Err(Error::Dimension { got: n, most: MOST_EXACT }),
            Self::Exact => Ok((0..n)
                .map(|axis| {
                    let mut unit = vec![0.0; samples * n];
                    unit.iter_mut().skip(axis).step_by(n).for_each(|value| *value = 1.0);
                    x.with_values(&unit)
                })
                .collect()),
            Self::Rademacher(count) => Ok(drawn(x, options, count, noise::rademacher)),
            Self::Gaussian(count) => Ok(drawn(x, options, count, noise::gaussian_probe)),
        }
    }
}

fn drawn<S: Elements>(
    x: &S,
    options: &Options,
    count: usize,
    draw: fn(u64, u64, u64, usize) -> Vec<f32>,
) -> Vec<S> {
    let images = options.first_image..options.first_image + x.samples() as u64;
    let probe = |k: u64| -> Vec<f64> {
        let values = images.clone().flat_map(|image| draw(options.seed, image, k, x.elements()));
        values.map(f64::from).collect()
    };
    (0..count as u64).map(|k| x.with_values(&probe(k))).collect()
}
