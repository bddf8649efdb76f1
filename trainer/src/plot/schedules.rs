//! Schedules beside each other: the curve t = g(u) of each with its knots t_i = g(i / N), and below, on one time axis, a
//! strip with the knots of each, because how dense they are is what a schedule decides.
//!
//! A schedule that was fitted to a model has knots only; they are joined by straight lines.

use super::PlotError;
use super::axis::{Axis, name};
use super::page::{Frame, MARGIN, Page, Type, fit, place, width};
use super::palette::{FRAME, GRID, QUIET, TEXT, category};
use flow::schedule::{KnotTable, Schedule};
use plotters::element::PathElement;
use plotters::style::Color;
use plotters::style::text_anchor::{HPos, VPos};

const WIDTH: f64 = 880.0;
/// The curve's square.
const SIDE: f64 = 140.0;
/// Room of a panel above its square and below it.
const ABOVE: f64 = 42.0;
const BELOW: f64 = 48.0;
/// Room left of a square for its ticks.
const LEFT: f64 = 34.0;
/// The height of a strip, and of its knots.
const STRIP: f64 = 22.0;
const KNOT: f64 = 14.0;
const LABEL: f64 = 12.0;
/// More knots than this are not marked on a curve: the marks would hide it.
const MOST_MARKS: usize = 60;
/// Lines that a curve is drawn with.
const PIECES: u32 = 100;

/// The figure as the text of an SVG, for `steps` steps. Knots of fitted schedules come from `table`, those of `model`.
///
/// # Errors
/// No schedule, no steps, or a fitted schedule that the table has no knots of.
pub fn svg(
    schedules: &[Schedule],
    steps: usize,
    table: &KnotTable,
    model: Option<&str>,
) -> Result<String, PlotError> {
    if schedules.is_empty() {
        return Err(PlotError::Nothing { what: "no schedule was named".to_owned() });
    }
    let knots: Vec<Vec<f64>> =
        schedules.iter().map(|schedule| schedule.knots_in(steps, table)).collect::<Result<_, _>>()?;
    let columns = schedules.len().min(4);
    let rows = schedules.len().div_ceil(columns);
    let row = ABOVE + SIDE + BELOW;
    let strips = schedules.len() as f64 * STRIP;
    let fitted = match model {
        Some(model) if schedules.iter().any(Schedule::fitted) => {
            format!(" Fitted knots are those of {model}.")
        }
        _ => String::new(),
    };
    // A rule may space its knots by their number too: those of Karras end on its least noise whatever the number.
    let beside = |(schedule, knots): (&Schedule, &Vec<f64>)| {
        let off = |(i, t): (usize, &f64)| (schedule.at(i as f64 / steps as f64) - t).abs() > 1e-6;
        (!schedule.fitted() && knots.iter().enumerate().any(off)).then(|| schedule.id())
    };
    let beside: Vec<&str> = schedules.iter().zip(&knots).filter_map(beside).collect();
    let beside = match beside.as_slice() {
        [] => String::new(),
        ids => format!(
            " The knots of {} also depend on the number of steps: they stand beside the curve, which is that of many.",
            ids.join(", ")
        ),
    };
    let caption = format!(
        "Above: the curve t = g(u) that each schedule follows, with its {steps} steps' knots; u is the step's number over \
         {steps}. Below: the same knots on one time axis, and the shortest and the longest step. Where the ticks stand \
         densely, the solver looks often.{beside}{fitted}"
    );
    let title = if schedules.len() == 1 {
        format!("Where {steps} steps fall: {}", schedules[0].choice().entry().label)
    } else {
        format!("Where {steps} steps fall: {} schedules", schedules.len())
    };
    let page = Page::new(WIDTH, rows as f64 * row + 34.0 + strips + 40.0, &title, &caption)?;
    let cell = (WIDTH - 2.0 * MARGIN) / 4.0;
    for (i, (schedule, knots)) in schedules.iter().zip(&knots).enumerate() {
        let (left, top) = (MARGIN + (i % columns) as f64 * cell, page.top + (i / columns) as f64 * row);
        curve(&page, (left, top), cell, schedule, knots)?;
    }
    let longest = schedules.iter().map(|s| width(&s.to_string(), LABEL)).fold(80.0, f64::max);
    let note = 130.0;
    let at = Frame {
        left: MARGIN + longest + 10.0,
        top: page.top + rows as f64 * row + 26.0,
        width: WIDTH - 2.0 * MARGIN - longest - note - 20.0,
        height: strips,
    };
    let small = Type::new(11.0, QUIET);
    page.text(at.left + at.width + 12.0, at.top - 8.0, "step length", small)?;
    for tick in Axis::exact(0.0, 1.0, false, 5).ticks() {
        let x = at.left + tick * at.width;
        page.line(&[(x, at.top), (x, at.top + strips)], GRID.stroke_width(10))?;
        page.text(x, at.top + strips + 5.0, &name(*tick), small.at(HPos::Center, VPos::Top))?;
    }
    let below = Type::new(12.0, TEXT).at(HPos::Center, VPos::Top);
    page.text(at.left + at.width / 2.0, at.top + strips + 22.0, "t (0 is noise, 1 is data)", below)?;
    for (i, (schedule, knots)) in schedules.iter().zip(&knots).enumerate() {
        strip(&page, at, i, schedule, knots)?;
    }
    Ok(page.finish())
}

/// A schedule's panel in the cell that begins here.
fn curve(
    page: &Page,
    (left, top): (f64, f64),
    cell: f64,
    schedule: &Schedule,
    knots: &[f64],
) -> Result<(), PlotError> {
    let steps = knots.len() - 1;
    let marks: Vec<(f64, f64)> =
        knots.iter().enumerate().map(|(i, t)| (i as f64 / steps as f64, *t)).collect();
    let line = if schedule.fitted() {
        marks.clone()
    } else {
        let at = |i| f64::from(i) / f64::from(PIECES);
        (0..=PIECES).map(|i| (at(i), schedule.at(at(i)))).collect()
    };
    let text = schedule.to_string();
    page.text(left + 4.0, top + 14.0, &fit(&text, cell - 8.0, LABEL), Type::new(LABEL, TEXT).bold())?;
    let at = Frame { left: left + LEFT, top: top + ABOVE, width: SIDE, height: SIDE };
    let axis = Axis::exact(0.0, 1.0, false, 2);
    page.group("curve", &text, || {
        let plane = page.plane(at, axis.clone(), axis, ("u", "t"))?;
        plane.draw(&PathElement::new(line, category(0).stroke_width(18)))?;
        if steps <= MOST_MARKS {
            for mark in &marks {
                page.circle(place(&plane, mark), 2.8, category(1).filled())?;
            }
        }
        Ok(())
    })
}

/// Schedule number `i`'s knots on the common time axis.
fn strip(page: &Page, at: Frame, i: usize, schedule: &Schedule, knots: &[f64]) -> Result<(), PlotError> {
    let y = at.top + (i as f64 + 0.5) * STRIP;
    let text = schedule.to_string();
    let set = Type::new(LABEL, TEXT).at(HPos::Right, VPos::Center);
    page.text(at.left - 10.0, y, &text, set)?;
    page.group("strip", &text, || {
        page.line(&[(at.left, y), (at.left + at.width, y)], FRAME.stroke_width(8))?;
        for knot in knots {
            let x = at.left + knot * at.width;
            page.line(&[(x, y - KNOT / 2.0), (x, y + KNOT / 2.0)], category(1).stroke_width(15))?;
        }
        Ok(())
    })?;
    let lengths = || knots.windows(2).map(|k| k[1] - k[0]);
    let (least, most) = (lengths().fold(f64::INFINITY, f64::min), lengths().fold(0.0, f64::max));
    let range =
        if most - least < 1e-9 { short(most) } else { format!("{} to {}", short(least), short(most)) };
    page.text(at.left + at.width + 12.0, y, &range, Type::new(11.0, QUIET).at(HPos::Left, VPos::Center))
}

/// Two digits that count.
fn short(value: f64) -> String {
    let decimals = (1 - value.log10().floor() as i32).clamp(0, 4) as usize;
    if value < 1e-4 { format!("{value:.0e}") } else { format!("{value:.decimals$}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plot::testing::{in_class, numbers, parse};

    fn formulas() -> Vec<Schedule> {
        Schedule::all().filter(|s| !s.fitted()).collect()
    }

    #[test]
    fn every_schedule_has_a_curve_with_all_knots_and_a_strip() {
        let text = svg(&formulas(), 10, &KnotTable::default(), None).unwrap();
        let document = parse(&text);
        for class in ["curve", "strip"] {
            let labels: Vec<_> = in_class(&document, class)
                .iter()
                .map(|n| n.attribute("data-label").unwrap().to_owned())
                .collect();
            assert_eq!(labels, formulas().iter().map(Schedule::to_string).collect::<Vec<_>>(), "{class}");
        }
        for curve in in_class(&document, "curve") {
            assert_eq!(curve.children().filter(|n| n.has_tag_name("circle")).count(), 11);
        }
    }

    #[test]
    fn knots_stand_where_their_times_say() {
        for schedule in formulas() {
            let knots = schedule.knots(7).unwrap();
            let text = svg(&[schedule], 7, &KnotTable::default(), None).unwrap();
            let document = parse(&text);
            let strip = in_class(&document, "strip")[0];
            let lines: Vec<Vec<f64>> = strip
                .children()
                .filter(|n| n.has_tag_name("polyline"))
                .map(|n| numbers(n.attribute("points").unwrap()))
                .collect();
            let (axis, ticks) = lines.split_first().unwrap();
            assert_eq!(ticks.len(), 8);
            for (knot, tick) in knots.iter().zip(ticks) {
                assert!((tick[0] - (axis[0] + knot * (axis[2] - axis[0]))).abs() < 0.11, "{knot}: {tick:?}");
            }
        }
    }

    #[test]
    fn a_fitted_schedule_is_drawn_from_the_models_table_and_refused_without() {
        let optimal = [Schedule::parse("optimal").unwrap()];
        let table = KnotTable::new([(3, vec![0.0, 0.2, 0.9, 1.0])]).unwrap();
        let text = svg(&optimal, 3, &table, Some("a-model")).unwrap();
        assert!(text.contains("a-model"), "{text}");
        assert_eq!(in_class(&parse(&text), "strip").len(), 1);
        let error = svg(&optimal, 4, &table, Some("a-model")).unwrap_err();
        assert!(matches!(&error, PlotError::Schedule(flow::Error::NotFitted { got: 4, .. })), "{error}");
        let none = svg(&[], 4, &table, None).unwrap_err();
        assert!(matches!(none, PlotError::Nothing { .. }));
        let steps = svg(&formulas(), 0, &table, None).unwrap_err();
        assert!(matches!(steps, PlotError::Schedule(flow::Error::Steps { got: 0, .. })));
    }
}
