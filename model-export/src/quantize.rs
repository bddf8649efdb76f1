//! Weights as 8-bit integers with one scale an output channel.
//!
//! `w ≈ q · scale`, `scale = max |w| / n` over the channel, `q = round(w / scale)` in [-n, n]: symmetric, so that 0 stays
//! 0, and off by at most half a scale. `n`, the levels, is 127 unless fewer are asked for: the file is as large, but
//! what compresses it on its way finds fewer different bytes in it. Small tensors have four times as many
//! ([`levels_of`]).
//!
//! The output channel of a matrix is its last axis (`[inputs, outputs]`, as Burn stores linear layers and
//! embeddings), of a convolution its first (`[outputs, inputs, kernel…]`). The scales keep the
//! tensor's rank, with 1 on every other axis, so `q * scale` broadcasts in any array library.

use crate::TensorF32;

/// What a tensor's name gets for its scales.
pub const SCALE_SUFFIX: &str = ".scale";

/// The largest magnitude of a quantized weight that 8 bits hold.
pub const MOST_LEVELS: u8 = 127;

/// A tensor of at most so many weights has more levels than a file, or a training, asks for. A network's outer layers
/// are that small, and carry the noise itself from input to output: coarse there, they leave a pattern on an empty
/// background.
pub const SMALL_TENSOR: usize = 10_000;

/// The levels of a tensor of this many weights where `levels` are asked for: two bits more for a small one, as far as
/// there are.
#[must_use]
pub fn levels_of(weights: usize, levels: u8) -> u8 {
    if weights <= SMALL_TENSOR { levels.saturating_mul(4).min(MOST_LEVELS) } else { levels }
}

/// The axis that a tensor of this rank (2 or more) has its outputs on.
fn output_axis(rank: usize) -> usize {
    if rank == 2 { 1 } else { 0 }
}

/// The shape of the scales of a tensor of this shape (rank 2 or more).
pub(crate) fn scale_shape(shape: &[usize]) -> Vec<usize> {
    let axis = output_axis(shape.len());
    shape.iter().enumerate().map(|(i, &extent)| if i == axis { extent } else { 1 }).collect()
}

/// For each flat index in order, the channel it belongs to.
fn channels(shape: &[usize]) -> impl Iterator<Item = usize> {
    let axis = output_axis(shape.len());
    let outputs = shape[axis];
    let inner: usize = shape[axis + 1..].iter().product();
    let count: usize = shape.iter().product();
    (0..count).map(move |index| index / inner % outputs)
}

/// 8-bit weights and their scales. The tensor has rank 2 or more, and finite numbers.
pub(crate) fn quantize(tensor: &TensorF32, levels: u8) -> (Vec<i8>, Vec<f32>) {
    let most = f32::from(levels.clamp(1, MOST_LEVELS));
    let mut scales = vec![0.0_f32; tensor.shape[output_axis(tensor.shape.len())]];
    for (channel, weight) in channels(&tensor.shape).zip(&tensor.data) {
        scales[channel] = scales[channel].max(weight.abs());
    }
    for scale in &mut scales {
        // A channel of zeros, or of numbers too small for a scale to be told from zero, becomes zeros.
        *scale = if (*scale / most).is_normal() { *scale / most } else { 1.0 };
    }
    let quantized = channels(&tensor.shape)
        .zip(&tensor.data)
        .map(|(channel, weight)| (weight / scales[channel]).round().clamp(-most, most) as i8)
        .collect();
    (quantized, scales)
}

/// The weights that 8-bit numbers stand for.
pub(crate) fn dequantize(shape: &[usize], quantized: &[u8], scales: &[f32]) -> Vec<f32> {
    channels(shape)
        .zip(quantized)
        .map(|(channel, &q)| f32::from(i8::from_le_bytes([q])) * scales[channel])
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round_trip(tensor: &TensorF32) -> Vec<f32> {
        let (quantized, scales) = quantize(tensor, MOST_LEVELS);
        let bytes: Vec<u8> = quantized.iter().flat_map(|q| q.to_le_bytes()).collect();
        dequantize(&tensor.shape, &bytes, &scales)
    }

    #[test]
    fn every_weight_is_off_by_at_most_half_its_channels_scale() {
        let data: Vec<f32> = (0..2 * 3 * 3 * 3).map(|i| ((i * 37 % 101) as f32 - 50.0) * 0.013).collect();
        let tensor = TensorF32 { shape: vec![2, 3, 3, 3], data };
        let (_, scales) = quantize(&tensor, MOST_LEVELS);
        for (index, (got, want)) in round_trip(&tensor).iter().zip(&tensor.data).enumerate() {
            let half = scales[index / 27] * 0.5;
            assert!((got - want).abs() <= half * 1.0001, "{index}: {got} for {want}");
        }
    }

    #[test]
    fn a_small_channel_keeps_its_detail_beside_a_large_one() {
        // Convolution: channel 0 is a thousand times channel 1.
        let tensor = TensorF32 { shape: vec![2, 1, 2], data: vec![1000.0, -500.0, 1.0, -0.5] };
        let (quantized, scales) = quantize(&tensor, MOST_LEVELS);
        assert_eq!(quantized, [127, -64, 127, -64]);
        assert_eq!(scales, [1000.0 / 127.0, 1.0 / 127.0]);
    }

    #[test]
    fn the_outputs_of_a_matrix_are_its_columns() {
        let tensor = TensorF32 { shape: vec![2, 3], data: vec![1.0, 10.0, 100.0, -2.0, -20.0, -200.0] };
        let (quantized, scales) = quantize(&tensor, MOST_LEVELS);
        assert_eq!(scales, [2.0 / 127.0, 20.0 / 127.0, 200.0 / 127.0]);
        assert_eq!(quantized, [64, 64, 64, -127, -127, -127]);
        assert_eq!(scale_shape(&[2, 3]), [1, 3]);
        assert_eq!(scale_shape(&[8, 4, 3, 3]), [8, 1, 1, 1]);
    }

    #[test]
    fn fewer_levels_are_fewer_different_numbers_with_larger_scales() {
        let data: Vec<f32> = (0..64).map(|i| (i as f32 - 31.5) * 0.1).collect();
        let tensor = TensorF32 { shape: vec![1, 64], data };
        let (quantized, scales) = quantize(&TensorF32 { shape: vec![1, 8, 8], ..tensor }, 7);
        assert_eq!(scales, [3.15 / 7.0]);
        let different: std::collections::BTreeSet<i8> = quantized.into_iter().collect();
        assert_eq!(different, (-7..=7).collect());
    }

    #[test]
    fn zeros_and_denormals_become_zeros_without_a_division_by_zero() {
        let tensor = TensorF32 { shape: vec![3, 1, 1], data: vec![0.0, 1e-44, -0.0] };
        assert_eq!(round_trip(&tensor), [0.0, 0.0, 0.0]);
    }
}
