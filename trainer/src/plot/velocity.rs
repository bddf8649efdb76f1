//! The velocity field over the digit that it forms: for some times, the state x_t with arrows over it, the velocity itself
//! as signed colour, and the final image that both point to.
//!
//! The velocity of an image is a number a pixel, so its arrows need a definition; [`flow::flux`] has two, and
//! the caption states which was drawn. Velocity and arrows are averaged over blocks of pixels; all frames share one scale
//! of colours and one of arrows.

use super::PlotError;
use super::page::{Frame as Rectangle, MARGIN, Page, Type};
use super::palette::{self, FRAME, QUIET, TEXT};
use flow::flux::Grid;
use plotters::style::text_anchor::{HPos, VPos};
use plotters::style::{Color, RGBColor};

/// Which vector field the arrows are; see [`flow::flux`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Arrows {
    /// The least flow of ink that makes the change
    Flux,
    /// The gradient of the change
    Gradient,
}

impl Arrows {
    /// The arrows of a change, at every cell as (rightwards, downwards).
    pub(crate) fn of(self, change: &Grid) -> Vec<(f64, f64)> {
        match self {
            Self::Flux => change.flux(),
            Self::Gradient => change.gradient(),
        }
    }
}

/// The field at one time. Values are those of pixels: 0 is paper, 1 is ink.
#[derive(Clone, Debug, PartialEq)]
pub struct Frame {
    /// The time.
    pub t: f64,
    /// The state x_t.
    pub state: Vec<f32>,
    /// The velocity: change of ink a unit of time.
    pub velocity: Vec<f32>,
    /// The final image that state and velocity point to.
    pub estimate: Vec<f32>,
}

/// What to draw.
#[derive(Clone, Debug, PartialEq)]
pub struct Film {
    /// Rows and columns of an image.
    pub size: (usize, usize),
    /// The times, ascending.
    pub frames: Vec<Frame>,
    /// The finished image.
    pub end: Vec<f32>,
    /// Pixels on a side of a block.
    pub block: usize,
    /// What an arrow is.
    pub arrows: Arrows,
    /// The title.
    pub title: String,
    /// How the frames were made; the caption begins with it.
    pub how: String,
}

/// The accepted sizes of a block.
pub const BLOCKS: std::ops::RangeInclusive<usize> = 1..=7;
/// The accepted numbers of frames.
pub const FRAMES: std::ops::RangeInclusive<usize> = 1..=12;

/// What a page should not exceed, unless images would be too small.
const WIDTH: f64 = 920.0;
const GAP: f64 = 10.0;
const ROW_LABEL: f64 = 24.0;
const HEADER: f64 = 22.0;
/// Steps of grey and of each colour: enough to look smooth, few enough for a small file.
const LEVELS: u32 = 20;
const ARROW: RGBColor = RGBColor(0xc2, 0x3b, 0x00);
/// Ink under arrows is this pale, so that both are seen.
const UNDER_ARROWS: f64 = 0.42;
/// Arrows shorter than this share of a block are left out.
pub(crate) const SHORTEST: f64 = 0.14;

/// The figure as the text of an SVG.
///
/// # Errors
/// No frames, images of another size, or a block out of range.
pub fn svg(film: &Film) -> Result<String, PlotError> {
    let (height, width) = film.size;
    if film.frames.is_empty() || height * width == 0 {
        return Err(PlotError::Nothing { what: "no frame of the velocity field".to_owned() });
    }
    if !BLOCKS.contains(&film.block) {
        return Err(PlotError::Value {
            what: "block".to_owned(),
            got: film.block.to_string(),
            accepts: format!("{} to {} pixels", BLOCKS.start(), BLOCKS.end()),
        });
    }
    let images = film.frames.iter().flat_map(|f| [&f.state, &f.velocity, &f.estimate]).chain([&film.end]);
    if let Some(other) = images.map(Vec::len).find(|len| *len != height * width) {
        return Err(PlotError::Value {
            what: "an image of the film".to_owned(),
            got: format!("{other} pixels"),
            accepts: format!("{} pixels", height * width),
        });
    }
    let grids: Vec<Grid> =
        film.frames.iter().map(|f| Grid::averaged(&f.velocity, film.size, film.block)).collect();
    let arrows: Vec<Vec<(f64, f64)>> = grids.iter().map(|grid| film.arrows.of(grid)).collect();
    let strongest = high(grids.iter().flat_map(|grid| grid.values.iter().map(|v| v.abs())));
    let longest = high(arrows.iter().flatten().map(|(x, y)| x.hypot(*y)));
    // Whole pixels for a pixel, so that squares meet without a seam.
    let count = film.frames.len() + 1;
    let room = (WIDTH - 2.0 * MARGIN - GAP * (count - 1) as f64) / count as f64;
    let cell = (room / width as f64).floor().clamp(3.0, 8.0);
    let (wide, tall) = (cell * width as f64, cell * height as f64);
    let page_width = (2.0 * MARGIN + count as f64 * (wide + GAP) - GAP).max(620.0);
    let definition = match film.arrows {
        Arrows::Flux => {
            "the least flow of ink that makes the change: J = -grad p, where laplace p = v - mean(v) and nothing crosses \
             the border, so that what flows into a block is the ink that it gains beyond the mean"
        }
        Arrows::Gradient => {
            "grad v, by central differences between blocks: uphill, from where ink is lost to where it is gained"
        }
    };
    let caption = format!(
        "{} Above: the state x_t (ink is dark) with arrows, {definition}; the longest tenth is cut to one length. Middle: \
         the velocity v itself, the mean change of ink a unit of time over blocks of {} x {} pixels; orange gains, blue \
         loses. Below: the final image that x_t and v point to. All times share their scales.",
        film.how, film.block, film.block
    );
    let row = ROW_LABEL + tall;
    let page = Page::new(page_width, HEADER + 3.0 * row + 4.0, &film.title, &caption)?;
    let top = page.top + HEADER;
    let labels = ["x_t, and where its ink flows", "velocity", "estimate of the final image"];
    for (i, label) in labels.iter().enumerate() {
        page.text(MARGIN, top + i as f64 * row + ROW_LABEL - 7.0, label, Type::new(12.0, QUIET))?;
    }
    let place = |column: usize, line: usize| Rectangle {
        left: MARGIN + column as f64 * (wide + GAP),
        top: top + line as f64 * row + ROW_LABEL,
        width: wide,
        height: tall,
    };
    let header = Type::new(12.0, TEXT).bold().at(HPos::Center, VPos::Bottom);
    for (i, frame) in film.frames.iter().enumerate() {
        let middle = place(i, 0).left + wide / 2.0;
        page.text(middle, top, &format!("t = {}", time(frame.t)), header)?;
        let grey = |v: &f32| palette::ink(f64::from(*v), LEVELS);
        let pale = |v: &f32| palette::ink(f64::from(*v) * UNDER_ARROWS, LEVELS);
        squares(&page, place(i, 0), "state", width, cell, frame.state.iter().map(pale).collect())?;
        draw_arrows(&page, place(i, 0), &grids[i], &arrows[i], film.block as f64 * cell, longest)?;
        let colors = grids[i].values.iter().map(|v| palette::signed(v / strongest, LEVELS)).collect();
        squares(&page, place(i, 1), "velocity", grids[i].columns, film.block as f64 * cell, colors)?;
        squares(&page, place(i, 2), "estimate", width, cell, frame.estimate.iter().map(grey).collect())?;
    }
    let last = film.frames.len();
    page.text(place(last, 0).left + wide / 2.0, top, "t = 1", header)?;
    let colors = film.end.iter().map(|v| palette::ink(f64::from(*v), LEVELS)).collect();
    squares(&page, place(last, 0), "end", width, cell, colors)?;
    scale(&page, place(last, 1), strongest)?;
    Ok(page.finish())
}

/// The value that nine tenths do not reach, and never 0.
pub(crate) fn high(values: impl Iterator<Item = f64>) -> f64 {
    let mut sorted: Vec<f64> = values.filter(|v| v.is_finite()).collect();
    sorted.sort_by(f64::total_cmp);
    let at = (sorted.len() * 9 / 10).min(sorted.len().saturating_sub(1));
    sorted.get(at).copied().unwrap_or(1.0).max(1e-9)
}

/// At most two decimals.
fn time(t: f64) -> String {
    format!("{t:.2}").trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// An image of square cells, those of one colour together, white left out, and a frame around it.
fn squares(
    page: &Page,
    at: Rectangle,
    class: &str,
    columns: usize,
    cell: f64,
    colors: Vec<RGBColor>,
) -> Result<(), PlotError> {
    let mut order: Vec<usize> = (0..colors.len()).filter(|i| colors[*i] != RGBColor(255, 255, 255)).collect();
    order.sort_by_key(|i| (colors[*i].0, colors[*i].1, colors[*i].2));
    page.group(class, "", || {
        let mut i = 0;
        while i < order.len() {
            let (first, color) = (order[i], colors[order[i]]);
            // Neighbours in a row are one rectangle.
            let run = (1..)
                .take_while(|k| {
                    order.get(i + k).is_some_and(|next| {
                        *next == first + k && colors[*next] == color && next / columns == first / columns
                    })
                })
                .count();
            let left = at.left + (first % columns) as f64 * cell;
            let top = at.top + (first / columns) as f64 * cell;
            let width = ((run + 1) as f64 * cell).min(at.left + at.width - left);
            let height = cell.min(at.top + at.height - top);
            page.rectangle(Rectangle { left, top, width, height }, color.filled())?;
            i += run + 1;
        }
        let frame = Rectangle {
            left: at.left - 0.5,
            top: at.top - 0.5,
            width: at.width + 1.0,
            height: at.height + 1.0,
        };
        page.rectangle(frame, FRAME.stroke_width(8))
    })
}

/// One arrow a block; its length is a share of `longest`, cut there.
fn draw_arrows(
    page: &Page,
    at: Rectangle,
    grid: &Grid,
    arrows: &[(f64, f64)],
    block: f64,
    longest: f64,
) -> Result<(), PlotError> {
    page.group("arrows", "", || {
        for (i, (right, down)) in arrows.iter().enumerate() {
            let length = right.hypot(*down);
            let share = (length / longest).min(1.0);
            if share < SHORTEST {
                continue;
            }
            let middle = (
                at.left + ((i % grid.columns) as f64 + 0.5) * block,
                at.top + ((i / grid.columns) as f64 + 0.5) * block,
            );
            let corners = arrow(middle, (right / length, down / length), share * block * 1.15, block);
            page.polygon(&corners, ARROW)?;
        }
        Ok(())
    })
}

/// The corners of an arrow of this length around its middle.
pub(crate) fn arrow(
    (x, y): (f64, f64),
    (right, down): (f64, f64),
    length: f64,
    block: f64,
) -> [(f64, f64); 7] {
    let head = (0.38 * block).min(0.6 * length);
    let (half_head, half_shaft) = (0.6 * head, (0.05 * block).max(0.35));
    let at = |along: f64, aside: f64| (x + along * right - aside * down, y + along * down + aside * right);
    let (tail, neck, tip) = (-length / 2.0, length / 2.0 - head, length / 2.0);
    [
        at(tail, -half_shaft),
        at(neck, -half_shaft),
        at(neck, -half_head),
        at(tip, 0.0),
        at(neck, half_head),
        at(neck, half_shaft),
        at(tail, half_shaft),
    ]
}

/// The scale of the velocity's colours, where there is no picture.
fn scale(page: &Page, at: Rectangle, strongest: f64) -> Result<(), PlotError> {
    let (left, top, high) = (at.left + 6.0, at.top + 28.0, at.height - 36.0);
    let steps = 2 * LEVELS;
    for i in 0..steps {
        let share = 1.0 - 2.0 * (f64::from(i) + 0.5) / f64::from(steps);
        let y = top + high * f64::from(i) / f64::from(steps);
        let cell = Rectangle { left, top: y, width: 12.0, height: high / f64::from(steps) + 0.1 };
        page.rectangle(cell, palette::signed(share, LEVELS).filled())?;
    }
    page.rectangle(Rectangle { left, top, width: 12.0, height: high }, FRAME.stroke_width(8))?;
    let set = Type::new(11.0, QUIET).at(HPos::Left, VPos::Center);
    page.text(left, top - 18.0, "ink a unit of t", set)?;
    let names = [format!("+{strongest:.1}"), "0".to_owned(), format!("-{strongest:.1}")];
    for (name, share) in names.iter().zip([0.0, 0.5, 1.0]) {
        page.text(left + 18.0, top + share * high, name, set)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plot::testing::{in_class, parse};

    fn film() -> Film {
        let mut velocity = vec![0.0; 64];
        for row in 0..8 {
            velocity[row * 8] = -1.0;
            velocity[row * 8 + 7] = 1.0;
        }
        let frame =
            |t| Frame { t, state: vec![0.5; 64], velocity: velocity.clone(), estimate: vec![1.0; 64] };
        Film {
            size: (8, 8),
            frames: vec![frame(0.0), frame(0.25)],
            end: vec![0.0; 64],
            block: 2,
            arrows: Arrows::Flux,
            title: "Title".to_owned(),
            how: "How.".to_owned(),
        }
    }

    #[test]
    fn every_time_has_its_state_velocity_estimate_and_arrows() {
        let text = svg(&film()).unwrap();
        let document = parse(&text);
        for class in ["state", "velocity", "estimate", "arrows"] {
            assert_eq!(in_class(&document, class).len(), 2, "{class}");
        }
        assert!(text.contains(">t = 0.25<") && text.contains(">t = 1<"), "{text}");
        // From loss at the left to gain at the right there is a flow through every block of a row.
        let path = in_class(&document, "arrows")[0].descendants().find(|n| n.has_tag_name("path")).unwrap();
        assert_eq!(path.attribute("d").unwrap().matches('M').count(), 16);
        // White is the page: the finished image of no ink has no square.
        let end = in_class(&document, "end")[0];
        assert_eq!(end.descendants().filter(|n| n.has_tag_name("path")).count(), 0);
    }

    #[test]
    fn an_arrows_tip_lies_in_its_direction() {
        for (right, down) in [(1.0, 0.0), (0.0, 1.0), (-0.6, 0.8)] {
            let corners = arrow((10.0, 20.0), (right, down), 8.0, 10.0);
            let tip = corners[3];
            assert!((tip.0 - 10.0 - 4.0 * right).abs() < 1e-9 && (tip.1 - 20.0 - 4.0 * down).abs() < 1e-9);
            let tail = ((corners[0].0 + corners[6].0) / 2.0, (corners[0].1 + corners[6].1) / 2.0);
            assert!((tail.0 - 10.0 + 4.0 * right).abs() < 1e-9 && (tail.1 - 20.0 + 4.0 * down).abs() < 1e-9);
        }
    }

    #[test]
    fn films_that_do_not_fit_are_refused_by_what_is_wrong() {
        let wrong = |change: fn(&mut Film)| {
            let mut film = film();
            change(&mut film);
            svg(&film).unwrap_err()
        };
        assert!(matches!(wrong(|f| f.frames.clear()), PlotError::Nothing { .. }));
        let block = wrong(|f| f.block = 0);
        assert!(matches!(&block, PlotError::Value { what, .. } if what == "block"), "{block}");
        let size = wrong(|f| f.end.truncate(3));
        assert!(matches!(&size, PlotError::Value { got, .. } if got == "3 pixels"), "{size}");
    }
}
