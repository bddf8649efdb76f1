//! Files that a reader takes away: made here, from the states on screen, and handed to the browser as downloads.
//!
//! - Picture: the grid as it is shown now, eight pixels a pixel.
//! - Film: an endless GIF from noise to digits with one palette, played as the page plays it.
//! - Sprite: one row an image, one column a state, one pixel a pixel; for those who animate it themselves.

use crate::canvas::{Layout, Palette, SIDE, Table};
use crate::session::{Session, View};
use flow::plan::SamplePlan;
use js_sys::{Array, Promise, Uint8Array};
use leptos::prelude::*;
use std::borrow::Cow;
use std::time::Duration;
use wasm_bindgen::{Clamped, JsCast, JsValue, closure::Closure};
use wasm_bindgen_futures::JsFuture;
use web_sys::{
    Blob, BlobPropertyBag, CanvasRenderingContext2d, HtmlAnchorElement, HtmlCanvasElement, ImageData, Url,
};

/// Pixels on the side of a digit's pixel in a picture.
const PICTURE_SCALE: usize = 8;
/// The longest side of a film.
const FILM_SIDE: usize = 480;
/// Pictures in a film, the last one shown for longer.
const FILM_FRAMES: usize = 24;
/// Hundredths of a second for each, and for the last.
const FILM_DELAYS: (u16, u16) = (5, 150);
/// The most states in a sprite.
const SPRITE_STATES: usize = 64;

/// Rows of a PNG that are coloured at once.
const BAND: usize = 64;

/// What is taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    /// The grid as a PNG.
    Picture,
    /// The way as a GIF.
    Film,
    /// All states as a PNG.
    Sprite,
}

impl Kind {
    fn name(self, plan: &SamplePlan) -> String {
        let what = match self {
            Self::Picture => "digits.png",
            Self::Film => "film.gif",
            Self::Sprite => "states.png",
        };
        format!("flow-{}-seed-{}-{what}", plan.digit, plan.seed)
    }

    fn content_type(self) -> &'static str {
        if self == Self::Film { "image/gif" } else { "image/png" }
    }
}

/// Makes a file and hands it to the browser; its name and size.
pub(crate) async fn save(session: Session, kind: Kind) -> Result<(String, u64), String> {
    let name = kind.name(&session.wish.with_untracked(|wish| wish.plan.clone()));
    let blob = blob(session, kind).await?;
    let size = blob.size() as u64;
    hand_over(&blob, &name).map_err(|error| crate::fetch::say(&error))?;
    Ok((name, size))
}

/// A file of the session's run.
pub(crate) async fn blob(session: Session, kind: Kind) -> Result<Blob, String> {
    let screen = session.screen.get_untracked().ok_or("there is no picture")?;
    let palette = Palette::read(&screen);
    match kind {
        Kind::Picture => {
            let (bytes, table) = shown(session, palette).ok_or("there is no picture yet")?;
            let layout = Layout::square(bytes.len() / (SIDE * SIDE), usize::MAX / 2);
            let layout = Layout { scale: PICTURE_SCALE, gap: PICTURE_SCALE, ..layout };
            // Between the digits there is no ink, and no velocity.
            let empty = if session.view.get_untracked() == View::Velocity { 128 } else { 0 };
            let sheet = indexed(&bytes, layout, empty);
            png(&sheet, &table, layout.width()).await
        }
        Kind::Sprite => {
            let (sheet, width) = session.film.with_value(|film| {
                let every = film.frames.len().div_ceil(SPRITE_STATES).max(1);
                let last = film.frames.len().saturating_sub(1);
                let frames = film.frames.iter().enumerate();
                let frames =
                    frames.filter(|(i, _)| i % every == 0 || *i == last).map(|(_, frame)| &frame.pixels[..]);
                sprite(&frames.collect::<Vec<_>>())
            });
            png(&sheet, &palette.ink_table(), width).await
        }
        Kind::Film => {
            let bytes = film(session, &palette.ink_table()).await?;
            let options = BlobPropertyBag::new();
            options.set_type(kind.content_type());
            let parts = Array::of1(&Uint8Array::new_from_slice(&bytes));
            Blob::new_with_u8_array_sequence_and_options(&parts, &options)
                .map_err(|error| crate::fetch::say(&error))
        }
    }
}

/// What the screen shows now, and its colours; arrows are left out.
fn shown(session: Session, palette: Palette) -> Option<(Vec<u8>, Table)> {
    let t = session.playhead.get_untracked();
    session.film.with_value(|film| match session.view.get_untracked() {
        View::Estimate => Some((film.estimate(t).or_else(|| film.picture(t))?, palette.ink_table())),
        View::Velocity => Some((film.velocity(t)?, palette.velocity_table())),
        View::State | View::Arrows => Some((film.picture(t)?, palette.ink_table())),
    })
}

/// A grid of images, enlarged; `empty` where there is none.
fn indexed(picture: &[u8], layout: Layout, empty: u8) -> Vec<u8> {
    let (width, height) = (layout.width(), layout.height());
    let mut sheet = vec![empty; width * height];
    for (index, image) in picture.chunks_exact(SIDE * SIDE).enumerate() {
        let pitch = SIDE * layout.scale + layout.gap;
        let (top, left) = (index / layout.columns * pitch, index % layout.columns * pitch);
        for y in 0..SIDE * layout.scale {
            let line = &image[y / layout.scale * SIDE..][..SIDE];
            let start = (top + y) * width + left;
            for (x, pixel) in sheet[start..start + SIDE * layout.scale].iter_mut().enumerate() {
                *pixel = line[x / layout.scale];
            }
        }
    }
    sheet
}

/// One row an image, one column a state; and its width.
fn sprite(frames: &[&[u8]]) -> (Vec<u8>, usize) {
    let images = frames.first().map_or(0, |pixels| pixels.len() / (SIDE * SIDE));
    let width = frames.len() * SIDE;
    let mut sheet = vec![0; width * images * SIDE];
    for (column, pixels) in frames.iter().enumerate() {
        for (y, line) in pixels.chunks_exact(SIDE).enumerate() {
            let start = y * width + column * SIDE;
            sheet[start..start + SIDE].copy_from_slice(line);
        }
    }
    (sheet, width)
}

fn coloured(sheet: &[u8], table: &Table) -> Vec<u8> {
    let mut rgba = Vec::with_capacity(4 * sheet.len());
    rgba.extend(sheet.iter().flat_map(|byte| table[usize::from(*byte)]));
    rgba
}

/// By the browser's own encoder. Colours are put on its canvas a band of rows at a time: all of them are four times as large as the
/// sheet, and a memory of WebAssembly never shrinks again.
async fn png(sheet: &[u8], table: &Table, width: usize) -> Result<Blob, String> {
    let height = sheet.len().checked_div(width).filter(|rows| *rows > 0).ok_or("there is no picture yet")?;
    let failed = |error: JsValue| crate::fetch::say(&error);
    let canvas = document().create_element("canvas").map_err(failed)?.unchecked_into::<HtmlCanvasElement>();
    canvas.set_width(width as u32);
    canvas.set_height(height as u32);
    let context = canvas.get_context("2d").map_err(failed)?.ok_or("this browser has no canvas")?;
    let context = context.unchecked_into::<CanvasRenderingContext2d>();
    for (index, band) in sheet.chunks(width * BAND).enumerate() {
        let rgba = coloured(band, table);
        let rows = (band.len() / width) as u32;
        let image = ImageData::new_with_u8_clamped_array_and_sh(Clamped(&rgba), width as u32, rows);
        context.put_image_data(&image.map_err(failed)?, 0.0, (index * BAND) as f64).map_err(failed)?;
    }
    let made = Promise::new(&mut |resolve, reject| {
        let done = Closure::once_into_js(move |blob: JsValue| {
            // Called by the browser; neither function throws.
            let _ = if blob.is_null() {
                reject.call1(&JsValue::NULL, &"the picture is too large for this browser".into())
            } else {
                resolve.call1(&JsValue::NULL, &blob)
            };
        });
        // A canvas of our own pixels may always be read.
        let _ = canvas.to_blob(done.unchecked_ref());
    });
    let blob = JsFuture::from(made).await.map_err(|why| why.as_string().unwrap_or_default())?;
    Ok(blob.unchecked_into())
}

/// The way from noise to digits. One frame at a time, so that the page stays alive meanwhile.
async fn film(session: Session, table: &Table) -> Result<Vec<u8>, String> {
    // All of them at once: the run on screen may be another one before the last is written.
    let times = (0..FILM_FRAMES).map(|index| index as f64 / (FILM_FRAMES - 1) as f64);
    let pictures: Option<Vec<Vec<u8>>> =
        session.film.with_value(|film| times.map(|t| film.picture(t)).collect());
    let pictures = pictures.ok_or("there is no picture yet")?;
    let layout = Layout::square(pictures[0].len() / (SIDE * SIDE), FILM_SIDE);
    let (width, height) = (layout.width() as u16, layout.height() as u16);
    let colours: Vec<u8> = table.iter().flat_map(|[r, g, b, _]| [*r, *g, *b]).collect();
    let failed = |error: gif::EncodingError| error.to_string();
    let mut encoder = gif::Encoder::new(Vec::new(), width, height, &colours).map_err(failed)?;
    encoder.set_repeat(gif::Repeat::Infinite).map_err(failed)?;
    for (index, picture) in pictures.iter().enumerate() {
        let sheet = indexed(picture, layout, 0);
        let delay = if index + 1 == FILM_FRAMES { FILM_DELAYS.1 } else { FILM_DELAYS.0 };
        let frame = gif::Frame { delay, width, height, buffer: Cow::Owned(sheet), ..gif::Frame::default() };
        encoder.write_frame(&frame).map_err(failed)?;
        pause().await;
    }
    encoder.into_inner().map_err(|error| error.to_string())
}

async fn pause() {
    let (send, turn) = futures::channel::oneshot::channel::<()>();
    set_timeout(
        move || {
            // Nobody listens only when the page is going away.
            let _ = send.send(());
        },
        Duration::ZERO,
    );
    let _ = turn.await;
}

/// A download, as if a link to it had been pressed.
fn hand_over(blob: &Blob, name: &str) -> Result<(), JsValue> {
    let url = Url::create_object_url_with_blob(blob)?;
    let link: HtmlAnchorElement = document().create_element("a")?.unchecked_into();
    link.set_href(&url);
    link.set_download(name);
    link.click();
    // The browser needs it for a moment longer.
    set_timeout(
        move || {
            // It fails only for what is no such address.
            let _ = Url::revoke_object_url(&url);
        },
        Duration::from_secs(20),
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grid_is_enlarged_with_nothing_between_its_images() {
        let layout = Layout { columns: 2, rows: 1, scale: 2, gap: 2 };
        let picture: Vec<u8> = [7, 9].iter().flat_map(|ink| vec![*ink; SIDE * SIDE]).collect();
        let sheet = indexed(&picture, layout, 0);
        assert_eq!(sheet.len(), layout.width() * layout.height());
        assert_eq!([sheet[0], sheet[55], sheet[56], sheet[57], sheet[58]], [7, 7, 0, 0, 9]);
    }

    #[test]
    fn a_sprite_has_a_column_for_each_state_and_a_row_for_each_image() {
        let (noise, end) = (vec![1; 2 * SIDE * SIDE], [vec![2; SIDE * SIDE], vec![3; SIDE * SIDE]].concat());
        let (sheet, width) = sprite(&[&noise, &end]);
        assert_eq!((width, sheet.len()), (2 * SIDE, 2 * SIDE * 2 * SIDE));
        let at = |x: usize, y: usize| sheet[y * width + x];
        assert_eq!([at(0, 0), at(SIDE, 0), at(0, SIDE), at(SIDE, SIDE)], [1, 2, 1, 3]);
        assert_eq!(sprite(&[]).1, 0);
    }
}
