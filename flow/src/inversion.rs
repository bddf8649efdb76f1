//! Inversion: from data back to the noise that the flow makes it from, and how well the way there and back again closes.
//!
//! The flow is a bijection, so that x0 = the flow walked from t = 1 to t = 0, and walking from x0 gives x again: exactly
//! for an exact solver, and as closely as the steps allow for a real one (DDIM inversion, Song et al. 2021, arXiv
//! 2010.02502, is this with Euler's steps). The error of the round trip tells whether the steps sufficed; it says nothing
//! about whether the noise is a probable one.
//!
//! The way back may end before t = 0 ([`Stepping::starting_at`]): what is kept of the picture in that state then outlives a
//! way forward as another class, as with SDEdit (Meng et al. 2022, arXiv 2108.01073), whose state is noised by chance instead.

use crate::Error;
use crate::field::Field;
use crate::integrate::{Options, Outcome, Report, Stepping, integrate};
use crate::solver::Solver;
use crate::state::{Elements, Rows};
use std::ops::ControlFlow;

/// How far a sample came back from where it set out.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RoundTripError {
    /// The root of the mean of the squares over its values.
    pub rms: f64,
    /// The largest of any value.
    pub max: f64,
}

/// A batch that was turned into noise and back.
#[derive(Clone, Debug, PartialEq)]
pub struct RoundTrip<S> {
    /// The run from data to noise.
    pub noise: Outcome<S>,
    /// The run from that noise to data.
    pub data: Outcome<S>,
    /// How far each sample came back from where it set out.
    pub errors: Vec<RoundTripError>,
}

/// The noise that the flow makes `x` from. `stepping` is that of a run from noise to data, as for drawing; it is walked
/// backwards.
///
/// # Errors
/// A solver that adds noise, a stepping that leads back already, and what [`integrate`] fails with.
pub async fn invert<S, F, O>(
    field: &mut F,
    solver: &Solver,
    stepping: &Stepping,
    x: S,
    options: &Options,
    observe: O,
) -> Result<Outcome<S>, Error>
where
    S: Rows,
    F: Field<S>,
    O: AsyncFnMut(Report<'_, S>) -> ControlFlow<()>,
{
    solver.require_deterministic("the noise of an image")?;
    integrate(field, solver, &stepping.back_to_noise()?, x, options, observe).await
}

/// Inverts `x` and draws it again from its noise. `observe` sees both runs, one after the other; a budget is each run's own.
///
/// # Errors
/// As [`invert`].
pub async fn round_trip<S, F, O>(
    field: &mut F,
    solver: &Solver,
    stepping: &Stepping,
    x: S,
    options: &Options,
    mut observe: O,
) -> Result<RoundTrip<S>, Error>
where
    S: Elements,
    F: Field<S>,
    O: AsyncFnMut(Report<'_, S>) -> ControlFlow<()>,
{
    let noise = invert(field, solver, stepping, x.clone(), options, &mut observe).await?;
    let data = integrate(field, solver, stepping, noise.x.clone(), options, observe).await?;
    let errors = differences(&x, &data.x).await?;
    Ok(RoundTrip { noise, data, errors })
}

/// How far each sample of `b` is from that of `a`; NaN where a value is not finite.
///
/// # Errors
/// A state that cannot be read.
pub async fn differences<S: Elements>(a: &S, b: &S) -> Result<Vec<RoundTripError>, Error> {
    let (samples, n) = (a.samples(), a.elements());
    let difference = S::combine(&[(1.0, a), (-1.0, b)]).values().await?;
    let error = |values: &[f64]| {
        // `f64::max` would drop a NaN; the sum of squares keeps it.
        let squares: f64 = values.iter().map(|value| value * value).sum();
        let largest = values.iter().fold(0.0, |most: f64, value| most.max(value.abs()));
        RoundTripError {
            rms: libm::sqrt(squares / n.max(1) as f64),
            max: if squares.is_nan() { f64::NAN } else { largest },
        }
    };
    Ok((0..samples).map(|i| error(&difference[i * n..(i + 1) * n])).collect())
}
