//! Digits with square pixels at whole multiples of device pixels: ink on paper, or light on dark.
//! The canvas is only written; nothing is ever read back from it.

use leptos::prelude::{document, window};
use wasm_bindgen::{Clamped, JsCast};
use web_sys::{CanvasRenderingContext2d, HtmlCanvasElement, ImageData};

/// Pixels on a digit's side.
pub(crate) const SIDE: usize = 28;

/// Where the digits of a grid go, in device pixels.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Layout {
    /// Digits in a row.
    pub(crate) columns: usize,
    /// Rows.
    pub(crate) rows: usize,
    /// Device pixels on the side of a digit's pixel.
    pub(crate) scale: usize,
    /// Device pixels between digits.
    pub(crate) gap: usize,
}

impl Layout {
    /// The layout with the largest digits for `count` of them in a square of `space` device pixels; of equal ones,
    /// the one with the fewest empty places.
    pub(crate) fn square(count: usize, space: usize) -> Self {
        let fit = |columns: usize| {
            let rows = count.div_ceil(columns);
            let most = columns.max(rows);
            // A gap as wide as one pixel of a digit: most * SIDE * scale + (most - 1) * scale <= space.
            let scale = (space / (most * SIDE + most - 1)).max(1);
            Self { columns, rows, scale, gap: scale }
        };
        (1..=count.max(1))
            .map(fit)
            .min_by_key(|layout| (std::cmp::Reverse(layout.scale), layout.columns * layout.rows, layout.rows))
            .unwrap_or_else(|| fit(1))
    }

    fn extent(&self, digits: usize) -> usize {
        digits * SIDE * self.scale + digits.saturating_sub(1) * self.gap
    }

    /// Device pixels from left to right.
    pub(crate) fn width(&self) -> usize {
        self.extent(self.columns)
    }

    /// Device pixels from top to bottom.
    pub(crate) fn height(&self) -> usize {
        self.extent(self.rows)
    }
}

/// The two colours, read from the page's style.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Palette {
    paper: [u8; 3],
    ink: [u8; 3],
}

impl Palette {
    /// The colours that the style says now.
    pub(crate) fn read() -> Self {
        let style =
            document().document_element().and_then(|root| window().get_computed_style(&root).ok().flatten());
        let colour = |name: &str, otherwise| {
            let text = style.as_ref().and_then(|style| style.get_property_value(name).ok());
            text.and_then(|text| hex(text.trim())).unwrap_or(otherwise)
        };
        Self { paper: colour("--paper", [255; 3]), ink: colour("--ink", [0; 3]) }
    }

    fn table(self) -> [[u8; 4]; 256] {
        std::array::from_fn(|ink| {
            let mix = |i: usize| {
                let (paper, full) = (i32::from(self.paper[i]), i32::from(self.ink[i]));
                (paper + ((full - paper) * ink as i32 + (full - paper).signum() * 127) / 255) as u8
            };
            [mix(0), mix(1), mix(2), 255]
        })
    }
}

fn hex(text: &str) -> Option<[u8; 3]> {
    let digits = text.strip_prefix('#').filter(|digits| digits.len() == 6 && digits.is_ascii())?;
    let part = |i: usize| u8::from_str_radix(&digits[2 * i..2 * i + 2], 16).ok();
    Some([part(0)?, part(1)?, part(2)?])
}

/// A grid of digits at one pixel a pixel, with a pixel between them: what the canvas shows, enlarged.
#[derive(Default)]
struct Sheet {
    layout: Option<Layout>,
    /// RGBA, row after row. Between the digits nothing is ever drawn.
    pixels: Vec<u8>,
}

impl Sheet {
    fn width(layout: &Layout) -> usize {
        layout.columns * (SIDE + 1) - 1
    }

    fn height(layout: &Layout) -> usize {
        layout.rows * (SIDE + 1) - 1
    }

    fn fill(&mut self, picture: &[u8], layout: Layout, table: &[[u8; 4]; 256]) {
        let width = Self::width(&layout);
        if self.layout != Some(layout) {
            self.layout = Some(layout);
            self.pixels.clear();
            self.pixels.resize(width * Self::height(&layout) * 4, 0);
        }
        for (digit, image) in picture.chunks_exact(SIDE * SIDE).enumerate() {
            let (row, column) = (digit / layout.columns, digit % layout.columns);
            for (y, line) in image.chunks_exact(SIDE).enumerate() {
                let start = ((row * (SIDE + 1) + y) * width + column * (SIDE + 1)) * 4;
                let to = &mut self.pixels[start..start + SIDE * 4];
                for (pixel, &ink) in to.chunks_exact_mut(4).zip(line) {
                    pixel.copy_from_slice(&table[usize::from(ink)]);
                }
            }
        }
    }
}

/// Draws pictures, and keeps what it needs for the next one.
#[derive(Default)]
pub(crate) struct Painter {
    sheet: Sheet,
    /// The sheet as the browser has it.
    small: Option<(HtmlCanvasElement, CanvasRenderingContext2d)>,
    /// Where the canvas was put: the layout, the square's side in device pixels, and these per CSS pixel.
    placed: Option<(Layout, usize, f64)>,
}

impl Painter {
    /// Draws a picture (28 x 28 bytes a digit) so that it fills a square of `space` CSS pixels as far as whole multiples
    /// go.
    pub(crate) fn draw(
        &mut self,
        canvas: &HtmlCanvasElement,
        picture: &[u8],
        space: f64,
        palette: Palette,
    ) -> Option<()> {
        let ratio = window().device_pixel_ratio();
        let device = (space * ratio).floor().max(1.0) as usize;
        let layout = Layout::square(picture.len() / (SIDE * SIDE), device);
        let (width, height) = (layout.width(), layout.height());
        if self.placed != Some((layout, device, ratio)) {
            place(canvas, layout, device, ratio)?;
            self.placed = Some((layout, device, ratio));
        }

        self.sheet.fill(picture, layout, &palette.table());
        let (across, down) = (Sheet::width(&layout) as u32, Sheet::height(&layout) as u32);
        if self.small.is_none() {
            let small = document().create_element("canvas").ok()?.dyn_into::<HtmlCanvasElement>().ok()?;
            let context = context(&small)?;
            self.small = Some((small, context));
        }
        let (small, onto) = self.small.as_ref()?;
        if (small.width(), small.height()) != (across, down) {
            small.set_width(across);
            small.set_height(down);
        }
        let pixels = Clamped(&self.sheet.pixels[..]);
        let image = ImageData::new_with_u8_clamped_array_and_sh(pixels, across, down).ok()?;
        onto.put_image_data(&image, 0.0, 0.0).ok()?;

        let to = context(canvas)?;
        to.set_image_smoothing_enabled(false);
        to.clear_rect(0.0, 0.0, width as f64, height as f64);
        to.draw_image_with_html_canvas_element_and_dw_and_dh(small, 0.0, 0.0, width as f64, height as f64)
            .ok()
    }
}

/// Gives the canvas its size, and its place in the middle of the square.
fn place(canvas: &HtmlCanvasElement, layout: Layout, device: usize, ratio: f64) -> Option<()> {
    let (width, height) = (layout.width(), layout.height());
    if (canvas.width() as usize, canvas.height() as usize) != (width, height) {
        canvas.set_width(width as u32);
        canvas.set_height(height as u32);
    }
    let css = |length: usize| format!("{}px", length as f64 / ratio);
    let margin = |length: usize| format!("{}px", ((device - length.min(device)) / 2) as f64 / ratio);
    let style = canvas.style();
    for (name, value) in
        [("width", css(width)), ("height", css(height)), ("left", margin(width)), ("top", margin(height))]
    {
        style.set_property(name, &value).ok()?;
    }
    Some(())
}

fn context(canvas: &HtmlCanvasElement) -> Option<CanvasRenderingContext2d> {
    canvas.get_context("2d").ok().flatten()?.dyn_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_square_number_of_digits_fills_a_square() {
        for side in 1..=16 {
            let layout = Layout::square(side * side, 1056);
            assert_eq!((layout.columns, layout.rows), (side, side));
        }
    }

    #[test]
    fn every_count_fits_and_no_pixel_is_smaller_than_a_device_pixel() {
        for count in 1..=256 {
            for space in [320, 528, 1056, 1584] {
                let layout = Layout::square(count, space);
                assert!(layout.scale >= 1);
                assert!(layout.columns * layout.rows >= count);
                let smallest = layout.scale == 1;
                assert!(smallest || layout.width().max(layout.height()) <= space, "{count} in {space}");
            }
        }
    }

    #[test]
    fn digits_lie_on_the_sheet_row_after_row_with_a_pixel_between_them() {
        let layout = Layout { columns: 2, rows: 2, scale: 3, gap: 3 };
        assert_eq!(
            (Sheet::width(&layout) * 3, Sheet::height(&layout) * 3),
            (layout.width(), layout.height())
        );
        let table = std::array::from_fn(|ink| [ink as u8, 0, 0, 255]);
        let picture: Vec<u8> = (1..=3).flat_map(|digit| vec![digit; SIDE * SIDE]).collect();
        let mut sheet = Sheet::default();
        sheet.fill(&picture, layout, &table);
        let at = |x: usize, y: usize| sheet.pixels[(y * Sheet::width(&layout) + x) * 4];
        // Each digit's first pixel, the gaps, and the place that stays empty.
        assert_eq!([at(0, 0), at(29, 0), at(0, 29)], [1, 2, 3]);
        assert_eq!([at(27, 27), at(56, 27), at(27, 56)], [1, 2, 3]);
        assert_eq!([at(28, 0), at(0, 28), at(29, 29), at(56, 56)], [0; 4]);
    }

    #[test]
    fn paper_and_ink_are_the_ends_of_the_table() {
        let palette = Palette { paper: [251, 250, 246], ink: [29, 28, 25] };
        assert_eq!(palette.table()[0], [251, 250, 246, 255]);
        assert_eq!(palette.table()[255], [29, 28, 25, 255]);
        assert_eq!(hex("#fbfaf6"), Some([251, 250, 246]));
        assert_eq!(hex("red"), None);
    }
}
