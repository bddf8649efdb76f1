//! The curves of a part's plot: what stands along the axis, and what the cells beside it are called.

use super::{Allowance, differing, head};
use crate::study::{Axis, Figure, Row};

/// Cells that differ in nothing but what stands along the axis.
pub(super) struct Curve<'a> {
    /// The panel that it belongs to.
    pub(super) panel: String,
    /// Its name in that panel.
    pub(super) label: String,
    /// The place on the axis and the figure, by ascending place.
    pub(super) points: Vec<(f64, &'a Figure)>,
}

/// The curves of these rows, in the order of their first cells. Where solvers differ beside something else, each is a panel;
/// where a parameter stands along the axis, each number of evaluations is.
pub(super) fn curves<'a>(axis: &Axis, rows: &[&'a Row]) -> Vec<Curve<'a>> {
    let mut differ = differing(rows);
    let along = |row: &Row| match axis {
        Axis::Evaluations => row.figure().map(|(_, figure)| match row.cell.allowance {
            // A model that evaluates nothing is as good at every budget: a level line through what it was offered.
            Allowance::Evaluations(offered) if figure.evaluations == 0.0 => offered as f64,
            _ => figure.evaluations,
        }),
        Axis::ScheduleParameter(name) => row.cell.plan.schedule.choice().get(name),
        Axis::GuidanceParameter(name) => row.cell.plan.guidance.choice().get(name),
    };
    let by_solver = *axis == Axis::Evaluations && differ[2] && differ.iter().filter(|d| **d).count() > 1;
    if by_solver {
        differ[2] = false;
    }
    let mut found: Vec<Curve<'a>> = Vec::new();
    for row in rows {
        let (Some((_, figure)), Some(at)) = (row.figure(), along(row)) else { continue };
        let (panel, label) = match axis {
            Axis::Evaluations if by_solver => (row.cell.plan.solver.to_string(), super::label(row, differ)),
            Axis::Evaluations => (String::new(), super::label(row, differ)),
            Axis::ScheduleParameter(_) | Axis::GuidanceParameter(_) => {
                (evaluations(row.cell.allowance), beside(row, differ, axis))
            }
        };
        match found.iter_mut().find(|curve| curve.panel == panel && curve.label == label) {
            Some(curve) => curve.points.push((at, figure)),
            None => found.push(Curve { panel, label, points: vec![(at, figure)] }),
        }
    }
    for curve in &mut found {
        curve.points.sort_by(|a, b| a.0.total_cmp(&b.0));
    }
    found
}

fn evaluations(allowance: Allowance) -> String {
    match allowance {
        Allowance::Evaluations(n) => format!("{n} evaluations"),
        Allowance::Tolerance(_) => head(allowance),
    }
}

/// What a row is called when a parameter stands along the axis: its names that differ, with every other parameter of the
/// entry that the axis belongs to.
fn beside(row: &Row, mut differ: [bool; 4], axis: &Axis) -> String {
    let plan = &row.cell.plan;
    let (choice, place, parameter) = match axis {
        Axis::ScheduleParameter(name) => (plan.schedule.choice(), 3, name),
        Axis::GuidanceParameter(name) => (plan.guidance.choice(), 1, name),
        Axis::Evaluations => return super::label(row, differ),
    };
    differ[place] = false;
    let mut words = Vec::new();
    if differ.contains(&true) {
        words.push(super::label(row, differ));
    }
    let others =
        choice.entry().params.iter().zip(choice.values()).filter(|(spec, _)| spec.name != *parameter);
    words.extend(others.map(|(spec, value)| format!("{} {value}", spec.name)));
    words.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::study::{Cell, Settled};

    fn figure() -> Figure {
        let text = r#"{"steps":4,"evaluations":8.0,"most_evaluations":8,"images":100,"accuracy":0.9,"fid":5.0,"fid_low":4.0,
            "fid_high":6.0,"resamples":[],"bend":0.0,"length":1.0,"error":0.1,"seconds":1.0,"device":"test"}"#;
        serde_json::from_str(text).unwrap()
    }

    fn row(plan: &str, n: usize) -> Row {
        let plan: flow::plan::SamplePlan = plan.parse().unwrap();
        Row {
            cell: Cell {
                part: 0,
                model: "m".into(),
                weak: None,
                images: 100,
                allowance: Allowance::Evaluations(n),
                plan: plan.clone(),
            },
            model: "m".into(),
            settled: Settled::Figure(Box::new(plan), Box::new(Figure { evaluations: n as f64, ..figure() })),
        }
    }

    #[test]
    fn a_model_that_evaluates_nothing_is_a_level_line_through_its_budgets() {
        let mut row = row("solver=euler&steps=4", 4);
        let Settled::Figure(_, figure) = &mut row.settled else { panic!("a figure") };
        figure.evaluations = 0.0;
        assert_eq!(curves(&Axis::Evaluations, &[&row])[0].points[0].0, 4.0);
    }

    fn names(axis: &Axis, rows: &[Row]) -> Vec<(String, String, Vec<f64>)> {
        let rows: Vec<&Row> = rows.iter().collect();
        let places = |c: &Curve<'_>| c.points.iter().map(|p| p.0).collect();
        curves(axis, &rows).iter().map(|c| (c.panel.clone(), c.label.clone(), places(c))).collect()
    }

    #[test]
    fn a_parameter_along_the_axis_joins_its_cells_at_their_defaults_too() {
        let axis = Axis::ScheduleParameter("mu".into());
        let schedule =
            |text: &str| row(&format!("solver=euler&guidance=1&schedule=logit-normal-cdf:{text}"), 6);
        let rows = [schedule("mu=1,std=3"), schedule("mu=0,std=3"), schedule("mu=0,std=1")];
        let expected =
            |std: &str, at: &[f64]| ("6 evaluations".to_owned(), format!("std {std}"), at.to_vec());
        assert_eq!(names(&axis, &rows), [expected("3", &[0.0, 1.0]), expected("1", &[0.0])]);
        let scales = [row("guidance=1.5", 8), row("guidance=3", 8)];
        let found = names(&Axis::GuidanceParameter("scale".into()), &scales);
        assert_eq!(found, [("8 evaluations".to_owned(), String::new(), vec![1.5, 3.0])]);
    }

    #[test]
    fn solvers_are_panels_only_where_something_else_differs_too() {
        let cell = |solver: &str, schedule: &str, n| row(&format!("solver={solver}&schedule={schedule}"), n);
        let both = [
            cell("euler", "linear", 4),
            cell("euler", "cosine", 4),
            cell("heun", "linear", 4),
            cell("euler", "linear", 8),
        ];
        let found: Vec<_> = names(&Axis::Evaluations, &both).into_iter().map(|(p, l, _)| (p, l)).collect();
        let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
        assert_eq!(found, [pair("euler", "linear"), pair("euler", "cosine"), pair("heun", "linear")]);
        let solvers = [cell("euler", "linear", 4), cell("heun", "linear", 4)];
        assert!(names(&Axis::Evaluations, &solvers).iter().all(|(panel, ..)| panel.is_empty()));
    }
}
