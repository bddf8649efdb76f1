//! Line charts, one or several beside each other: the figure of every table that has an axis.
//!
//! A series has a colour, a marker and, from the ninth on, dashes of its own, so that twelve stay apart without colour
//! too. One chart names its series at its right edge, beside their last points; panels share one legend below, where a
//! label has the same look in every panel. Intervals are bars where there are few and a tinted band where there are many.
//! A value that is not finite is a gap in its line.

use super::PlotError;
use super::axis::Axis;
use super::page::{Frame, MARGIN, Page, Plane, Type, fit, place, width};
use super::palette::{FRAME, QUIET, TEXT, category};
use plotters::element::{Circle, PathElement, Polygon};
use plotters::style::text_anchor::{HPos, VPos};
use plotters::style::{Color, RGBColor};
use std::path::Path;

/// A named line.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Series {
    /// Its name in the legend.
    pub label: String,
    /// x and y, in the order in which to join them.
    pub points: Vec<(f64, f64)>,
    /// x, lower end and upper end of an interval.
    pub band: Option<Vec<(f64, f64, f64)>>,
}

/// A value to compare with: a dashed horizontal line with its name.
#[derive(Clone, Debug, PartialEq)]
pub struct Level {
    /// The value.
    pub y: f64,
    /// What it is.
    pub label: String,
}

/// One chart.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LineChart {
    /// What it shows.
    pub title: String,
    /// How to read it and where it comes from; below the chart. A panel's own is not shown.
    pub caption: String,
    /// The x axis, with its unit.
    pub x_label: String,
    /// The y axis, with its unit.
    pub y_label: String,
    /// Whether equal factors are equal lengths along x.
    pub x_log: bool,
    /// Whether equal factors are equal lengths along y.
    pub y_log: bool,
    /// The lines.
    pub series: Vec<Series>,
    /// Values to compare with.
    pub levels: Vec<Level>,
}

/// Several charts that are looked at together.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Panels {
    /// What they show.
    pub title: String,
    /// How to read them; below them.
    pub caption: String,
    /// Panels beside each other; 0 is as many as look well.
    pub columns: usize,
    /// Whether all have one x axis, and whether all have one y axis.
    pub shared: (bool, bool),
    /// The charts.
    pub panels: Vec<LineChart>,
}

impl Series {
    /// A line without intervals.
    pub fn new(label: impl Into<String>, points: Vec<(f64, f64)>) -> Self {
        Self { label: label.into(), points, band: None }
    }

    /// The same with an interval at each x.
    pub fn with_band(self, band: Vec<(f64, f64, f64)>) -> Self {
        Self { band: Some(band), ..self }
    }
}

/// Writes a chart as SVG, atomically.
///
/// # Errors
/// Nothing to draw, a value that a logarithmic axis cannot hold, or a file that cannot be written.
pub fn write(path: &Path, chart: &LineChart) -> Result<(), PlotError> {
    super::write(path, &svg(chart)?)
}

/// Writes panels as SVG, atomically.
///
/// # Errors
/// As [`write`].
pub fn write_panels(path: &Path, panels: &Panels) -> Result<(), PlotError> {
    super::write(path, &panels_svg(panels)?)
}

const WIDTH: f64 = 860.0;
const HEIGHT: f64 = 400.0;
/// Room left of a chart for its ticks, below for ticks and a name, above for a name.
const LEFT: f64 = 52.0;
const BELOW: f64 = 44.0;
const ABOVE: f64 = 26.0;
const LEGEND: f64 = 12.0;

/// A chart as the text of an SVG.
///
/// # Errors
/// As [`write`], files aside.
pub fn svg(chart: &LineChart) -> Result<String, PlotError> {
    let longest = chart.series.iter().map(|s| width(&s.label, LEGEND)).fold(0.0, f64::max);
    let legend = (longest + 56.0).clamp(80.0, 330.0);
    let height = HEIGHT.max(legend_height(chart.series.len()) + ABOVE + BELOW);
    let page = Page::new(WIDTH, height, &chart.title, &chart.caption)?;
    let at = Frame {
        left: MARGIN + LEFT,
        top: page.top + ABOVE,
        width: WIDTH - 2.0 * MARGIN - LEFT - legend,
        height: height - ABOVE - BELOW,
    };
    let (x, y) = axes(&[chart], at.width, at.height)?;
    let looks: Vec<Look> = (0..chart.series.len()).map(Look).collect();
    let plane = draw(&page, at, chart, x, y, &looks)?;
    // Names stand where their lines end, moved apart where lines end together.
    let mut ends: Vec<(usize, (f64, f64))> = chart
        .series
        .iter()
        .enumerate()
        .filter_map(|(i, s)| Some((i, *s.points.iter().rev().find(|p| p.0.is_finite() && p.1.is_finite())?)))
        .map(|(i, last)| (i, place(&plane, &last)))
        .collect();
    ends.sort_by(|a, b| a.1.1.total_cmp(&b.1.1));
    let wanted: Vec<f64> = ends.iter().map(|(_, (_, y))| *y).collect();
    let places = spread(&wanted, 17.0, at.top, at.top + at.height);
    for ((i, end), y) in ends.iter().zip(places) {
        let series = &chart.series[*i];
        let edge = at.left + at.width;
        let leader = [(end.0 + 7.0, end.1), (edge + 3.0, end.1), (edge + 14.0, y)];
        page.line(&leader, looks[*i].color().mix(0.45).stroke_width(8))?;
        looks[*i].sample(&page, edge + 16.0, y)?;
        let label = Type::new(LEGEND, TEXT).at(HPos::Left, VPos::Center);
        page.text(edge + 48.0, y, &fit(&series.label, legend - 52.0, LEGEND), label)?;
    }
    Ok(page.finish())
}

/// Panels as the text of an SVG.
///
/// # Errors
/// As [`write_panels`], files aside.
pub fn panels_svg(panels: &Panels) -> Result<String, PlotError> {
    let count = panels.panels.len();
    if count == 0 {
        return Err(PlotError::Nothing { what: format!("`{}` has no panels", panels.title) });
    }
    let columns = match panels.columns {
        0 if count == 4 => 2,
        0 => count.min(3),
        asked => asked.min(count),
    };
    let rows = count.div_ceil(columns);
    let whole = (columns as f64 * 340.0 + 2.0 * MARGIN).max(600.0);
    let cell = (whole - 2.0 * MARGIN) / columns as f64;
    let (inner, high) = (cell - LEFT - 16.0, 190.0);
    let title_room = 22.0;
    let row = title_room + ABOVE + high + BELOW + 8.0;
    let mut labels: Vec<&str> = Vec::new();
    for series in panels.panels.iter().flat_map(|chart| &chart.series) {
        if !labels.contains(&series.label.as_str()) {
            labels.push(&series.label);
        }
    }
    let legend = flow_legend(&labels, whole - 2.0 * MARGIN);
    let legend_rows = legend.last().map_or(0, |(row, _)| row + 1);
    let figure = rows as f64 * row + legend_rows as f64 * 20.0 + 6.0;
    let page = Page::new(whole, figure, &panels.title, &panels.caption)?;
    let all: Vec<&LineChart> = panels.panels.iter().collect();
    let together = axes(&all, inner, high)?;
    for (i, chart) in panels.panels.iter().enumerate() {
        let left = MARGIN + (i % columns) as f64 * cell;
        let top = page.top + (i / columns) as f64 * row;
        let at = Frame { left: left + LEFT, top: top + title_room + ABOVE, width: inner, height: high };
        page.text(
            left + LEFT - 6.0,
            top + 14.0,
            &fit(&chart.title, cell - LEFT, 13.0),
            Type::new(13.0, TEXT).bold(),
        )?;
        let own = axes(&[chart], inner, high)?;
        let x = if panels.shared.0 { together.0.clone() } else { own.0 };
        let y = if panels.shared.1 { together.1.clone() } else { own.1 };
        let looks: Vec<Look> = chart
            .series
            .iter()
            .map(|s| Look(labels.iter().position(|l| *l == s.label).unwrap_or(0)))
            .collect();
        draw(&page, at, chart, x, y, &looks)?;
    }
    let top = page.top + rows as f64 * row + 12.0;
    for (i, (row, x)) in legend.iter().enumerate() {
        let y = top + *row as f64 * 20.0;
        Look(i).sample(&page, MARGIN + x, y)?;
        let set = Type::new(LEGEND, TEXT).at(HPos::Left, VPos::Center);
        page.text(MARGIN + x + 32.0, y, labels[i], set)?;
    }
    Ok(page.finish())
}

fn legend_height(series: usize) -> f64 {
    series as f64 * 17.0
}

/// Where each label goes: its row, and its distance from the left.
fn flow_legend(labels: &[&str], room: f64) -> Vec<(usize, f64)> {
    let (mut row, mut x) = (0, 0.0);
    let mut places = Vec::new();
    for label in labels {
        let wide = width(label, LEGEND) + 52.0;
        if x > 0.0 && x + wide > room {
            (row, x) = (row + 1, 0.0);
        }
        places.push((row, x));
        x += wide;
    }
    places
}

/// Sorted places moved as little as needed so that they are `gap` apart and stay inside.
fn spread(wanted: &[f64], gap: f64, low: f64, high: f64) -> Vec<f64> {
    let mut places = wanted.to_vec();
    // Each moves half of what is missing, again and again: a chain of springs that settles.
    for _ in 0..400 {
        for i in 1..places.len() {
            let missing = gap - (places[i] - places[i - 1]);
            if missing > 0.0 {
                places[i - 1] -= missing / 2.0;
                places[i] += missing / 2.0;
            }
        }
        if let Some(first) = places.first_mut() {
            *first = first.max(low);
        }
        if let Some(last) = places.last_mut() {
            *last = last.min(high);
        }
    }
    places
}

/// The axes that hold all of these charts.
fn axes(charts: &[&LineChart], wide: f64, high: f64) -> Result<(Axis, Axis), PlotError> {
    let (mut xs, mut ys) = (Vec::new(), Vec::new());
    let x_log = charts.iter().any(|chart| chart.x_log);
    let y_log = charts.iter().any(|chart| chart.y_log);
    for chart in charts {
        for series in &chart.series {
            let band = series.band.iter().flatten();
            for (x, y) in series.points.iter().copied().chain(band.flat_map(|(x, l, h)| [(*x, *l), (*x, *h)]))
            {
                for (log, value, axis, list) in [(x_log, x, "x", &mut xs), (y_log, y, "y", &mut ys)] {
                    if log && value <= 0.0 {
                        return Err(PlotError::Value {
                            what: format!("{axis} of series `{}` in `{}`", series.label, chart.title),
                            got: value.to_string(),
                            accepts: "more than 0 on a logarithmic axis".to_owned(),
                        });
                    }
                    list.push(value);
                }
            }
        }
        ys.extend(chart.levels.iter().map(|level| level.y).filter(|y| !y_log || *y > 0.0));
    }
    let named = charts.first().map_or("", |chart| chart.title.as_str());
    let nothing = || PlotError::Nothing { what: format!("no finite value in `{named}`") };
    let x = Axis::around(xs.iter().copied(), x_log, (wide / 80.0) as usize).ok_or_else(nothing)?;
    let y = Axis::around(ys.iter().copied(), y_log, (high / 50.0) as usize).ok_or_else(nothing)?;
    // Where only a few x occur (budgets, tolerances), they are the ticks, as far as there is room for their names.
    xs.retain(|x| x.is_finite());
    xs.sort_by(f64::total_cmp);
    xs.dedup();
    if xs.len() > 12 {
        return Ok((x, y));
    }
    let mut ticks: Vec<f64> = Vec::new();
    for value in xs {
        let room = |last: &f64| (x.share(value) - x.share(*last)) * wide >= 26.0;
        if ticks.last().is_none_or(room) {
            ticks.push(value);
        }
    }
    Ok((x.with_ticks(ticks), y))
}

/// The look of series number n.
#[derive(Clone, Copy)]
struct Look(usize);

impl Look {
    fn color(self) -> RGBColor {
        category(self.0)
    }

    fn dash(self) -> &'static [u32] {
        if self.0 < 8 { &[] } else { &[5, 3] }
    }

    /// The corners of its marker around a place, in pixels; none for a circle.
    fn corners(self) -> &'static [(f64, f64)] {
        match self.0 % 8 {
            0 => &[],
            1 => &[(-3.4, -3.4), (3.4, -3.4), (3.4, 3.4), (-3.4, 3.4)],
            2 => &[(0.0, -4.6), (4.4, 3.2), (-4.4, 3.2)],
            3 => &[(0.0, -5.0), (5.0, 0.0), (0.0, 5.0), (-5.0, 0.0)],
            4 => &[(0.0, 4.6), (4.4, -3.2), (-4.4, -3.2)],
            5 => &[
                (-1.4, -4.6),
                (1.4, -4.6),
                (1.4, -1.4),
                (4.6, -1.4),
                (4.6, 1.4),
                (1.4, 1.4),
                (1.4, 4.6),
                (-1.4, 4.6),
                (-1.4, 1.4),
                (-4.6, 1.4),
                (-4.6, -1.4),
                (-1.4, -1.4),
            ],
            6 => &[(0.0, -4.8), (2.4, 0.0), (0.0, 4.8), (-2.4, 0.0)],
            _ => &[(-4.8, 0.0), (0.0, -2.4), (4.8, 0.0), (0.0, 2.4)],
        }
    }

    fn marker(self, page: &Page, (x, y): (f64, f64)) -> Result<(), PlotError> {
        let corners: Vec<_> = self.corners().iter().map(|(dx, dy)| (x + dx, y + dy)).collect();
        if corners.is_empty() {
            page.circle((x, y), 3.5, self.color().filled())
        } else {
            page.polygon(&corners, self.color())
        }
    }

    /// A short piece of the line with its marker, for a legend.
    fn sample(self, page: &Page, x: f64, y: f64) -> Result<(), PlotError> {
        page.dash(self.dash());
        page.line(&[(x, y), (x + 26.0, y)], self.color().stroke_width(18))?;
        page.dash(&[]);
        self.marker(page, (x + 13.0, y))
    }
}

/// Draws a chart in its frame.
fn draw(
    page: &Page,
    at: Frame,
    chart: &LineChart,
    x: Axis,
    y: Axis,
    looks: &[Look],
) -> Result<Plane, PlotError> {
    let (left, right) = (x.low(), x.high());
    let plane = page.plane(at, x, y, (&chart.x_label, &chart.y_label))?;
    for level in &chart.levels {
        page.dash(&[2, 3]);
        plane.draw(&PathElement::new(vec![(left, level.y), (right, level.y)], QUIET.stroke_width(10)))?;
        page.dash(&[]);
        let (_, y) = place(&plane, &(left, level.y));
        page.text(at.left + 5.0, y - 4.0, &level.label, Type::new(11.0, QUIET))?;
    }
    for (series, look) in chart.series.iter().zip(looks) {
        if let Some(band) = &series.band {
            interval(&plane, band, *look)?;
        }
    }
    for (series, look) in chart.series.iter().zip(looks) {
        page.group("series", &series.label, || {
            let finite = |p: &(f64, f64)| p.0.is_finite() && p.1.is_finite();
            page.dash(look.dash());
            for piece in series.points.split(|p| !finite(p)).filter(|piece| piece.len() > 1) {
                plane.draw(&PathElement::new(piece.to_vec(), look.color().stroke_width(18)))?;
            }
            page.dash(&[]);
            // A curve of many points is marked now and then, a row of measurements at each.
            let every = if series.points.len() > 24 { series.points.len() / 8 } else { 1 };
            for point in series.points.iter().skip(every / 2).step_by(every).filter(|p| finite(p)) {
                look.marker(page, place(&plane, point))?;
            }
            Ok(())
        })?;
    }
    if chart.series.iter().all(|s| s.points.is_empty()) {
        let set = Type::new(12.0, FRAME).at(HPos::Center, VPos::Center);
        page.text(at.left + at.width / 2.0, at.top + at.height / 2.0, "no values", set)?;
    }
    Ok(plane)
}

/// An interval: bars where there are few, a tinted band where there are many.
fn interval(plane: &Plane, band: &[(f64, f64, f64)], look: Look) -> Result<(), PlotError> {
    let band: Vec<_> =
        band.iter().copied().filter(|(x, l, h)| x.is_finite() && l.is_finite() && h.is_finite()).collect();
    if band.len() > 16 {
        let upper = band.iter().map(|(x, _, high)| (*x, *high));
        let lower = band.iter().rev().map(|(x, low, _)| (*x, *low));
        let around: Vec<_> = upper.chain(lower).collect();
        plane.draw(&Polygon::new(around, look.color().mix(0.15).filled()))?;
        return Ok(());
    }
    let style = look.color().mix(0.55).stroke_width(11);
    for (x, low, high) in band {
        plane.draw(&PathElement::new(vec![(x, low), (x, high)], style))?;
        for end in [low, high] {
            plane.draw(&Circle::new((x, end), 11, look.color().mix(0.55).filled()))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plot::testing::{in_class, numbers, parse};

    fn chart(series: usize) -> LineChart {
        LineChart {
            title: "Quality & cost <a>".to_owned(),
            caption: "A caption.".to_owned(),
            x_label: "evaluations".to_owned(),
            y_label: "FID".to_owned(),
            x_log: true,
            series: (0..series)
                .map(|i| Series::new(format!("s{i}"), vec![(4.0, 1.0 + i as f64), (8.0, 2.0), (40.0, 3.0)]))
                .collect(),
            ..LineChart::default()
        }
    }

    #[test]
    fn every_series_is_one_line_under_its_own_name_and_is_named_in_the_legend() {
        let text = svg(&chart(12)).unwrap();
        let document = parse(&text);
        let groups = in_class(&document, "series");
        assert_eq!(groups.len(), 12);
        let texts: Vec<&str> =
            document.descendants().filter(|n| n.has_tag_name("text")).filter_map(|n| n.text()).collect();
        for (i, group) in groups.iter().enumerate() {
            let name = format!("s{i}");
            assert_eq!(group.attribute("data-label"), Some(name.as_str()));
            assert_eq!(group.children().filter(|n| n.has_tag_name("polyline")).count(), 1);
            assert_eq!(texts.iter().filter(|t| **t == name).count(), 1, "{name}");
        }
        assert!(texts.contains(&"Quality & cost <a>") && texts.contains(&"40"), "{texts:?}");
    }

    #[test]
    fn equal_factors_are_equal_distances_and_larger_is_higher() {
        let mut chart = chart(1);
        chart.series[0].points = vec![(1.0, 5.0), (10.0, 6.0), (100.0, 7.0)];
        let text = svg(&chart).unwrap();
        let document = parse(&text);
        let line = in_class(&document, "series")[0].children().find(|n| n.has_tag_name("polyline")).unwrap();
        let at = numbers(line.attribute("points").unwrap());
        assert!((at[4] - at[2] - (at[2] - at[0])).abs() < 0.2, "{at:?}");
        assert!(at[1] > at[3] && at[3] > at[5], "{at:?}");
    }

    #[test]
    fn the_names_of_lines_that_end_together_do_not_overlap() {
        let places = spread(&[100.0, 100.0, 101.0, 101.0, 300.0], 17.0, 50.0, 310.0);
        assert!(places.windows(2).all(|p| p[1] - p[0] > 16.9), "{places:?}");
        assert!((places[4] - 300.0).abs() < 1e-9, "what has room stays: {places:?}");
        let bottom = spread(&[309.0, 309.5, 310.0], 17.0, 50.0, 310.0);
        assert!(bottom[2] <= 310.0 + 1e-9 && bottom.windows(2).all(|p| p[1] - p[0] > 16.0), "{bottom:?}");
    }

    #[test]
    fn few_intervals_are_bars_and_many_are_a_band() {
        let with = |n: usize| {
            let points: Vec<_> = (1..=n).map(|i| (i as f64, 1.0)).collect();
            let band = points.iter().map(|(x, y)| (*x, y - 0.5, y + 0.5)).collect();
            let series = vec![Series::new("a", points).with_band(band)];
            svg(&LineChart { series, ..LineChart::default() }).unwrap()
        };
        // The page and the band are the filled shapes; the markers of the first series are circles.
        assert_eq!((with(3).matches("<path").count(), with(40).matches("<path").count()), (1, 2));
    }

    #[test]
    fn a_gap_is_left_where_a_value_is_not_finite() {
        let mut chart = chart(1);
        chart.series[0].points =
            [1.0, 2.0, f64::NAN, 3.0, 4.0].iter().enumerate().map(|(i, y)| (1.0 + i as f64, *y)).collect();
        let text = svg(&chart).unwrap();
        let document = parse(&text);
        let group = in_class(&document, "series")[0];
        assert_eq!(group.children().filter(|n| n.has_tag_name("polyline")).count(), 2);
        assert_eq!(group.children().filter(|n| n.has_tag_name("circle")).count(), 4);
    }

    #[test]
    fn what_cannot_be_drawn_is_named() {
        let mut wrong = chart(2);
        wrong.series[1].points[0].0 = 0.0;
        let error = svg(&wrong).unwrap_err();
        assert!(
            matches!(&error, PlotError::Value { what, got, .. } if what.contains("`s1`") && got == "0"),
            "{error}"
        );
        assert!(matches!(svg(&chart(0)), Err(PlotError::Nothing { .. })));
        assert!(matches!(panels_svg(&Panels::default()), Err(PlotError::Nothing { .. })));
        let file = write(Path::new("chart.png"), &chart(1)).unwrap_err();
        assert!(matches!(&file, PlotError::Ending { got } if got == "chart.png"), "{file}");
    }

    #[test]
    fn a_label_looks_the_same_in_every_panel_and_stands_once_in_the_legend() {
        let mut second = chart(3);
        second.series.remove(0);
        let text = panels_svg(&Panels { panels: vec![chart(3), second], ..Panels::default() }).unwrap();
        let document = parse(&text);
        let color = |n: &roxmltree::Node<'_, '_>| {
            let line = n.children().find(|c| c.has_tag_name("polyline")).unwrap();
            (n.attribute("data-label").unwrap().to_owned(), line.attribute("stroke").unwrap().to_owned())
        };
        let looks: Vec<_> = in_class(&document, "series").iter().map(color).collect();
        assert_eq!(looks.len(), 5);
        assert_eq!(looks[1..3], looks[3..5]);
        assert_eq!(text.matches(">s1</text>").count(), 1);
    }
}
