//! The states of a run, kept for playback: pixels as bytes, 0 paper and 255 ink.
//!
//! A long run of many digits has more states than are worth their memory. Then every second one is kept, or every
//! fourth, and so on, always with the first and the last; the picture glides over those that are missing.

/// The most bytes that are kept: 330 states of 256 digits, or 110 with their estimates and velocities.
const MOST_BYTES: usize = 64 * 1024 * 1024;

/// One state.
pub(crate) struct Frame {
    /// Where on the way from noise (0) to data (1); the image that is furthest behind, where images differ.
    pub(crate) t: f64,
    /// Where each image is, under a tolerance; empty when all are at `t`.
    pub(crate) times: Vec<f64>,
    /// After how many steps.
    pub(crate) accepted: usize,
    /// Pixels of all images, image after image.
    pub(crate) pixels: Vec<u8>,
    /// Where the state before would have arrived, going straight on; as pixels. Empty where the run brings none.
    pub(crate) estimate: Vec<u8>,
    /// The velocity with which the step to this state left the one before, 128 for none. Empty where the run brings none.
    pub(crate) velocity: Vec<u8>,
}

impl Frame {
    /// From a frame's message and its buffer, which holds one part or three.
    pub(crate) fn from_message(
        t: f64,
        times: Vec<f64>,
        accepted: usize,
        mut bytes: Vec<u8>,
        views: bool,
    ) -> Self {
        let (mut estimate, mut velocity) = (Vec::new(), Vec::new());
        if views && accepted > 0 {
            let part = bytes.len() / 3;
            velocity = bytes.split_off(2 * part);
            estimate = bytes.split_off(part);
        }
        Self { t, times, accepted, pixels: bytes, estimate, velocity }
    }

    fn bytes(&self) -> usize {
        self.pixels.len() + self.estimate.len() + self.velocity.len()
    }

    /// Where one image is.
    fn time(&self, image: usize) -> f64 {
        self.times.get(image).copied().unwrap_or(self.t)
    }
}

/// The states of one run in the order of time.
#[derive(Default)]
pub(crate) struct Film {
    /// The states that are kept; the first is noise.
    pub(crate) frames: Vec<Frame>,
    /// The times of all states so far, kept or not.
    pub(crate) knots: Vec<f64>,
    /// Whether no more will come.
    pub(crate) complete: bool,
    /// How often every second state was given up.
    halvings: u32,
}

impl Film {
    /// A film that begins with the noise, if its pixels are known.
    pub(crate) fn begun(noise: Option<Vec<u8>>) -> Self {
        let mut film = Self::default();
        if let Some(pixels) = noise {
            film.take(Frame::from_message(0.0, Vec::new(), 0, pixels, false));
        }
        film
    }

    /// Adds a state. The noise begins the film anew.
    pub(crate) fn take(&mut self, frame: Frame) {
        self.take_within(frame, MOST_BYTES);
    }

    fn take_within(&mut self, frame: Frame, most_bytes: usize) {
        if frame.accepted == 0 {
            self.frames.clear();
            self.knots.clear();
            self.halvings = 0;
        }
        // The last state is always here, and goes when it is no longer the last and not one of those that stay.
        self.frames.pop_if(|last| !is_kept(last.accepted, self.halvings));
        self.knots.push(frame.t);
        self.frames.push(frame);
        while self.frames.len() > 3 && self.frames.iter().map(Frame::bytes).sum::<usize>() > most_bytes {
            self.halvings += 1;
            let (last, halvings) = (self.knots.len() - 1, self.halvings);
            self.frames.retain(|frame| frame.accepted == last || is_kept(frame.accepted, halvings));
        }
    }

    /// How many steps lead to the last state at or before `t`.
    pub(crate) fn steps_to(&self, t: f64) -> usize {
        self.knots.partition_point(|&knot| knot <= t + 1e-9).saturating_sub(1)
    }

    /// The time of the last state; 0 before there is one.
    pub(crate) fn reached(&self) -> f64 {
        self.frames.last().map_or(0.0, |frame| frame.t)
    }

    /// The picture at `t`: each image on the straight line between its own two states around that time.
    pub(crate) fn picture(&self, t: f64) -> Option<Vec<u8>> {
        let images = self.frames.iter().map(|frame| frame.times.len()).max()?.max(1);
        let mut picture = Vec::with_capacity(self.frames.first()?.pixels.len());
        for image in 0..images {
            let index = self.frames.partition_point(|frame| frame.time(image) <= t + 1e-9).saturating_sub(1);
            let before = self.frames.get(index)?;
            let part = |frame: &Frame| {
                let size = frame.pixels.len() / images;
                image * size..(image + 1) * size
            };
            let from = before.pixels.get(part(before))?;
            let (t0, after) = (before.time(image), self.frames.get(index + 1));
            match after.and_then(|after| Some((after.time(image), after.pixels.get(part(after))?))) {
                Some((t1, to)) if t > t0 => {
                    let weight = ((t - t0) / (t1 - t0)).clamp(0.0, 1.0) as f32;
                    let blend = |(&a, &b): (&u8, &u8)| {
                        (f32::from(a) + weight * (f32::from(b) - f32::from(a))).round() as u8
                    };
                    picture.extend(from.iter().zip(to).map(blend));
                }
                _ => picture.extend_from_slice(from),
            }
        }
        Some(picture)
    }

    /// What the step that passes `t` brought along for each image: an estimate, or a velocity. After the last state, that of
    /// the last step; `None` while no step was made, or when the run brings none.
    fn along(&self, t: f64, read: fn(&Frame) -> &Vec<u8>) -> Option<Vec<u8>> {
        let images = self.frames.iter().map(|frame| frame.times.len()).max()?.max(1);
        let last = self.frames.len().checked_sub(1)?;
        let mut all = Vec::with_capacity(self.frames.first()?.pixels.len());
        for image in 0..images {
            let passed = self.frames.partition_point(|frame| frame.time(image) <= t + 1e-9);
            let bytes = read(self.frames.get(passed.clamp(1, last.max(1)))?);
            let size = bytes.len() / images;
            all.extend_from_slice(bytes.get(image * size..(image + 1) * size)?);
        }
        Some(all).filter(|all| !all.is_empty())
    }

    /// The estimate of the end at `t`; at the end, the end itself.
    pub(crate) fn estimate(&self, t: f64) -> Option<Vec<u8>> {
        if self.complete && t + 1e-9 >= self.reached() {
            return self.picture(t);
        }
        self.along(t, |frame| &frame.estimate)
    }

    /// The velocity at `t`.
    pub(crate) fn velocity(&self, t: f64) -> Option<Vec<u8>> {
        self.along(t, |frame| &frame.velocity)
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

/// Whether a state stays when every second one was given up so often.
fn is_kept(accepted: usize, halvings: u32) -> bool {
    accepted.trailing_zeros() >= halvings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(t: f64, accepted: usize, pixels: Vec<u8>) -> Frame {
        Frame::from_message(t, Vec::new(), accepted, pixels, false)
    }

    fn film() -> Film {
        let mut film = Film::begun(Some(vec![0; 3]));
        film.take(frame(0.5, 1, vec![100; 3]));
        film.take(frame(1.0, 2, vec![200; 3]));
        film
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
    fn images_that_take_their_own_steps_are_each_shown_at_the_time_asked_for() {
        let mut film = Film::begun(Some(vec![0, 0]));
        // The first image takes two steps, the second one waits and then takes one.
        for (accepted, times, pixels) in [(1, [0.5_f64, 0.0], [100, 0]), (2, [1.0, 0.8], [200, 80])] {
            let t = times[0].min(times[1]);
            film.take(Frame::from_message(t, times.to_vec(), accepted, pixels.to_vec(), false));
        }
        film.take(Frame::from_message(1.0, vec![1.0, 1.0], 3, vec![200, 240], false));
        assert_eq!(film.picture(0.0), Some(vec![0, 0]));
        assert_eq!(film.picture(0.25), Some(vec![50, 25]));
        assert_eq!(film.picture(0.75), Some(vec![150, 75]));
        assert_eq!(film.picture(0.9), Some(vec![180, 160]));
        assert_eq!(film.picture(1.0), Some(vec![200, 240]));
    }

    #[test]
    fn between_two_states_the_step_between_them_is_told() {
        let mut film = Film::begun(Some(vec![10]));
        assert_eq!((film.estimate(0.0), film.velocity(0.0)), (None, None));
        film.take(Frame::from_message(0.5, Vec::new(), 1, vec![20, 21, 22], true));
        film.take(Frame::from_message(1.0, Vec::new(), 2, vec![30, 31, 32], true));
        let at = |t| (film.estimate(t).unwrap(), film.velocity(t).unwrap());
        assert_eq!((at(0.0), at(0.4)), ((vec![21], vec![22]), (vec![21], vec![22])));
        assert_eq!((at(0.5), at(0.9)), ((vec![31], vec![32]), (vec![31], vec![32])));
        film.complete = true;
        assert_eq!((film.estimate(1.0), film.velocity(1.0)), (Some(vec![30]), Some(vec![32])));
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
        assert_eq!(Film::begun(Some(b"a".to_vec())).hash(), "af63dc4c8601ec8c");
    }

    #[test]
    fn a_long_run_keeps_its_ends_and_an_even_choice_of_what_lies_between() {
        let mut film = Film::default();
        for accepted in 0..=1000 {
            film.take_within(frame(accepted as f64 / 1000.0, accepted, vec![0; 100]), 10_000);
            assert!(film.frames.len() <= 100, "{} after {accepted}", film.frames.len());
        }
        assert_eq!((film.knots.len(), film.steps_to(0.5), film.reached()), (1001, 500, 1.0));
        let kept: Vec<usize> = film.frames.iter().map(|frame| frame.accepted).collect();
        let expected: Vec<usize> = (0..1000).step_by(16).chain([1000]).collect();
        assert_eq!(kept, expected);
    }

    #[test]
    fn the_noise_of_the_next_run_begins_the_film_anew() {
        let mut film = film();
        film.take(frame(0.0, 0, vec![7; 3]));
        assert_eq!((film.frames.len(), film.knots.len(), film.reached()), (1, 1, 0.0));
    }
}
