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

/// For all knots, the lines to the axis of t, and the points on the curve (drawn by a line's round ends) as two paths.
fn drops_and_dots(knots: &[f64]) -> (String, String) {
    let last = knots.len().saturating_sub(1).max(1) as f64;
    let places: Vec<(f64, f64)> =
        knots.iter().enumerate().map(|(i, t)| (i as f64 / last * SIDE, (1.0 - t) * SIDE)).collect();
    let drops = places.iter().map(|(x, y)| format!("M0 {y:.2}H{x:.2}")).collect();
    let dots = places.iter().map(|(x, y)| format!("M{x:.2} {y:.2}h0")).collect();
    (drops, dots)
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
    let drawn = Memo::new(move |_| {
        let knots = steps.get().and_then(|steps| schedule.with(|schedule| schedule.knots(steps)).ok());
        drops_and_dots(&knots.unwrap_or_default())
    });
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
}
