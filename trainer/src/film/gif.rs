//! A film as an animated GIF: one palette of 256 colours for all frames, no dithering, and of every frame only the
//! rectangle that changed.

use super::{Film, changed};
use crate::image::ImageError;
use gif::{Encoder, Frame, Repeat};

/// The bytes of the file.
pub(super) fn encode(film: &Film) -> Result<Vec<u8>, ImageError> {
    let failed = |error: gif::EncodingError| ImageError::Io(std::io::Error::other(error));
    // Sides are at most 16384 pixels, so they fit.
    let first = &film.frames[0];
    let (width, height) = (first.width as u16, first.height as u16);
    let mut bytes = Vec::new();
    let mut encoder = Encoder::new(&mut bytes, width, height, &film.palette.bytes()).map_err(failed)?;
    encoder.set_repeat(Repeat::Infinite).map_err(failed)?;
    let mut before = None;
    for (frame, delay) in film.frames.iter().zip(&film.delays) {
        let ([left, top, width, height], pixels) = changed(before, frame);
        let part = Frame {
            delay: *delay,
            left: left as u16,
            top: top as u16,
            width: width as u16,
            height: height as u16,
            buffer: pixels.into(),
            ..Frame::default()
        };
        encoder.write_frame(&part).map_err(failed)?;
        before = Some(frame);
    }
    drop(encoder);
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::super::testing::film;
    use super::*;

    #[test]
    fn a_film_reads_back_with_its_frames_and_its_time() {
        let film = film();
        let bytes = encode(&film).unwrap();
        let mut options = gif::DecodeOptions::new();
        options.set_color_output(gif::ColorOutput::Indexed);
        let mut decoder = options.read_info(bytes.as_slice()).unwrap();
        assert_eq!((decoder.width(), decoder.height()), (3, 2));
        assert_eq!(decoder.global_palette().unwrap()[3 * 77..3 * 78], [77; 3]);
        let mut canvas = vec![0; 6];
        for (expected, delay) in film.frames.iter().zip([8, 9, 150]) {
            let frame = decoder.read_next_frame().unwrap().unwrap();
            assert_eq!(frame.delay, delay);
            for (i, pixel) in frame.buffer.iter().enumerate() {
                let (x, y) = (i % usize::from(frame.width), i / usize::from(frame.width));
                canvas[(usize::from(frame.top) + y) * 3 + usize::from(frame.left) + x] = *pixel;
            }
            assert_eq!(canvas, expected.pixels);
        }
        assert!(decoder.read_next_frame().unwrap().is_none());
    }
}
