//! A schedule's curve as SVG paths: u, how much of the work is done, to the right; t, how far the picture is, upwards.
//!
//! Where the knots are not on a curve, because they were fitted to a model or depend on their number in another way, they
//! are joined by straight lines.

use crate::settle::nearest_fitted;
use flow::schedule::{KnotTable, Schedule};
use leptos::prelude::*;

/// Side of the large plot's square, in its own units.
const SIDE: f64 = 100.0;
/// Straight pieces of a curve.
const PIECES: u32 = 48;
/// Side of a small drawing's square, in its own units.
const SMALL: f64 = 20.0;
/// Steps whose knots a small drawing shows: enough to see where they crowd, few enough to be told apart.
const SMALL_STEPS: usize = 7;
/// Steps of the curve of a small drawing, where the knots make it.
const SMALL_PIECES: usize = 16;

/// Knots further than this from the curve are not on it.
const OFF: f64 = 0.01;

/// The points (u, t) of a schedule's curve, or its knots, if they do not lie on it.
fn curve(schedule: &Schedule, knots: &[f64]) -> Vec<(f64, f64)> {
    let last = knots.len().saturating_sub(1).max(1) as f64;
    let places: Vec<(f64, f64)> = knots.iter().enumerate().map(|(i, t)| (i as f64 / last, *t)).collect();
    if schedule.fitted() || places.iter().any(|(u, t)| (schedule.at(*u) - t).abs() > OFF) {
        return places;
    }
    let point = |i: u32| {
        let u = f64::from(i) / f64::from(PIECES);
        (u, schedule.at(u))
    };
    (0..=PIECES).map(point).collect()
}

/// The path through points in a square of `side`; empty without points.
fn path(points: &[(f64, f64)], side: f64) -> String {
    let points: Vec<String> =
        points.iter().map(|(u, t)| format!("{:.2} {:.2}", u * side, (1.0 - t) * side)).collect();
    if points.is_empty() { String::new() } else { format!("M{}", points.join("L")) }
}

/// The knots that a plan of so many steps has; of a fitted schedule, those of the nearest number that was fitted.
fn knots(schedule: &Schedule, fitted: &KnotTable, steps: usize) -> Vec<f64> {
    let steps = if schedule.fitted() { nearest_fitted(fitted, steps).unwrap_or(steps) } else { steps };
    schedule.knots_in(steps, fitted).unwrap_or_default()
}

/// For all knots, the lines to the axis of t, and the points on the curve (drawn by a line's round ends) as two paths.
fn drops_and_dots(knots: &[f64]) -> (String, String) {
    let last = knots.len().saturating_sub(1).max(1) as f64;
    let places: Vec<(f64, f64)> =
        knots.iter().enumerate().map(|(i, t)| (i as f64 / last * SIDE, (1.0 - t) * SIDE)).collect();
    let drops = places.iter().map(|(x, y)| format!("M0 {y:.2}H{x:.2}")).collect();
    let dots = places.iter().map(|(x, y)| format!("M{x:.2} {y:.2}h0")).collect();
    (drops, dots)
}

/// Short ticks beside a small drawing, where the steps fall.
fn small_ticks(knots: &[f64]) -> String {
    knots.iter().map(|t| format!("M-5 {:.2}h3", (1.0 - t) * SMALL)).collect()
}

/// A schedule at a glance: its curve, and on the left where a few steps fall.
#[component]
pub(crate) fn SmallPlot(
    /// The schedule.
    #[prop(into)]
    schedule: Signal<Schedule>,
    /// The knots that were fitted to the model.
    #[prop(into)]
    fitted: Signal<KnotTable>,
) -> impl IntoView {
    let drawn = Memo::new(move |_| {
        schedule.with(|schedule| {
            fitted.with(|fitted| {
                let of = |steps: usize| knots(schedule, fitted, steps);
                (path(&curve(schedule, &of(SMALL_PIECES)), SMALL), small_ticks(&of(SMALL_STEPS)))
            })
        })
    });
    view! {
        <svg class="small-plot" viewBox="-5 -1 26 22" aria-hidden="true">
            <path class="curve" d=move || drawn.with(|(curve, _)| curve.clone())></path>
            <path class="ticks" d=move || drawn.with(|(_, ticks)| ticks.clone())></path>
        </svg>
    }
}

/// The curve with its knots: each drops a line to the axis of t, where the steps fall.
#[component]
pub(crate) fn SchedulePlot(
    /// The schedule.
    #[prop(into)]
    schedule: Signal<Schedule>,
    /// The knots that were fitted to the model.
    #[prop(into)]
    fitted: Signal<KnotTable>,
    /// Its number of steps; `None` when the solver chooses them itself.
    #[prop(into)]
    steps: Signal<Option<usize>>,
) -> impl IntoView {
    let of =
        move |steps: usize| schedule.with(|schedule| fitted.with(|fitted| knots(schedule, fitted, steps)));
    let points = Memo::new(move |_| {
        let knots = of(steps.get().unwrap_or(SMALL_PIECES));
        schedule.with(|schedule| curve(schedule, &knots))
    });
    let drawn = Memo::new(move |_| drops_and_dots(&steps.get().map(of).unwrap_or_default()));
    let label = move || {
        points.with(|points| {
            let at = |u: f64| points.iter().min_by(|a, b| (a.0 - u).abs().total_cmp(&(b.0 - u).abs()));
            let [early, middle, late] = [0.25, 0.5, 0.75].map(|u| at(u).map_or(u, |(_, t)| *t));
            format!(
                "Curve of the schedule: after a quarter, half and three quarters of the steps, t is about {early:.2}, \
                 {middle:.2} and {late:.2}"
            )
        })
    };
    view! {
        <svg viewBox="-14 -6 120 122" role="img" aria-label=label data-testid="schedule-plot">
            <rect class="frame" x="0" y="0" width="100" height="100"></rect>
            <line class="even" x1="0" y1="100" x2="100" y2="0"></line>
            <path class="curve" d=move || points.with(|points| path(points, SIDE))></path>
            <path class="drop" d=move || drawn.with(|(drops, _)| drops.clone())></path>
            <path class="dot" d=move || drawn.with(|(_, dots)| dots.clone())></path>
            <text x="-4" y="103" text-anchor="end">"0"</text>
            <text x="-4" y="3" text-anchor="end">"1"</text>
            <text x="-4" y="53" text-anchor="end" font-style="italic">"t"</text>
            <text x="50" y="112" text-anchor="middle">"steps"</text>
        </svg>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knots_lie_on_the_curve_at_even_parts_of_the_work() {
        let (drops, dots) = drops_and_dots(&[0.0, 0.75, 1.0]);
        assert_eq!(dots, "M0.00 100.00h0M50.00 25.00h0M100.00 0.00h0");
        assert_eq!(drops, "M0 100.00H0.00M0 25.00H50.00M0 0.00H100.00");
    }

    #[test]
    fn every_schedule_that_has_a_formula_is_drawn_differently() {
        let none = KnotTable::default();
        let mut drawn: Vec<String> = Schedule::all()
            .filter(|schedule| !schedule.fitted())
            .map(|schedule| path(&curve(&schedule, &knots(&schedule, &none, SMALL_PIECES)), SMALL))
            .collect();
        let all = drawn.len();
        drawn.sort();
        drawn.dedup();
        assert_eq!(drawn.len(), all);
    }

    #[test]
    fn a_fitted_schedule_is_drawn_through_its_knots_and_without_any_not_at_all() {
        let optimal = Schedule::parse("optimal").unwrap();
        let fitted = KnotTable::new([(2, vec![0.0, 0.75, 1.0])]).unwrap();
        let row = knots(&optimal, &fitted, 5);
        assert_eq!(row, [0.0, 0.75, 1.0]);
        assert_eq!(path(&curve(&optimal, &row), 20.0), "M0.00 20.00L10.00 5.00L20.00 0.00");
        assert!(knots(&optimal, &KnotTable::default(), 5).is_empty());
        assert_eq!(path(&curve(&optimal, &[]), 20.0), "");
    }

    #[test]
    fn every_dot_lies_on_the_line_that_is_drawn() {
        for schedule in Schedule::all().filter(|schedule| !schedule.fitted()) {
            let row = knots(&schedule, &KnotTable::default(), 6);
            let line = curve(&schedule, &row);
            for (i, t) in row.iter().enumerate() {
                let u = i as f64 / 6.0;
                let near = line.iter().map(|(v, s)| (u - v).hypot(t - s)).fold(f64::INFINITY, f64::min);
                assert!(near < 0.03, "{schedule}: knot {i} is {near} away");
            }
        }
    }
}
