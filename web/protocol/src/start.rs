//! What a run begins with, and how the bytes beside its message are read.
//!
//! Numbers cross as f32 in little-endian order, whatever the machine; pictures as bytes, 0 paper and 255 ink, image after
//! image and within each channel after channel.

use crate::{Fault, Looks};
use flow::plan::SamplePlan;
use serde::{Deserialize, Serialize};

/// What a run begins with.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(tag = "from", rename_all = "kebab-case")]
pub enum Start {
    /// The noise of the plan's seed. No buffer.
    #[default]
    Noise,
    /// The images lie at even shares of the way on the sphere from the noise of (the plan's seed, image 0) to that of (this
    /// seed, image 0), both ends among them, and all have the class of image 0. No buffer.
    Between {
        /// The seed at the other end.
        seed: u64,
    },
    /// These states. Buffer: the plan's count of states, as [`numbers`] reads them.
    Given {
        /// The time that they are at: 0 for noise, more for what [`ToWorker::Invert`](crate::ToWorker::Invert) with the same
        /// `at` gave.
        #[serde(default)]
        at: f64,
    },
    /// A picture of which a part is known; each image fills in the rest from its own noise (`flow::inpainting`). Buffer: the
    /// picture's bytes and as many of its mask, 0 where it is to be filled in. Not for models over latents, nor with solvers
    /// that add noise.
    Filled,
}

impl Start {
    /// Whether a plan's images differ in class as the plan says; else all have that of image 0.
    #[must_use]
    pub fn keeps_classes(&self) -> bool {
        !matches!(self, Self::Between { .. })
    }

    /// The pixels that a plan begins with, as far as they are known without the buffer. `None` of latents, whose states
    /// have to be decoded, and of states that are given.
    #[must_use]
    pub fn first_pixels(&self, looks: &Looks, plan: &SamplePlan) -> Option<Vec<u8>> {
        let length = looks.image.iter().product();
        match self {
            Self::Given { .. } => None,
            Self::Between { .. } if looks.latent => None,
            Self::Between { seed } => looks.pixels(&between(plan, *seed, length)),
            Self::Noise | Self::Filled => looks.noise(plan),
        }
    }
}

/// The noises between those of two seeds, each of `length` numbers, one for each of the plan's images.
#[must_use]
pub fn between(plan: &SamplePlan, seed: u64, length: usize) -> Vec<f32> {
    let [one, other] = [plan.seed, seed].map(|seed| flow::noise::gaussian(seed, 0, length));
    flow::interpolation::noises(&one, &other, plan.count)
}

/// The numbers of a buffer.
///
/// # Errors
/// Not `expected` numbers.
pub fn numbers(bytes: &[u8], expected: usize) -> Result<Vec<f32>, Fault> {
    if bytes.len() != expected * 4 {
        let what = format!(
            "the buffer has {} bytes; {expected} numbers of 4 bytes were to be in it, {} bytes",
            bytes.len(),
            expected * 4
        );
        return Err(Fault::Sampling { what });
    }
    let number = |four: &[u8]| four.try_into().map(f32::from_le_bytes).unwrap_or_default();
    Ok(bytes.chunks_exact(4).map(number).collect())
}

/// The bytes that [`numbers`] reads.
#[must_use]
pub fn bytes(numbers: &[f32]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_le_bytes()).collect()
}

/// Pictures of a buffer as model values.
///
/// # Errors
/// Not the bytes of `count` pictures, or a model over latents, of which no encoder ships.
pub fn pictures(looks: &Looks, bytes: &[u8], count: usize) -> Result<Vec<f32>, Fault> {
    require_pixels(looks)?;
    require(bytes, count * length(looks), &format!("{count} pictures"), looks)?;
    Ok(looks.values(bytes))
}

/// A picture of a buffer as model values, and its mask: 1 where it is known, else 0.
///
/// # Errors
/// Not the bytes of a picture and its mask, or a model over latents, of which no encoder ships.
pub fn picture_and_mask(looks: &Looks, bytes: &[u8]) -> Result<(Vec<f32>, Vec<f32>), Fault> {
    require_pixels(looks)?;
    require(bytes, 2 * length(looks), "a picture and its mask", looks)?;
    let (picture, mask) = bytes.split_at(length(looks));
    Ok((looks.values(picture), mask.iter().map(|byte| f32::from(u8::from(*byte != 0))).collect()))
}

fn length(looks: &Looks) -> usize {
    looks.image.iter().product()
}

fn require(bytes: &[u8], expected: usize, content: &str, looks: &Looks) -> Result<(), Fault> {
    if bytes.len() == expected {
        return Ok(());
    }
    let [channels, height, width] = looks.image;
    let what = format!(
        "the buffer has {} bytes; {content} of {channels} x {height} x {width} were to be in it, {expected} bytes",
        bytes.len()
    );
    Err(Fault::Sampling { what })
}

fn require_pixels(looks: &Looks) -> Result<(), Fault> {
    if !looks.latent {
        return Ok(());
    }
    let what = "the model computes with latents, and no encoder ships that could turn a picture into one; accepted are \
         models that compute with pixels";
    Err(Fault::Sampling { what: what.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOOKS: Looks = Looks { image: [1, 2, 2], latent: false, mean: 0.1307, std: 0.3081 };
    const LATENT: Looks = Looks { latent: true, ..LOOKS };

    fn what(result: Result<impl std::fmt::Debug, Fault>) -> String {
        match result {
            Err(Fault::Sampling { what }) => what,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn every_byte_comes_back_from_model_values() {
        let all: Vec<u8> = (0..=255).collect();
        for (mean, std) in [(0.1307, 0.3081), (0.5, 0.5), (0.0, 1.0), (0.2860, 0.3530)] {
            let looks = Looks { mean, std, ..LOOKS };
            assert_eq!(looks.pixels(&looks.values(&all)), Some(all.clone()), "{mean}, {std}");
        }
    }

    #[test]
    fn numbers_come_back_as_they_went_and_another_count_is_refused() {
        let given = [0.1, -2.5, f32::MIN_POSITIVE, 1e30];
        assert_eq!(numbers(&bytes(&given), 4), Ok(given.to_vec()));
        // 1.0 is 0x3f800000, least byte first.
        assert_eq!(bytes(&[1.0]), [0, 0, 0x80, 0x3f]);
        let said = what(numbers(&bytes(&given), 5));
        assert!(
            said.contains("16 bytes") && said.contains("5 numbers") && said.contains("20 bytes"),
            "{said}"
        );
    }

    #[test]
    fn pictures_are_read_and_another_length_or_a_latent_is_refused() {
        let values = pictures(&LOOKS, &[0, 255, 0, 255, 1, 2, 3, 4], 2).unwrap();
        assert_eq!(LOOKS.pixels(&values), Some(vec![0, 255, 0, 255, 1, 2, 3, 4]));
        let said = what(pictures(&LOOKS, &[0; 7], 2));
        assert!(said.contains("7 bytes") && said.contains("2 pictures of 1 x 2 x 2"), "{said}");
        assert!(what(pictures(&LATENT, &[0; 8], 2)).contains("encoder"));
    }

    #[test]
    fn a_mask_is_whatever_is_not_zero() {
        let (picture, mask) = picture_and_mask(&LOOKS, &[9, 8, 7, 6, 0, 1, 255, 0]).unwrap();
        assert_eq!(LOOKS.pixels(&picture), Some(vec![9, 8, 7, 6]));
        assert_eq!(mask, [0.0, 1.0, 1.0, 0.0]);
        assert!(what(picture_and_mask(&LOOKS, &[0; 4])).contains("a picture and its mask"));
        assert!(what(picture_and_mask(&LATENT, &[0; 8])).contains("encoder"));
    }

    #[test]
    fn the_ends_between_two_seeds_are_their_first_images() {
        let [one, other]: [SamplePlan; 2] =
            ["seed=3&count=5", "seed=8&count=5"].map(|plan| plan.parse().unwrap());
        let start = Start::Between { seed: 8 };
        let pixels = start.first_pixels(&LOOKS, &one).unwrap();
        assert_eq!(pixels.len(), 20);
        assert_eq!(pixels[..4], LOOKS.noise(&one).unwrap()[..4]);
        assert_eq!(pixels[16..], LOOKS.noise(&other).unwrap()[..4]);
        assert_eq!(start.first_pixels(&LATENT, &one), None);
        assert_eq!(Start::Given { at: 0.0 }.first_pixels(&LOOKS, &one), None);
        assert_eq!(Start::Filled.first_pixels(&LOOKS, &one), LOOKS.noise(&one));
        assert!(!start.keeps_classes() && Start::Filled.keeps_classes());
    }

    #[test]
    fn starts_survive_the_crossing() {
        let starts =
            [Start::Noise, Start::Between { seed: u64::MAX }, Start::Given { at: 0.25 }, Start::Filled];
        for start in starts {
            let text = serde_json::to_string(&start).unwrap();
            assert_eq!(serde_json::from_str::<Start>(&text).unwrap(), start, "{text}");
        }
        assert_eq!(serde_json::from_str::<Start>(r#"{"from":"given"}"#).unwrap(), Start::Given { at: 0.0 });
    }
}
