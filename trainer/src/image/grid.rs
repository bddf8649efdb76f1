//! A grid of grey images as one PNG, written beside itself and renamed.

use std::path::{Path, PathBuf};

/// How a grid is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GridOptions {
    /// Images in a row.
    pub columns: usize,
    /// Pixels of the PNG for one of an image, each way.
    pub scale: usize,
    /// Pixels between images and around them.
    pub padding: usize,
    /// Grey of the padding, 0 to 255.
    pub background: u8,
}

impl Default for GridOptions {
    fn default() -> Self {
        Self { columns: 10, scale: 2, padding: 2, background: 48 }
    }
}

/// Why a grid was not written.
#[derive(Debug, thiserror::Error)]
pub enum GridError {
    /// The values do not fill whole images, or there is nothing to draw.
    #[error("{values} values are no whole number of {height}x{width} images, or there are no columns")]
    Shape {
        /// Number of values.
        values: usize,
        /// Rows of an image.
        height: usize,
        /// Columns of an image.
        width: usize,
    },
    /// The encoder failed.
    #[error("cannot encode a PNG: {0}")]
    Encode(#[from] png::EncodingError),
    /// The system refused.
    #[error("cannot write {path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

/// Writes images (`pixels` in [0, 1], image after image) as one grey PNG.
///
/// # Errors
/// Values that are no whole images, or a file that cannot be written.
pub fn write_png(
    path: &Path,
    pixels: &[f32],
    height: usize,
    width: usize,
    options: &GridOptions,
) -> Result<(), GridError> {
    let bytes = encode(pixels, height, width, options)?;
    model_export::write_atomically(path, &bytes)
        .map_err(|source| GridError::Io { path: path.to_owned(), source })
}

/// The bytes of that PNG.
///
/// # Errors
/// Values that are no whole images.
pub fn encode(pixels: &[f32], height: usize, width: usize, options: &GridOptions) -> Result<Vec<u8>, GridError> {
    let GridOptions { columns, scale, padding, background } = *options;
    let area = height * width;
    let shape = GridError::Shape { values: pixels.len(), height, width };
    if area == 0 || columns == 0 || scale == 0 || pixels.is_empty() || !pixels.len().is_multiple_of(area) {
        return Err(shape);
    }
    let count = pixels.len() / area;
    let columns = columns.min(count);
    let rows = count.div_ceil(columns);
    let (cell_w, cell_h) = (width * scale + padding, height * scale + padding);
    let (w, h) = (columns * cell_w + padding, rows * cell_h + padding);
    let mut canvas = vec![background; w * h];
    for (i, image) in pixels.chunks(area).enumerate() {
        let (left, top) = ((i % columns) * cell_w + padding, (i / columns) * cell_h + padding);
        for y in 0..height * scale {
            for x in 0..width * scale {
                let value = image[(y / scale) * width + x / scale];
                canvas[(top + y) * w + left + x] = (value.clamp(0.0, 1.0) * 255.0).round() as u8;
            }
        }
    }
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, w as u32, h as u32);
    encoder.set_color(png::ColorType::Grayscale);
    encoder.set_depth(png::BitDepth::Eight);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(&canvas)?;
    writer.finish()?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_images_in_two_columns_stand_where_they_belong() {
        let pixels = [1.0, 0.0, 0.5, 2.0, -1.0, f32::NAN];
        let options = GridOptions { columns: 2, scale: 1, padding: 1, background: 9 };
        let bytes = encode(&pixels, 1, 2, &options).unwrap();
        let mut reader = png::Decoder::new(std::io::Cursor::new(bytes)).read_info().unwrap();
        let mut canvas = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut canvas).unwrap();
        assert_eq!((info.width, info.height), (7, 5));
        assert_eq!(canvas[7..14], [9, 255, 0, 9, 128, 255, 9]);
        assert_eq!(canvas[21..28], [9, 0, 0, 9, 9, 9, 9]);
    }

    #[test]
    fn values_that_are_no_whole_images_are_refused() {
        let refused = encode(&[0.0; 5], 2, 2, &GridOptions::default());
        assert!(matches!(refused, Err(GridError::Shape { values: 5, .. })));
    }
}
