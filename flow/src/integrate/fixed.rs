//! Fixed steps: one between each two knots.

use super::{End, Outcome, Report, Run, is_finite};
use crate::Error;
use crate::field::Field;
use crate::solver::Solver;
use crate::state::Rows;
use std::ops::ControlFlow;

/// Knots must be finite and strictly monotone.
pub(super) fn check(knots: &[f64]) -> Result<(), Error> {
    let refuse = |got: String| {
        Err(Error::Stepping {
            what: "knots",
            got,
            accepts: "at least one finite time, strictly increasing or strictly decreasing",
        })
    };
    if knots.is_empty() {
        return refuse("no knot".to_owned());
    }
    if let Some(i) = knots.iter().position(|t| !t.is_finite()) {
        return refuse(format!("knot {i} = {}", knots[i]));
    }
    let descends = knots.len() > 1 && knots[1] < knots[0];
    match knots.windows(2).position(|k| if descends { k[1] >= k[0] } else { k[1] <= k[0] }) {
        Some(i) => refuse(format!("knots {i} and {} = {}, {}", i + 1, knots[i], knots[i + 1])),
        None => Ok(()),
    }
}

pub(super) async fn run<S, F, O>(
    mut run: Run<'_, S, F, O>,
    solver: &Solver,
    knots: &[f64],
) -> Result<Outcome<S>, Error>
where
    S: Rows,
    F: Field<S>,
    O: AsyncFnMut(Report<'_, S>) -> ControlFlow<()>,
{
    let steps = knots.len() - 1;
    run.total_steps = Some(steps);
    let mut stepper = solver.stepper::<S>(run.options);
    let mut flow = run.report(0.0).await;
    for t in &knots[1..] {
        if flow.is_break() {
            return Ok(run.outcome(End::Cancelled));
        }
        if !run.affords(stepper.calls()) {
            return Ok(run.outcome(End::BudgetExhausted));
        }
        let next = stepper.step(&mut run.field, run.t, t - run.t, &run.x)?;
        stepper.accept();
        flow = run.accept(next, *t).await;
    }
    // Looked at once and at the end: on a device each look is a transfer, and what is not finite stays so.
    if steps > 0 && !is_finite(&run.x).await? {
        return Err(Error::NotFinite { t: run.t });
    }
    Ok(run.outcome(End::Finished))
}
