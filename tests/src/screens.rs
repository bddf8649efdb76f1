//! Pictures of the page, compared with stored ones.
//!
//! Stored at half their size and with few colours: letters stay legible, and the whole set stays small. Two pictures of
//! one page are never quite the same (another version of the browser smooths letters otherwise), so what counts is how
//! much differs clearly, over all and in any one place. `FLOW_DIGITS_SCREENS=store` stores anew.

use std::collections::BTreeMap;
use std::io::Cursor;
use std::path::{Path, PathBuf};

use png::{BitDepth, ColorType, Compression, Transformations};

/// Set to `store`, it stores what it would otherwise compare.
pub const SWITCH: &str = "FLOW_DIGITS_SCREENS";

/// Two pixels differ clearly when one of their channels does by more than this.
const CLEARLY: u8 = 48;
/// The greatest accepted mean difference of channels, of 255.
const MOST_MEAN: f64 = 1.0;
/// The greatest accepted share of pixels that differ clearly.
const MOST_SHARE: f64 = 0.002;
/// The side of a tile, for the places where something differs.
const TILE: usize = 24;
/// The greatest accepted share of pixels of one tile that differ clearly. One other letter in a button makes 0.024 to
/// 0.054; the same page once more, on the same machine, 0.
const MOST_OF_TILE: f64 = 0.02;
/// Levels of each channel, tried in turn until the colours fit into a palette; the last ones always do.
const LEVELS: [u32; 3] = [12, 9, 6];
/// What goes wrong here is the repository's fault or the disk's.
type Error = Box<dyn std::error::Error>;

/// A picture in three channels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    /// Pixels across.
    pub width: usize,
    /// Pixels down.
    pub height: usize,
    /// Red, green and blue, row after row.
    pub pixels: Vec<[u8; 3]>,
}

/// How far two pictures of one size lie apart.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Difference {
    /// The mean difference of channels, of 255.
    pub mean: f64,
    /// The share of pixels that differ clearly.
    pub share: f64,
    /// The greatest such share of one tile.
    pub of_tile: f64,
    /// The left upper corner of that tile.
    pub tile: (usize, usize),
}

impl Difference {
    /// Whether it is no more than smoothing.
    pub fn is_small(&self) -> bool {
        self.mean <= MOST_MEAN && self.share <= MOST_SHARE && self.of_tile <= MOST_OF_TILE
    }
}

impl Picture {
    /// Reads a PNG; what is transparent counts as opaque.
    ///
    /// # Errors
    /// When it is none.
    pub fn read(png: &[u8]) -> Result<Self, Error> {
        let mut decoder = png::Decoder::new(Cursor::new(png));
        decoder.set_transformations(Transformations::normalize_to_color8());
        let mut reader = decoder.read_info()?;
        let mut bytes = vec![0; reader.output_buffer_size().ok_or("a PNG too large for this machine")?];
        let info = reader.next_frame(&mut bytes)?;
        bytes.truncate(info.buffer_size());
        let channels = info.color_type.samples();
        let pixel = |samples: &[u8]| match *samples {
            [grey] | [grey, _] => [grey; 3],
            [r, g, b, ..] => [r, g, b],
            [] => [0; 3],
        };
        let pixels = bytes.chunks_exact(channels).map(pixel).collect();
        Ok(Self { width: info.width as usize, height: info.height as usize, pixels })
    }

    /// Half as large, each pixel the mean of four.
    #[must_use]
    pub fn halved(&self) -> Self {
        let (width, height) = (self.width / 2, self.height / 2);
        let at = |x: usize, y: usize| self.pixels[y * self.width + x];
        let mean = |x: usize, y: usize| {
            let four =
                [at(2 * x, 2 * y), at(2 * x + 1, 2 * y), at(2 * x, 2 * y + 1), at(2 * x + 1, 2 * y + 1)];
            [0, 1, 2].map(|c| (four.iter().map(|pixel| u32::from(pixel[c])).sum::<u32>() / 4) as u8)
        };
        let pixels =
            (0..height).flat_map(|y| (0..width).map(move |x| (x, y))).map(|(x, y)| mean(x, y)).collect();
        Self { width, height, pixels }
    }

    /// The same in so few levels of each channel that its colours fit into a palette.
    #[must_use]
    pub fn in_few_colours(&self) -> Self {
        for levels in LEVELS {
            let most = levels - 1;
            let round = |value: u8| ((u32::from(value) * most + 127) / 255 * 255 / most) as u8;
            let pixels: Vec<[u8; 3]> = self.pixels.iter().map(|pixel| pixel.map(round)).collect();
            if colours(&pixels).len() <= 256 || levels == LEVELS[LEVELS.len() - 1] {
                return Self { pixels, ..*self };
            }
        }
        self.clone()
    }

    /// A PNG, with a palette where the colours are few enough.
    ///
    /// # Errors
    /// When a side is 0.
    pub fn png(&self) -> Result<Vec<u8>, Error> {
        let mut file = Vec::new();
        let mut encoder = png::Encoder::new(&mut file, self.width as u32, self.height as u32);
        encoder.set_depth(BitDepth::Eight);
        encoder.set_compression(Compression::High);
        let palette = colours(&self.pixels);
        let data: Vec<u8> = if palette.len() <= 256 {
            encoder.set_color(ColorType::Indexed);
            encoder.set_filter(png::Filter::NoFilter);
            encoder.set_palette(palette.keys().flatten().copied().collect::<Vec<u8>>());
            self.pixels.iter().map(|pixel| palette[pixel]).collect()
        } else {
            encoder.set_color(ColorType::Rgb);
            self.pixels.iter().flatten().copied().collect()
        };
        let mut writer = encoder.write_header()?;
        writer.write_image_data(&data)?;
        writer.finish()?;
        Ok(file)
    }

    /// How far another picture lies from this one; none when it has another size.
    pub fn difference(&self, other: &Self) -> Option<Difference> {
        if (self.width, self.height) != (other.width, other.height) || self.pixels.is_empty() {
            return None;
        }
        let across = self.width.div_ceil(TILE);
        let mut tiles = vec![0_usize; across * self.height.div_ceil(TILE)];
        let mut sum = 0_u64;
        for (i, (a, b)) in self.pixels.iter().zip(&other.pixels).enumerate() {
            let apart = [0, 1, 2].map(|c| a[c].abs_diff(b[c]));
            sum += apart.iter().map(|d| u64::from(*d)).sum::<u64>();
            if apart.iter().any(|d| *d > CLEARLY) {
                tiles[i / self.width / TILE * across + i % self.width / TILE] += 1;
            }
        }
        let pixels = self.pixels.len() as f64;
        let worst = tiles.iter().enumerate().max_by_key(|(_, count)| **count).map_or(0, |(i, _)| i);
        Some(Difference {
            mean: sum as f64 / 3.0 / pixels,
            share: tiles.iter().sum::<usize>() as f64 / pixels,
            of_tile: tiles[worst] as f64 / (TILE * TILE) as f64,
            tile: (worst % across * TILE, worst / across * TILE),
        })
    }

    /// A third picture that shows where two differ: the first one faintly, and what differs clearly in red. It is as
    /// large as both; what only one of them has counts as different.
    #[must_use]
    pub fn marked(&self, other: &Self) -> Self {
        let (width, height) = (self.width.max(other.width), self.height.max(other.height));
        let at = |picture: &Self, x: usize, y: usize| {
            (x < picture.width && y < picture.height).then(|| picture.pixels[y * picture.width + x])
        };
        let mark = |x: usize, y: usize| match (at(self, x, y), at(other, x, y)) {
            (Some(a), Some(b)) if (0..3).all(|c| a[c].abs_diff(b[c]) <= CLEARLY) => a.map(|v| 160 + v / 4),
            _ => [220, 0, 0],
        };
        let pixels =
            (0..height).flat_map(|y| (0..width).map(move |x| (x, y))).map(|(x, y)| mark(x, y)).collect();
        Self { width, height, pixels }
    }
}

/// The colours that occur, each with its place in their order.
fn colours(pixels: &[[u8; 3]]) -> BTreeMap<[u8; 3], u8> {
    let mut all: BTreeMap<[u8; 3], u8> = pixels.iter().map(|pixel| (*pixel, 0)).collect();
    // Beyond 256 they are no palette, and nobody asks for their places.
    all.values_mut().zip(0_usize..).for_each(|(place, i)| *place = i as u8);
    all
}

/// The stored picture of this name.
fn place(name: &str) -> PathBuf {
    super::root().join("tests").join("screens").join(format!("{name}.png"))
}

/// In what a photograph is not as it is stored.
#[derive(Clone, Debug, PartialEq)]
pub struct Fault {
    /// In words, with the file that shows where.
    pub said: String,
    /// The middle of the place that differs most, in the page's pixels.
    pub at: (usize, usize),
}

/// Compares a photograph with the stored picture of this name, or stores it where that is asked for. What is wrong comes
/// back in words, and lies as three pictures in `failed`.
///
/// # Errors
/// When a file can't be read or written.
pub fn compare(name: &str, photograph: &[u8], failed: &Path) -> Result<Option<Fault>, Error> {
    let now = Picture::read(photograph)?.halved().in_few_colours();
    let file = place(name);
    if std::env::var_os(SWITCH).is_some_and(|value| value == "store") {
        std::fs::create_dir_all(file.parent().ok_or("a file in no folder")?)?;
        std::fs::write(&file, now.png()?)?;
        return Ok(None);
    }
    let stored = std::fs::read(&file).map_err(|error| {
        format!("{}: {error}; store the pictures by running these tests with {SWITCH}=store", file.display())
    })?;
    let stored = Picture::read(&stored)?;
    let mut at = (0, 0);
    let said = match stored.difference(&now) {
        Some(difference) if difference.is_small() => return Ok(None),
        Some(Difference { mean, share, of_tile, tile: (x, y) }) => {
            at = (2 * x + TILE, 2 * y + TILE);
            format!(
                "mean difference {mean:.2} (at most {MOST_MEAN}), {:.2}% of pixels clearly different (at most {}%), \
                 {:.0}% of those near {at:?} (at most {:.0}%)",
                100.0 * share,
                100.0 * MOST_SHARE,
                100.0 * of_tile,
                100.0 * MOST_OF_TILE,
            )
        }
        None => format!(
            "{} x {} pixels at half its size, stored {} x {}",
            now.width, now.height, stored.width, stored.height
        ),
    };
    std::fs::create_dir_all(failed)?;
    for (kind, picture) in [("now", &now), ("stored", &stored), ("difference", &stored.marked(&now))] {
        std::fs::write(failed.join(format!("{name}-{kind}.png")), picture.png()?)?;
    }
    let see = failed.join(format!("{name}-difference.png"));
    Ok(Some(Fault { said: format!("{name}: {said}; see {}", see.display()), at }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page() -> Picture {
        let pixels = (0..200 * 150).map(|i| [(i % 251) as u8, (i / 200) as u8, 250]).collect();
        Picture { width: 200, height: 150, pixels }
    }

    /// A page with a word at this place: 16 by 10 pixels of ink, every other one, as letters have it.
    fn page_with_word(x: usize, y: usize) -> Picture {
        let mut picture = Picture { width: 200, height: 150, pixels: vec![[250; 3]; 200 * 150] };
        for (i, j) in (0..10).flat_map(|j| (0..16).step_by(2).map(move |i| (i, j))) {
            picture.pixels[(y + j) * 200 + x + i] = [30; 3];
        }
        picture
    }

    #[test]
    fn what_is_stored_is_read_again() {
        let picture = page();
        assert_eq!(Picture::read(&picture.png().unwrap()).unwrap(), picture);
        let few = picture.in_few_colours();
        assert!(colours(&few.pixels).len() <= 256);
        assert_eq!(Picture::read(&few.png().unwrap()).unwrap(), few);
        assert_eq!(few.in_few_colours(), few, "a stored picture stays what it is");
    }

    #[test]
    fn half_the_size_is_the_mean_of_four() {
        let pixels = vec![[0, 10, 255], [100, 10, 255], [100, 10, 255], [200, 10, 255]];
        let half = Picture { width: 2, height: 2, pixels }.halved();
        assert_eq!((half.width, half.height, half.pixels), (1, 1, vec![[100, 10, 255]]));
    }

    #[test]
    fn smoother_letters_are_no_difference_and_a_word_that_moved_is_one() {
        let before = page_with_word(80, 60);
        let mut smoother = before.clone();
        smoother.pixels.iter_mut().filter(|pixel| pixel[0] == 30).for_each(|pixel| *pixel = [60; 3]);
        let small = before.difference(&smoother).unwrap();
        assert!(small.mean > 0.0 && small.is_small(), "{small:?}");
        let moved = before.difference(&page_with_word(81, 60)).unwrap();
        assert!(!moved.is_small(), "{moved:?}");
        assert!(moved.tile.0.abs_diff(80) < TILE && moved.tile.1.abs_diff(60) < TILE, "{moved:?}");
        assert_eq!(before.difference(&before.halved()), None);
    }

    #[test]
    fn what_differs_is_marked() {
        let (before, after) = (page_with_word(80, 60), page_with_word(20, 60));
        let red = before.marked(&after).pixels.iter().filter(|pixel| **pixel == [220, 0, 0]).count();
        assert_eq!(red, 2 * 80);
    }
}
