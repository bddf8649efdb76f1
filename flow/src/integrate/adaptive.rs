//! Adaptive steps: as long as the tolerance allows.
//!
//! A step is accepted if its error ratio e is at most 1. The next step is clamp(0.9 e^(-1/(q+1)), 0.2, 10) times
//! as long, where q is the order of the embedded solution, and never longer right after a rejection. The last
//! step is clipped to end exactly at t1. A NaN error is a rejection.
//!
//! Hairer, Norsett and Wanner 1993, section II.4. All samples of a batch share their steps, and the error is
//! that of the worst sample, so no sample is less accurate than it would be alone.

use super::{End, Outcome, Report, Run};
use crate::Error;
use crate::field::Field;
use crate::solver::Solver;
use crate::state::State;
use std::ops::ControlFlow;

const SAFETY: f64 = 0.9;
const LEAST_FACTOR: f64 = 0.2;
const MOST_FACTOR: f64 = 10.0;
/// Below this part of the whole interval a step is given up: a field that returns NaN is asked about 20 times.
const LEAST_STEP: f64 = 1e-12;

pub(super) struct Control {
    pub(super) rtol: f64,
    pub(super) atol: f64,
    pub(super) first_step: Option<f64>,
}

impl Control {
    /// The order of the solver's error estimate, if all makes sense.
    pub(super) fn check(&self, solver: &Solver, t0: f64, t1: f64) -> Result<usize, Error> {
        let Some(order) = solver.error_order() else {
            return Err(Error::NotAdaptive { solver: solver.id(), accepted: Solver::adaptive_ids() });
        };
        for (what, value) in [("t0", t0), ("t1", t1)] {
            if !value.is_finite() {
                return Err(Error::Stepping { what, got: value.to_string(), accepts: "a finite time" });
            }
        }
        for (what, value) in [("rtol", self.rtol), ("atol", self.atol)] {
            if !(value.is_finite() && value >= 0.0) {
                let accepts = "a finite number that is not negative";
                return Err(Error::Stepping { what, got: value.to_string(), accepts });
            }
        }
        if self.rtol == 0.0 && self.atol == 0.0 {
            let accepts = "a tolerance above 0, relative or absolute";
            return Err(Error::Stepping { what: "rtol and atol", got: "0".to_owned(), accepts });
        }
        match self.first_step {
            Some(h) if !(h.is_finite() && h > 0.0) => {
                let accepts = "a finite length above 0";
                Err(Error::Stepping { what: "first_step", got: h.to_string(), accepts })
            }
            _ => Ok(order),
        }
    }
}

pub(super) async fn run<S, F, O>(
    mut run: Run<'_, S, F, O>,
    solver: &Solver,
    control: &Control,
    error_order: usize,
    t1: f64,
) -> Result<Outcome<S>, Error>
where
    S: State,
    F: Field<S>,
    O: AsyncFnMut(Report<'_, S>) -> ControlFlow<()>,
{
    let span = t1 - run.t;
    let exponent = -1.0 / (error_order as f64 + 1.0);
    let mut stepper = solver.stepper::<S>(true);
    let mut flow = run.report(0.0).await;
    if span == 0.0 {
        return Ok(run.outcome(End::Finished));
    }
    if flow.is_break() {
        return Ok(run.outcome(End::Cancelled));
    }
    // The length of the next step; its sign is `span`'s.
    let mut length = match control.first_step {
        Some(length) => length.min(span.abs()),
        None => {
            if !run.affords(2) {
                return Ok(run.outcome(End::BudgetExhausted));
            }
            let velocity = run.field.velocity(run.t, &run.x)?;
            let length = first_length(&mut run, control, exponent, span, &velocity).await?;
            stepper.begin(velocity);
            length
        }
    };
    let mut just_rejected = false;
    loop {
        if !run.affords(stepper.calls()) {
            return Ok(run.outcome(End::BudgetExhausted));
        }
        // The last step is clipped; one that would leave less than rounding behind ends there too.
        let proposed = run.t + length.copysign(span);
        let last = (t1 - proposed) * span.signum() <= 0.0;
        let to = if last { t1 } else { proposed };
        let h = to - run.t;
        let step = stepper.step(&mut run.field, run.t, h, &run.x)?;
        let ratio = match &step.error {
            Some(error) => S::error_ratio(error, &run.x, &step.x, control.rtol, control.atol).await?,
            None => 0.0,
        };
        if ratio <= 1.0 {
            stepper.accept();
            let most = if just_rejected { 1.0 } else { MOST_FACTOR };
            length = h.abs() * factor(ratio, exponent).min(most);
            just_rejected = false;
            flow = run.accept(step.x, to).await;
            if last {
                return Ok(run.outcome(End::Finished));
            }
            if flow.is_break() {
                return Ok(run.outcome(End::Cancelled));
            }
        } else {
            run.rejected += 1;
            just_rejected = true;
            length = h.abs() * factor(ratio, exponent).min(1.0);
            if length < least_length(run.t, span) {
                return Ok(run.outcome(End::StepTooSmall));
            }
        }
    }
}

/// By how much the next step is longer, from the error ratio of this one.
fn factor(ratio: f64, exponent: f64) -> f64 {
    if ratio.is_nan() {
        return LEAST_FACTOR;
    }
    // A ratio of 0 gives infinity, and infinity gives 0: both are clamped.
    (SAFETY * libm::pow(ratio, exponent)).clamp(LEAST_FACTOR, MOST_FACTOR)
}

/// The shortest step worth taking: a part of the whole interval, and more than rounding at t.
fn least_length(t: f64, span: f64) -> f64 {
    let rounding = 10.0 * (t.abs().next_up() - t.abs());
    rounding.max(LEAST_STEP * span.abs())
}

/// Hairer's initial step: short enough that an Euler step stays within about a hundredth of the state, and that
/// the second derivative does not show. Costs one more call of the field.
async fn first_length<S, F, O>(
    run: &mut Run<'_, S, F, O>,
    control: &Control,
    exponent: f64,
    span: f64,
    velocity: &S,
) -> Result<f64, Error>
where
    S: State,
    F: Field<S>,
    O: AsyncFnMut(Report<'_, S>) -> ControlFlow<()>,
{
    let (x, t) = (&run.x, run.t);
    let size = async |v: &S| S::error_ratio(v, x, x, control.rtol, control.atol).await;
    let (d0, d1) = (size(x).await?, size(velocity).await?);
    if !(d0.is_finite() && d1.is_finite()) {
        return Err(Error::NotFinite { t });
    }
    let h0 = if d0 < 1e-5 || d1 < 1e-5 { 1e-6 } else { 0.01 * d0 / d1 }.min(span.abs());
    let h = h0.copysign(span);
    let ahead = run.field.velocity(t + h, &S::combine(&[(1.0, x), (h, velocity)]))?;
    let d2 = size(&S::combine(&[(1.0, &ahead), (-1.0, velocity)])).await? / h0;
    if !d2.is_finite() {
        // The controller finds its own way down from here, or reports that there is none.
        return Ok(h0);
    }
    let h1 = if d1 <= 1e-15 && d2 <= 1e-15 {
        (h0 * 1e-3).max(1e-6)
    } else {
        libm::pow(0.01 / d1.max(d2), -exponent)
    };
    Ok((100.0 * h0).min(h1).min(span.abs()))
}
