//! A schedule's curve as SVG paths: u, how much of the work is done, to the right; t, how far the picture is, upwards.

use flow::schedule::Schedule;
use leptos::prelude::*;

/// Side of the large plot's square, in its own units.
const SIDE: f64 = 100.0;
/// Straight pieces of a curve.
const PIECES: u32 = 48;

/// The path of a schedule's curve in a square of `side`.
pub(crate) fn path(schedule: &Schedule, side: f64) -> String {
    let point = |i: u32| {
        let u = f64::from(i) / f64::from(PIECES);
        format!("{:.2} {:.2}", u * side, (1.0 - schedule.at(u)) * side)
    };
    let points: Vec<String> = (0..=PIECES).map(point).collect();
    format!("M{}", points.join("L"))
}

/// The curve with its knots: each drops a line to the axis of t, where the steps fall.
#[component]
pub(crate) fn SchedulePlot(
    /// The schedule.
    #[prop(into)]
    schedule: Signal<Schedule>,
    /// Its number of steps; `None` when the solver chooses them itself.
    #[prop(into)]
    steps: Signal<Option<usize>>,
) -> impl IntoView {
    let knots = move || {
        let knots = steps.get().and_then(|steps| schedule.with(|schedule| schedule.knots(steps)).ok());
        let knots = knots.unwrap_or_default();
        let last = knots.len().saturating_sub(1).max(1) as f64;
        knots
            .iter()
            .enumerate()
            .map(|(i, t)| {
                let (x, y) = (format!("{:.2}", i as f64 / last * SIDE), format!("{:.2}", (1.0 - t) * SIDE));
                view! {
                    <line class="drop" x1="0" y1=y.clone() x2=x.clone() y2=y.clone()></line>
                    <circle class="dot" cx=x cy=y r="1.8"></circle>
                }
            })
            .collect_view()
    };
    let label = move || {
        schedule.with(|schedule| {
            let [early, middle, late] = [0.25, 0.5, 0.75].map(|u| schedule.at(u));
            format!(
                "Curve of the schedule: after a quarter, half and three quarters of the steps, t is {early:.2}, \
                 {middle:.2} and {late:.2}"
            )
        })
    };
    view! {
        <svg viewBox="-14 -6 120 122" role="img" aria-label=label data-testid="schedule-plot">
            <rect class="frame" x="0" y="0" width="100" height="100"></rect>
            <line class="even" x1="0" y1="100" x2="100" y2="0"></line>
            <path class="curve" d=move || schedule.with(|schedule| path(schedule, SIDE))></path>
            {knots}
            <text x="-4" y="103" text-anchor="end">"0"</text>
            <text x="-4" y="3" text-anchor="end">"1"</text>
            <text x="-4" y="53" text-anchor="end" font-style="italic">"t"</text>
            <text x="50" y="112" text-anchor="middle">"steps"</text>
        </svg>
    }
}
