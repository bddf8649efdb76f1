//! UniPC-2: a predictor of second order in lambda = log(a / s), and a corrector that uses the next step's look to mend
//! the step before. One evaluation a step.
//!
//! Zhao et al. 2023 (arXiv 2302.04867), with the varying coefficients of its appendix, which are the exact integrals of
//! the interpolated prediction: linear through the last two looks to predict, quadratic through three to correct. Where a
//! step is infinitely long in lambda, the prediction is constant, and the correction linear in a / s. The last step has
//! no look after it, so it is not corrected: the whole is of second order on [0, 1].

use super::exponential::{Exponential, prediction};
use super::{Method, Setting, Stepper};
use crate::Error;
use crate::field::Field;
use crate::path::Path;
use crate::registry::Entry;
use crate::state::State;

pub(super) struct UniPc2;

impl Method for UniPc2 {
    fn entry(&self) -> &'static Entry {
        &Entry {
            id: "unipc-2",
            label: "UniPC-2",
            about: "Guesses ahead, and mends each step by what the next look shows, at no further cost.",
            when: "For few evaluations, beside DPM-Solver++.",
            formula: "predict by D linear in lambda; correct by D quadratic through the next look",
            source: "Zhao et al. 2023, arXiv 2302.04867",
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
        Box::new(PredictorCorrector { path: setting.options.path.clone(), last: None, proposed: None })
    }
}

/// A step that was taken: from where, over what, and by which predictions.
struct Taken<S> {
    /// The corrected state that it began at.
    x: S,
    step: Exponential,
    guess: S,
    /// The prediction before that, and the step in lambda between the two.
    before: Option<(S, f64)>,
}

struct PredictorCorrector<S> {
    path: Path,
    last: Option<Taken<S>>,
    proposed: Option<Taken<S>>,
}

impl<S: State> Taken<S> {
    /// Where the step leads, now that `end` is known, the prediction at its end.
    fn corrected(&self, end: &S) -> S {
        let Exponential { keep, gain, scale, length: h } = self.step;
        if !h.is_finite() {
            return S::combine(&[(keep, &self.x), (0.5 * gain, &self.guess), (0.5 * gain, end)]);
        }
        let [_, first, second] = self.step.moments();
        // Newton's form: D = D_0 + u (D_h - D_0) / h + u (u - h) d2.
        let slope = scale * first / h;
        let mut terms = vec![(keep, &self.x), (gain - slope, &self.guess), (slope, end)];
        if let Some((before, earlier)) = self.before.as_ref().filter(|(_, earlier)| earlier.is_finite()) {
            let bend = scale * (second - h * first) / (h + earlier);
            terms.push((bend / h, end));
            terms.push((-bend * (1.0 / h + 1.0 / earlier), &self.guess));
            terms.push((bend / earlier, before));
        }
        S::combine(&terms)
    }
}

impl<S: State> Stepper<S> for PredictorCorrector<S> {
    fn calls(&self) -> usize {
        1
    }

    fn step(&mut self, field: &mut dyn Field<S>, t: f64, h: f64, x: &S) -> Result<S, Error> {
        let v = field.velocity(t, x)?;
        let guess = prediction(&self.path, t, h < 0.0, x, &v);
        let step = Exponential::step(&self.path, t, t + h);
        let start = self.last.as_ref().map_or_else(|| x.clone(), |taken| taken.corrected(&guess));
        let before = self.last.as_ref().map(|taken| (taken.guess.clone(), taken.step.length));
        let next = match &before {
            Some((earlier, length)) if step.is_finite() && length.is_finite() => {
                let slope = step.scale * step.moments()[1] / length;
                S::combine(&[(step.keep, &start), (step.gain + slope, &guess), (-slope, earlier)])
            }
            _ => S::combine(&[(step.keep, &start), (step.gain, &guess)]),
        };
        self.proposed = Some(Taken { x: start, step, guess, before });
        Ok(next)
    }

    fn accept(&mut self) {
        self.last = self.proposed.take();
    }
}
