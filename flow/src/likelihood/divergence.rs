//! Fields whose divergence can be had: each gives e^T J e for probes e, J being the Jacobian of the velocity by the state.
//!
//! Hutchinson 1990: for probes of mean 0 and covariance 1 the expectation of e^T J e is tr J, the divergence; over all unit
//! vectors the sum of e^T J e is tr J itself. So one operation serves both.

use crate::Error;
use crate::field::{Field, Tally};
use crate::guidance::At;
use crate::state::{Elements, Rows};

/// A velocity field that tells how it changes along probes.
pub trait Divergence<S>: Field<S> {
    /// v(t, x), and for each sample the list of e_k^T J e_k, one for each of the `probes` (states of the shape of `x`).
    ///
    /// What it costs is counted with the field's evaluations.
    fn probed(&mut self, at: At<'_>, x: &S, probes: &[S]) -> Result<(S, S), Error>;

    /// The most evaluations that one call with so many probes can cost a sample.
    fn evaluations_per_probed(&self, probes: usize) -> usize;
}

impl<S, F: Divergence<S> + ?Sized> Divergence<S> for &mut F {
    fn probed(&mut self, at: At<'_>, x: &S, probes: &[S]) -> Result<(S, S), Error> {
        (**self).probed(at, x, probes)
    }

    fn evaluations_per_probed(&self, probes: usize) -> usize {
        (**self).evaluations_per_probed(probes)
    }
}

fn ask<S, F: Field<S> + ?Sized>(field: &mut F, at: At<'_>, x: &S) -> Result<S, Error> {
    match at {
        At::All(t) => field.velocity(t, x),
        At::Rows { times, rows } => field.velocity_rows(times, rows, x),
    }
}

/// Any field, with e^T J e by central differences: e . (v(x + d e) - v(x - d e)) / 2d. Costs one evaluation and two more
/// for each probe.
pub struct CentralDifferences<F> {
    field: F,
    /// How far to look to either side.
    reach: f64,
}

impl<F> CentralDifferences<F> {
    /// Looks 1e-5 to either side: right for fields in double precision whose values are about 1.
    pub fn new(field: F) -> Self {
        Self { field, reach: 1e-5 }
    }

    /// Looks so far to either side. In single precision about 1e-2 balances rounding against curvature.
    ///
    /// # Errors
    /// A distance that is not a number above 0.
    pub fn reaching(self, reach: f64) -> Result<Self, Error> {
        if reach.is_finite() && reach > 0.0 {
            return Ok(Self { reach, ..self });
        }
        Err(Error::Stepping { what: "reach", got: reach.to_string(), accepts: "a finite distance above 0" })
    }
}

impl<S, F: Field<S>> Field<S> for CentralDifferences<F> {
    fn velocity(&mut self, t: f64, x: &S) -> Result<S, Error> {
        self.field.velocity(t, x)
    }

    fn velocity_rows(&mut self, times: &[f64], rows: &[usize], x: &S) -> Result<S, Error> {
        self.field.velocity_rows(times, rows, x)
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

impl<S: Elements, F: Field<S>> Divergence<S> for CentralDifferences<F> {
    fn probed(&mut self, at: At<'_>, x: &S, probes: &[S]) -> Result<(S, S), Error> {
        let velocity = ask(&mut self.field, at, x)?;
        let half = 0.5 / self.reach;
        let changes = probes
            .iter()
            .map(|probe| {
                let ahead = ask(&mut self.field, at, &S::combine(&[(1.0, x), (self.reach, probe)]))?;
                let behind = ask(&mut self.field, at, &S::combine(&[(1.0, x), (-self.reach, probe)]))?;
                Ok(S::combine(&[(half, &ahead), (-half, &behind)]))
            })
            .collect::<Result<Vec<S>, Error>>()?;
        Ok((velocity, columns(probes, &changes)))
    }

    fn evaluations_per_probed(&self, probes: usize) -> usize {
        probes.saturating_mul(2).saturating_add(1).saturating_mul(self.field.evaluations_per_call())
    }
}

/// The list of e_k . (J e_k) of each sample.
fn columns<S: Elements>(probes: &[S], changes: &[S]) -> S {
    let pairs: Vec<(&S, &S)> = probes.iter().zip(changes).collect();
    S::inner_columns(&pairs)
}

/// A field given by two closures: v(t, x), and its derivative along a direction, J(t, x) e. Each call of either counts as
/// one evaluation, so a divergence costs one and one more for each probe. As with [`FnField`](crate::field::FnField),
/// the closures must not care which sample of a batch they see.
pub struct FnDivergence<V, J> {
    velocity: V,
    derivative: J,
    tally: Tally,
}

impl<V, J> FnDivergence<V, J> {
    /// The field v(t, x) = `velocity(t, x)` with J(t, x) e = `derivative(t, x, e)`.
    pub fn new(velocity: V, derivative: J) -> Self {
        Self { velocity, derivative, tally: Tally::default() }
    }
}

/// Asks `function` for each sample at its own time.
fn one_by_one<S: Rows>(
    times: &[f64],
    x: &S,
    mut function: impl FnMut(f64, &S, usize) -> Result<S, Error>,
) -> Result<S, Error> {
    let mut all = x.clone();
    for (i, t) in times.iter().enumerate() {
        let alone = if times.len() == 1 { x.clone() } else { x.select(&[i]) };
        all = all.replace(&[i], &function(*t, &alone, i)?);
    }
    Ok(all)
}

impl<S, V, J> Field<S> for FnDivergence<V, J>
where
    S: Rows,
    V: FnMut(f64, &S) -> Result<S, Error>,
{
    fn velocity(&mut self, t: f64, x: &S) -> Result<S, Error> {
        self.tally.add(1);
        (self.velocity)(t, x)
    }

    fn velocity_rows(&mut self, times: &[f64], rows: &[usize], x: &S) -> Result<S, Error> {
        self.tally.add_rows(rows, 1);
        one_by_one(times, x, |t, x, _| (self.velocity)(t, x))
    }

    fn spent(&self, row: usize) -> usize {
        self.tally.of(row)
    }

    fn evaluations(&self) -> usize {
        self.tally.most()
    }
}

impl<S, V, J> Divergence<S> for FnDivergence<V, J>
where
    S: Elements,
    V: FnMut(f64, &S) -> Result<S, Error>,
    J: FnMut(f64, &S, &S) -> Result<S, Error>,
{
    fn probed(&mut self, at: At<'_>, x: &S, probes: &[S]) -> Result<(S, S), Error> {
        let velocity = ask(self, at, x)?;
        let derivative = &mut self.derivative;
        let changes = probes
            .iter()
            .map(|probe| match at {
                At::All(t) => derivative(t, x, probe),
                At::Rows { times, .. } => one_by_one(times, x, |t, x, i| {
                    let probe = if times.len() == 1 { probe.clone() } else { probe.select(&[i]) };
                    derivative(t, x, &probe)
                }),
            })
            .collect::<Result<Vec<S>, Error>>()?;
        match at {
            At::All(_) => self.tally.add(probes.len()),
            At::Rows { rows, .. } => self.tally.add_rows(rows, probes.len()),
        }
        Ok((velocity, columns(probes, &changes)))
    }

    fn evaluations_per_probed(&self, probes: usize) -> usize {
        probes.saturating_add(1)
    }
}
