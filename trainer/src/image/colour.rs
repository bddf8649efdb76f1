//! Many small colour images as one PNG, as [`grid`](super::grid) does with grey ones.

use super::ImageError;
use super::grid::GridOptions;
use model_export::write_atomically;
use std::path::Path;

/// The grey between images.
const GUTTER: u8 = 48;

/// Writes images as an RGB PNG, row by row, atomically. Pixels are in [0, 1], image after image, red, green and blue
/// plane after plane (`N x 3 x height x width`); what lies outside is clamped.
///
/// # Errors
/// Pixels that are no images or not finite, or a file that cannot be written.
pub fn write_png(
    path: &Path,
    pixels: &[f32],
    height: usize,
    width: usize,
    options: &GridOptions,
) -> Result<(), ImageError> {
    let count = super::count(pixels, 3 * height, width)?;
    let GridOptions { columns, padding, scale } = *options;
    for (option, got) in [("columns", columns), ("scale", scale)] {
        if got == 0 {
            return Err(ImageError::Option { option, got, accepts: "1 or more".to_owned() });
        }
    }
    let columns = columns.min(count).max(1);
    let rows = count.div_ceil(columns);
    let side = |images: usize, side: usize| images * (side * scale + padding) + padding;
    let (across, down) = (side(columns, width), side(rows, height));
    let mut rgb = vec![GUTTER; across * down * 3];
    let plane = height * width;
    for (index, image) in pixels.chunks_exact(3 * plane).enumerate() {
        let top = padding + index / columns * (height * scale + padding);
        let left = padding + index % columns * (width * scale + padding);
        for y in 0..height * scale {
            for x in 0..width * scale {
                let from = y / scale * width + x / scale;
                let to = ((top + y) * across + left + x) * 3;
                for colour in 0..3 {
                    rgb[to + colour] = super::grid::grey(image[colour * plane + from]);
                }
            }
        }
    }
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, across as u32, down as u32);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    let mut writer = encoder.write_header().map_err(std::io::Error::from)?;
    writer.write_image_data(&rgb).map_err(std::io::Error::from)?;
    writer.finish().map_err(std::io::Error::from)?;
    write_atomically(path, &bytes)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn planes_become_colours_at_their_places() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("grid.png");
        // Two images of 1 x 2: red then green, and blue then white.
        let pixels = [1., 0., 0., 1., 0., 0., 0., 1., 0., 1., 1., 1.];
        let options = GridOptions { columns: 2, padding: 1, scale: 1 };
        write_png(&path, &pixels, 1, 2, &options).unwrap();
        let decoder = png::Decoder::new(std::io::BufReader::new(std::fs::File::open(&path).unwrap()));
        let mut reader = decoder.read_info().unwrap();
        let mut rgb = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut rgb).unwrap();
        assert_eq!((info.width, info.height), (7, 3));
        let at = |x: usize| [0, 1, 2].map(|c| rgb[(7 + x) * 3 + c]);
        assert_eq!(at(1), [255, 0, 0]);
        assert_eq!(at(2), [0, 255, 0]);
        assert_eq!(at(3), [GUTTER; 3]);
        assert_eq!(at(4), [0, 0, 255]);
        assert_eq!(at(5), [255; 3]);
        assert!(write_png(&path, &pixels[..5], 1, 2, &options).is_err());
    }
}
