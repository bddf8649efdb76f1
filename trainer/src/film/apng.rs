//! A film as an animated PNG: grey where the palette is, colours by their number otherwise, and of every frame only the
//! rectangle that changed. A program that knows no animation shows the first frame.

use super::{Film, changed};
use crate::image::ImageError;
use png::{BitDepth, BlendOp, ColorType, Compression, DisposeOp, Encoder};

/// The bytes of the file.
pub(super) fn encode(film: &Film) -> Result<Vec<u8>, ImageError> {
    let mut bytes = Vec::new();
    write(film, &mut bytes).map_err(|error| ImageError::Io(error.into()))?;
    Ok(bytes)
}

fn write(film: &Film, bytes: &mut Vec<u8>) -> Result<(), png::EncodingError> {
    // Sides are at most 16384 pixels, so they fit.
    let first = &film.frames[0];
    let mut encoder = Encoder::new(bytes, first.width as u32, first.height as u32);
    encoder.set_depth(BitDepth::Eight);
    encoder.set_compression(Compression::High);
    if film.palette.is_grey() {
        encoder.set_color(ColorType::Grayscale);
    } else {
        encoder.set_color(ColorType::Indexed);
        encoder.set_palette(film.palette.bytes());
    }
    let moves = film.frames.len() > 1;
    if moves {
        encoder.set_animated(film.frames.len() as u32, 0)?;
    }
    let mut writer = encoder.write_header()?;
    let mut before = None;
    for (frame, delay) in film.frames.iter().zip(&film.delays) {
        let ([left, top, width, height], pixels) = changed(before, frame);
        if moves {
            writer.set_frame_delay(*delay, 100)?;
            writer.set_blend_op(BlendOp::Source)?;
            writer.set_dispose_op(DisposeOp::None)?;
        }
        if before.is_some() {
            writer.reset_frame_position()?;
            writer.set_frame_dimension(width as u32, height as u32)?;
            writer.set_frame_position(left as u32, top as u32)?;
        }
        writer.write_image_data(&pixels)?;
        before = Some(frame);
    }
    writer.finish()
}

#[cfg(test)]
mod tests {
    use super::super::testing::film;
    use super::super::{Film, Palette};
    use super::*;

    /// The canvas after every frame, and the delays.
    fn read(bytes: &[u8]) -> (ColorType, Vec<Vec<u8>>, Vec<u16>) {
        let mut reader = png::Decoder::new(std::io::Cursor::new(bytes)).read_info().unwrap();
        let (width, height) = (reader.info().width as usize, reader.info().height as usize);
        let frames = reader.info().animation_control().map_or(1, |a| a.num_frames);
        let colour = reader.info().color_type;
        let mut canvas = vec![0; width * height];
        let (mut states, mut delays) = (Vec::new(), Vec::new());
        for _ in 0..frames {
            let mut buffer = vec![0; reader.output_buffer_size().unwrap()];
            let info = reader.next_frame(&mut buffer).unwrap();
            let (left, top) = match reader.info().frame_control() {
                Some(control) => {
                    delays.push(control.delay_num);
                    (control.x_offset as usize, control.y_offset as usize)
                }
                None => (0, 0),
            };
            for (i, pixel) in buffer[..info.buffer_size()].iter().enumerate() {
                let (x, y) = (i % info.width as usize, i / info.width as usize);
                canvas[(top + y) * width + left + x] = *pixel;
            }
            states.push(canvas.clone());
        }
        (colour, states, delays)
    }

    #[test]
    fn a_film_reads_back_with_its_frames_and_its_time() {
        let film = film();
        let (colour, states, delays) = read(&encode(&film).unwrap());
        assert_eq!(colour, ColorType::Grayscale);
        assert_eq!(delays, [8, 9, 150]);
        let expected: Vec<Vec<u8>> = film.frames.iter().map(|frame| frame.pixels.clone()).collect();
        assert_eq!(states, expected);
    }

    #[test]
    fn one_frame_is_a_plain_png_and_colours_have_their_palette() {
        let palette = Palette::of(vec![[1, 2, 3], [4, 5, 6]]);
        let mut picture = film().frames[0].clone();
        picture.pixels = vec![0, 1, 1, 0, 0, 1];
        let bytes = encode(&Film::still(palette, picture)).unwrap();
        assert!(!bytes.windows(4).any(|name| name == b"acTL"));
        let reader = png::Decoder::new(std::io::Cursor::new(&bytes)).read_info().unwrap();
        assert_eq!(reader.info().color_type, ColorType::Indexed);
        assert_eq!(reader.info().palette.as_ref().unwrap()[..6], [1, 2, 3, 4, 5, 6]);
    }
}
