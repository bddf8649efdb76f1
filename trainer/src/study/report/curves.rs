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
        Axis::Evaluations => row.figure().map(|(_, figure)| figure.evaluations),
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
            Axis::ScheduleParameter(name) | Axis::GuidanceParameter(name) => {
                (evaluations(row.cell.allowance), without(&super::label(row, differ), name))
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

/// A label without the parameter that stands along the axis.
fn without(label: &str, parameter: &str) -> String {
    let kept: Vec<String> = label
        .split(' ')
        .map(|word| {
            let Some((id, parameters)) = word.split_once(':') else { return word.to_owned() };
            let prefix = format!("{parameter}=");
            let parameters: Vec<&str> = parameters.split(',').filter(|p| !p.starts_with(&prefix)).collect();
            if parameters.is_empty() { id.to_owned() } else { parameters.join(" ") }
        })
        .collect();
    kept.join(" ")
}
