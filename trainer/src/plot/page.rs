//! The page under every figure: white, with a title above, a caption below, and helpers that count in pixels.

use super::PlotError;
use super::axis::{Axis, name};
use super::palette::{FRAME, GRID, QUIET, TEXT};
use super::svg::{FINE, Ink, Svg, escape};
use plotters::coord::Shift;
use plotters::coord::cartesian::Cartesian2d;
use plotters::drawing::{DrawingArea, DrawingAreaErrorKind, IntoDrawingArea};
use plotters::element::{Circle, PathElement, Polygon, Rectangle};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color, FontFamily, FontStyle, RGBColor, ShapeStyle, TextStyle};
use std::cell::RefCell;
use std::convert::Infallible;
use std::fmt::Write;
use std::rc::Rc;

/// Pixels between the page's edge and what is on it.
pub(super) const MARGIN: f64 = 18.0;
/// The size of a caption's text.
const CAPTION: f64 = 12.0;
/// The size of a title's text.
const TITLE: f64 = 17.0;
/// The width of a letter, in sizes, of the wider ones among the common fonts.
const LETTER: f64 = 0.57;

/// How a text is set.
#[derive(Clone, Copy)]
pub(super) struct Type {
    pub(super) size: f64,
    pub(super) color: RGBColor,
    pub(super) bold: bool,
    pub(super) h: HPos,
    pub(super) v: VPos,
}

impl Type {
    /// Plain text, its left end at the baseline.
    pub(super) const fn new(size: f64, color: RGBColor) -> Self {
        Self { size, color, bold: false, h: HPos::Left, v: VPos::Bottom }
    }

    pub(super) const fn bold(self) -> Self {
        Self { bold: true, ..self }
    }

    pub(super) const fn at(self, h: HPos, v: VPos) -> Self {
        Self { h, v, ..self }
    }
}

/// A figure in the making.
pub(super) struct Page {
    area: DrawingArea<Svg, Shift>,
    ink: Rc<RefCell<Ink>>,
    width: f64,
    height: f64,
    /// Where the figure begins, below the title.
    pub(super) top: f64,
    title: String,
    caption: String,
}

/// The rectangle of a chart, with its axes.
pub(super) type Plane = DrawingArea<Svg, Cartesian2d<Axis, Axis>>;

/// A rectangle in pixels.
#[derive(Clone, Copy, Debug)]
pub(super) struct Frame {
    pub(super) left: f64,
    pub(super) top: f64,
    pub(super) width: f64,
    pub(super) height: f64,
}

impl Page {
    /// A page as wide as said, with room for a figure of this height between the title and the caption.
    pub(super) fn new(width: f64, figure: f64, title: &str, caption: &str) -> Result<Self, PlotError> {
        let room = width - 2.0 * MARGIN;
        let titles = wrap(title, room, TITLE);
        let captions = wrap(caption, room, CAPTION);
        let top = MARGIN + titles.len() as f64 * TITLE * 1.3 + 6.0;
        let below = if captions.is_empty() { 0.0 } else { 14.0 + captions.len() as f64 * CAPTION * 1.4 };
        let height = (top + figure + below + MARGIN).ceil();
        let ink = Rc::new(RefCell::new(Ink::default()));
        let size = (fine(width) as u32, fine(height) as u32);
        let area = Svg::new(ink.clone(), size).into_drawing_area();
        let page =
            Self { area, ink, width, height, top, title: title.to_owned(), caption: caption.to_owned() };
        page.rectangle(Frame { left: 0.0, top: 0.0, width, height }, RGBColor(255, 255, 255).filled())?;
        for (i, line) in titles.iter().enumerate() {
            let y = MARGIN + (i as f64 + 0.8) * TITLE * 1.3;
            page.text(MARGIN, y, line, Type::new(TITLE, TEXT).bold())?;
        }
        for (i, line) in captions.iter().enumerate() {
            let y = top + figure + 14.0 + (i as f64 + 0.8) * CAPTION * 1.4;
            page.text(MARGIN, y, line, Type::new(CAPTION, QUIET))?;
        }
        Ok(page)
    }

    /// A text at a place.
    pub(super) fn text(&self, x: f64, y: f64, text: &str, set: Type) -> Result<(), PlotError> {
        let weight = if set.bold { FontStyle::Bold } else { FontStyle::Normal };
        let style = TextStyle::from((FontFamily::SansSerif, set.size * FINE, weight))
            .color(&set.color)
            .pos(Pos::new(set.h, set.v));
        Ok(self.area.draw_text(text, &style, (fine(x), fine(y)))?)
    }

    /// A line through these places.
    pub(super) fn line(&self, points: &[(f64, f64)], style: ShapeStyle) -> Result<(), PlotError> {
        Ok(self.area.draw(&PathElement::new(all_fine(points), style))?)
    }

    /// A filled polygon.
    pub(super) fn polygon(&self, corners: &[(f64, f64)], color: impl Color) -> Result<(), PlotError> {
        Ok(self.area.draw(&Polygon::new(all_fine(corners), color.filled()))?)
    }

    /// A rectangle, filled or not as the style says.
    pub(super) fn rectangle(&self, at: Frame, style: ShapeStyle) -> Result<(), PlotError> {
        let corners = [(fine(at.left), fine(at.top)), (fine(at.left + at.width), fine(at.top + at.height))];
        Ok(self.area.draw(&Rectangle::new(corners, style))?)
    }

    /// A circle, filled or not as the style says.
    pub(super) fn circle(&self, (x, y): (f64, f64), radius: f64, style: ShapeStyle) -> Result<(), PlotError> {
        Ok(self.area.draw(&Circle::new((fine(x), fine(y)), fine(radius), style))?)
    }

    /// Lines are dashed so until it is said otherwise; empty is a whole line.
    pub(super) fn dash(&self, pixels: &'static [u32]) {
        self.ink.borrow_mut().dash = pixels;
    }

    /// What is drawn inside belongs together: a group of this class, with a name for readers of the file.
    pub(super) fn group(
        &self,
        class: &str,
        label: &str,
        draw: impl FnOnce() -> Result<(), PlotError>,
    ) -> Result<(), PlotError> {
        let open = format!("<g class=\"{}\" data-label=\"{}\">", escape(class), escape(label));
        let _ = writeln!(self.ink.borrow_mut().text(), "{open}");
        let drawn = draw();
        let _ = writeln!(self.ink.borrow_mut().text(), "</g>");
        drawn
    }

    /// A chart's rectangle with its grid, ticks and the axes' names: y above its axis, x below its own.
    pub(super) fn plane(&self, at: Frame, x: Axis, y: Axis, names: (&str, &str)) -> Result<Plane, PlotError> {
        let Frame { left, top, width, height } = at;
        let (right, bottom) = (left + width, top + height);
        let tick = Type::new(11.0, QUIET);
        for value in x.ticks() {
            let place = left + x.share(*value) * width;
            self.line(&[(place, top), (place, bottom)], GRID.stroke_width(10))?;
            self.text(place, bottom + 5.0, &name(*value), tick.at(HPos::Center, VPos::Top))?;
        }
        for value in y.ticks() {
            let place = bottom - y.share(*value) * height;
            self.line(&[(left, place), (right, place)], GRID.stroke_width(10))?;
            self.text(left - 6.0, place, &name(*value), tick.at(HPos::Right, VPos::Center))?;
        }
        self.line(&[(left, top), (left, bottom), (right, bottom)], FRAME.stroke_width(10))?;
        let label = Type::new(12.0, TEXT);
        self.text(left + width / 2.0, bottom + 23.0, names.0, label.at(HPos::Center, VPos::Top))?;
        self.text(left - 6.0, top - 9.0, names.1, label)?;
        let columns = fine(left)..fine(right);
        // Upwards is the direction of larger values.
        let rows = fine(bottom)..fine(top);
        Ok(self.area.apply_coord_spec(Cartesian2d::new(x, y, (columns, rows))))
    }

    /// The document.
    pub(super) fn finish(self) -> String {
        let Self { width, height, title, caption, .. } = &self;
        let mut ink = self.ink.borrow_mut();
        let body = ink.text();
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
             viewBox=\"0 0 {width} {height}\" role=\"img\" font-family=\"sans-serif\" stroke-linejoin=\"round\">\n\
             <title>{}</title>\n<desc>{}</desc>\n{body}</svg>\n",
            escape(title),
            escape(caption)
        )
    }
}

/// Pixels as Plotters' units.
pub(super) fn fine(pixels: f64) -> i32 {
    (pixels * FINE).round() as i32
}

fn all_fine(points: &[(f64, f64)]) -> Vec<(i32, i32)> {
    points.iter().map(|(x, y)| (fine(*x), fine(*y))).collect()
}

/// About how wide a text is.
pub(super) fn width(text: &str, size: f64) -> f64 {
    text.chars().count() as f64 * size * LETTER
}

/// A text cut to a width, with an ellipsis where something is missing.
pub(super) fn fit(text: &str, room: f64, size: f64) -> String {
    if width(text, size) <= room {
        return text.to_owned();
    }
    let kept = ((room / width("x", size)) as usize).saturating_sub(1);
    text.chars().take(kept).chain(['…']).collect()
}

/// Where a point of a chart lies on the page, in pixels.
pub(super) fn place(plane: &Plane, point: &(f64, f64)) -> (f64, f64) {
    let (x, y) = plane.map_coordinate(point);
    (f64::from(x) / FINE, f64::from(y) / FINE)
}

/// The words of a text in lines of at most this width.
pub(super) fn wrap(text: &str, room: f64, size: f64) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if width(line, size) + width(word, size) + size * LETTER <= room => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

impl From<DrawingAreaErrorKind<Infallible>> for PlotError {
    fn from(error: DrawingAreaErrorKind<Infallible>) -> Self {
        Self::Drawing { reason: error.to_string() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_texts_are_broken_between_words_and_keep_them_all() {
        let text = "the quick brown fox jumps over the lazy dog";
        let lines = wrap(text, 100.0, 12.0);
        assert!(lines.len() > 2 && lines.iter().all(|l| width(l, 12.0) <= 100.0), "{lines:?}");
        assert_eq!(lines.join(" "), text);
        assert!(wrap("", 100.0, 12.0).is_empty());
    }
}
