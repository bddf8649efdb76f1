//! Building blocks that the networks share, one a file.

mod attention;
mod fast;
mod group_norm;
mod layer_norm;
mod residual;
mod shaders;
mod space_to_depth;
mod start;
mod time_embedding;

pub(crate) use attention::attend;
pub use attention::{Attention, AttentionConfig};
#[cfg(feature = "kernels")]
pub use fast::use_kernels;
pub use group_norm::{GroupNorm, GroupNormConfig};
pub use layer_norm::layer_norm;
pub use residual::{BlockKind, Residual, ResidualConfig};
pub(crate) use shaders::arranged;
pub use space_to_depth::{depth_to_space, space_to_depth};
use start::conv_from;
pub(crate) use start::{Start, embedding_from, linear, linear_from, normal};
pub use time_embedding::{sinusoidal, sinusoidal_of};

use burn::nn::Linear;
use burn::nn::conv::Conv2d;
use burn::tensor::{Device, Tensor, activation};

/// A convolution.
pub(crate) fn convolve(conv: &Conv2d, x: Tensor<4>) -> Tensor<4> {
    fast::convolve(conv, &x, None)
        .or_else(|| shaders::convolve(conv, &x, None))
        .unwrap_or_else(|| conv.forward(x))
}

/// A convolution, and `x` added to what comes out.
pub(crate) fn convolve_onto(x: Tensor<4>, conv: &Conv2d, h: Tensor<4>) -> Tensor<4> {
    fast::convolve(conv, &h, Some(&x))
        .or_else(|| shaders::convolve(conv, &h, Some(&x)))
        .unwrap_or_else(|| x + conv.forward(h))
}

/// A linear layer over the last dimension.
pub(crate) fn project<const D: usize>(linear: &Linear, x: Tensor<D>) -> Tensor<D> {
    fast::project(linear, &x).or_else(|| shaders::project(linear, &x)).unwrap_or_else(|| linear.forward(x))
}

/// The product of two matrices.
pub(crate) fn multiply(a: Tensor<2>, b: Tensor<2>) -> Tensor<2> {
    shaders::multiply(&a, &b).unwrap_or_else(|| a.matmul(b))
}

/// x / (1 + e^-x) of every number.
pub(crate) fn silu<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    fast::silu(&x).or_else(|| shaders::silu(&x)).unwrap_or_else(|| activation::silu(x))
}

/// The channels of `a`, then those of `b`.
pub(crate) fn join(a: Tensor<4>, b: Tensor<4>) -> Tensor<4> {
    fast::join(&a, &b).or_else(|| shaders::join(&a, &b)).unwrap_or_else(|| Tensor::cat(vec![a, b], 1))
}

/// A 3x3 convolution that keeps height and width (or halves them with `stride` 2).
pub(crate) fn conv3x3(from: usize, to: usize, stride: usize, device: &Device) -> Conv2d {
    conv_from(Start::Usual, [from, to], 3, stride, device)
}

/// A 3x3 convolution whose weights and bias start at zero, so that its branch starts as nothing.
pub(crate) fn conv3x3_zero(from: usize, to: usize, device: &Device) -> Conv2d {
    conv_from(Start::Zero, [from, to], 3, 1, device)
}

/// A 1x1 convolution.
pub(crate) fn conv1x1(from: usize, to: usize, device: &Device) -> Conv2d {
    conv_from(Start::Usual, [from, to], 1, 1, device)
}
