//! Adaptive steps: as long as the tolerance allows, for each sample of a batch by itself.
//!
//! A step is accepted if its error ratio e is at most 1. The [controller](crate::controller) makes the next step a
//! multiple of this one, between 0.2 and 10, and never longer right after a rejection. The last step is clipped to end
//! exactly at t1. A NaN error is a rejection.
//!
//! Hairer, Norsett and Wanner 1993, section II.4. The network sees all samples that are still on their way as one batch,
//! each at its own time; one that has arrived drops out. So an image does not depend on its neighbours: it takes the
//! steps and the evaluations that it would take alone.

use super::{End, Outcome, Report, SampleOutcome, Within};
use crate::Error;
use crate::controller::Controller;
use crate::field::Field;
use crate::real;
use crate::solver::{Embedded, Solver, Tableau};
use crate::state::Rows;
use std::ops::ControlFlow;

const LEAST_FACTOR: f64 = 0.2;
const MOST_FACTOR: f64 = 10.0;
/// Below this part of the whole interval a step is given up: a field that returns NaN is asked about 20 times.
const LEAST_STEP: f64 = 1e-12;

pub(super) struct Control<'a> {
    pub(super) rtol: f64,
    pub(super) atol: f64,
    pub(super) first_step: Option<f64>,
    pub(super) controller: &'a Controller,
}

/// A tableau with an error estimate, whose last stage is the next step's first.
#[derive(Clone, Copy)]
pub(super) struct Estimating {
    tableau: &'static Tableau,
    embedded: &'static Embedded,
}

impl Control<'_> {
    /// The solver's tableau, if all makes sense.
    pub(super) fn check(&self, solver: &Solver, t0: f64, t1: f64) -> Result<Estimating, Error> {
        let parts = solver.tableau().and_then(|t| Some((t, t.embedded.as_ref()?)));
        let Some((tableau, embedded)) = parts.filter(|(tableau, _)| tableau.first_same_as_last()) else {
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
            _ => Ok(Estimating { tableau, embedded }),
        }
    }

    /// By how much the next step is longer, from the error ratio of this one and of the last accepted one.
    fn factor(&self, ratio: f64, before: f64, order: usize) -> f64 {
        if ratio.is_nan() {
            return LEAST_FACTOR;
        }
        // A ratio of 0 gives infinity, and infinity gives 0: both are clamped.
        self.controller.factor(ratio, before, order).clamp(LEAST_FACTOR, MOST_FACTOR)
    }
}

/// One sample on its way.
struct Lane {
    t: f64,
    /// The length of the next step; its sign is the interval's.
    length: f64,
    /// The error ratio of the last accepted step.
    before: f64,
    just_rejected: bool,
    accepted: usize,
    rejected: usize,
    end: Option<End>,
}

/// All samples, and what they share.
struct Lanes<'f, S, F> {
    field: Within<'f, F>,
    x: S,
    /// The velocity at each sample's own state and time, once it is known.
    first: Option<S>,
    lanes: Vec<Lane>,
    /// What each sample had cost the field before this run.
    spent_before: Vec<usize>,
    budget: Option<usize>,
    t1: f64,
    span: f64,
}

pub(super) async fn run<S, F, O>(
    field: &mut F,
    x0: S,
    control: &Control<'_>,
    method: Estimating,
    (t0, t1): (f64, f64),
    budget: Option<usize>,
    mut observe: O,
) -> Result<Outcome<S>, Error>
where
    S: Rows,
    F: Field<S>,
    O: AsyncFnMut(Report<'_, S>) -> ControlFlow<()>,
{
    let lane = || Lane {
        t: t0,
        length: 0.0,
        before: 1.0,
        just_rejected: false,
        accepted: 0,
        rejected: 0,
        end: (t0 == t1).then_some(End::Finished),
    };
    let samples = x0.samples();
    let mut run = Lanes {
        spent_before: (0..samples).map(|row| field.spent(row)).collect(),
        field: Within { field, low: t0.min(t1), high: t0.max(t1) },
        x: x0,
        first: None,
        lanes: (0..samples).map(|_| lane()).collect(),
        budget,
        t1,
        span: t1 - t0,
    };
    let mut reports = 0;
    let mut flow = run.report(&mut observe, reports, t0).await;
    if run.span == 0.0 {
        return Ok(run.outcome(None));
    }
    if flow.is_break() {
        return Ok(run.outcome(Some(End::Cancelled)));
    }
    match control.first_step {
        Some(length) => run.lanes.iter_mut().for_each(|lane| lane.length = length.min((t1 - t0).abs())),
        None => run.choose_first_lengths(control, method.embedded.order).await?,
    }
    loop {
        let calls = method.tableau.stages() - usize::from(run.first.is_some());
        let active = run.active(calls);
        if active.is_empty() {
            return Ok(run.outcome(None));
        }
        let behind = run.behind();
        let moved = run.step(&active, control, method).await?;
        if !moved {
            continue;
        }
        reports += 1;
        flow = run.report(&mut observe, reports, behind).await;
        if flow.is_break() && run.lanes.iter().any(|lane| lane.end.is_none()) {
            return Ok(run.outcome(Some(End::Cancelled)));
        }
    }
}

impl<S: Rows, F: Field<S>> Lanes<'_, S, F> {
    fn spent(&self, row: usize) -> usize {
        self.field.spent(row) - self.spent_before[row]
    }

    fn affords(&self, row: usize, calls: usize) -> bool {
        let cost = calls.saturating_mul(self.field.evaluations_per_call());
        self.budget.is_none_or(|most| self.spent(row).saturating_add(cost) <= most)
    }

    /// The samples that go on; those that cannot pay for another step end here.
    fn active(&mut self, calls: usize) -> Vec<usize> {
        let mut active = Vec::with_capacity(self.lanes.len());
        for row in 0..self.lanes.len() {
            if self.lanes[row].end.is_some() {
                continue;
            }
            if self.affords(row, calls) {
                active.push(row);
            } else {
                self.lanes[row].end = Some(End::BudgetExhausted);
            }
        }
        active
    }

    /// The time furthest behind.
    fn behind(&self) -> f64 {
        let later = |a: f64, b: f64| if (a - b) * self.span < 0.0 { a } else { b };
        self.lanes.iter().map(|lane| lane.t).fold(self.t1, later)
    }

    /// The samples of these numbers; all of them are the batch itself.
    fn part(&self, x: &S, rows: &[usize]) -> S {
        if rows.len() == self.lanes.len() { x.clone() } else { x.select(rows) }
    }

    /// The batch with these samples replaced.
    fn put(&self, x: &S, rows: &[usize], values: S) -> S {
        if rows.len() == self.lanes.len() { values } else { x.replace(rows, &values) }
    }

    /// One step of each of these samples; whether any was accepted.
    async fn step(
        &mut self,
        rows: &[usize],
        control: &Control<'_>,
        Estimating { tableau, embedded }: Estimating,
    ) -> Result<bool, Error> {
        // The last step is clipped; one that would leave less than rounding behind ends there too.
        let ends: Vec<(f64, bool)> = rows
            .iter()
            .map(|row| {
                let proposed = self.lanes[*row].t + self.lanes[*row].length.copysign(self.span);
                let last = (self.t1 - proposed) * self.span.signum() <= 0.0;
                (if last { self.t1 } else { proposed }, last)
            })
            .collect();
        let starts: Vec<f64> = rows.iter().map(|row| self.lanes[*row].t).collect();
        let h: Vec<f64> = ends.iter().zip(&starts).map(|((to, _), t)| to - t).collect();
        let x = self.part(&self.x, rows);

        let first = match &self.first {
            Some(first) => self.part(first, rows),
            None => self.field.velocity_rows(&starts, rows, &x)?,
        };
        let mut k = vec![first];
        for (a, c) in tableau.a.iter().zip(tableau.c).skip(1) {
            let times: Vec<f64> = starts.iter().zip(&h).map(|(t, h)| t + c * h).collect();
            k.push(self.field.velocity_rows(&times, rows, &advance(&x, &h, a, &k))?);
        }
        let next = advance(&x, &h, tableau.b, &k);
        let error = S::combine_rows(&terms(&scaled(&h, embedded.error), &k));
        let ratios = S::error_ratios(&error, &x, &next, control.rtol, control.atol).await?;

        let mut accepted = Vec::with_capacity(rows.len());
        for (i, row) in rows.iter().enumerate() {
            let (ratio, lane) = (ratios[i], &mut self.lanes[*row]);
            let factor = control.factor(ratio, lane.before, embedded.order);
            if ratio <= 1.0 {
                let most = if lane.just_rejected { 1.0 } else { MOST_FACTOR };
                lane.length = h[i].abs() * factor.min(most);
                lane.just_rejected = false;
                lane.before = ratio;
                lane.accepted += 1;
                (lane.t, lane.end) = (ends[i].0, ends[i].1.then_some(End::Finished));
                accepted.push(i);
            } else {
                lane.rejected += 1;
                lane.just_rejected = true;
                lane.length = h[i].abs() * factor.min(1.0);
                if lane.length < least_length(lane.t, self.span) {
                    lane.end = Some(End::StepTooSmall);
                }
            }
        }
        let last_stage = k.swap_remove(k.len() - 1);
        let unchanged = match &self.first {
            Some(first) => first.clone(),
            // The velocity at the start serves a rejected step again.
            None => self.put(&self.x, rows, k.swap_remove(0)),
        };
        let into: Vec<usize> = accepted.iter().map(|i| rows[*i]).collect();
        let taken = |values: S| if accepted.len() == rows.len() { values } else { values.select(&accepted) };
        self.first =
            Some(if into.is_empty() { unchanged } else { self.put(&unchanged, &into, taken(last_stage)) });
        if !into.is_empty() {
            self.x = self.put(&self.x, &into, taken(next));
        }
        Ok(!into.is_empty())
    }

    /// Hairer's initial step: short enough that an Euler step stays within about a hundredth of the state, and that
    /// the second derivative does not show. Costs two calls, the first of which the first step uses.
    async fn choose_first_lengths(&mut self, control: &Control<'_>, order: usize) -> Result<(), Error> {
        let rows = self.active(2);
        if rows.is_empty() {
            return Ok(());
        }
        let t = self.lanes[0].t;
        let (rtol, atol, span) = (control.rtol, control.atol, self.span);
        let x = self.x.clone();
        let size = async |v: &S| S::error_ratios(v, &x, &x, rtol, atol).await;
        let all: Vec<usize> = (0..self.lanes.len()).collect();
        let velocity = self.field.velocity_rows(&vec![t; all.len()], &all, &x)?;
        let (d0, d1) = (size(&x).await?, size(&velocity).await?);
        let fine: Vec<bool> = d0.iter().zip(&d1).map(|(a, b)| a.is_finite() && b.is_finite()).collect();
        if !fine.contains(&true) {
            return Err(Error::NotFinite { t });
        }
        let h0: Vec<f64> = d0
            .iter()
            .zip(&d1)
            .map(|(d0, d1)| {
                let h = if *d0 < 1e-5 || *d1 < 1e-5 { 1e-6 } else { 0.01 * d0 / d1 };
                if h.is_finite() { h.min(span.abs()) } else { 1e-6 }
            })
            .collect();
        let ones = vec![1.0; h0.len()];
        let h: Vec<f64> = h0.iter().map(|h| h.copysign(span)).collect();
        let times: Vec<f64> = h.iter().map(|h| t + h).collect();
        let ahead = S::combine_rows(&[(&ones, &x), (&h, &velocity)]);
        let ahead = self.field.velocity_rows(&times, &all, &ahead)?;
        let change = size(&S::combine(&[(1.0, &ahead), (-1.0, &velocity)])).await?;
        for (row, lane) in self.lanes.iter_mut().enumerate() {
            if !fine[row] {
                lane.end = Some(End::StepTooSmall);
            }
            let (h0, d1, d2) = (h0[row], d1[row], change[row] / h0[row]);
            lane.length = if !d2.is_finite() {
                // The controller finds its own way down from here, or reports that there is none.
                h0
            } else {
                let h1 = if d1 <= 1e-15 && d2 <= 1e-15 {
                    (h0 * 1e-3).max(1e-6)
                } else {
                    real::pow(0.01 / d1.max(d2), 1.0 / (order as f64 + 1.0))
                };
                (100.0 * h0).min(h1).min(span.abs())
            };
        }
        self.first = Some(velocity);
        Ok(())
    }

    async fn report<O>(&self, observe: &mut O, reports: usize, before: f64) -> ControlFlow<()>
    where
        O: AsyncFnMut(Report<'_, S>) -> ControlFlow<()>,
    {
        let times: Vec<f64> = self.lanes.iter().map(|lane| lane.t).collect();
        let behind = if reports == 0 { before } else { self.behind() };
        observe(Report {
            t: behind,
            h: behind - before,
            x: &self.x,
            times: &times,
            accepted: reports,
            rejected: self.lanes.iter().map(|lane| lane.rejected).max().unwrap_or(0),
            evaluations: (0..self.lanes.len()).map(|row| self.spent(row)).max().unwrap_or(0),
            total_steps: None,
        })
        .await
    }

    /// The outcome, all samples that are still on their way having ended so.
    fn outcome(self, end: Option<End>) -> Outcome<S> {
        let samples: Vec<SampleOutcome> = self
            .lanes
            .iter()
            .enumerate()
            .map(|(row, lane)| SampleOutcome {
                t: lane.t,
                evaluations: self.spent(row),
                accepted: lane.accepted,
                rejected: lane.rejected,
                end: lane.end.or(end).unwrap_or(End::Cancelled),
            })
            .collect();
        let dearest = samples.iter().max_by_key(|sample| sample.evaluations).copied();
        let worst = [End::Cancelled, End::StepTooSmall, End::BudgetExhausted];
        let worst = worst.into_iter().find(|end| samples.iter().any(|sample| sample.end == *end));
        Outcome {
            t: if samples.is_empty() { self.t1 } else { self.behind() },
            evaluations: dearest.map_or(0, |sample| sample.evaluations),
            accepted: dearest.map_or(0, |sample| sample.accepted),
            rejected: dearest.map_or(0, |sample| sample.rejected),
            end: worst.unwrap_or(End::Finished),
            samples,
            x: self.x,
        }
    }
}

/// The shortest step worth taking: a part of the whole interval, and more than rounding at t.
fn least_length(t: f64, span: f64) -> f64 {
    let rounding = 10.0 * (t.abs().next_up() - t.abs());
    rounding.max(LEAST_STEP * span.abs())
}

/// h_i w_j for each weight that is not zero, and its place.
fn scaled(h: &[f64], weights: &[f64]) -> Vec<(usize, Vec<f64>)> {
    let weights = weights.iter().enumerate().filter(|(_, w)| **w != 0.0);
    weights.map(|(j, w)| (j, h.iter().map(|h| h * w).collect())).collect()
}

fn terms<'a, S>(scaled: &'a [(usize, Vec<f64>)], k: &'a [S]) -> Vec<(&'a [f64], &'a S)> {
    scaled.iter().filter(|(j, _)| *j < k.len()).map(|(j, h)| (h.as_slice(), &k[*j])).collect()
}

/// x + h sum_j w_j k_j, each sample with its own h.
fn advance<S: Rows>(x: &S, h: &[f64], weights: &[f64], k: &[S]) -> S {
    let ones = vec![1.0; h.len()];
    let scaled = scaled(h, weights);
    let mut sum = vec![(ones.as_slice(), x)];
    sum.extend(terms(&scaled, k));
    S::combine_rows(&sum)
}
