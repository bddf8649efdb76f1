//! Group normalization (Wu and He 2018, arXiv 1803.08494) with the scale, the shift and the SiLU that follow it, in
//! two passes over an image: sums, then everything else.

use wide::f32x4;

use crate::Extents;
use crate::exponential::silu4;

/// Scales and shifts of a normalization's channels.
#[derive(Clone, Copy, Debug)]
pub enum Affine<'a> {
    /// The same for all images: `[channels]` each.
    Shared {
        /// Factors.
        scale: &'a [f32],
        /// Added afterwards.
        shift: &'a [f32],
    },
    /// An image's own: `[batch, 2 * channels]`, scales less one and then shifts, rows beginning every `stride` numbers.
    Own {
        /// All images' numbers.
        both: &'a [f32],
        /// From one image's to the next one's.
        stride: usize,
    },
}

/// What is done to an image.
#[derive(Clone, Copy, Debug)]
pub struct Norm<'a> {
    /// Groups; divide the channels.
    pub groups: usize,
    /// Scales and shifts.
    pub affine: Affine<'a>,
    /// Whether SiLU follows.
    pub silu: bool,
}

/// Normalizes each image of `x` into `out`: (x - mean) / sqrt(variance + 1e-5), statistics over a group's channels and
/// all pixels; then scale, shift and SiLU.
///
/// # Panics
/// If channels are no multiple of 4 and of the groups, or a slice is not as long as its extents say.
pub fn normalize(x: &[f32], extents: Extents, norm: Norm, out: &mut [f32]) {
    let Extents { batch, channels, .. } = extents;
    assert!(x.len() == extents.len() && out.len() == x.len(), "{extents:?}");
    assert!(channels.is_multiple_of(4) && channels.is_multiple_of(norm.groups), "{extents:?}");
    let mut factors = vec![f32x4::ZERO; channels / 4];
    let mut terms = factors.clone();
    for image in 0..batch {
        let range = image * extents.image()..(image + 1) * extents.image();
        let (x, out) = (&x[range.clone()], &mut out[range]);
        let (means, inverses) = statistics(x, channels, norm.groups);
        let (scale, shift, less) = match norm.affine {
            Affine::Shared { scale, shift } => (scale, shift, 0.0),
            Affine::Own { both, stride } => {
                let own = &both[image * stride..][..2 * channels];
                (&own[..channels], &own[channels..], 1.0)
            }
        };
        let per = channels / norm.groups;
        // (x - mean) * inverse * scale + shift, as x * factor + term.
        for (i, (factor, term)) in factors.iter_mut().zip(&mut terms).enumerate() {
            let of = |f: &dyn Fn(usize) -> f32| f32x4::new(std::array::from_fn(|l| f(4 * i + l)));
            *factor = of(&|c| inverses[c / per] * (scale[c] + less));
            *term = of(&|c| shift[c] - means[c / per] * inverses[c / per] * (scale[c] + less));
        }
        let pixels = x.chunks_exact(channels).zip(out.chunks_exact_mut(channels));
        for (x, out) in pixels {
            let (x, out) = (x.as_chunks::<4>().0, out.as_chunks_mut::<4>().0);
            for (((x, out), factor), term) in x.iter().zip(out).zip(&factors).zip(&terms) {
                let y = f32x4::new(*x) * *factor + *term;
                *out = if norm.silu { silu4(y) } else { y }.to_array();
            }
        }
    }
}

/// Mean and 1 / sqrt(variance + 1e-5) of each group.
fn statistics(x: &[f32], channels: usize, groups: usize) -> (Vec<f32>, Vec<f32>) {
    let per = channels / groups;
    let count = (x.len() / groups) as f32;
    let grouped = |sums: &[f32x4]| -> Vec<f32> {
        let sums: Vec<f32> = sums.iter().flat_map(|sum| sum.to_array()).collect();
        sums.chunks_exact(per).map(|group| group.iter().sum::<f32>() / count).collect()
    };
    let sums = |f: &dyn Fn(usize) -> f32x4, square: bool| {
        let offsets: Vec<f32x4> = (0..channels / 4).map(f).collect();
        let mut sums = vec![f32x4::ZERO; channels / 4];
        for pixel in x.chunks_exact(channels) {
            for ((sum, x), offset) in sums.iter_mut().zip(pixel.as_chunks::<4>().0).zip(&offsets) {
                let x = f32x4::new(*x) - *offset;
                *sum += if square { x * x } else { x };
            }
        }
        sums
    };
    let means = grouped(&sums(&|_| f32x4::ZERO, false));
    let mean = |i: usize| f32x4::new(std::array::from_fn(|l| means[(4 * i + l) / per]));
    let variances = grouped(&sums(&mean, true));
    let inverses = variances.iter().map(|variance| 1.0 / (variance + 1e-5).sqrt()).collect();
    (means, inverses)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_image_is_normalized_by_itself_then_scaled_and_shifted() {
        let extents = Extents { batch: 2, height: 3, width: 2, channels: 8 };
        let x: Vec<f32> = (0..extents.len()).map(|i| ((i * 29) % 31) as f32 * 0.3 + 100.0).collect();
        let both: Vec<f32> = (0..2 * 20).map(|i| i as f32 * 0.01 - 0.1).collect();
        let norm = Norm { groups: 2, affine: Affine::Own { both: &both, stride: 20 }, silu: false };
        let mut out = vec![0.0; x.len()];
        normalize(&x, extents, norm, &mut out);
        for image in 0..2 {
            for group in 0..2 {
                let of = |pixel: usize, c: usize| image * 48 + pixel * 8 + group * 4 + c;
                let all = || (0..6).flat_map(|p| (0..4).map(move |c| (p, c)));
                let mean = all().map(|(p, c)| f64::from(x[of(p, c)])).sum::<f64>() / 24.0;
                let variance =
                    all().map(|(p, c)| (f64::from(x[of(p, c)]) - mean).powi(2)).sum::<f64>() / 24.0;
                for (p, c) in all() {
                    let channel = group * 4 + c;
                    let scale = f64::from(both[image * 20 + channel]) + 1.0;
                    let shift = f64::from(both[image * 20 + 8 + channel]);
                    let want = (f64::from(x[of(p, c)]) - mean) / (variance + 1e-5).sqrt() * scale + shift;
                    assert!((f64::from(out[of(p, c)]) - want).abs() < 1e-4);
                }
            }
        }
    }
}
