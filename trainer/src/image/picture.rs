//! A picture of at most 256 colours: what grids, films and comparisons are drawn on. Pixels are numbers of colours.
//!
//! Text is drawn with the X11 fonts of embedded-graphics (ISO 8859-1), which are made for these sizes.

use super::ImageError;
use embedded_graphics::Drawable;
use embedded_graphics::Pixel;
use embedded_graphics::draw_target::DrawTarget;
use embedded_graphics::geometry::{OriginDimensions, Point, Size};
use embedded_graphics::mono_font::iso_8859_1::{FONT_6X13, FONT_7X13_BOLD};
use embedded_graphics::mono_font::{MonoFont, MonoTextStyle};
use embedded_graphics::pixelcolor::{Gray8, GrayColor};
use embedded_graphics::text::{Baseline, Text};
use std::convert::Infallible;

/// Most pixels on a side of a picture.
pub const MAX_SIDE: usize = 1 << 14;

/// Rows of pixels, each the number of a colour.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    /// Pixels in a row.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// Colours, row after row.
    pub pixels: Vec<u8>,
}

/// A font with the pixels that a character takes.
#[derive(Clone, Copy, Debug)]
pub struct Font(&'static MonoFont<'static>);

impl Font {
    /// For all text but headings.
    pub const PLAIN: Self = Self(&FONT_6X13);
    /// For headings.
    pub const BOLD: Self = Self(&FONT_7X13_BOLD);

    /// The width of a character.
    pub fn width(self) -> usize {
        self.0.character_size.width as usize
    }

    /// The height of a line.
    pub fn height(self) -> usize {
        self.0.character_size.height as usize
    }
}

impl Picture {
    /// A picture of one colour.
    ///
    /// # Errors
    /// A side of no pixels, or of more than [`MAX_SIDE`].
    pub fn new(width: usize, height: usize, colour: u8) -> Result<Self, ImageError> {
        for (option, got) in [("the picture's width", width), ("the picture's height", height)] {
            if !(1..=MAX_SIDE).contains(&got) {
                let accepts = format!("1 to {MAX_SIDE} pixels");
                return Err(ImageError::Option { option, got, accepts });
            }
        }
        Ok(Self { width, height, pixels: vec![colour; width * height] })
    }

    /// Draws an image of `columns` pixels a row at (left, top), each pixel as a square of `scale`; `colour` chooses for a
    /// value. What lies outside the picture is cut off.
    pub fn image(
        &mut self,
        (left, top): (usize, usize),
        image: &[f32],
        columns: usize,
        scale: usize,
        colour: impl Fn(f32) -> u8,
    ) {
        if columns == 0 || scale == 0 || left >= self.width {
            return;
        }
        let wide = (columns * scale).min(self.width - left);
        for (row, source) in image.chunks(columns).enumerate() {
            let colours: Vec<u8> = source.iter().map(|value| colour(*value)).collect();
            for y in (top + row * scale..top + (row + 1) * scale).take_while(|y| *y < self.height) {
                let target = &mut self.pixels[y * self.width + left..][..wide];
                for (squares, colour) in target.chunks_mut(scale).zip(&colours) {
                    squares.fill(*colour);
                }
            }
        }
    }

    /// Fills a rectangle; what lies outside the picture is cut off.
    pub fn rectangle(&mut self, (left, top): (usize, usize), (width, height): (usize, usize), colour: u8) {
        let right = (left + width).min(self.width);
        for y in top..(top + height).min(self.height) {
            if left < right {
                self.pixels[y * self.width + left..y * self.width + right].fill(colour);
            }
        }
    }

    /// Writes a line of text, its upper left corner at (left, top). Characters that the font lacks become `?`.
    pub fn text(&mut self, (left, top): (usize, usize), text: &str, font: Font, colour: u8) {
        let style = MonoTextStyle::new(font.0, Gray8::new(colour));
        let at = Point::new(left as i32, top as i32);
        // Nothing can go wrong on a target whose error has no value.
        let Ok(_) = Text::with_baseline(text, at, style, Baseline::Top).draw(self);
    }

    /// Fills a convex or concave polygon: the pixels whose middle lies inside.
    pub fn polygon(&mut self, corners: &[(f64, f64)], colour: u8) {
        let range = |of: fn(&(f64, f64)) -> f64, most: usize| {
            let low = corners.iter().map(of).fold(f64::INFINITY, f64::min).floor().max(0.0);
            let high = corners.iter().map(of).fold(f64::NEG_INFINITY, f64::max).ceil().max(0.0);
            low as usize..(high as usize).min(most)
        };
        for y in range(|c| c.1, self.height) {
            for x in range(|c| c.0, self.width) {
                let (px, py) = (x as f64 + 0.5, y as f64 + 0.5);
                let mut inside = false;
                for (i, &(x1, y1)) in corners.iter().enumerate() {
                    let (x2, y2) = corners[(i + 1) % corners.len()];
                    if (y1 > py) != (y2 > py) && px < x1 + (py - y1) / (y2 - y1) * (x2 - x1) {
                        inside = !inside;
                    }
                }
                if inside {
                    self.pixels[y * self.width + x] = colour;
                }
            }
        }
    }
}

impl OriginDimensions for Picture {
    fn size(&self) -> Size {
        Size::new(self.width as u32, self.height as u32)
    }
}

impl DrawTarget for Picture {
    type Color = Gray8;
    type Error = Infallible;

    fn draw_iter<I: IntoIterator<Item = Pixel<Gray8>>>(&mut self, pixels: I) -> Result<(), Infallible> {
        for Pixel(Point { x, y }, colour) in pixels {
            if let (Ok(x), Ok(y)) = (usize::try_from(x), usize::try_from(y))
                && x < self.width
                && y < self.height
            {
                self.pixels[y * self.width + x] = colour.luma();
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_outside_is_cut_off() {
        let mut picture = Picture::new(3, 2, 9).unwrap();
        picture.image((1, 1), &[1.0, 2.0, 3.0, 4.0], 2, 2, |value| value as u8);
        assert_eq!(picture.pixels, [9, 9, 9, 9, 1, 1]);
        picture.rectangle((2, 0), (5, 5), 7);
        assert_eq!(picture.pixels, [9, 9, 7, 9, 1, 7]);
        picture.image((5, 0), &[1.0], 1, 1, |_| 0);
        picture.text((2, 1), "W", Font::PLAIN, 3);
        assert_eq!(picture.pixels.len(), 6);
    }

    #[test]
    fn a_polygon_fills_the_pixels_whose_middle_is_inside() {
        let mut picture = Picture::new(4, 3, 0).unwrap();
        picture.polygon(&[(1.0, 0.0), (3.0, 0.0), (3.0, 2.0), (1.0, 2.0)], 1);
        assert_eq!(picture.pixels, [0, 1, 1, 0, 0, 1, 1, 0, 0, 0, 0, 0]);
        picture.polygon(&[(-5.0, -5.0), (-3.0, -5.0), (-3.0, -2.0)], 1);
        assert_eq!(picture.pixels.iter().filter(|p| **p == 1).count(), 4);
    }

    #[test]
    fn text_is_as_wide_as_its_characters() {
        let mut picture = Picture::new(40, 13, 0).unwrap();
        picture.text((0, 0), "|||", Font::PLAIN, 1);
        let inked: Vec<usize> =
            (0..40).filter(|x| (0..13).any(|y| picture.pixels[y * 40 + x] == 1)).collect();
        assert_eq!(inked.len(), 3, "{inked:?}");
        assert_eq!(inked[2] - inked[0], 2 * Font::PLAIN.width());
    }

    #[test]
    fn a_picture_has_sides() {
        for (width, height) in [(0, 1), (1, 0), (MAX_SIDE + 1, 1), (1, usize::MAX)] {
            assert!(matches!(Picture::new(width, height, 0), Err(ImageError::Option { .. })));
        }
    }
}
