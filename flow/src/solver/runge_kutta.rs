//! One step of any explicit Runge-Kutta method, from its tableau.
//!
//! With an error estimate, a method whose last stage is the next step's first (FSAL) evaluates it once. Without
//! one, that stage is left out and the next step evaluates it, so that N fixed steps cost exactly N times the
//! declared number.

use super::tableau::Tableau;
use super::{Method, Step, Stepper};
use crate::Error;
use crate::field::Field;
use crate::registry::Entry;
use crate::state::State;

/// A solver that is a tableau and nothing else.
pub(super) trait RungeKutta: Sync {
    fn entry(&self) -> &'static Entry;
    fn tableau(&self) -> &'static Tableau;
}

impl<R: RungeKutta> Method for R {
    fn entry(&self) -> &'static Entry {
        RungeKutta::entry(self)
    }

    fn order(&self) -> usize {
        RungeKutta::tableau(self).order
    }

    fn evaluations(&self, steps: usize) -> usize {
        RungeKutta::tableau(self).stages_for_solution() * steps
    }

    fn tableau(&self) -> Option<&'static Tableau> {
        Some(RungeKutta::tableau(self))
    }

    fn stepper<S: State>(&self, estimate: bool) -> Box<dyn Stepper<S>> {
        Box::new(RungeKuttaStepper { tableau: RungeKutta::tableau(self), estimate, first: None, last: None })
    }
}

struct RungeKuttaStepper<S> {
    tableau: &'static Tableau,
    /// Whether to estimate the error of each step.
    estimate: bool,
    /// The velocity at the current state, when it is known: from the step before, or from a rejected attempt.
    first: Option<S>,
    /// The velocity at the end of the step proposed.
    last: Option<S>,
}

impl<S: State> Stepper<S> for RungeKuttaStepper<S> {
    fn begin(&mut self, velocity: S) {
        self.first = Some(velocity);
    }

    fn calls(&self) -> usize {
        let stages = if self.estimate { self.tableau.stages() } else { self.tableau.stages_for_solution() };
        stages - usize::from(self.first.is_some())
    }

    fn step(&mut self, field: &mut dyn Field<S>, t: f64, h: f64, x: &S) -> Result<Step<S>, Error> {
        let tableau = self.tableau;
        let first = match self.first.take() {
            Some(velocity) => velocity,
            None => field.velocity(t, x)?,
        };
        let mut k = Vec::with_capacity(tableau.stages());
        k.push(first);
        for (row, c) in tableau.a.iter().zip(tableau.c).take(tableau.stages_for_solution()).skip(1) {
            let stage = advance(x, h, row, &k);
            k.push(field.velocity(t + c * h, &stage)?);
        }
        let next = advance(x, h, tableau.b, &k);
        let mut error = None;
        if let (true, Some(embedded)) = (self.estimate, &tableau.embedded) {
            if tableau.first_same_as_last() {
                k.push(field.velocity(t + h, &next)?);
                self.last = k.last().cloned();
            }
            error = Some(S::combine(&terms(h, embedded.error, &k)));
            // A rejected attempt starts from the same state again.
            self.first = k.into_iter().next();
        }
        Ok(Step { x: next, error })
    }

    fn accept(&mut self) {
        self.first = self.last.take();
    }
}

/// x + h sum_j w_j k_j.
fn advance<S: State>(x: &S, h: f64, weights: &[f64], k: &[S]) -> S {
    let mut sum = vec![(1.0, x)];
    sum.extend(terms(h, weights, k));
    S::combine(&sum)
}

/// The terms h w_j k_j whose weight is not zero.
fn terms<'a, S>(h: f64, weights: &[f64], k: &'a [S]) -> Vec<(f64, &'a S)> {
    weights.iter().zip(k).filter(|(w, _)| **w != 0.0).map(|(w, k)| (h * w, k)).collect()
}
