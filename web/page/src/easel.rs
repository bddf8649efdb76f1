//! What a reader draws, as a picture in MNIST's manner.
//!
//! Strokes are lists of points, drawn with a round pen without pressure: a pixel's ink is 1 inside the pen, 0 outside, and
//! falls over one pixel at its edge. MNIST's digits were scaled, as they were, until the longer side fitted a box of 20
//! pixels, and then set into a field of 28 so that the centre of mass of the ink lies in its centre (LeCun, Bottou, Bengio
//! and Haffner 1998, Gradient-based learning applied to document recognition, section III.A). The pen is as wide as their
//! strokes are, whatever the size of the drawing.

/// Pixels on a picture's side.
pub(crate) const SIDE: usize = 28;
/// Pixels on the longer side of a digit.
const BOX: f64 = 20.0;
/// The width of the pen, in pixels of the picture: twice the ink over the length of its edges is 2.35 in the median of
/// MNIST's first 1,000 test digits, and as much in strokes of this pen.
pub(crate) const PEN: f64 = 2.4;
/// What is smaller than this share of the easel is a dot, which is not blown up into a digit.
const DOT: f64 = 0.04;

/// A point in any unit that is the same to the right and downwards.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Point {
    /// To the right.
    pub(crate) x: f64,
    /// Downwards.
    pub(crate) y: f64,
}

impl Point {
    fn distance(self, other: Self) -> f64 {
        (self.x - other.x).hypot(self.y - other.y)
    }
}

/// What was drawn so far.
#[derive(Clone, PartialEq, Debug, Default)]
pub(crate) struct Drawing {
    strokes: Vec<Vec<Point>>,
}

impl Drawing {
    /// The pen is put down. What is no number is not drawn.
    pub(crate) fn begin(&mut self, at: Point) {
        if at.x.is_finite() && at.y.is_finite() {
            self.strokes.push(vec![at]);
        }
    }

    /// The pen moves, if it is down.
    pub(crate) fn go_on(&mut self, at: Point) {
        if let Some(stroke) = self.strokes.last_mut()
            && at.x.is_finite()
            && at.y.is_finite()
            && stroke.last() != Some(&at)
        {
            stroke.push(at);
        }
    }

    /// Takes the last stroke back; whether there was one.
    pub(crate) fn undo(&mut self) -> bool {
        self.strokes.pop().is_some()
    }

    /// Whether nothing was drawn.
    pub(crate) fn is_empty(&self) -> bool {
        self.strokes.is_empty()
    }

    /// The drawing as it is on an easel whose longer side is `easel`, on [`SIDE`] x [`SIDE`] pixels: 0 paper, 255 ink. What
    /// a reader sees while drawing.
    pub(crate) fn as_drawn(&self, easel: f64) -> Vec<u8> {
        let scale = SIDE as f64 / easel.max(f64::MIN_POSITIVE);
        self.rastered(|p| Point { x: p.x * scale, y: p.y * scale })
    }

    /// The drawing in MNIST's manner, on [`SIDE`] x [`SIDE`] pixels: 0 paper, 255 ink. `None` of nothing.
    pub(crate) fn as_mnist(&self, easel: f64) -> Option<Vec<u8>> {
        let mut points = self.strokes.iter().flatten();
        let first = *points.next()?;
        let (mut low, mut high) = (first, first);
        for point in points {
            low = Point { x: low.x.min(point.x), y: low.y.min(point.y) };
            high = Point { x: high.x.max(point.x), y: high.y.max(point.y) };
        }
        // The pen reaches beyond the points by half its width on each side.
        let longest = (high.x - low.x).max(high.y - low.y).max(DOT * easel).max(f64::MIN_POSITIVE);
        let scale = (BOX - PEN) / longest;
        let half = SIDE as f64 / 2.0;
        let middle = Point { x: (low.x + high.x) / 2.0, y: (low.y + high.y) / 2.0 };
        let placed = |shift: Point| {
            self.rastered(|p| Point {
                x: (p.x - middle.x) * scale + half + shift.x,
                y: (p.y - middle.y) * scale + half + shift.y,
            })
        };
        // The box in the centre leaves no room for the ink to be cut off, so that its mass is seen whole.
        let centre = centre_of_mass(&placed(Point { x: 0.0, y: 0.0 }))?;
        Some(placed(Point { x: half - centre.x, y: half - centre.y }))
    }

    fn rastered(&self, place: impl Fn(Point) -> Point) -> Vec<u8> {
        let mut ink = vec![0.0f64; SIDE * SIDE];
        for stroke in &self.strokes {
            let stroke: Vec<Point> = stroke.iter().map(|point| place(*point)).collect();
            // A point alone is a stroke from itself to itself.
            let last = stroke.len() - 1;
            for i in 0..last.max(1) {
                draw(&mut ink, stroke[i], stroke[(i + 1).min(last)]);
            }
        }
        // A number between 0 and 255, so nothing is lost but its fraction.
        ink.iter().map(|ink| (ink * 255.0).round() as u8).collect()
    }
}

/// A straight piece of a stroke. Where pieces overlap, the ink is that of the darkest.
fn draw(ink: &mut [f64], from: Point, to: Point) {
    let reach = PEN / 2.0 + 0.5;
    let span = |a: f64, b: f64| {
        // Beyond the picture a piece draws nothing; the cast cuts off at 0.
        let low = (a.min(b) - reach).floor().max(0.0) as usize;
        let high = (a.max(b) + reach).ceil().max(0.0) as usize;
        low..high.min(SIDE)
    };
    for row in span(from.y, to.y) {
        for column in span(from.x, to.x) {
            let centre = Point { x: column as f64 + 0.5, y: row as f64 + 0.5 };
            let value = (reach - distance_to(centre, from, to)).clamp(0.0, 1.0);
            let pixel = &mut ink[row * SIDE + column];
            *pixel = pixel.max(value);
        }
    }
}

/// How far a point is from the straight line between two others.
fn distance_to(point: Point, from: Point, to: Point) -> f64 {
    let (dx, dy) = (to.x - from.x, to.y - from.y);
    let square = dx * dx + dy * dy;
    let share = ((point.x - from.x) * dx + (point.y - from.y) * dy) / square;
    let share = if square > 0.0 { share.clamp(0.0, 1.0) } else { 0.0 };
    point.distance(Point { x: from.x + share * dx, y: from.y + share * dy })
}

/// Where the ink of a picture has its centre, in pixels from its corner. `None` of an empty one.
pub(crate) fn centre_of_mass(pixels: &[u8]) -> Option<Point> {
    let (mut mass, mut x, mut y) = (0.0, 0.0, 0.0);
    for (i, pixel) in pixels.iter().enumerate() {
        let ink = f64::from(*pixel);
        mass += ink;
        x += ink * ((i % SIDE) as f64 + 0.5);
        y += ink * ((i / SIDE) as f64 + 0.5);
    }
    (mass > 0.0).then(|| Point { x: x / mass, y: y / mass })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(strokes: &[&[(f64, f64)]]) -> Drawing {
        let mut drawing = Drawing::default();
        for stroke in strokes {
            for (i, (x, y)) in stroke.iter().enumerate() {
                let at = Point { x: *x, y: *y };
                if i == 0 { drawing.begin(at) } else { drawing.go_on(at) }
            }
        }
        drawing
    }

    fn seven() -> Drawing {
        drawn(&[&[(100.0, 80.0), (220.0, 80.0), (150.0, 260.0)]])
    }

    /// The first and last row and column with ink.
    fn extents(pixels: &[u8]) -> [usize; 4] {
        let inked = |i: &usize| pixels[*i] > 0;
        let rows = (0..SIDE * SIDE).filter(inked).map(|i| i / SIDE);
        let columns = (0..SIDE * SIDE).filter(inked).map(|i| i % SIDE);
        [
            rows.clone().min().unwrap(),
            rows.max().unwrap(),
            columns.clone().min().unwrap(),
            columns.max().unwrap(),
        ]
    }

    #[test]
    fn the_ink_is_centred_by_its_mass_and_fits_a_box_of_20() {
        let pixels = seven().as_mnist(300.0).unwrap();
        let centre = centre_of_mass(&pixels).unwrap();
        // Pixels are rounded to bytes, and edges move by shares of a pixel.
        assert!((centre.x - 14.0).abs() < 0.1 && (centre.y - 14.0).abs() < 0.1, "{centre:?}");
        let [top, bottom, left, right] = extents(&pixels);
        // 20 pixels, which may lie across 21 rows.
        assert!((19..=22).contains(&(bottom - top + 1)), "{top} to {bottom}");
        assert!(right - left < 20, "{left} to {right}");
    }

    #[test]
    fn size_and_place_on_the_easel_do_not_matter() {
        let large = seven().as_mnist(300.0);
        let moved = |scale: f64, by: f64| {
            let mut other = seven();
            for point in other.strokes.iter_mut().flatten() {
                *point = Point { x: point.x * scale + by, y: point.y * scale + by };
            }
            other.as_mnist(300.0 * scale)
        };
        for (scale, by) in [(0.5, 0.0), (1.0, 32.0), (2.0, -64.0)] {
            let (one, other) = (large.clone().unwrap(), moved(scale, by).unwrap());
            let most = one.iter().zip(&other).map(|(a, b)| a.abs_diff(*b)).max();
            assert!(most <= Some(1), "{scale}, {by}: {most:?}");
        }
    }

    #[test]
    fn a_stroke_is_as_wide_as_the_pen_and_soft_at_its_edge() {
        let line = drawn(&[&[(0.0, 140.0), (280.0, 140.0)]]).as_drawn(280.0);
        let column: Vec<u8> = (0..SIDE).map(|row| line[row * SIDE + 14]).collect();
        let width: f64 = column.iter().map(|ink| f64::from(*ink) / 255.0).sum();
        assert!((width - PEN).abs() < 0.01, "{width}");
        // Centred on the line between rows 13 and 14.
        assert_eq!((column[12], column[13], column[14], column[15]), (51, 255, 255, 51));
        assert_eq!((column[11], column[16]), (0, 0));
    }

    #[test]
    fn a_crossing_is_no_darker_than_its_strokes_and_no_order_matters() {
        let (a, b): (&[_], &[_]) = (&[(40.0, 40.0), (240.0, 240.0)], &[(240.0, 40.0), (40.0, 240.0)]);
        assert_eq!(drawn(&[a, b]).as_mnist(280.0), drawn(&[b, a]).as_mnist(280.0));
        // Points that lie on the way add nothing.
        let [one, more]: [Drawing; 2] = [
            drawn(&[&[(40.0, 40.0), (240.0, 240.0)]]),
            drawn(&[&[(40.0, 40.0), (90.0, 90.0), (240.0, 240.0)]]),
        ];
        assert_eq!(one.as_drawn(280.0), more.as_drawn(280.0));
    }

    #[test]
    fn a_dot_stays_a_dot_and_nothing_is_no_picture() {
        let dot = drawn(&[&[(20.0, 30.0)]]).as_mnist(280.0).unwrap();
        let [top, bottom, left, right] = extents(&dot);
        assert!(
            bottom - top < 4 && right - left < 4 && top > 10 && left > 10,
            "{top} {bottom} {left} {right}"
        );
        assert_eq!(Drawing::default().as_mnist(280.0), None);
        assert_eq!(Drawing::default().as_drawn(280.0), vec![0; SIDE * SIDE]);
        assert_eq!(centre_of_mass(&[0; SIDE * SIDE]), None);
    }

    #[test]
    fn what_lies_beyond_the_easel_or_is_no_number_is_not_drawn() {
        let beyond = drawn(&[&[(-500.0, -500.0), (-400.0, 900.0)], &[(900.0, 10.0)]]);
        assert_eq!(beyond.as_drawn(280.0), vec![0; SIDE * SIDE]);
        let mut drawing = Drawing::default();
        drawing.go_on(Point { x: 1.0, y: 1.0 });
        drawing.begin(Point { x: f64::NAN, y: 1.0 });
        assert!(drawing.is_empty());
        drawing.begin(Point { x: 1.0, y: 1.0 });
        drawing.go_on(Point { x: f64::INFINITY, y: 1.0 });
        assert_eq!(drawing.strokes, [vec![Point { x: 1.0, y: 1.0 }]]);
        assert!(drawing.undo() && !drawing.undo() && drawing.is_empty());
    }
}
