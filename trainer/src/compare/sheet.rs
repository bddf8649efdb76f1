//! The picture of a comparison: a block with a caption for each model, light or dark, and for a film the time below.
//! With arrows, where ink flows from and to, averaged over blocks of pixels as in the plot of the velocity.

use crate::film::Palette;
use crate::image::ImageError;
use crate::image::picture::{Font, Picture};
use crate::plot::velocity::{Arrows, SHORTEST, arrow, high};
use flow::flux::Grid;

/// Dark ink on a light page, or light ink on a dark one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Theme {
    /// Dark ink on a light page
    Light,
    /// Light ink on a dark page
    Dark,
}

/// One of those that are compared.
pub struct Block {
    /// The heading.
    pub title: String,
    /// What stands below it.
    pub lines: Vec<String>,
    /// The images at each time.
    pub frames: Vec<Vec<f32>>,
    /// How fast their pixels change, for arrows; empty without.
    pub slopes: Vec<Vec<f32>>,
}

/// How a sheet looks.
pub struct Style {
    /// Light or dark.
    pub theme: Theme,
    /// Height and width of an image.
    pub size: (usize, usize),
    /// Images in a row of a block.
    pub columns: usize,
    /// Pixels on a side of one pixel of an image.
    pub scale: usize,
    /// What an arrow is, if there are any.
    pub arrows: Option<Arrows>,
    /// What stands above all blocks.
    pub heading: String,
    /// The times of the frames, to be written below; none without.
    pub times: Vec<f64>,
}

/// Numbers of the palette's colours: ink from none (0) to full.
const INKS: u8 = 240;
const PAGE: u8 = 240;
const TEXT: u8 = 241;
const QUIET: u8 = 242;
const ARROW: u8 = 243;
const TRACK: u8 = 244;

/// What a page should not exceed in width, unless a block does.
const WIDTH: usize = 1200;
const MARGIN: usize = 14;
const GAP: usize = 18;
const PADDING: usize = 2;
const BELOW_CAPTION: usize = 4;
/// Room for about 26 characters.
const NARROWEST: usize = 160;
/// Pixels of an image on a side of an arrow's block.
const AVERAGED: usize = 4;
/// Ink below arrows is this pale, so that both are seen.
const UNDER_ARROWS: f32 = 0.45;

impl Theme {
    /// The colours of a sheet.
    pub fn palette(self) -> Palette {
        let (paper, ink, rest): ([u8; 3], [u8; 3], [[u8; 3]; 5]) = match self {
            Self::Light => (
                [255; 3],
                [20, 20, 24],
                [[238, 239, 241], [24, 26, 30], [92, 96, 104], [200, 62, 0], [205, 208, 213]],
            ),
            Self::Dark => (
                [0; 3],
                [255; 3],
                [[28, 30, 34], [236, 237, 240], [160, 164, 172], [255, 140, 50], [66, 69, 76]],
            ),
        };
        let mix = |share: f32, i: usize| {
            (f32::from(paper[i]) + share * (f32::from(ink[i]) - f32::from(paper[i]))).round() as u8
        };
        let ramp = (0..INKS).map(|level| {
            let share = f32::from(level) / f32::from(INKS - 1);
            [mix(share, 0), mix(share, 1), mix(share, 2)]
        });
        Palette::of(ramp.chain(rest).collect())
    }
}

/// A scale at which so many images in a row are neither small nor too wide.
pub fn fitting_scale(columns: usize, images: usize) -> usize {
    match columns.min(images) {
        0..=2 => 8,
        3..=5 => 6,
        _ => 4,
    }
}

/// Where things are.
struct Layout {
    /// Lines of every block's caption, wrapped.
    captions: Vec<Vec<String>>,
    block: (usize, usize),
    across: usize,
    /// For each row of blocks, where its images begin.
    tops: Vec<usize>,
    heading: Vec<String>,
    size: (usize, usize),
}

/// The number of the ink's colour.
fn ink(value: f32) -> u8 {
    (value.clamp(0.0, 1.0) * f32::from(INKS - 1)).round() as u8
}

/// Words in lines of at most so many characters; a longer word is cut.
fn wrapped(text: &str, most: usize) -> Vec<String> {
    let mut lines: Vec<String> = vec![String::new()];
    for word in text.split(' ') {
        let mut rest: Vec<char> = word.chars().collect();
        while !rest.is_empty() {
            let line = lines.last().map_or(0, |line| line.chars().count());
            let needed = rest.len() + usize::from(line > 0);
            if line > 0 && line + needed > most {
                lines.push(String::new());
                continue;
            }
            let taken: String = rest.drain(..rest.len().min(most.max(1))).collect();
            if let Some(last) = lines.last_mut() {
                if line > 0 {
                    last.push(' ');
                }
                last.push_str(&taken);
            }
        }
    }
    lines
}

fn layout(blocks: &[Block], style: &Style, images: usize) -> Layout {
    let columns = style.columns.clamp(1, images.max(1));
    let side = |cells: usize, extent: usize| cells * (extent * style.scale + PADDING) - PADDING;
    let wide = side(columns, style.size.1).max(NARROWEST);
    let high = side(images.div_ceil(columns).max(1), style.size.0);
    let captions: Vec<Vec<String>> = blocks
        .iter()
        .map(|block| {
            let title = wrapped(&block.title, wide / Font::BOLD.width());
            let plain = block.lines.iter().flat_map(|line| wrapped(line, wide / Font::PLAIN.width()));
            // Titles are told from the rest by a mark that is not drawn.
            title.into_iter().map(|line| format!("#{line}")).chain(plain).collect()
        })
        .collect();
    let line = Font::PLAIN.height() + 1;
    let fit = ((WIDTH + GAP) / (wide + GAP)).clamp(1, blocks.len().max(1));
    // Rows of blocks that are about equally full.
    let across = blocks.len().div_ceil(blocks.len().div_ceil(fit).max(1)).max(1);
    let width = 2 * MARGIN + across * (wide + GAP) - GAP;
    let heading = if style.heading.is_empty() {
        Vec::new()
    } else {
        wrapped(&style.heading, (width - 2 * MARGIN) / Font::PLAIN.width())
    };
    let mut at = MARGIN + heading.len() * line + if heading.is_empty() { 0 } else { GAP / 2 };
    let mut tops = Vec::new();
    for row in captions.chunks(across) {
        let lines = row.iter().map(Vec::len).max().unwrap_or(0);
        at += lines * line + BELOW_CAPTION;
        tops.push(at);
        at += high + GAP;
    }
    let below = if style.times.is_empty() { 0 } else { Font::PLAIN.height() + GAP / 2 };
    let height = at - GAP + below + MARGIN;
    Layout { captions, block: (wide, high), across, tops, heading, size: (width, height) }
}

/// A picture for each time.
///
/// # Errors
/// No block or no frame, blocks of different numbers of frames or images, or a picture that is too large.
pub fn pictures(blocks: &[Block], style: &Style) -> Result<Vec<Picture>, ImageError> {
    let (height, width) = style.size;
    let size = height * width;
    let first = blocks.first().and_then(|block| block.frames.first());
    let pixels = first.map_or(0, Vec::len);
    let frames = blocks.first().map_or(0, |block| block.frames.len());
    let fits = |images: &Vec<f32>| images.len() == pixels && images.iter().all(|v| v.is_finite());
    let alike = blocks.iter().all(|block| block.frames.len() == frames && block.frames.iter().all(fits));
    if size == 0 || pixels == 0 || !pixels.is_multiple_of(size) || !alike {
        return Err(ImageError::Pixels { pixels, height, width });
    }
    let place = layout(blocks, style, pixels / size);
    let longest = style.arrows.map(|kind| {
        let all = blocks.iter().flat_map(|block| &block.slopes).flat_map(|slopes| slopes.chunks(size));
        // Every seventh image says enough of how long arrows are.
        let some = all.step_by(7).flat_map(|slope| kind.of(&Grid::averaged(slope, style.size, AVERAGED)));
        high(some.map(|(x, y)| x.hypot(y)))
    });
    (0..frames).map(|k| picture(blocks, style, &place, k, longest)).collect()
}

fn picture(
    blocks: &[Block],
    style: &Style,
    place: &Layout,
    k: usize,
    longest: Option<f64>,
) -> Result<Picture, ImageError> {
    let (height, width) = style.size;
    let line = Font::PLAIN.height() + 1;
    let mut picture = Picture::new(place.size.0, place.size.1, PAGE)?;
    for (i, text) in place.heading.iter().enumerate() {
        picture.text((MARGIN, MARGIN + i * line), text, Font::PLAIN, QUIET);
    }
    let cell = (width * style.scale + PADDING, height * style.scale + PADDING);
    for (i, (block, caption)) in blocks.iter().zip(&place.captions).enumerate() {
        let left = MARGIN + i % place.across * (place.block.0 + GAP);
        let Some(&top) = place.tops.get(i / place.across) else { continue };
        // Captions end just above their images, whatever the others need.
        let mut at = top - BELOW_CAPTION - caption.len() * line;
        for text in caption {
            match text.strip_prefix('#') {
                Some(title) => picture.text((left, at), title, Font::BOLD, TEXT),
                None => picture.text((left, at), text, Font::PLAIN, QUIET),
            }
            at += line;
        }
        for (j, image) in block.frames[k].chunks(height * width).enumerate() {
            let columns = style.columns.max(1);
            let x = left + j % columns * cell.0;
            let y = top + j / columns * cell.1;
            let pale = if longest.is_some() { UNDER_ARROWS } else { 1.0 };
            picture.image((x, y), image, width, style.scale, |value| ink(value * pale));
            if let (Some(kind), Some(longest), Some(slopes)) = (style.arrows, longest, block.slopes.get(k)) {
                let slope = &slopes[j * height * width..(j + 1) * height * width];
                draw_arrows(&mut picture, (x, y), slope, style, kind, longest);
            }
        }
    }
    if let Some(t) = style.times.get(k) {
        let top = place.size.1 - MARGIN - Font::PLAIN.height();
        picture.text((MARGIN, top), &format!("t = {t:.2}"), Font::PLAIN, TEXT);
        let left = MARGIN + 10 * Font::PLAIN.width();
        let long = place.size.0.saturating_sub(left + MARGIN);
        picture.rectangle((left, top + 5), (long, 3), TRACK);
        picture.rectangle((left, top + 5), ((t.clamp(0.0, 1.0) * long as f64).round() as usize, 3), TEXT);
    }
    Ok(picture)
}

/// One arrow a block, its length a share of `longest` and cut there.
fn draw_arrows(
    picture: &mut Picture,
    (left, top): (usize, usize),
    slope: &[f32],
    style: &Style,
    kind: Arrows,
    longest: f64,
) {
    let grid = Grid::averaged(slope, style.size, AVERAGED);
    let block = (AVERAGED * style.scale) as f64;
    for (i, (right, down)) in kind.of(&grid).into_iter().enumerate() {
        let length = right.hypot(down);
        let share = (length / longest).min(1.0);
        if share < SHORTEST {
            continue;
        }
        let middle = (
            left as f64 + ((i % grid.columns) as f64 + 0.5) * block,
            top as f64 + ((i / grid.columns) as f64 + 0.5) * block,
        );
        picture.polygon(&arrow(middle, (right / length, down / length), share * block * 1.1, block), ARROW);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(value: f32) -> Block {
        let slope: Vec<f32> = (0..16).map(|i| if i % 4 < 2 { -1.0 } else { 1.0 }).collect();
        Block {
            title: "Title".to_owned(),
            lines: vec!["a line of text".to_owned()],
            frames: vec![vec![value; 16]; 2],
            slopes: vec![slope; 2],
        }
    }

    fn style() -> Style {
        Style {
            theme: Theme::Dark,
            size: (4, 4),
            columns: 1,
            scale: 4,
            arrows: None,
            heading: "heading".to_owned(),
            times: vec![0.0, 1.0],
        }
    }

    fn count(picture: &Picture, colour: u8) -> usize {
        picture.pixels.iter().filter(|p| **p == colour).count()
    }

    #[test]
    fn every_block_has_its_images_and_the_time_moves() {
        let drawn = pictures(&[block(0.25), block(1.0)], &style()).unwrap();
        assert_eq!(drawn.len(), 2);
        for picture in &drawn {
            assert_eq!((count(picture, ink(0.25)), count(picture, ink(1.0))), (256, 256));
            assert!(count(picture, TEXT) > 20 && count(picture, QUIET) > 20);
        }
        assert!(count(&drawn[1], TRACK) == 0 && count(&drawn[0], TRACK) > 100);
        // Two blocks stand beside each other.
        assert_eq!(drawn[0].width, 2 * MARGIN + 2 * NARROWEST + GAP);
    }

    #[test]
    fn arrows_are_drawn_over_paler_ink() {
        let mut block = block(1.0);
        block.frames = vec![vec![1.0; 64]; 1];
        block.slopes = vec![(0..64).map(|i| if i % 8 < 4 { -1.0 } else { 1.0 }).collect()];
        let style = Style { arrows: Some(Arrows::Flux), size: (8, 8), times: vec![], ..style() };
        let drawn = pictures(&[block], &style).unwrap();
        assert!(count(&drawn[0], ARROW) > 20, "{}", count(&drawn[0], ARROW));
        assert_eq!(count(&drawn[0], ink(1.0)), 0);
    }

    #[test]
    fn words_wrap_and_long_ones_are_cut() {
        assert_eq!(wrapped("one two three", 7), ["one two", "three"]);
        assert_eq!(wrapped("abcdefgh ij", 4), ["abcd", "efgh", "ij"]);
        assert_eq!(wrapped("", 4), [""]);
    }

    #[test]
    fn blocks_that_do_not_go_together_are_refused() {
        let mut short = block(0.0);
        short.frames.pop();
        for blocks in [vec![], vec![block(0.0), short]] {
            assert!(matches!(pictures(&blocks, &style()), Err(ImageError::Pixels { .. })));
        }
    }

    #[test]
    fn themes_are_told_apart() {
        assert_ne!(Theme::Light.palette(), Theme::Dark.palette());
    }
}
