//! Digits with square pixels at whole multiples of device pixels: ink on paper, or light on dark; velocities in two colours
//! around the paper; arrows over pale ink. The canvas is only written; nothing is ever read back from it.

use flow::flux::Grid;
use leptos::html;
use leptos::prelude::{Effect, Get, NodeRef, RwSignal, Set, Update, document, on_cleanup, window};
use send_wrapper::SendWrapper;
use wasm_bindgen::{Clamped, JsCast, closure::Closure};
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

/// The colours, read from the style.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Palette {
    /// No ink, and no velocity.
    pub(crate) paper: [u8; 3],
    /// Full ink.
    pub(crate) ink: [u8; 3],
    /// Ink is being added.
    pub(crate) gain: [u8; 3],
    /// Ink is being taken away.
    pub(crate) loss: [u8; 3],
}

/// A colour for each byte.
pub(crate) type Table = [[u8; 4]; 256];

/// How pale the ink under arrows is.
const PALE: f32 = 0.35;

impl Palette {
    /// The colours that the style of an element says now.
    pub(crate) fn read(of: &web_sys::Element) -> Self {
        let style = window().get_computed_style(of).ok().flatten();
        let colour = |name: &str, otherwise| {
            let text = style.as_ref().and_then(|style| style.get_property_value(name).ok());
            text.and_then(|text| hex(text.trim())).unwrap_or(otherwise)
        };
        Self {
            paper: colour("--paper", [255; 3]),
            ink: colour("--ink", [0; 3]),
            gain: colour("--gain", [176, 84, 0]),
            loss: colour("--loss", [0, 96, 176]),
        }
    }

    fn mixed(from: [u8; 3], to: [u8; 3], part: f32) -> [u8; 4] {
        let mix =
            |i: usize| (f32::from(from[i]) + part * (f32::from(to[i]) - f32::from(from[i]))).round() as u8;
        [mix(0), mix(1), mix(2), 255]
    }

    /// For pictures.
    pub(crate) fn ink_table(self) -> Table {
        std::array::from_fn(|ink| Self::mixed(self.paper, self.ink, ink as f32 / 255.0))
    }

    /// For pictures under arrows.
    fn pale_table(self) -> Table {
        std::array::from_fn(|ink| Self::mixed(self.paper, self.ink, PALE * ink as f32 / 255.0))
    }

    /// For velocities: full colour from half of what a byte can hold.
    pub(crate) fn velocity_table(self) -> Table {
        std::array::from_fn(|byte| {
            let part = ((byte as f32 - 128.0) / 64.0).clamp(-1.0, 1.0);
            Self::mixed(self.paper, if part < 0.0 { self.loss } else { self.gain }, part.abs())
        })
    }
}

/// What is drawn.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Show<'a> {
    /// Pictures.
    Ink(&'a [u8]),
    /// Velocities.
    Velocity(&'a [u8]),
    /// Pictures, and arrows of their velocities.
    Arrows(&'a [u8], &'a [u8]),
    /// Pictures, and which of their pixels are to be filled in.
    Masked(&'a [u8], &'a [u8]),
}

impl Show<'_> {
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Ink(bytes) | Self::Velocity(bytes) | Self::Arrows(bytes, _) | Self::Masked(bytes, _) => {
                bytes
            }
        }
    }

    fn table(&self, palette: Palette) -> Table {
        match self {
            Self::Ink(_) | Self::Masked(..) => palette.ink_table(),
            Self::Velocity(_) => palette.velocity_table(),
            Self::Arrows(..) => palette.pale_table(),
        }
    }
}

/// The side of the square that a place has for its canvas, in CSS pixels, for as long as the owner lives. `changed` counts
/// every change of it.
pub(crate) fn space(place: NodeRef<html::Div>, changed: RwSignal<u32>) -> RwSignal<f64> {
    let space = RwSignal::new(0.0);
    Effect::new(move |_| {
        let Some(place) = place.get() else { return };
        let measured = place.clone();
        let resized = Closure::<dyn FnMut()>::new(move || {
            space.set(f64::from(measured.client_width().min(measured.client_height())));
            changed.update(|count| *count += 1);
        });
        if let Ok(observer) = web_sys::ResizeObserver::new(resized.as_ref().unchecked_ref()) {
            observer.observe(&place);
            let watching = SendWrapper::new((observer, resized));
            on_cleanup(move || watching.0.disconnect());
        }
    });
    space
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

    fn fill(&mut self, picture: &[u8], layout: Layout, table: &Table) {
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
    /// Draws pictures (28 x 28 bytes a digit) so that they fill a square of `space` CSS pixels as far as whole multiples
    /// go.
    pub(crate) fn draw(
        &mut self,
        canvas: &HtmlCanvasElement,
        show: Show<'_>,
        space: f64,
        palette: Palette,
    ) -> Option<()> {
        let picture = show.bytes();
        let ratio = window().device_pixel_ratio();
        let device = (space * ratio).floor().max(1.0) as usize;
        let layout = Layout::square(picture.len() / (SIDE * SIDE), device);
        let (width, height) = (layout.width(), layout.height());
        if self.placed != Some((layout, device, ratio)) {
            place(canvas, layout, device, ratio)?;
            self.placed = Some((layout, device, ratio));
        }

        self.sheet.fill(picture, layout, &show.table(palette));
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
            .ok()?;
        if let Show::Arrows(_, velocity) = show {
            arrows(&to, velocity, layout, palette);
        }
        if let Show::Masked(_, hidden) = show {
            veiled(&to, hidden, layout, palette);
        }
        Some(())
    }
}

/// What is to be filled in, of one digit: a colour over its pixels.
fn veiled(to: &CanvasRenderingContext2d, hidden: &[u8], layout: Layout, palette: Palette) {
    let [r, g, b] = palette.gain;
    to.set_fill_style_str(&format!("rgb({r} {g} {b})"));
    to.set_global_alpha(0.55);
    let side = layout.scale as f64;
    for (i, _) in hidden.iter().enumerate().filter(|(_, hidden)| **hidden > 0) {
        to.fill_rect((i % SIDE) as f64 * side, (i / SIDE) as f64 * side, side, side);
    }
    to.set_global_alpha(1.0);
}

/// Arrows where ink is carried: the least flow that makes the change ([`flow::flux`]), averaged over blocks of pixels. The
/// longest spans its block; very short ones are left out.
fn arrows(to: &CanvasRenderingContext2d, velocity: &[u8], layout: Layout, palette: Palette) {
    // Blocks as large as a finger of a digit, larger where digits are small.
    let block = if layout.scale >= 4 { 2 } else { 4 };
    let cell = (block * layout.scale) as f64;
    let fields: Vec<(Grid, Vec<(f64, f64)>)> = velocity
        .chunks_exact(SIDE * SIDE)
        .map(|bytes| {
            let image: Vec<f32> = bytes.iter().map(|byte| f32::from(*byte) - 128.0).collect();
            let grid = Grid::averaged(&image, (SIDE, SIDE), block);
            let flux = grid.flux();
            (grid, flux)
        })
        .collect();
    let longest = fields.iter().flat_map(|(_, flux)| flux).map(|(x, y)| x.hypot(*y)).fold(0.0, f64::max);
    if longest <= 0.0 {
        return;
    }
    let [r, g, b] = palette.gain;
    to.set_stroke_style_str(&format!("rgb({r} {g} {b})"));
    to.set_line_width((layout.scale as f64 / 3.0).clamp(1.0, 3.0));
    to.begin_path();
    for (image, (grid, flux)) in fields.iter().enumerate() {
        let (row, column) = (image / layout.columns, image % layout.columns);
        let pitch = (SIDE * layout.scale + layout.gap) as f64;
        for (i, (right, down)) in flux.iter().enumerate() {
            let part = right.hypot(*down) / longest;
            if part < 0.06 {
                continue;
            }
            let length = cell * 0.9 * part.sqrt();
            let (dx, dy) = (right / right.hypot(*down) * length, down / right.hypot(*down) * length);
            let x = column as f64 * pitch + ((i % grid.columns) as f64 + 0.5) * cell;
            let y = row as f64 * pitch + ((i / grid.columns) as f64 + 0.5) * cell;
            let (tip_x, tip_y) = (x + dx / 2.0, y + dy / 2.0);
            to.move_to(x - dx / 2.0, y - dy / 2.0);
            to.line_to(tip_x, tip_y);
            // Two short strokes back from the tip.
            for turn in [0.5_f64, -0.5] {
                let (sin, cos) = turn.sin_cos();
                to.move_to(tip_x, tip_y);
                to.line_to(tip_x - 0.4 * (dx * cos - dy * sin), tip_y - 0.4 * (dx * sin + dy * cos));
            }
        }
    }
    to.stroke();
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
        let palette =
            Palette { paper: [251, 250, 246], ink: [29, 28, 25], gain: [200, 90, 0], loss: [0, 90, 200] };
        assert_eq!(palette.ink_table()[0], [251, 250, 246, 255]);
        assert_eq!(palette.ink_table()[255], [29, 28, 25, 255]);
        let velocity = palette.velocity_table();
        assert_eq!([velocity[128], velocity[0]], [[251, 250, 246, 255], [0, 90, 200, 255]]);
        assert_eq!([velocity[192], velocity[255]], [[200, 90, 0, 255]; 2]);
        assert_eq!(hex("#fbfaf6"), Some([251, 250, 246]));
        assert_eq!(hex("red"), None);
    }
}
