//! The two-step Adams-Bashforth method for steps of any length: x + h [(1 + r/2) v_n - (r/2) v_(n-1)], r = h / h_prev.
//! Order 2 for one evaluation a step; the first step is Heun's and costs one more.
//!
//! Hairer, Norsett and Wanner 1993, section III.5.

use super::{Method, Setting, Stepper};
use crate::Error;
use crate::field::Field;
use crate::registry::Entry;
use crate::state::State;

pub(super) struct AdamsBashforth2;

impl Method for AdamsBashforth2 {
    fn entry(&self) -> &'static Entry {
        &Entry {
            id: "adams-bashforth-2",
            label: "Adams-Bashforth 2",
            about: "Remembers the last direction, so that one look a step does the work of two.",
            when: "When evaluations are dear and the path is smooth.",
            formula: "x + h [(1 + r/2) v_n - (r/2) v_(n-1)], r = h / h_before, the step over the one before",
            source: "Bashforth and Adams 1883; Hairer, Norsett and Wanner 1993, section III.5",
            params: &[],
        }
    }

    fn order(&self) -> usize {
        2
    }

    fn evaluations(&self, steps: usize) -> usize {
        if steps == 0 { 0 } else { steps + 1 }
    }

    fn stepper<S: State>(&self, _: Setting<'_>) -> Box<dyn Stepper<S>> {
        Box::new(AdamsBashforth { last: None, proposed: None })
    }
}

struct AdamsBashforth<S> {
    /// The velocity at the start of the last step, and that step's length.
    last: Option<(S, f64)>,
    /// The same of the step that was proposed.
    proposed: Option<(S, f64)>,
}

impl<S: State> Stepper<S> for AdamsBashforth<S> {
    fn calls(&self) -> usize {
        if self.last.is_some() { 1 } else { 2 }
    }

    fn step(&mut self, field: &mut dyn Field<S>, t: f64, h: f64, x: &S) -> Result<S, Error> {
        let v = field.velocity(t, x)?;
        let next = match &self.last {
            Some((before, length)) => {
                let half = 0.5 * h / length;
                S::combine(&[(1.0, x), (h * (1.0 + half), &v), (-h * half, before)])
            }
            None => {
                let ahead = field.velocity(t + h, &S::combine(&[(1.0, x), (h, &v)]))?;
                S::combine(&[(1.0, x), (0.5 * h, &v), (0.5 * h, &ahead)])
            }
        };
        self.proposed = Some((v, h));
        Ok(next)
    }

    fn accept(&mut self) {
        self.last = self.proposed.take();
    }
}
