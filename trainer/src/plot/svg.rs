//! A compact SVG for Plotters: what its elements draw, written with tenths of a pixel and no word too many.
//!
//! Plotters counts in whole pixels, which makes curves jagged and thin lines thick. Here its "pixel" is a tenth of one
//! (see [`FINE`]), and the file says so by its `viewBox` alone. Filled shapes of one colour that follow each other become
//! one `path`, since a digit of 28 x 28 squares is mostly that; where they overlap they must turn the same way round.
//! Limits: no clipping, no bitmaps, and text is placed by its anchor, because its width is the reader's own font's affair.

use plotters::prelude::DrawingBackend;
use plotters_backend::text_anchor::{HPos, VPos};
use plotters_backend::{
    BackendColor, BackendCoord, BackendStyle, BackendTextStyle, DrawingErrorKind, FontStyle, FontTransform,
};
use std::cell::RefCell;
use std::convert::Infallible;
use std::fmt::Write;
use std::rc::Rc;

/// Plotters' units in one pixel of the page.
pub(super) const FINE: f64 = 10.0;

type Drawn = Result<(), DrawingErrorKind<Infallible>>;

/// What was drawn so far; shared between the backend and the page that owns it.
#[derive(Default)]
pub(super) struct Ink {
    text: String,
    /// Filled shapes of one colour that are not written yet: the fill's attributes, and the path.
    filled: Option<(String, String)>,
    /// The dashes of the next lines, in pixels.
    pub(super) dash: &'static [u32],
}

impl Ink {
    /// Writes what is pending, and returns the text so far.
    pub(super) fn text(&mut self) -> &mut String {
        if let Some((fill, path)) = self.filled.take() {
            let _ = writeln!(self.text, "<path{fill} d=\"{path}\"/>");
        }
        &mut self.text
    }

    /// The path of all pending shapes of this fill.
    fn path(&mut self, fill: String) -> &mut String {
        if self.filled.as_ref().is_some_and(|(other, _)| *other != fill) {
            self.text();
        }
        &mut self.filled.get_or_insert_with(|| (fill, String::new())).1
    }

    fn square(&mut self, fill: String, (left, top): BackendCoord, (right, bottom): BackendCoord) {
        let [x, y, width, height, back] = [left, top, right - left, bottom - top, left - right].map(pixels);
        let _ = write!(self.path(fill), "M{x} {y}h{width}v{height}h{back}z");
    }

    fn polygon(&mut self, fill: String, corners: impl IntoIterator<Item = BackendCoord>) {
        let path = self.path(fill);
        let mut last: Option<BackendCoord> = None;
        for (x, y) in corners {
            let _ = match last {
                None => write!(path, "M{} {}", pixels(x), pixels(y)),
                Some((a, b)) => write!(path, "l{} {}", pixels(x - a), pixels(y - b)),
            };
            last = Some((x, y));
        }
        path.push('z');
    }
}

/// The backend: everything goes into the shared [`Ink`].
pub(super) struct Svg {
    ink: Rc<RefCell<Ink>>,
    size: (u32, u32),
}

impl Svg {
    /// A page of so many of Plotters' units.
    pub(super) fn new(ink: Rc<RefCell<Ink>>, size: (u32, u32)) -> Self {
        Self { ink, size }
    }

    fn shape(&self, element: &str, attributes: &str) {
        let mut ink = self.ink.borrow_mut();
        let _ = writeln!(ink.text(), "<{element}{attributes}/>");
    }

    fn stroke<S: BackendStyle>(&self, style: &S) -> String {
        let mut attributes = paint("stroke", style.color());
        let _ = write!(attributes, " stroke-width=\"{}\"", pixels(style.stroke_width() as i32));
        let dash = self.ink.borrow().dash;
        if !dash.is_empty() {
            let dash: Vec<String> = dash.iter().map(u32::to_string).collect();
            let _ = write!(attributes, " stroke-dasharray=\"{}\"", dash.join(" "));
        }
        attributes
    }
}

/// Units as pixels, to a tenth, without a trailing zero.
fn pixels(units: i32) -> String {
    match (units / 10, units % 10) {
        (whole, 0) => whole.to_string(),
        (0, tenths) if tenths < 0 => format!("-.{}", -tenths),
        (0, tenths) => format!(".{tenths}"),
        (whole, tenths) => format!("{whole}.{}", tenths.abs()),
    }
}

fn paint(what: &str, color: BackendColor) -> String {
    let (r, g, b) = color.rgb;
    let mut attributes = format!(" {what}=\"#{r:02x}{g:02x}{b:02x}\"");
    if color.alpha < 1.0 {
        let _ = write!(attributes, " {what}-opacity=\"{}\"", (color.alpha * 100.0).round() / 100.0);
    }
    attributes
}

/// A text as XML takes it.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            // No XML document may hold any other control character, however written.
            c if c.is_control() => escaped.push(' '),
            c => escaped.push(c),
        }
    }
    escaped
}

fn points(path: impl IntoIterator<Item = BackendCoord>) -> String {
    let mut text = String::new();
    for (x, y) in path {
        let space = if text.is_empty() { "" } else { " " };
        let _ = write!(text, "{space}{},{}", pixels(x), pixels(y));
    }
    text
}

impl DrawingBackend for Svg {
    type ErrorType = Infallible;

    fn get_size(&self) -> (u32, u32) {
        self.size
    }

    fn ensure_prepared(&mut self) -> Drawn {
        Ok(())
    }

    fn present(&mut self) -> Drawn {
        Ok(())
    }

    fn draw_pixel(&mut self, point: BackendCoord, color: BackendColor) -> Drawn {
        self.ink.borrow_mut().square(paint("fill", color), point, (point.0 + 1, point.1 + 1));
        Ok(())
    }

    fn draw_line<S: BackendStyle>(&mut self, from: BackendCoord, to: BackendCoord, style: &S) -> Drawn {
        self.draw_path([from, to], style)
    }

    fn draw_rect<S: BackendStyle>(
        &mut self,
        upper_left: BackendCoord,
        bottom_right: BackendCoord,
        style: &S,
        fill: bool,
    ) -> Drawn {
        if fill {
            self.ink.borrow_mut().square(paint("fill", style.color()), upper_left, bottom_right);
            return Ok(());
        }
        let ((left, top), (right, bottom)) = (upper_left, bottom_right);
        self.draw_path([(left, top), (right, top), (right, bottom), (left, bottom), (left, top)], style)
    }

    fn draw_path<S: BackendStyle, I: IntoIterator<Item = BackendCoord>>(
        &mut self,
        path: I,
        style: &S,
    ) -> Drawn {
        let stroke = self.stroke(style);
        self.shape("polyline", &format!(" fill=\"none\"{stroke} points=\"{}\"", points(path)));
        Ok(())
    }

    fn draw_circle<S: BackendStyle>(
        &mut self,
        (x, y): BackendCoord,
        radius: u32,
        style: &S,
        fill: bool,
    ) -> Drawn {
        let paint = if fill {
            paint("fill", style.color())
        } else {
            format!(" fill=\"#ffffff\"{}", self.stroke(style))
        };
        let circle = format!(
            " cx=\"{}\" cy=\"{}\" r=\"{}\"{paint}",
            pixels(x),
            pixels(y),
            pixels(i32::try_from(radius).unwrap_or(i32::MAX))
        );
        self.shape("circle", &circle);
        Ok(())
    }

    fn fill_polygon<S: BackendStyle, I: IntoIterator<Item = BackendCoord>>(
        &mut self,
        corners: I,
        style: &S,
    ) -> Drawn {
        self.ink.borrow_mut().polygon(paint("fill", style.color()), corners);
        Ok(())
    }

    fn draw_text<S: BackendTextStyle>(&mut self, text: &str, style: &S, (x, y): BackendCoord) -> Drawn {
        let anchor = match style.anchor().h_pos {
            HPos::Left => "",
            HPos::Center => " text-anchor=\"middle\"",
            HPos::Right => " text-anchor=\"end\"",
        };
        // Fractions of the size from the anchor down to the baseline, near those of every sans-serif.
        let down = match style.anchor().v_pos {
            VPos::Top => 0.76,
            VPos::Center => 0.36,
            VPos::Bottom => 0.0,
        };
        let y = y + (style.size() * down).round() as i32;
        let bold = if matches!(style.style(), FontStyle::Bold) { " font-weight=\"bold\"" } else { "" };
        let turn = match style.transform() {
            FontTransform::None => "",
            FontTransform::Rotate90 => "90",
            FontTransform::Rotate180 => "180",
            FontTransform::Rotate270 => "-90",
        };
        let (x, y, size) = (pixels(x), pixels(y), pixels(style.size().round() as i32));
        let turn =
            if turn.is_empty() { String::new() } else { format!(" transform=\"rotate({turn} {x} {y})\"") };
        let fill = paint("fill", style.color());
        let mut ink = self.ink.borrow_mut();
        let _ = writeln!(
            ink.text(),
            "<text x=\"{x}\" y=\"{y}\" font-size=\"{size}\"{anchor}{bold}{fill}{turn}>{}</text>",
            escape(text)
        );
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_tenths_of_a_pixel_and_take_as_few_letters_as_they_can() {
        let texts: Vec<String> = [0, 7, -7, 10, -10, 123, -123].map(pixels).to_vec();
        assert_eq!(texts, ["0", ".7", "-.7", "1", "-1", "12.3", "-12.3"]);
    }

    #[test]
    fn what_xml_reserves_is_escaped() {
        assert_eq!(escape("a<b & \"c\" > d\u{7}"), "a&lt;b &amp; &quot;c&quot; &gt; d ");
    }

    #[test]
    fn shapes_of_one_colour_that_follow_each_other_are_one_path() {
        let ink = Rc::new(RefCell::new(Ink::default()));
        let mut svg = Svg::new(ink.clone(), (100, 100));
        let style = |shade| BackendColor { alpha: 1.0, rgb: (shade, 0, 0) };
        for (left, shade) in [(0, 1), (10, 1), (20, 2)] {
            svg.draw_rect((left, 0), (left + 10, 10), &style(shade), true).unwrap();
        }
        svg.fill_polygon([(0, 0), (15, 0), (15, 20)], &style(2)).unwrap();
        let text = ink.borrow_mut().text().clone();
        assert_eq!(text.matches("<path").count(), 2, "{text}");
        assert!(text.contains("M2 0h1v1h-1zM0 0l1.5 0l0 2z"), "{text}");
        assert!(text.contains("fill=\"#010000\" d=\"M0 0h1v1h-1zM1 0h1v1h-1z\""), "{text}");
    }
}
