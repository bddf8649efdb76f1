//! Inpainting: a picture of which a part is known, the rest filled in by the flow, without one evaluation more.
//!
//! Each sample starts from its own noise x0. Where the mask says that the picture x1 is known, the velocity is that of the
//! path from this noise to it, u_t = a'(t) x1 + s'(t) x0, which on the linear path is x1 - x0; elsewhere it is the field's
//! v(t, x_t), guided or not. So at every time the known part is what the picture would look like on its way,
//! x_t = a(t) x1 + s(t) x0, and the field sees it there.
//!
//! This is the replacement method (Song et al. 2021, score SDEs, arXiv 2011.13456, section I.2; RePaint without its
//! resampling, Lugmayr et al. 2022, arXiv 2201.09865, algorithm 1), both of diffusion, on a flow's own path and with one
//! noise for the whole way. It is an approximation: the network is told about the known part through x_t alone, not that it
//! is fixed, so that early steps, which see little of it, may choose a filling that does not go with it perfectly.
//!
//! On the linear path the known velocity is constant, and every deterministic solver carries it to x1 up to rounding. On a
//! bent one a solver makes the error there that it makes anywhere; [`inpaint`] puts the known values in their place at the end.

use crate::Error;
use crate::field::Field;
use crate::integrate::{End, Options, Outcome, Report, Stepping, integrate};
use crate::path::Path;
use crate::solver::Solver;
use crate::state::Masked;
use std::ops::ControlFlow;

/// What is known of each sample of a batch.
#[derive(Clone, Debug, PartialEq)]
pub struct Known<S> {
    /// The data, of which only the known part is looked at.
    pub picture: S,
    /// 0 where it is to be filled in, any other number where it is known.
    pub mask: S,
}

impl<S: Masked> Known<S> {
    /// `x` with the known values in their place.
    pub fn put_into(&self, x: &S) -> S {
        S::masked(&self.mask, &self.picture, x)
    }
}

/// A field whose known part moves along its own path. It costs what the field costs.
pub struct Inpainted<F, S> {
    field: F,
    path: Path,
    noise: S,
    known: Known<S>,
}

impl<F, S> Inpainted<F, S> {
    /// `field` for states that began as `noise` at t = 0, with a part that is known.
    pub fn new(field: F, path: Path, noise: S, known: Known<S>) -> Self {
        Self { field, path, noise, known }
    }
}

impl<S: Masked, F: Field<S>> Field<S> for Inpainted<F, S> {
    fn velocity(&mut self, t: f64, x: &S) -> Result<S, Error> {
        let free = self.field.velocity(t, x)?;
        let known = self.path.velocity(&self.noise, &self.known.picture, t);
        Ok(S::masked(&self.known.mask, &known, &free))
    }

    fn velocity_rows(&mut self, times: &[f64], rows: &[usize], x: &S) -> Result<S, Error> {
        let free = self.field.velocity_rows(times, rows, x)?;
        let (picture, noise) = (self.known.picture.select(rows), self.noise.select(rows));
        let da: Vec<f64> = times.iter().map(|t| self.path.da(*t)).collect();
        let ds: Vec<f64> = times.iter().map(|t| self.path.ds(*t)).collect();
        let known = S::combine_rows(&[(&da, &picture), (&ds, &noise)]);
        Ok(S::masked(&self.known.mask.select(rows), &known, &free))
    }

    fn spent(&self, row: usize) -> usize {
        self.field.spent(row)
    }

    fn evaluations(&self) -> usize {
        self.field.evaluations()
    }

    fn evaluations_per_call(&self) -> usize {
        self.field.evaluations_per_call()
    }
}

/// Fills in what is not known, from `noise` at t = 0 along `options.path`. The known values of a finished run are exactly
/// those that were given.
///
/// # Errors
/// A solver that adds noise (it would carry the known part away from its path), a stepping that does not begin at t = 0, and
/// what [`integrate`] fails with.
pub async fn inpaint<S, F, O>(
    field: &mut F,
    solver: &Solver,
    stepping: &Stepping,
    noise: S,
    known: Known<S>,
    options: &Options,
    observe: O,
) -> Result<Outcome<S>, Error>
where
    S: Masked,
    F: Field<S>,
    O: AsyncFnMut(Report<'_, S>) -> ControlFlow<()>,
{
    solver.require_deterministic("filling a picture in")?;
    if let Some((from, _)) = stepping.ends().filter(|(from, _)| *from != 0.0) {
        let accepts = "t = 0: the known part's path begins with its noise";
        return Err(Error::Stepping { what: "start", got: format!("t = {from}"), accepts });
    }
    let mut inpainted = Inpainted::new(field, options.path.clone(), noise.clone(), known.clone());
    // Behind a reference, so that the loop is not compiled once more for this field.
    let mut field: &mut dyn Field<S> = &mut inpainted;
    let mut outcome = integrate(&mut field, solver, stepping, noise, options, observe).await?;
    if outcome.end == End::Finished && outcome.t == 1.0 {
        outcome.x = known.put_into(&outcome.x);
    }
    Ok(outcome)
}
