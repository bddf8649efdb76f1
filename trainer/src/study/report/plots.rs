//! The plots of a study, one a part: the distance against what stands along the part's axis, and for a parameter of the
//! guidance the accuracy too, since the two disagree.

use super::Findings;
use super::curves::{Curve, curves};
use crate::plot::lines::{LineChart, Panels, Series, panels_svg, svg};
use crate::study::{Axis, Figure, Part, Row};
use anyhow::Result;
use std::path::{Path, PathBuf};

/// The SVG of every part that has a figure: its file and its text.
pub(super) fn draw(findings: &Findings, folder: &Path) -> Result<Vec<(PathBuf, String)>> {
    let mut drawn = Vec::new();
    for (number, part) in findings.recipe.parts.iter().enumerate() {
        let rows: Vec<&Row> = findings.of_part(number).collect();
        let curves = curves(&part.plot, &rows);
        if curves.is_empty() {
            continue;
        }
        let text = match charts(part, &curves).as_mut_slice() {
            [chart] => {
                chart.title.clone_from(&part.title);
                chart.caption = caption(findings, part);
                svg(chart)?
            }
            panels => panels_svg(&Panels {
                title: part.title.clone(),
                caption: caption(findings, part),
                columns: 0,
                shared: (true, !matches!(part.plot, Axis::GuidanceParameter(_))),
                panels: panels.to_vec(),
            })?,
        };
        drawn.push((folder.join(format!("{}.svg", part.id)), text));
    }
    Ok(drawn)
}

/// A chart for each panel, in the order of their first curves.
fn charts(part: &Part, curves: &[Curve<'_>]) -> Vec<LineChart> {
    let mut names: Vec<&str> = Vec::new();
    for curve in curves {
        if !names.contains(&curve.panel.as_str()) {
            names.push(&curve.panel);
        }
    }
    let of = |name: &str, quantity: &Quantity| {
        let series =
            curves.iter().filter(|curve| curve.panel == name).map(|curve| quantity.series(curve)).collect();
        LineChart {
            title: name.to_owned(),
            x_label: x_label(&part.plot),
            y_label: quantity.label.to_owned(),
            x_log: part.plot == Axis::Evaluations,
            y_log: quantity.log,
            series,
            ..LineChart::default()
        }
    };
    match part.plot {
        // One panel a quantity; what was a panel becomes part of a curve's name.
        Axis::GuidanceParameter(_) => [&DISTANCE, &ACCURACY]
            .map(|quantity| LineChart {
                title: quantity.title.to_owned(),
                series: curves
                    .iter()
                    .map(|curve| Series { label: curve.panel.clone(), ..quantity.series(curve) })
                    .collect(),
                ..of("", quantity)
            })
            .to_vec(),
        _ => names.iter().map(|name| of(name, &DISTANCE)).collect(),
    }
}

struct Quantity {
    title: &'static str,
    label: &'static str,
    log: bool,
    /// Value, lower and upper end.
    of: fn(&Figure) -> [f64; 3],
}

const DISTANCE: Quantity = Quantity {
    title: "FID",
    label: "FID (lower is better)",
    log: true,
    of: |figure| [figure.fid, figure.fid_low.max(0.5 * figure.fid), figure.fid_high],
};
const ACCURACY: Quantity = Quantity {
    title: "Accuracy",
    label: "read as asked, %",
    log: false,
    of: |figure| {
        let (low, high) = figure.accuracy_interval();
        [100.0 * figure.accuracy, 100.0 * low, 100.0 * high]
    },
};

impl Quantity {
    fn series(&self, curve: &Curve<'_>) -> Series {
        let values: Vec<(f64, [f64; 3])> = curve.points.iter().map(|(x, f)| (*x, (self.of)(f))).collect();
        let points = values.iter().map(|(x, [value, ..])| (*x, *value)).collect();
        let band = values.iter().map(|(x, [_, low, high])| (*x, *low, *high)).collect();
        Series::new(curve.label.clone(), points).with_band(band)
    }
}

fn x_label(axis: &Axis) -> String {
    match axis {
        Axis::Evaluations => "network evaluations an image".to_owned(),
        Axis::ScheduleParameter(name) => format!("{name} of the schedule"),
        Axis::GuidanceParameter(name) => format!("guidance {name}"),
    }
}

fn caption(findings: &Findings, part: &Part) -> String {
    format!(
        "{} images a point from the same noises, 95% intervals by bootstrap over the images. FID over the features of {}, \
         against the {}.",
        part.images.unwrap_or(findings.recipe.images),
        findings.extractor,
        findings.reference
    )
}
