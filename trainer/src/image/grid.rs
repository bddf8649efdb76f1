//! Many small images as one PNG, grey or in colour, square pixels enlarged by a whole number.

use std::path::Path;

use model_export::write_atomically;

use super::picture::{MAX_SIDE, Picture};
use super::{ImageError, count};

/// The grey between images: told from the black of a digit's paper, and not in the way.
const GUTTER: u8 = 48;

/// How a grid is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GridOptions {
    /// Images in a row; fewer if there are fewer images.
    pub columns: usize,
    /// Pixels of the picture around and between images.
    pub padding: usize,
    /// Pixels of the picture on a side of one pixel of an image.
    pub scale: usize,
}

impl Default for GridOptions {
    fn default() -> Self {
        Self { columns: 10, padding: 2, scale: 2 }
    }
}

/// Writes images as a grey PNG, row by row, atomically. Pixels are in [0, 1], image after image (`N x height x width`);
/// what lies outside is clamped, and 1 is white.
///
/// # Errors
/// Pixels that are no images or not finite, options out of range, or a file that cannot be written.
pub fn write_png(
    path: &Path,
    pixels: &[f32],
    height: usize,
    width: usize,
    options: &GridOptions,
) -> Result<(), ImageError> {
    let picture = draw(pixels, height, width, options)?;
    let size = (picture.width, picture.height);
    write_atomically(path, &encode(size, png::ColorType::Grayscale, &picture.pixels)?)?;
    Ok(())
}

/// Writes images of these channels, height and width: one channel is grey, three are red, green and blue.
///
/// # Errors
/// As [`write_png`], and another number of channels.
pub fn write_images(
    path: &Path,
    pixels: &[f32],
    [channels, height, width]: [usize; 3],
    options: &GridOptions,
) -> Result<(), ImageError> {
    match channels {
        1 => write_png(path, pixels, height, width, options),
        3 => write_colour_png(path, pixels, height, width, options),
        got => Err(ImageError::Option { option: "channels", got, accepts: "1 or 3".to_owned() }),
    }
}

/// As [`write_png`], for images in colour: red, green and blue plane after plane (`N x 3 x height x width`).
///
/// # Errors
/// As [`write_png`].
fn write_colour_png(
    path: &Path,
    pixels: &[f32],
    height: usize,
    width: usize,
    options: &GridOptions,
) -> Result<(), ImageError> {
    count(pixels, 3 * height, width)?;
    let plane = |colour: usize| {
        let planes = pixels.chunks_exact(height * width).skip(colour).step_by(3);
        draw(&planes.flatten().copied().collect::<Vec<f32>>(), height, width, options)
    };
    let [red, green, blue] = [plane(0)?, plane(1)?, plane(2)?];
    let rows = red.pixels.iter().zip(&green.pixels).zip(&blue.pixels);
    let rgb: Vec<u8> = rows.flat_map(|((red, green), blue)| [*red, *green, *blue]).collect();
    write_atomically(path, &encode((red.width, red.height), png::ColorType::Rgb, &rgb)?)?;
    Ok(())
}

/// The grid as a picture whose colours are grey levels, 255 white.
///
/// # Errors
/// As [`write_png`], but for the file.
pub fn draw(
    pixels: &[f32],
    height: usize,
    width: usize,
    options: &GridOptions,
) -> Result<Picture, ImageError> {
    let images = count(pixels, height, width)?;
    let GridOptions { columns, padding, scale } = *options;
    for (option, got) in [("columns", columns), ("scale", scale)] {
        if got == 0 {
            return Err(ImageError::Option { option, got, accepts: "1 or more".to_owned() });
        }
    }
    let columns = columns.min(images);
    let rows = images.div_ceil(columns);
    let side = |option, cells: usize, extent: usize| {
        let cell = extent.saturating_mul(scale).saturating_add(padding);
        let got = cells.saturating_mul(cell).saturating_add(padding);
        let accepts = format!("what gives at most {MAX_SIDE} pixels");
        if got <= MAX_SIDE { Ok(got) } else { Err(ImageError::Option { option, got, accepts }) }
    };
    let picture_width = side("the picture's width", columns, width)?;
    let picture_height = side("the picture's height", rows, height)?;
    let mut picture = Picture::new(picture_width, picture_height, GUTTER)?;
    for (index, image) in pixels.chunks_exact(height * width).enumerate() {
        let top = padding + index / columns * (height * scale + padding);
        let left = padding + index % columns * (width * scale + padding);
        picture.image((left, top), image, width, scale, grey);
    }
    Ok(picture)
}

/// The grey level of a pixel in [0, 1]; what lies outside is clamped.
pub fn grey(pixel: f32) -> u8 {
    (pixel.clamp(0.0, 1.0) * 255.0).round() as u8
}

fn encode(size: (usize, usize), colours: png::ColorType, pixels: &[u8]) -> Result<Vec<u8>, ImageError> {
    let mut bytes = Vec::new();
    // Sides are at most MAX_SIDE, so they fit.
    let mut encoder = png::Encoder::new(&mut bytes, size.0 as u32, size.1 as u32);
    encoder.set_color(colours);
    encoder.set_depth(png::BitDepth::Eight);
    let mut writer = encoder.write_header().map_err(std::io::Error::from)?;
    writer.write_image_data(pixels).map_err(std::io::Error::from)?;
    writer.finish().map_err(std::io::Error::from)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;
    use std::io::BufReader;

    fn read(path: &Path) -> (usize, usize, Vec<u8>) {
        let mut reader = png::Decoder::new(BufReader::new(File::open(path).unwrap())).read_info().unwrap();
        let mut grey = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut grey).unwrap();
        assert_eq!((info.color_type, info.bit_depth), (png::ColorType::Grayscale, png::BitDepth::Eight));
        (info.height as usize, info.width as usize, grey)
    }

    #[test]
    fn planes_become_colours_at_their_places() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("grid.png");
        // Two images of 1 x 2: red then green, and blue then white.
        let pixels = [1., 0., 0., 1., 0., 0., 0., 1., 0., 1., 1., 1.];
        let options = GridOptions { columns: 2, padding: 1, scale: 1 };
        write_colour_png(&path, &pixels, 1, 2, &options).unwrap();
        let mut reader = png::Decoder::new(BufReader::new(File::open(&path).unwrap())).read_info().unwrap();
        let mut rgb = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut rgb).unwrap();
        assert_eq!((info.width, info.height), (7, 3));
        let at = |x: usize| [0, 1, 2].map(|c| rgb[(7 + x) * 3 + c]);
        let white = [255; 3];
        assert_eq!([1, 2, 3, 4, 5].map(at), [[255, 0, 0], [0, 255, 0], [GUTTER; 3], [0, 0, 255], white]);
        assert!(write_colour_png(&path, &pixels[..5], 1, 2, &options).is_err());
    }

    #[test]
    fn images_stand_row_by_row_with_padding_and_whole_pixels() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("grid.png");
        // Three images of 1 x 2: the third is alone in its row. Values outside [0, 1] are clamped.
        let pixels = [0.0, 1.0, 0.5, 2.0, -1.0, 0.2];
        write_png(&path, &pixels, 1, 2, &GridOptions { columns: 2, padding: 1, scale: 2 }).unwrap();
        let (height, width, grey) = read(&path);
        assert_eq!((height, width), (7, 11));
        let g = GUTTER;
        let first = [g, 0, 0, 255, 255, g, 128, 128, 255, 255, g];
        let second = [g, 0, 0, 51, 51, g, g, g, g, g, g];
        let expected = [[g; 11], first, first, [g; 11], second, second, [g; 11]].concat();
        assert_eq!(grey, expected);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_grid_is_no_wider_than_its_images() {
        let picture = draw(&[0.0; 9], 3, 3, &GridOptions { columns: 10, padding: 0, scale: 1 }).unwrap();
        assert_eq!((picture.height, picture.width), (3, 3));
    }

    #[test]
    fn what_is_no_picture_is_refused() {
        let options = GridOptions::default();
        let refused =
            |pixels: &[f32], height, width, options| draw(pixels, height, width, &options).err().unwrap();
        assert!(matches!(refused(&[], 2, 2, options), ImageError::Pixels { pixels: 0, .. }));
        assert!(matches!(refused(&[0.0; 5], 2, 2, options), ImageError::Pixels { pixels: 5, .. }));
        assert!(matches!(refused(&[0.0; 5], 0, 2, options), ImageError::Pixels { .. }));
        assert!(matches!(refused(&[0.0, f32::NAN], 1, 1, options), ImageError::NotFinite { index: 1 }));
        for (option, options) in [
            ("columns", GridOptions { columns: 0, ..options }),
            ("scale", GridOptions { scale: 0, ..options }),
            ("the picture's width", GridOptions { scale: 1 << 20, ..options }),
            ("the picture's width", GridOptions { scale: usize::MAX, ..options }),
            ("the picture's width", GridOptions { padding: usize::MAX, ..options }),
        ] {
            let error = refused(&[0.0; 4], 2, 2, options);
            assert!(matches!(error, ImageError::Option { option: named, .. } if named == option), "{error}");
        }
    }
}
