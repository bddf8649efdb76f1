//! Noise drawn on the host, with the same bits on every platform and device.
//!
//! ChaCha8 keyed by the seed, with the image's index as its stream, so that image 5 does not depend on how many
//! were asked for; Box-Muller in f64 with `libm`, rounded to f32 at the very end.

use crate::rand_core::{RngCore, SeedableRng};
use crate::real;
use rand_chacha::ChaCha8Rng;
use std::f64::consts::TAU;
use std::ops::Range;

/// Separate the uses of one seed: noise of image 3 shares nothing with a trainer's stream 3.
const NOISE_DOMAIN: &[u8; 24] = b"flow-digits noise, v1\0\0\0";
const PATH_DOMAIN: &[u8; 24] = b"flow-digits path, v1\0\0\0\0";
const PROBE_DOMAIN: &[u8; 24] = b"flow-digits probe, v1\0\0\0";
const STREAM_DOMAIN: &[u8; 24] = b"flow-digits stream, v1\0\0";

/// `n` standard normal values: the noise of one image. A shorter draw is the beginning of a longer one.
pub fn gaussian(seed: u64, image: u64, n: usize) -> Vec<f32> {
    gaussian_of(&mut keyed(NOISE_DOMAIN, seed, image), n)
}

/// `n` standard normal values: what a stochastic solver adds to one image at its draw number `draw`.
pub fn along_the_path(seed: u64, image: u64, draw: u64, n: usize) -> Vec<f32> {
    let mut rng = keyed(PATH_DOMAIN, seed, image);
    // 2^32 words for each draw.
    rng.set_word_pos(u128::from(draw) << 32);
    gaussian_of(&mut rng, n)
}

/// `n` values that are 1 or -1 with even chances: number `probe` of one image's Rademacher probes.
pub fn rademacher(seed: u64, image: u64, probe: u64, n: usize) -> Vec<f32> {
    let mut rng = keyed(PROBE_DOMAIN, seed, image);
    rng.set_word_pos(u128::from(probe) << 32);
    (0..n).map(|_| if rng.next_u32() >> 31 == 0 { 1.0 } else { -1.0 }).collect()
}

/// `n` standard normal values: number `probe` of one image's Gaussian probes.
pub fn gaussian_probe(seed: u64, image: u64, probe: u64, n: usize) -> Vec<f32> {
    let mut rng = keyed(PROBE_DOMAIN, seed, image);
    rng.set_word_pos(u128::from(probe) << 32);
    gaussian_of(&mut rng, n)
}

fn gaussian_of(rng: &mut ChaCha8Rng, n: usize) -> Vec<f32> {
    let mut values = Vec::with_capacity(n + 1);
    while values.len() < n {
        let (a, b) = normal_pair(rng);
        values.push(a as f32);
        values.push(b as f32);
    }
    values.truncate(n);
    values
}

/// The noise of several images, one after another, `n` values each.
pub fn batch(seed: u64, images: Range<u64>, n: usize) -> Vec<f32> {
    images.flat_map(|image| gaussian(seed, image, n)).collect()
}

/// A generator for everything else that is random: one independent stream per number.
pub fn rng(seed: u64, stream: u64) -> ChaCha8Rng {
    keyed(STREAM_DOMAIN, seed, stream)
}

fn keyed(domain: &[u8; 24], seed: u64, stream: u64) -> ChaCha8Rng {
    let mut key = [0; 32];
    key[..8].copy_from_slice(&seed.to_le_bytes());
    key[8..].copy_from_slice(domain);
    let mut rng = ChaCha8Rng::from_seed(key);
    rng.set_stream(stream);
    rng
}

/// Uniform in the open interval (0, 1), on the midpoints of 2^52 equal cells.
// 2^52 rather than 2^53: with one more bit the last midpoint would round to 1.
pub(crate) fn open_unit(rng: &mut dyn RngCore) -> f64 {
    ((rng.next_u64() >> 12) as f64 + 0.5) * (1.0 / (1u64 << 52) as f64)
}

/// One standard normal value; the second of the pair is thrown away so that a draw is one call.
pub(crate) fn standard_normal(rng: &mut dyn RngCore) -> f64 {
    normal_pair(rng).0
}

/// Box and Muller 1958: two independent standard normal values from two uniform ones.
fn normal_pair(rng: &mut dyn RngCore) -> (f64, f64) {
    let radius = libm::sqrt(-2.0 * libm::log(open_unit(rng)));
    let angle = TAU * open_unit(rng);
    (radius * real::cos(angle), radius * real::sin(angle))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_does_not_depend_on_how_many_were_asked_for() {
        let all = batch(42, 0..8, 784);
        assert_eq!(all.len(), 8 * 784);
        assert_eq!(all[5 * 784..6 * 784], gaussian(42, 5, 784));
        assert_eq!(batch(42, 5..6, 784), gaussian(42, 5, 784));
        assert!(batch(42, 3..3, 784).is_empty());
    }

    #[test]
    fn a_shorter_draw_is_the_beginning_of_a_longer_one() {
        let long = gaussian(1, 2, 101);
        assert!(gaussian(1, 2, 0).is_empty());
        assert_eq!(gaussian(1, 2, 7), long[..7]);
    }

    #[test]
    fn seeds_images_and_streams_share_nothing() {
        let one = gaussian(1, 1, 64);
        for other in [gaussian(2, 1, 64), gaussian(1, 2, 64), gaussian(0, 0, 64), gaussian(u64::MAX, 1, 64)] {
            assert!(one.iter().zip(&other).all(|(a, b)| a != b));
        }
        let mut noise = keyed(NOISE_DOMAIN, 1, 3);
        assert_ne!(noise.next_u64(), rng(1, 3).next_u64());
    }

    #[test]
    fn draws_along_a_path_share_nothing_with_each_other_or_with_its_start() {
        let one = along_the_path(1, 1, 0, 64);
        for other in [
            along_the_path(1, 1, 1, 64),
            along_the_path(1, 2, 0, 64),
            along_the_path(2, 1, 0, 64),
            gaussian(1, 1, 64),
        ] {
            assert!(one.iter().zip(&other).all(|(a, b)| a != b));
        }
        assert_eq!(one[..7], along_the_path(1, 1, 0, 7));
    }

    #[test]
    fn probes_share_nothing_with_each_other_and_are_fair() {
        let one = rademacher(1, 1, 0, 512);
        assert!(one.iter().all(|v| v.abs() == 1.0));
        assert_eq!(one[..7], rademacher(1, 1, 0, 7));
        for other in [rademacher(1, 1, 1, 512), rademacher(1, 2, 0, 512), rademacher(2, 1, 0, 512)] {
            // A sum of 512 fair signs is within five standard deviations, 5 sqrt(512).
            let agree: f32 = one.iter().zip(&other).map(|(a, b)| a * b).sum();
            assert!(agree.abs() < 114.0, "{agree}");
        }
        assert!(one.iter().sum::<f32>().abs() < 114.0);
        let gaussian_one = gaussian_probe(1, 1, 0, 64);
        for other in [gaussian_probe(1, 1, 1, 64), gaussian(1, 1, 64), along_the_path(1, 1, 0, 64)] {
            assert!(gaussian_one.iter().zip(&other).all(|(a, b)| a != b));
        }
    }

    #[test]
    fn the_bits_are_these_on_every_platform() {
        // Values 0, 1, 2 and 783, computed by a Python program with its own ChaCha8.
        for (seed, image, bits) in [
            (42, 0, [0x3fa89a83, 0xbfea4ee5, 0xbeb46d30, 0x3f8f894d]),
            (42, 5, [0xbfd37eb4, 0xbfddcaff, 0xbfd95ebe, 0x3f07c694]),
            (u64::MAX, 1 << 40, [0x3fef90ef, 0xbef1c2fd, 0x3f3b1888, 0x3ebdeb87]),
        ] {
            let values = gaussian(seed, image, 784);
            assert_eq!(
                [0, 1, 2, 783].map(|i: usize| values[i].to_bits()),
                bits,
                "seed {seed}, image {image}"
            );
        }
    }

    #[test]
    fn the_moments_are_those_of_a_standard_normal() {
        let values = gaussian(9, 0, 200_000);
        let n = values.len() as f64;
        let moment = |k: i32| values.iter().map(|v| f64::from(*v).powi(k)).sum::<f64>() / n;
        // Five standard errors: sqrt(1/n), sqrt(2/n), sqrt(15/n), sqrt(96/n).
        assert!(moment(1).abs() < 5.0 * (1.0 / n).sqrt());
        assert!((moment(2) - 1.0).abs() < 5.0 * (2.0 / n).sqrt());
        assert!(moment(3).abs() < 5.0 * (15.0 / n).sqrt());
        assert!((moment(4) - 3.0).abs() < 5.0 * (96.0 / n).sqrt());
    }

    #[test]
    fn uniform_values_stay_inside_the_open_interval() {
        struct Constant(u64);
        impl RngCore for Constant {
            fn next_u32(&mut self) -> u32 {
                self.0 as u32
            }
            fn next_u64(&mut self) -> u64 {
                self.0
            }
            fn fill_bytes(&mut self, bytes: &mut [u8]) {
                bytes.fill(self.0 as u8);
            }
        }
        assert!(open_unit(&mut Constant(0)) > 0.0);
        assert!(open_unit(&mut Constant(u64::MAX)) < 1.0);
        assert!(standard_normal(&mut Constant(0)).is_finite());
    }
}
