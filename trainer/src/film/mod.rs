//! Films: what a run shows at chosen [times](pace), as an animated GIF or an animated PNG of at most 256 colours.
//!
//! The states come from the run itself, with its own solver and steps: no evaluation is added for a film. Between two
//! accepted states a frame shows their mix by time, which for Euler's method is the path exactly and for others its chord.

mod apng;
mod gif;
pub mod pace;
mod take;

pub use pace::Pace;
pub use take::{Cast, Take, shoot};

use crate::image::ImageError;
use crate::image::picture::Picture;
use model_export::write_atomically;
use std::ops::RangeInclusive;
use std::path::Path;

/// The accepted numbers of frames.
pub const FRAMES: RangeInclusive<usize> = 2..=500;
/// The accepted frames a second: faster than 50 is shown as 10 by browsers.
pub const FPS: RangeInclusive<usize> = 1..=50;
/// Most pixels of all frames together.
const MOST_PIXELS: usize = 1 << 29;

/// 256 colours as red, green and blue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Palette(Vec<[u8; 3]>);

impl Palette {
    /// Colour i is grey level i.
    pub fn grey() -> Self {
        Self((0..=u8::MAX).map(|level| [level; 3]).collect())
    }

    /// These colours; those that are missing are black, those beyond 256 are left out.
    pub fn of(mut colours: Vec<[u8; 3]>) -> Self {
        colours.resize(256, [0; 3]);
        Self(colours)
    }

    fn bytes(&self) -> Vec<u8> {
        self.0.concat()
    }

    fn is_grey(&self) -> bool {
        *self == Self::grey()
    }
}

/// Frames of one size, one after another; a film of one frame is a picture.
#[derive(Clone, Debug)]
pub struct Film {
    palette: Palette,
    frames: Vec<Picture>,
    delays: Vec<u16>,
}

impl Film {
    /// A film at so many frames a second, whose last frame stays for `hold` hundredths of a second.
    ///
    /// # Errors
    /// No frame, frames of several sizes, too many pixels in all, or a speed out of range.
    pub fn new(palette: Palette, frames: Vec<Picture>, fps: usize, hold: u16) -> Result<Self, ImageError> {
        let refuse = |option, got, accepts: String| Err(ImageError::Option { option, got, accepts });
        if !FPS.contains(&fps) {
            return refuse("frames a second", fps, format!("{} to {}", FPS.start(), FPS.end()));
        }
        let Some(first) = frames.first() else {
            return refuse("the film's frames", 0, "1 or more".to_owned());
        };
        let size = (first.width, first.height);
        if let Some(other) = frames.iter().find(|frame| (frame.width, frame.height) != size) {
            let accepts = format!("{} for every frame", size.0);
            return refuse("a frame's width", other.width, accepts);
        }
        let pixels = frames.len().saturating_mul(size.0 * size.1);
        if pixels > MOST_PIXELS {
            let accepts = format!("at most {MOST_PIXELS}: fewer frames, fewer images or a smaller scale");
            return refuse("the film's pixels", pixels, accepts);
        }
        let delays = delays(frames.len(), fps, hold);
        Ok(Self { palette, frames, delays })
    }

    /// One picture.
    pub fn still(palette: Palette, picture: Picture) -> Self {
        Self { palette, frames: vec![picture], delays: vec![0] }
    }

    /// Writes an animated GIF that begins again for ever, whole or not at all.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub fn write_gif(&self, path: &Path) -> Result<usize, ImageError> {
        write(path, &gif::encode(self)?)
    }

    /// Writes an animated PNG that begins again for ever, whole or not at all; of one frame, a plain PNG.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub fn write_apng(&self, path: &Path) -> Result<usize, ImageError> {
        write(path, &apng::encode(self)?)
    }
}

/// Writes a file and gives back its length; folders that are missing are made.
fn write(path: &Path, bytes: &[u8]) -> Result<usize, ImageError> {
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent)?;
    }
    write_atomically(path, bytes)?;
    Ok(bytes.len())
}

/// How long each frame stays, in hundredths of a second. Rounded so that the film as a whole keeps its time.
fn delays(frames: usize, fps: usize, hold: u16) -> Vec<u16> {
    let at = |i: usize| (100 * i + fps / 2) / fps;
    let mut delays: Vec<u16> = (0..frames).map(|i| (at(i + 1) - at(i)) as u16).collect();
    if let Some(last) = delays.last_mut() {
        *last = hold.max(*last);
    }
    delays
}

/// The part of a frame that differs from the one before: left, top, width, height and its pixels. All of the first frame,
/// and one pixel of a frame that is the same again.
fn changed(before: Option<&Picture>, frame: &Picture) -> ([usize; 4], Vec<u8>) {
    let (width, height) = (frame.width, frame.height);
    let area = match before {
        None => [0, 0, width, height],
        Some(before) => {
            let rows = || before.pixels.chunks(width).zip(frame.pixels.chunks(width));
            let differ: Vec<usize> =
                rows().enumerate().filter(|(_, (a, b))| a != b).map(|(y, _)| y).collect();
            let left = rows().filter_map(|(a, b)| a.iter().zip(b).position(|(a, b)| a != b)).min();
            let right = rows().filter_map(|(a, b)| a.iter().zip(b).rposition(|(a, b)| a != b)).max();
            match (differ.first(), differ.last(), left, right) {
                (Some(top), Some(bottom), Some(left), Some(right)) => {
                    [left, *top, right + 1 - left, bottom + 1 - top]
                }
                _ => [0, 0, 1, 1],
            }
        }
    };
    let [left, top, wide, high] = area;
    let pixels = (top..top + high).flat_map(|y| &frame.pixels[y * width + left..][..wide]).copied().collect();
    (area, pixels)
}

#[cfg(test)]
mod testing {
    use super::*;

    /// Three frames: a start, the same again, and one pixel changed.
    pub(super) fn film() -> Film {
        let start = Picture { width: 3, height: 2, pixels: vec![0, 50, 100, 150, 200, 255] };
        let mut end = start.clone();
        end.pixels[4] = 7;
        Film::new(Palette::grey(), vec![start.clone(), start, end], 12, 150).unwrap()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_keep_the_time_of_the_film_and_hold_its_end() {
        let found = delays(13, 12, 200);
        assert_eq!(found.iter().take(12).map(|d| u32::from(*d)).sum::<u32>(), 100);
        assert!(found.iter().take(12).all(|d| (8..=9).contains(d)), "{found:?}");
        assert_eq!(found[12], 200);
        assert_eq!(delays(2, 50, 0), [2, 2]);
    }

    #[test]
    fn only_what_changed_is_stored() {
        let film = testing::film();
        assert_eq!(changed(None, &film.frames[0]).0, [0, 0, 3, 2]);
        assert_eq!(changed(Some(&film.frames[0]), &film.frames[1]), ([0, 0, 1, 1], vec![0]));
        assert_eq!(changed(Some(&film.frames[1]), &film.frames[2]), ([1, 1, 1, 1], vec![7]));
        let other = Picture { width: 3, height: 2, pixels: vec![0, 1, 100, 2, 200, 255] };
        assert_eq!(changed(Some(&film.frames[0]), &other), ([0, 0, 2, 2], vec![0, 1, 2, 200]));
    }

    #[test]
    fn what_is_no_film_is_refused() {
        let frame = |width| Picture { width, height: 1, pixels: vec![0; width] };
        let refused = |frames, fps| match Film::new(Palette::grey(), frames, fps, 0).unwrap_err() {
            ImageError::Option { option, .. } => option,
            other => panic!("{other}"),
        };
        assert_eq!(refused(vec![], 10), "the film's frames");
        assert_eq!(refused(vec![frame(1)], 51), "frames a second");
        assert_eq!(refused(vec![frame(1), frame(2)], 10), "a frame's width");
    }
}
