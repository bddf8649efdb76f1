//! Trajectories from noise to digits: projected to a plane, and how they move.
//!
//! Left: every path through the projected accepted states, coloured by its digit, from a grey dot (noise, t = 0) to its
//! digit (t = 1), with the straight chord between the two faintly beneath. Right: the speed |dx| / h of each step, as the
//! root mean square over pixels, and the angle between a step and the path's chord; both in the space of all pixels, so
//! no projection flatters them. A straight path at constant speed has a flat line above and zero below.
//!
//! Limits: a plane shows two of hundreds of directions; the caption says how much of the variance they hold.

use super::PlotError;
use super::axis::Axis;
use super::page::{Frame, MARGIN, Page, Type, place};
use super::palette::{FRAME, QUIET, TEXT, category};
use super::projection::Plane2;
pub use super::projection::Projection;
use plotters::element::{PathElement, Polygon};
use plotters::style::Color;
use plotters::style::text_anchor::{HPos, VPos};

/// One sample's way.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Trajectory {
    /// The digit asked for.
    pub digit: u8,
    /// The times of its accepted states, from 0 to 1.
    pub times: Vec<f64>,
    /// The states, in the network's own values.
    pub states: Vec<Vec<f32>>,
}

const WIDTH: f64 = 900.0;
const SQUARE: f64 = 470.0;
const ABOVE: f64 = 28.0;
const BELOW: f64 = 46.0;
const LEFT: f64 = 40.0;
/// The middle of the samples that a band shows.
const INNER: (f64, f64) = (0.1, 0.9);
/// Bins of time, for samples that took steps of their own.
const BINS: usize = 24;

/// How one step went.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Step {
    /// When it began and ended.
    span: (f64, f64),
    /// Root mean square over pixels of dx / h.
    speed: f64,
    /// Degrees between dx and the whole path's chord.
    turn: f64,
}

/// The figure as the text of an SVG; `how` says in the caption how the samples were drawn.
///
/// # Errors
/// Fewer than two trajectories with a step, or trajectories of different images.
pub fn svg(trajectories: &[Trajectory], projection: Projection, how: &str) -> Result<String, PlotError> {
    let moving: Vec<&Trajectory> =
        trajectories.iter().filter(|t| t.states.len() > 1 && t.states.len() == t.times.len()).collect();
    let size = moving.first().map_or(0, |t| t.states[0].len());
    if moving.len() < 2 || moving.iter().any(|t| t.states.iter().any(|s| s.len() != size)) {
        let what = format!("trajectories need two samples or more, of one size; got {}", moving.len());
        return Err(PlotError::Nothing { what });
    }
    let ends: Vec<&[f32]> = moving.iter().flat_map(|t| [first(t), last(t)]).collect();
    let starts = moving.iter().map(|t| first(t));
    let plane = Plane2::new(projection, &ends)?.facing(starts.zip(moving.iter().map(|t| last(t))));
    let paths: Vec<Vec<(f64, f64)>> =
        moving.iter().map(|t| t.states.iter().map(|s| plane.place(s)).collect()).collect();
    let directions = match projection {
        Projection::Pca => "the two principal directions of noises and digits together",
        Projection::Random => "two fixed random directions",
    };
    let caption = format!(
        "{how} Left: {directions}, which hold {} and {} of the variance; grey dots are noise, figures the digits \
         that were asked for, faint straight lines the chords. Right, in the space of all pixels: the speed of each step \
         (root mean square over pixels, in the network's values a unit of t) and the angle between the step and the path's \
         chord; medians by digit, and the middle 80% of all samples. A straight path at constant speed is flat above and 0 \
         below.",
        percent(plane.shares[0]),
        percent(plane.shares[1])
    );
    let title = format!("{} paths from noise to digits", moving.len());
    let page = Page::new(WIDTH, ABOVE + SQUARE + BELOW, &title, &caption)?;
    let at = Frame { left: MARGIN + LEFT, top: page.top + ABOVE, width: SQUARE, height: SQUARE };
    map(&page, at, &moving, &paths)?;
    let steps: Vec<(u8, Vec<Step>)> = moving.iter().map(|t| (t.digit, steps(t))).collect();
    let times = bins(&moving);
    let left = at.left + at.width + 64.0;
    let wide = WIDTH - MARGIN - left - 38.0;
    let high = (SQUARE - ABOVE - BELOW) / 2.0;
    let of = |name, top, value: fn(&Step) -> f64| {
        let frame = Frame { left, top, width: wide, height: high };
        along(&page, frame, name, &times, &steps, value)
    };
    of("speed |dx| / h", at.top, |s| s.speed)?;
    of("angle to the chord, degrees", at.top + high + ABOVE + BELOW, |s| s.turn)?;
    Ok(page.finish())
}

/// A share, to one digit that counts at least.
fn percent(share: f64) -> String {
    if share < 0.02 { format!("{:.1}%", 100.0 * share) } else { format!("{:.0}%", 100.0 * share) }
}

fn first(trajectory: &Trajectory) -> &[f32] {
    trajectory.states.first().map_or(&[], Vec::as_slice)
}

fn last(trajectory: &Trajectory) -> &[f32] {
    trajectory.states.last().map_or(&[], Vec::as_slice)
}

/// The projected paths.
fn map(page: &Page, at: Frame, moving: &[&Trajectory], paths: &[Vec<(f64, f64)>]) -> Result<(), PlotError> {
    let nothing = || PlotError::Nothing { what: "no finite state".to_owned() };
    let span = |of: fn(&(f64, f64)) -> f64| {
        let values = || paths.iter().flatten().map(of).filter(|v| v.is_finite());
        let (low, high) =
            (values().fold(f64::INFINITY, f64::min), values().fold(f64::NEG_INFINITY, f64::max));
        (high > low).then_some((low, high)).ok_or_else(nothing)
    };
    // One scale for both directions, or straightness and angles would be distorted.
    let (x, y) = (span(|p| p.0)?, span(|p| p.1)?);
    let half = 0.53 * (x.1 - x.0).max(y.1 - y.0);
    let around = |(low, high): (f64, f64)| {
        let middle = (low + high) / 2.0;
        Axis::exact(middle - half, middle + half, false, 6)
    };
    let plane = page.plane(at, around(x), around(y), ("first direction", "second direction"))?;
    for path in paths {
        if let (Some(start), Some(end)) = (path.first(), path.last()) {
            plane.draw(&PathElement::new(vec![*start, *end], FRAME.mix(0.35).stroke_width(6)))?;
        }
    }
    for (trajectory, path) in moving.iter().zip(paths) {
        let style = category(usize::from(trajectory.digit)).mix(0.6).stroke_width(9);
        page.group("trajectory", &trajectory.digit.to_string(), || {
            Ok(plane.draw(&PathElement::new(path.clone(), style))?)
        })?;
    }
    for start in paths.iter().filter_map(|path| path.first()) {
        page.circle(place(&plane, start), 1.8, QUIET.mix(0.7).filled())?;
    }
    for (trajectory, end) in moving.iter().zip(paths).filter_map(|(t, path)| Some((t, path.last()?))) {
        let (x, y) = place(&plane, end);
        let set = Type::new(12.0, category(usize::from(trajectory.digit))).bold();
        page.text(x, y, &trajectory.digit.to_string(), set.at(HPos::Center, VPos::Center))?;
    }
    Ok(())
}

/// The steps of one trajectory.
fn steps(trajectory: &Trajectory) -> Vec<Step> {
    let chord: Vec<f64> =
        first(trajectory).iter().zip(last(trajectory)).map(|(a, b)| f64::from(*b) - f64::from(*a)).collect();
    let norm = |v: &[f64]| v.iter().map(|x| x * x).sum::<f64>().sqrt();
    let whole = norm(&chord);
    let pairs = trajectory.times.windows(2).zip(trajectory.states.windows(2));
    let step = |(times, states): (&[f64], &[Vec<f32>])| {
        let h = times[1] - times[0];
        let moved: Vec<f64> =
            states[0].iter().zip(&states[1]).map(|(a, b)| f64::from(*b) - f64::from(*a)).collect();
        let length = norm(&moved);
        let cosine = moved.iter().zip(&chord).map(|(a, b)| a * b).sum::<f64>() / (length * whole);
        (h > 0.0 && length > 0.0 && whole > 0.0).then(|| Step {
            span: (times[0], times[1]),
            speed: length / h / (moved.len() as f64).sqrt(),
            turn: cosine.clamp(-1.0, 1.0).acos().to_degrees(),
        })
    };
    pairs.filter_map(step).collect()
}

/// The times over which steps are gathered: those of the steps when all samples took the same, else even bins.
fn bins(moving: &[&Trajectory]) -> Vec<f64> {
    let same = moving.windows(2).all(|pair| pair[0].times == pair[1].times);
    match moving.first() {
        Some(one) if same => one.times.clone(),
        _ => (0..=BINS).map(|i| i as f64 / BINS as f64).collect(),
    }
}

/// The middle of a bin: the steps that were under way then belong to it.
fn middle(bin: &[f64]) -> f64 {
    (bin[0] + bin[1]) / 2.0
}

/// The value at a share of a sorted list, between neighbours.
fn quantile(sorted: &[f64], share: f64) -> Option<f64> {
    let at = share * (sorted.len().checked_sub(1)?) as f64;
    let (low, high) = (sorted[at.floor() as usize], sorted[at.ceil() as usize]);
    Some(low + (high - low) * at.fract())
}

/// One quantity along time: the middle 80% of all, and the median of each digit.
fn along(
    page: &Page,
    at: Frame,
    label: &str,
    times: &[f64],
    steps: &[(u8, Vec<Step>)],
    value: fn(&Step) -> f64,
) -> Result<(), PlotError> {
    let sorted = |digit: Option<u8>, range: &[f64]| {
        let chosen = steps.iter().filter(|(d, _)| digit.is_none_or(|digit| *d == digit));
        let inside =
            chosen.flat_map(|(_, steps)| steps).filter(|s| (s.span.0..s.span.1).contains(&middle(range)));
        let mut values: Vec<f64> = inside.map(value).filter(|v| v.is_finite()).collect();
        values.sort_by(f64::total_cmp);
        values
    };
    let line = |digit: Option<u8>, share: f64| -> Vec<(f64, f64)> {
        let at = |range: &[f64]| Some((middle(range), quantile(&sorted(digit, range), share)?));
        times.windows(2).filter_map(at).collect()
    };
    let (low, high) = (line(None, INNER.0), line(None, INNER.1));
    let mut digits: Vec<u8> = steps.iter().map(|(digit, _)| *digit).collect();
    digits.sort_unstable();
    digits.dedup();
    let medians: Vec<(u8, Vec<(f64, f64)>)> = digits.into_iter().map(|d| (d, line(Some(d), 0.5))).collect();
    let all = low.iter().chain(&high).chain(medians.iter().flat_map(|(_, line)| line));
    let y = Axis::around(all.map(|p| p.1).chain([0.0]), false, 4)
        .ok_or_else(|| PlotError::Nothing { what: format!("no {label}") })?;
    let x = Axis::exact(0.0, 1.0, false, 5);
    let plane = page.plane(at, x, y, ("t (0 is noise, 1 is data)", label))?;
    let band: Vec<_> = high.into_iter().chain(low.into_iter().rev()).collect();
    plane.draw(&Polygon::new(band, FRAME.mix(0.3).filled()))?;
    let mut names: Vec<(f64, u8)> = Vec::new();
    for (digit, line) in &medians {
        let color = category(usize::from(*digit));
        page.group("median", &digit.to_string(), || {
            Ok(plane.draw(&PathElement::new(line.clone(), color.stroke_width(14)))?)
        })?;
        names.extend(line.last().map(|end| (place(&plane, end).1, *digit)));
    }
    // The digits at the lines' ends, in columns where they would cover each other.
    names.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut bottoms = [f64::NEG_INFINITY; 4];
    for (y, digit) in names {
        let lowest = (0..bottoms.len()).min_by(|a, b| bottoms[*a].total_cmp(&bottoms[*b])).unwrap_or(0);
        let column = bottoms.iter().position(|bottom| y - bottom >= 9.0).unwrap_or(lowest);
        let y = y.max(bottoms[column] + 9.0);
        bottoms[column] = y;
        let set = Type::new(11.0, category(usize::from(digit))).bold().at(HPos::Left, VPos::Center);
        page.text(at.left + at.width + 4.0 + 9.0 * column as f64, y, &digit.to_string(), set)?;
    }
    if medians.is_empty() {
        page.text(at.left + 8.0, at.top + 16.0, "no steps", Type::new(12.0, TEXT))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plot::testing::{in_class, numbers, parse};

    /// A way through these points of a space of three pixels, at these times.
    fn way(digit: u8, times: &[f64], points: &[[f32; 3]]) -> Trajectory {
        Trajectory { digit, times: times.to_vec(), states: points.iter().map(|p| p.to_vec()).collect() }
    }

    #[test]
    fn a_straight_even_path_has_one_speed_and_no_angle_and_a_corner_shows() {
        let straight = way(1, &[0.0, 0.25, 1.0], &[[0.0; 3], [1.0; 3], [4.0; 3]]);
        for step in steps(&straight) {
            assert!((step.speed - 4.0).abs() < 1e-9 && step.turn < 1e-4, "{step:?}");
        }
        // First along x, then along y, twice as fast: the chord lies halfway between.
        let corner = way(1, &[0.0, 0.5, 0.75], &[[0.0; 3], [3.0, 0.0, 0.0], [3.0, 3.0, 0.0]]);
        let found = steps(&corner);
        assert!(found.iter().all(|s| (s.turn - 45.0).abs() < 1e-4), "{found:?}");
        assert!((found[1].speed / found[0].speed - 2.0).abs() < 1e-9);
        assert!((found[0].span, found[1].span) == ((0.0, 0.5), (0.5, 0.75)));
    }

    #[test]
    fn every_path_is_a_line_of_its_digits_colour_with_its_ends_marked() {
        let ways: Vec<Trajectory> = (0..12u8)
            .map(|i| {
                let end = f32::from(i);
                way(
                    i % 10,
                    &[0.0, 0.5, 1.0],
                    &[[0.0, 0.0, end], [end, 1.0, 0.0], [2.0 * end, end * end, 1.0]],
                )
            })
            .collect();
        for projection in [Projection::Pca, Projection::Random] {
            let text = svg(&ways, projection, "How.").unwrap();
            let document = parse(&text);
            let groups = in_class(&document, "trajectory");
            let digits: Vec<_> =
                groups.iter().map(|g| g.attribute("data-label").unwrap().to_owned()).collect();
            assert_eq!(digits, ways.iter().map(|w| w.digit.to_string()).collect::<Vec<_>>());
            let points = |g: &roxmltree::Node<'_, '_>| {
                numbers(
                    g.children().find(|n| n.has_tag_name("polyline")).unwrap().attribute("points").unwrap(),
                )
                .len()
            };
            assert!(groups.iter().all(|g| points(g) == 6));
            assert_eq!(document.descendants().filter(|n| n.has_tag_name("circle")).count(), 12);
            assert_eq!(in_class(&document, "median").len(), 20, "ten digits in two charts");
        }
    }

    #[test]
    fn samples_with_steps_of_their_own_are_gathered_by_time() {
        let ways = [
            way(1, &[0.0, 0.3, 1.0], &[[0.0; 3], [1.0; 3], [2.0, 3.0, 4.0]]),
            way(2, &[0.0, 0.1, 0.2, 1.0], &[[1.0, 0.0, 0.0], [1.0; 3], [2.0; 3], [5.0, 3.0, 4.0]]),
        ];
        assert_eq!(bins(&[&ways[0], &ways[1]]).len(), BINS + 1);
        parse(&svg(&ways, Projection::Pca, "How.").unwrap());
        assert_eq!(quantile(&[1.0, 2.0, 4.0], 0.75), Some(3.0));
        assert_eq!(quantile(&[], 0.5), None);
    }

    #[test]
    fn too_few_samples_are_refused() {
        let one = way(1, &[0.0, 1.0], &[[0.0; 3], [1.0; 3]]);
        let still = way(1, &[0.0], &[[0.0; 3]]);
        assert!(matches!(svg(&[one, still], Projection::Pca, ""), Err(PlotError::Nothing { .. })));
    }
}
