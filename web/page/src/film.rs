//! The states of a run, kept for playback: pixels as bytes, 0 paper and 255 ink.

/// One state.
pub(crate) struct Frame {
    /// Where on the way from noise (0) to data (1).
    pub(crate) t: f64,
    /// Pixels of all images, image after image.
    pub(crate) pixels: Vec<u8>,
}

/// The states of one run in the order of time.
#[derive(Default)]
pub(crate) struct Film {
    /// The states so far; the first is noise.
    pub(crate) frames: Vec<Frame>,
    /// Whether no more will come.
    pub(crate) complete: bool,
}

impl Film {
    /// The time of the last state; 0 before there is one.
    pub(crate) fn reached(&self) -> f64 {
        self.frames.last().map_or(0.0, |frame| frame.t)
    }

    /// The index of the last state at or before `t`.
    pub(crate) fn at(&self, t: f64) -> usize {
        self.frames.partition_point(|frame| frame.t <= t + 1e-9).saturating_sub(1)
    }

    /// The picture at `t`: between two states, the straight line from one to the other.
    pub(crate) fn picture(&self, t: f64) -> Option<Vec<u8>> {
        let index = self.at(t);
        let before = self.frames.get(index)?;
        let Some(after) = self.frames.get(index + 1).filter(|_| t > before.t) else {
            return Some(before.pixels.clone());
        };
        let weight = ((t - before.t) / (after.t - before.t)).clamp(0.0, 1.0) as f32;
        let blend =
            |(&a, &b): (&u8, &u8)| (f32::from(a) + weight * (f32::from(b) - f32::from(a))).round() as u8;
        Some(before.pixels.iter().zip(&after.pixels).map(blend).collect())
    }

    /// FNV-1a of the last state's pixels, 16 hexadecimal digits: lets two pictures be compared without looking.
    pub(crate) fn hash(&self) -> String {
        let bytes = self.frames.last().map_or(&[][..], |frame| &frame.pixels);
        let hash = bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, &byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
        format!("{hash:016x}")
    }
}

/// Pixels in [0, 1] as bytes.
pub(crate) fn bytes(pixels: &[f32]) -> Vec<u8> {
    pixels.iter().map(|&pixel| (pixel.clamp(0.0, 1.0) * 255.0).round() as u8).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn film() -> Film {
        let frame = |t, value| Frame { t, pixels: vec![value; 3] };
        Film { frames: vec![frame(0.0, 0), frame(0.5, 100), frame(1.0, 200)], ..Film::default() }
    }

    #[test]
    fn a_picture_at_a_knot_is_the_state_itself() {
        assert_eq!(film().picture(0.0), Some(vec![0; 3]));
        assert_eq!(film().picture(0.5), Some(vec![100; 3]));
        assert_eq!(film().picture(1.0), Some(vec![200; 3]));
    }

    #[test]
    fn between_knots_it_lies_on_the_straight_line() {
        assert_eq!(film().picture(0.25), Some(vec![50; 3]));
        assert_eq!(film().picture(0.75), Some(vec![150; 3]));
    }

    #[test]
    fn beyond_what_is_computed_it_is_the_last_state() {
        let mut film = film();
        film.frames.pop();
        assert_eq!(film.picture(0.9), Some(vec![100; 3]));
        assert_eq!(Film::default().picture(0.3), None);
    }

    #[test]
    fn the_hash_is_fnv_1a_of_the_last_state() {
        // FNV-1a's offset basis for no bytes, and its published value for "a".
        assert_eq!(Film::default().hash(), "cbf29ce484222325");
        let film = Film { frames: vec![Frame { t: 1.0, pixels: b"a".to_vec() }], ..Film::default() };
        assert_eq!(film.hash(), "af63dc4c8601ec8c");
    }
}
