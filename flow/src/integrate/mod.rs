//! The only loop: from the start state along a field, with a solver, by fixed knots or by a tolerance.
//!
//! It is asynchronous (a browser reads a device asynchronously; natively a caller blocks on it), reports every
//! accepted state, can be cancelled between steps, and never spends more evaluations than it is allowed.

use crate::Error;
use crate::controller::Controller;
use crate::field::Field;
use crate::path::Path;
use crate::solver::Solver;
use crate::state::Rows;
use std::ops::ControlFlow;

mod adaptive;
mod fixed;

/// Where the steps fall. Times may also descend: from data back to noise.
#[derive(Clone, Debug, PartialEq)]
pub enum Stepping {
    /// One step between each two neighbours. One knot alone is no step at all.
    Fixed {
        /// Strictly increasing or strictly decreasing.
        knots: Vec<f64>,
    },
    /// Steps chosen so that the estimated error of each is at most atol + rtol |x|. Every sample of a batch takes its own
    /// steps, those that it would take alone.
    Adaptive {
        /// The first time.
        t0: f64,
        /// The last time.
        t1: f64,
        /// The relative tolerance.
        rtol: f64,
        /// The absolute tolerance.
        atol: f64,
        /// The length of the first step; chosen by Hairer's rule when none is given.
        first_step: Option<f64>,
        /// How the error of a step decides the next.
        controller: Controller,
    },
}

impl Stepping {
    /// The first and the last time; none of a list without knots, which no run accepts.
    pub fn ends(&self) -> Option<(f64, f64)> {
        match self {
            Self::Fixed { knots } => Some((*knots.first()?, *knots.last()?)),
            Self::Adaptive { t0, t1, .. } => Some((*t0, *t1)),
        }
    }

    /// The same way in the other direction.
    pub fn reversed(&self) -> Self {
        let mut reversed = self.clone();
        match &mut reversed {
            Self::Fixed { knots } => knots.reverse(),
            Self::Adaptive { t0, t1, .. } => std::mem::swap(t0, t1),
        }
        reversed
    }

    /// The same number of steps, closer together, from time `from` instead of its first one to its last.
    ///
    /// # Errors
    /// A time that does not lie on the way, its first included, its last not.
    pub fn starting_at(&self, from: f64) -> Result<Self, Error> {
        let (first, last) = self.ends().unwrap_or((0.0, 0.0));
        let share = (from - first) / (last - first);
        if !(0.0..1.0).contains(&share) {
            let accepts = "a time on the way, from its first one to just before its last";
            return Err(Error::Stepping { what: "start", got: format!("t = {from}"), accepts });
        }
        let mut shorter = self.clone();
        match &mut shorter {
            // A start that is the old one moves no knot, not even by rounding.
            _ if share == 0.0 => {}
            Self::Fixed { knots } => {
                let final_knot = knots.len() - 1;
                for (i, knot) in knots.iter_mut().enumerate() {
                    *knot = if i == final_knot { last } else { from + (1.0 - share) * (*knot - first) };
                }
            }
            Self::Adaptive { t0, .. } => *t0 = from,
        }
        Ok(shorter)
    }

    /// The way back of a run from noise to data.
    ///
    /// # Errors
    /// A run that leads from data to noise already.
    pub(crate) fn back_to_noise(&self) -> Result<Self, Error> {
        match self.ends() {
            Some((t0, t1)) if t0 > t1 => Err(Error::Stepping {
                what: "direction",
                got: format!("from t = {t0} to {t1}"),
                accepts: "times that rise from noise to data, as for drawing; the way back is made from them",
            }),
            _ => Ok(self.reversed()),
        }
    }
}

/// What a run needs to know beside its field, solver and steps.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// The most evaluations of this run; the best state so far comes back when they do not suffice.
    pub max_evaluations: Option<usize>,
    /// The path that the field was learned on: some solvers need its coefficients.
    pub path: Path,
    /// The seed of a stochastic solver's noise.
    pub seed: u64,
    /// The image index of the first sample: the noise of a sample depends on its seed and its index, not on its place.
    pub first_image: u64,
}

impl Default for Options {
    /// No budget, the linear path, seed 0 and images from 0 on.
    fn default() -> Self {
        Self { max_evaluations: None, path: Path::default(), seed: 0, first_image: 0 }
    }
}

impl Options {
    /// The same with a budget of evaluations.
    pub fn within(self, max_evaluations: usize) -> Self {
        Self { max_evaluations: Some(max_evaluations), ..self }
    }
}

/// What an observer sees of an accepted state. Under a tolerance, samples are at times of their own: a report follows
/// whenever at least one of them has moved.
pub struct Report<'a, S> {
    /// The time reached; the one furthest behind when samples differ, so that it may stay the same between reports.
    pub t: f64,
    /// How far that time is from the one reported before; 0 at the start.
    pub h: f64,
    /// The state.
    pub x: &'a S,
    /// The time of each sample; empty when all are at `t`.
    pub times: &'a [f64],
    /// Reports so far, the start's not counted: steps accepted, when all samples take the same.
    pub accepted: usize,
    /// Steps rejected so far, by the sample that rejected most.
    pub rejected: usize,
    /// Evaluations of the network so far, rejected steps and guidance's second branch included; those of the sample
    /// that cost most.
    pub evaluations: usize,
    /// How many steps there will be, when that is known.
    pub total_steps: Option<usize>,
}

/// Why the loop ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The last time was reached.
    Finished,
    /// The observer broke off before that.
    Cancelled,
    /// The next step would have cost more evaluations than were allowed.
    BudgetExhausted,
    /// No step, however small, met the tolerance.
    StepTooSmall,
}

/// What one sample of an adaptive run came to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SampleOutcome {
    /// The time that it reached.
    pub t: f64,
    /// Its evaluations of the network.
    pub evaluations: usize,
    /// Steps accepted.
    pub accepted: usize,
    /// Steps rejected.
    pub rejected: usize,
    /// Why it ended.
    pub end: End,
}

/// The result: the last accepted state, which is the final one only if `end` says so. Where samples differ, the counts
/// are those of the sample that cost most, the time is the one furthest behind, and the end is the worst.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome<S> {
    /// The last accepted state.
    pub x: S,
    /// Its time.
    pub t: f64,
    /// Evaluations of the network, counted where it was called.
    pub evaluations: usize,
    /// Steps accepted.
    pub accepted: usize,
    /// Steps rejected.
    pub rejected: usize,
    /// Why the loop ended.
    pub end: End,
    /// Each sample's own, from an adaptive run; empty from fixed steps, where all are alike.
    pub samples: Vec<SampleOutcome>,
}

/// Integrates `x0` along `field`.
///
/// `observe` is called for the start state (with `accepted` 0) and then for every accepted state; when it breaks
/// before the last one, the outcome is `End::Cancelled`.
pub async fn integrate<S, F, O>(
    field: &mut F,
    solver: &Solver,
    stepping: &Stepping,
    x0: S,
    options: &Options,
    observe: O,
) -> Result<Outcome<S>, Error>
where
    S: Rows,
    F: Field<S>,
    O: AsyncFnMut(Report<'_, S>) -> ControlFlow<()>,
{
    match stepping {
        Stepping::Fixed { knots } => {
            fixed::check(knots)?;
            let run = Run::new(field, x0, knots[0], knots[knots.len() - 1], options, observe);
            fixed::run(run, solver, knots).await
        }
        Stepping::Adaptive { t0, t1, rtol, atol, first_step, controller } => {
            let control = adaptive::Control { rtol: *rtol, atol: *atol, first_step: *first_step, controller };
            let tableau = control.check(solver, *t0, *t1)?;
            adaptive::run(field, x0, &control, tableau, (*t0, *t1), options.max_evaluations, observe).await
        }
    }
}

/// A run under way: what both kinds of stepping share.
struct Run<'f, S, F, O> {
    field: Within<'f, F>,
    observe: O,
    options: &'f Options,
    /// The field's count when the run began: a field may be used again.
    evaluations_before: usize,
    total_steps: Option<usize>,
    x: S,
    t: f64,
    accepted: usize,
    rejected: usize,
}

impl<'f, S: Rows, F: Field<S>, O: AsyncFnMut(Report<'_, S>) -> ControlFlow<()>> Run<'f, S, F, O> {
    fn new(field: &'f mut F, x: S, t0: f64, t1: f64, options: &'f Options, observe: O) -> Self {
        Self {
            evaluations_before: field.evaluations(),
            field: Within { field, low: t0.min(t1), high: t0.max(t1) },
            observe,
            options,
            total_steps: None,
            x,
            t: t0,
            accepted: 0,
            rejected: 0,
        }
    }

    fn evaluations(&self) -> usize {
        self.field.evaluations() - self.evaluations_before
    }

    /// Whether so many more calls of the field stay within the budget.
    fn affords(&self, calls: usize) -> bool {
        let cost = calls.saturating_mul(self.field.evaluations_per_call());
        self.options.max_evaluations.is_none_or(|most| self.evaluations().saturating_add(cost) <= most)
    }

    async fn report(&mut self, h: f64) -> ControlFlow<()> {
        let evaluations = self.evaluations();
        (self.observe)(Report {
            t: self.t,
            h,
            x: &self.x,
            times: &[],
            accepted: self.accepted,
            rejected: self.rejected,
            evaluations,
            total_steps: self.total_steps,
        })
        .await
    }

    /// Takes a step to `x` at time `t` and reports it.
    async fn accept(&mut self, x: S, t: f64) -> ControlFlow<()> {
        let h = t - self.t;
        self.x = x;
        self.t = t;
        self.accepted += 1;
        self.report(h).await
    }

    fn outcome(self, end: End) -> Outcome<S> {
        Outcome {
            evaluations: self.evaluations(),
            x: self.x,
            t: self.t,
            accepted: self.accepted,
            rejected: self.rejected,
            end,
            samples: Vec::new(),
        }
    }
}

/// A field that is never asked outside the interval of integration: t + h may round to just beyond its end.
struct Within<'f, F> {
    field: &'f mut F,
    low: f64,
    high: f64,
}

impl<S, F: Field<S>> Field<S> for Within<'_, F> {
    fn velocity(&mut self, t: f64, x: &S) -> Result<S, Error> {
        self.field.velocity(t.clamp(self.low, self.high), x)
    }

    fn velocity_rows(&mut self, times: &[f64], rows: &[usize], x: &S) -> Result<S, Error> {
        let times: Vec<f64> = times.iter().map(|t| t.clamp(self.low, self.high)).collect();
        self.field.velocity_rows(&times, rows, x)
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

/// Whether every element of a state is a finite number.
async fn is_finite<S: Rows>(x: &S) -> Result<bool, Error> {
    Ok(S::error_ratios(x, x, x, 0.0, 1.0).await?.iter().all(|ratio| ratio.is_finite()))
}
