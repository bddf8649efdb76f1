//! The plots of a study: the distance against what stands along each part's axis, for a parameter of the guidance the
//! accuracy too, since the two disagree, and for solvers and schedules how far they end from the reference solution.

use super::Findings;
use super::curves::{Curve, curves};
use crate::plot::lines::{LineChart, Panels, Series, panels_svg, svg};
use crate::study::{Axis, Figure, Part, Row};
use anyhow::Result;
use std::path::{Path, PathBuf};

/// More curves than this in a panel would hide each other behind their intervals.
const MOST_WITH_INTERVALS: usize = 6;

/// The SVG of every part that has a figure: its file and its text.
pub(super) fn draw(findings: &Findings, folder: &Path) -> Result<Vec<(PathBuf, String)>> {
    let mut drawn = Vec::new();
    for (number, part) in findings.recipe.parts.iter().enumerate() {
        let rows: Vec<&Row> = findings.of_part(number).collect();
        let curves = curves(&part.plot, &rows);
        if curves.is_empty() {
            continue;
        }
        let quantities: &[&Quantity] = match part.plot {
            Axis::GuidanceParameter(_) => &[&DISTANCE, &ACCURACY],
            _ => &[&DISTANCE],
        };
        drawn.push((folder.join(format!("{}.svg", part.id)), figure(findings, part, &curves, quantities)?));
        if has_errors(part, &rows) {
            let text = figure(findings, part, &curves, &[&ERROR])?;
            drawn.push((folder.join(format!("{}-error.svg", part.id)), text));
        }
    }
    Ok(drawn)
}

/// Whether a second plot shows how far the cells end from the reference solution: where solvers or schedules are compared.
pub(super) fn has_errors(part: &Part, rows: &[&Row]) -> bool {
    let [model, guidance, ..] = super::differing(rows);
    part.plot == Axis::Evaluations
        && !model
        && !guidance
        && rows.iter().filter_map(|row| row.figure()).any(|(_, figure)| figure.error.is_some())
}

fn figure(
    findings: &Findings,
    part: &Part,
    curves: &[Curve<'_>],
    quantities: &[&Quantity],
) -> Result<String> {
    let caption = caption(findings, part, quantities);
    Ok(match charts(part, curves, quantities).as_mut_slice() {
        [chart] => {
            chart.title.clone_from(&part.title);
            chart.caption = caption;
            svg(chart)?
        }
        panels => panels_svg(&Panels {
            title: part.title.clone(),
            caption,
            columns: 0,
            shared: (true, quantities.len() == 1),
            panels: panels.to_vec(),
        })?,
    })
}

/// A chart for each panel, in the order of their first curves; where there are several quantities, a chart for each of those,
/// and what was a panel becomes a curve's name.
fn charts(part: &Part, curves: &[Curve<'_>], quantities: &[&Quantity]) -> Vec<LineChart> {
    let chart = |title: &str, quantity: &Quantity, members: &[(&Curve<'_>, String)]| {
        let mut series: Vec<Series> = members
            .iter()
            .map(|(curve, label)| Series { label: label.clone(), ..quantity.series(curve) })
            .collect();
        series.retain(|series| !series.points.is_empty());
        if series.len() > MOST_WITH_INTERVALS {
            series.iter_mut().for_each(|series| series.band = None);
        }
        LineChart {
            title: title.to_owned(),
            x_label: x_label(&part.plot),
            y_label: quantity.label.to_owned(),
            x_log: part.plot == Axis::Evaluations,
            y_log: quantity.log,
            series,
            ..LineChart::default()
        }
    };
    if let [quantity] = quantities {
        let mut names: Vec<&str> = Vec::new();
        for curve in curves {
            if !names.contains(&curve.panel.as_str()) {
                names.push(&curve.panel);
            }
        }
        let of = |name: &&str| -> Vec<_> {
            curves.iter().filter(|c| c.panel == **name).map(|c| (c, c.label.clone())).collect()
        };
        return names.iter().map(|name| chart(name, quantity, &of(name))).collect();
    }
    let label = |curve: &Curve<'_>| {
        [curve.label.as_str(), curve.panel.as_str()]
            .into_iter()
            .filter(|t| !t.is_empty())
            .collect::<Vec<_>>()
            .join(", ")
    };
    let all: Vec<_> = curves.iter().map(|curve| (curve, label(curve))).collect();
    quantities.iter().map(|quantity| chart(quantity.title, quantity, &all)).collect()
}

struct Quantity {
    title: &'static str,
    label: &'static str,
    log: bool,
    /// Value, lower and upper end; none where it was not measured.
    of: fn(&Figure) -> Option<[f64; 3]>,
}

const ERROR: Quantity = Quantity {
    title: "Distance from the reference",
    label: "distance of a pixel from the reference solution",
    log: true,
    of: |figure| figure.error.filter(|error| *error > 0.0).map(|error| [error; 3]),
};

const DISTANCE: Quantity = Quantity {
    title: "FID",
    label: "FID (lower is better)",
    log: true,
    of: |figure| Some([figure.fid, figure.fid_low.max(0.5 * figure.fid), figure.fid_high]),
};
const ACCURACY: Quantity = Quantity {
    title: "Accuracy",
    label: "read as asked, %",
    log: false,
    of: |figure| {
        let (low, high) = figure.accuracy_interval();
        Some([100.0 * figure.accuracy, 100.0 * low, 100.0 * high])
    },
};

impl Quantity {
    fn series(&self, curve: &Curve<'_>) -> Series {
        let values: Vec<(f64, [f64; 3])> =
            curve.points.iter().filter_map(|(x, figure)| Some((*x, (self.of)(figure)?))).collect();
        let points = values.iter().map(|(x, [value, ..])| (*x, *value)).collect();
        let series = Series::new(curve.label.clone(), points);
        if values.iter().all(|(_, [_, low, high])| low == high) {
            return series;
        }
        series.with_band(values.iter().map(|(x, [_, low, high])| (*x, *low, *high)).collect())
    }
}

fn x_label(axis: &Axis) -> String {
    match axis {
        Axis::Evaluations => "network evaluations an image".to_owned(),
        Axis::ScheduleParameter(name) => format!("{name} of the schedule"),
        Axis::GuidanceParameter(name) => format!("guidance {name}"),
    }
}

fn caption(findings: &Findings, part: &Part, quantities: &[&Quantity]) -> String {
    let images = part.images.unwrap_or(findings.recipe.images);
    if quantities.iter().any(|quantity| quantity.title == ERROR.title) {
        return "Root mean square over the pixels (0 to 1) of 50 images, from Heun with 100 even steps and the same noises. It says \
            how well the flow is followed, not how good the flow is."
            .to_owned();
    }
    format!(
        "{images} images a point from the same noises. FID over the features of {}, against the {}; intervals of 95% by \
         bootstrap over the images are in the table, and drawn where they do not hide the curves.",
        findings.extractor, findings.reference
    )
}
