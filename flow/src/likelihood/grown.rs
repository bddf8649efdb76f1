//! The state of a likelihood's integration: a sample together with what the divergence has come to on its way.
//!
//! It is a [`State`] like any other, so that [`integrate`](crate::integrate::integrate) and every solver, on fixed steps and
//! under a tolerance, carry both along. Under a tolerance the worse of both errors decides; the divergence is measured
//! a dimension, like the sample's own values.

use super::Divergence;
use crate::Error;
use crate::field::Field;
use crate::guidance::At;
use crate::state::{Rows, State};

/// Samples, and for each the integral of e^T J e along its way, one for each probe.
#[derive(Clone, Debug, PartialEq)]
pub struct Grown<S> {
    /// The samples.
    pub x: S,
    /// A list of integrals for each sample.
    pub divergence: S,
    /// What makes an integral a part of one dimension: its error is measured so.
    pub(super) share: f64,
}

/// Terms of a sum of samples, and of a sum of integrals.
type Terms<'a, C, S> = (Vec<(C, &'a S)>, Vec<(C, &'a S)>);

impl<S: State> Grown<S> {
    /// A sum's terms for both parts, and the share.
    fn parts<'a, C: Copy>(terms: &[(C, &'a Self)]) -> (Terms<'a, C, S>, f64) {
        let x = terms.iter().map(|(c, grown)| (*c, &grown.x)).collect();
        let divergence = terms.iter().map(|(c, grown)| (*c, &grown.divergence)).collect();
        ((x, divergence), terms.first().map_or(1.0, |(_, grown)| grown.share))
    }
}

impl<S: State> State for Grown<S> {
    fn combine(terms: &[(f64, &Self)]) -> Self {
        let ((x, divergence), share) = Self::parts(terms);
        Self { x: S::combine(&x), divergence: S::combine(&divergence), share }
    }

    /// Each part on its own.
    fn projection(of: &Self, onto: &Self) -> Self {
        Self {
            x: S::projection(&of.x, &onto.x),
            divergence: S::projection(&of.divergence, &onto.divergence),
            share: of.share,
        }
    }

    /// Noise of the samples; a divergence has none.
    fn gaussian(&self, seed: u64, first_image: u64, draw: u64) -> Self {
        let divergence = S::combine(&[(0.0, &self.divergence)]);
        Self { x: self.x.gaussian(seed, first_image, draw), divergence, share: self.share }
    }
}

impl<S: Rows> Rows for Grown<S> {
    fn samples(&self) -> usize {
        self.x.samples()
    }

    fn select(&self, rows: &[usize]) -> Self {
        Self { x: self.x.select(rows), divergence: self.divergence.select(rows), share: self.share }
    }

    fn replace(&self, rows: &[usize], values: &Self) -> Self {
        Self {
            x: self.x.replace(rows, &values.x),
            divergence: self.divergence.replace(rows, &values.divergence),
            share: self.share,
        }
    }

    fn combine_rows(terms: &[(&[f64], &Self)]) -> Self {
        let ((x, divergence), share) = Self::parts(terms);
        Self { x: S::combine_rows(&x), divergence: S::combine_rows(&divergence), share }
    }

    async fn error_ratios(err: &Self, y0: &Self, y1: &Self, rtol: f64, atol: f64) -> Result<Vec<f64>, Error> {
        let share = |grown: &Self| S::combine(&[(grown.share, &grown.divergence)]);
        let samples = S::error_ratios(&err.x, &y0.x, &y1.x, rtol, atol).await?;
        let integrals = S::error_ratios(&share(err), &share(y0), &share(y1), rtol, atol).await?;
        // `f64::max` would drop a NaN.
        let worse = |(a, b): (f64, f64)| if a >= b || a.is_nan() { a } else { b };
        Ok(samples.into_iter().zip(integrals).map(worse).collect())
    }

    async fn inner(a: &Self, b: &Self) -> Result<Vec<f64>, Error> {
        let samples = S::inner(&a.x, &b.x).await?;
        let integrals = S::inner(&a.divergence, &b.divergence).await?;
        Ok(samples.into_iter().zip(integrals).map(|(a, b)| a + b).collect())
    }
}

/// The field of grown states: d(x, integrals)/dt = (v, e^T J e), with the same probes all along.
pub(super) struct Growing<'f, S, F> {
    pub(super) field: &'f mut F,
    pub(super) probes: Vec<S>,
}

impl<S: Rows, F: Divergence<S>> Field<Grown<S>> for Growing<'_, S, F> {
    fn velocity(&mut self, t: f64, x: &Grown<S>) -> Result<Grown<S>, Error> {
        let (velocity, divergence) = self.field.probed(At::All(t), &x.x, &self.probes)?;
        Ok(Grown { x: velocity, divergence, share: x.share })
    }

    fn velocity_rows(&mut self, times: &[f64], rows: &[usize], x: &Grown<S>) -> Result<Grown<S>, Error> {
        let all = self.probes.first().is_some_and(|probe| probe.samples() == rows.len());
        let at = At::Rows { times, rows };
        let (velocity, divergence) = if all {
            self.field.probed(at, &x.x, &self.probes)?
        } else {
            let probes: Vec<S> = self.probes.iter().map(|probe| probe.select(rows)).collect();
            self.field.probed(at, &x.x, &probes)?
        };
        Ok(Grown { x: velocity, divergence, share: x.share })
    }

    fn spent(&self, row: usize) -> usize {
        self.field.spent(row)
    }

    fn evaluations(&self) -> usize {
        self.field.evaluations()
    }

    fn evaluations_per_call(&self) -> usize {
        self.field.evaluations_per_probed(self.probes.len())
    }
}
