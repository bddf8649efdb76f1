//! One step of any explicit Runge-Kutta method, from its tableau.
//!
//! On fixed steps no error is estimated: a method whose last stage is the next step's first (FSAL) leaves it out, and
//! the next step evaluates it, so that N steps cost exactly N times the declared number.

use super::tableau::Tableau;
use super::{Method, Setting, Stepper};
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

    fn stepper<S: State>(&self, _: Setting<'_>) -> Box<dyn Stepper<S>> {
        Box::new(RungeKuttaStepper { tableau: RungeKutta::tableau(self) })
    }
}

struct RungeKuttaStepper {
    tableau: &'static Tableau,
}

impl<S: State> Stepper<S> for RungeKuttaStepper {
    fn calls(&self) -> usize {
        self.tableau.stages_for_solution()
    }

    fn step(&mut self, field: &mut dyn Field<S>, t: f64, h: f64, x: &S) -> Result<S, Error> {
        let mut k = Vec::with_capacity(self.tableau.stages());
        for (row, c) in self.tableau.a.iter().zip(self.tableau.c).take(self.tableau.stages_for_solution()) {
            let velocity = if k.is_empty() {
                field.velocity(t, x)?
            } else {
                field.velocity(t + c * h, &advance(x, h, row, &k))?
            };
            k.push(velocity);
        }
        Ok(advance(x, h, self.tableau.b, &k))
    }

    fn accept(&mut self) {}
}

/// x + h sum_j w_j k_j.
fn advance<S: State>(x: &S, h: f64, weights: &[f64], k: &[S]) -> S {
    let mut sum = vec![(1.0, x)];
    sum.extend(weights.iter().zip(k).filter(|(w, _)| **w != 0.0).map(|(w, k)| (h * w, k)));
    S::combine(&sum)
}
