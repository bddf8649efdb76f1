//! DPM-Solver++ 2M: one evaluation a step, the data's prediction extrapolated from the last two looks, in
//! lambda = log(a / s).
//!
//! Lu et al. 2022, algorithm 2 (arXiv 2211.01095). x' = (s'/s) x + (a' - a s'/s) [(1 + 1/2r) D_n - (1/2r) D_(n-1)] with
//! r the ratio of the last two steps in lambda. Where a step is infinitely long in lambda, at both ends of the path, D_n
//! stands alone: the first two steps and the last are of first order, and the whole is of second.

use super::exponential::{Exponential, prediction};
use super::{Method, Setting, Stepper};
use crate::Error;
use crate::field::Field;
use crate::path::Path;
use crate::registry::Entry;
use crate::state::State;

pub(super) struct DpmSolver2M;

impl Method for DpmSolver2M {
    fn entry(&self) -> &'static Entry {
        &Entry {
            id: "dpm-solver++-2m",
            label: "DPM-Solver++ 2M",
            about: "Guesses the finished picture at every step and follows how the guess changes.",
            when: "For few evaluations; the usual choice of image pipelines.",
            formula: "x' = (s'/s) x + (a' - a s'/s) [D_n + (D_n - D_(n-1)) / 2r], D_n the picture predicted at step n, r the step before over this one in log(a/s)",
            source: "Lu et al. 2022, arXiv 2211.01095",
            params: &[],
        }
    }

    fn order(&self) -> usize {
        2
    }

    fn evaluations(&self, steps: usize) -> usize {
        steps
    }

    fn stepper<S: State>(&self, setting: Setting<'_>) -> Box<dyn Stepper<S>> {
        Box::new(Multistep { path: setting.options.path.clone(), last: None, proposed: None })
    }
}

struct Multistep<S> {
    path: Path,
    /// The last prediction, and the step in lambda that led on from it.
    last: Option<(S, f64)>,
    proposed: Option<(S, f64)>,
}

impl<S: State> Stepper<S> for Multistep<S> {
    fn calls(&self) -> usize {
        1
    }

    fn step(&mut self, field: &mut dyn Field<S>, t: f64, h: f64, x: &S) -> Result<S, Error> {
        let v = field.velocity(t, x)?;
        let guess = prediction(&self.path, t, h < 0.0, x, &v);
        let step = Exponential::step(&self.path, t, t + h);
        let next = match &self.last {
            Some((before, length)) if step.is_finite() && length.is_finite() => {
                let half = 0.5 * step.length / length;
                S::combine(&[(step.keep, x), (step.gain * (1.0 + half), &guess), (-step.gain * half, before)])
            }
            _ => S::combine(&[(step.keep, x), (step.gain, &guess)]),
        };
        self.proposed = Some((guess, step.length));
        Ok(next)
    }

    fn accept(&mut self) {
        self.last = self.proposed.take();
    }
}
