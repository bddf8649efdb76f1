//! Space-to-depth and back: exact, parameter-free rearrangements of pixels into channels.
//!
//! A 28x28x1 image becomes 14x14x4, on which a convolution of the same width costs four times less.

use super::{fast, shaders};
use burn::tensor::Tensor;

/// Moves `factor` x `factor` blocks of pixels into channels.
///
/// # Shapes
/// - `x`: `[batch, channels, height, width]`; `height` and `width` are multiples of `factor`.
/// - returns `[batch, channels * factor^2, height / factor, width / factor]`.
pub fn space_to_depth(x: Tensor<4>, factor: usize) -> Tensor<4> {
    if factor == 1 {
        return x;
    }
    let [batch, channels, height, width] = x.dims();
    if let Some(y) = shaders::space_to_depth(&x, factor) {
        return y;
    }
    let (h, w) = (height / factor, width / factor);
    x.reshape([batch, channels, h, factor, w, factor]).permute([0, 1, 3, 5, 2, 4]).reshape([
        batch,
        channels * factor * factor,
        h,
        w,
    ])
}

/// The inverse of [`space_to_depth`].
///
/// # Shapes
/// - `x`: `[batch, channels * factor^2, height, width]`
/// - returns `[batch, channels, height * factor, width * factor]`.
pub fn depth_to_space(x: Tensor<4>, factor: usize) -> Tensor<4> {
    if factor == 1 {
        return x;
    }
    if let Some(y) = fast::depth_to_space(&x, factor).or_else(|| shaders::depth_to_space(&x, factor)) {
        return y;
    }
    let [batch, channels, height, width] = x.dims();
    let c = channels / (factor * factor);
    x.reshape([batch, c, factor, factor, height, width]).permute([0, 1, 4, 2, 5, 3]).reshape([
        batch,
        c,
        height * factor,
        width * factor,
    ])
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::{Device, Int};

    #[test]
    fn depth_to_space_undoes_space_to_depth() {
        let device = Device::flex();
        let x = Tensor::<1, Int>::arange(0..2 * 3 * 8 * 8, &device).float().reshape([2, 3, 8, 8]);
        let there = space_to_depth(x.clone(), 2);
        assert_eq!(there.dims(), [2, 12, 4, 4]);
        let back = depth_to_space(there, 2);
        assert_eq!(back.into_data(), x.into_data());
    }

    #[test]
    fn the_four_channels_are_the_four_corners_of_a_block() {
        let device = Device::flex();
        let x = Tensor::<4>::from_floats([[[[0.0, 1.0], [2.0, 3.0]]]], &device);
        let out = space_to_depth(x, 2).into_data().try_to_vec::<f32>().unwrap();
        assert_eq!(out, [0.0, 1.0, 2.0, 3.0]);
    }
}
