//! Reads a small PNG as grey pixels in [0, 1]: one byte a channel, colours by their mean, transparency over black.

use super::ImageError;
use std::fs::File;
use std::io::BufReader;
use std::path::Path;

/// Most pixels on a side of a picture that is read.
const MAX_SIDE: u32 = 4096;

/// The pixels of a picture, row after row, and its height and width.
///
/// # Errors
/// A file that cannot be read, is no PNG, or is larger than 4096 pixels on a side.
pub fn read_png(path: &Path) -> Result<(Vec<f32>, usize, usize), ImageError> {
    let mut decoder = png::Decoder::new(BufReader::new(File::open(path)?));
    decoder.set_transformations(png::Transformations::normalize_to_color8());
    let mut reader = decoder.read_info().map_err(std::io::Error::from)?;
    let (width, height) = reader.info().size();
    for (option, got) in [("the picture's width", width), ("the picture's height", height)] {
        if got > MAX_SIDE {
            let accepts = format!("at most {MAX_SIDE} pixels");
            return Err(ImageError::Option { option, got: got as usize, accepts });
        }
    }
    let size =
        reader.output_buffer_size().ok_or_else(|| std::io::Error::other("the picture is too large"))?;
    let mut bytes = vec![0; size];
    let info = reader.next_frame(&mut bytes).map_err(std::io::Error::from)?;
    let channels = info.color_type.samples();
    let colours =
        if info.color_type == png::ColorType::Rgba || info.color_type == png::ColorType::Rgb { 3 } else { 1 };
    let pixels = bytes[..info.buffer_size()]
        .chunks_exact(channels)
        .map(|pixel| {
            let grey = pixel[..colours].iter().map(|&c| f32::from(c)).sum::<f32>() / colours as f32;
            let cover = pixel.get(colours).map_or(1.0, |&alpha| f32::from(alpha) / 255.0);
            grey * cover / 255.0
        })
        .collect();
    Ok((pixels, info.height as usize, info.width as usize))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(path: &Path, color: png::ColorType, width: u32, data: &[u8]) {
        let mut encoder = png::Encoder::new(File::create(path).unwrap(), width, 1);
        encoder.set_color(color);
        encoder.write_header().unwrap().write_image_data(data).unwrap();
    }

    #[test]
    fn grey_colour_and_transparency_become_grey_pixels() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.png");
        write(&path, png::ColorType::Grayscale, 2, &[0, 255]);
        assert_eq!(read_png(&path).unwrap(), (vec![0.0, 1.0], 1, 2));
        write(&path, png::ColorType::Rgb, 1, &[0, 255, 51]);
        assert_eq!(read_png(&path).unwrap().0, [102.0 / 255.0]);
        write(&path, png::ColorType::Rgba, 2, &[255, 255, 255, 0, 255, 255, 255, 255]);
        assert_eq!(read_png(&path).unwrap().0, [0.0, 1.0]);
        write(&path, png::ColorType::GrayscaleAlpha, 1, &[255, 51]);
        assert_eq!(read_png(&path).unwrap().0, [0.2]);
    }

    #[test]
    fn what_is_no_png_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.png");
        assert!(matches!(read_png(&path), Err(ImageError::Io(_))));
        std::fs::write(&path, b"not a picture").unwrap();
        assert!(matches!(read_png(&path), Err(ImageError::Io(_))));
        write(&path, png::ColorType::Grayscale, MAX_SIDE + 1, &vec![0; MAX_SIDE as usize + 1]);
        assert!(matches!(read_png(&path), Err(ImageError::Option { option: "the picture's width", .. })));
    }
}
