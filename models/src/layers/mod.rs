//! Building blocks that the networks share, one a file.

mod attention;
mod group_norm;
mod layer_norm;
mod residual;
mod space_to_depth;
mod time_embedding;

pub(crate) use attention::attend;
pub use attention::{Attention, AttentionConfig};
pub use group_norm::{GroupNorm, GroupNormConfig};
pub use layer_norm::layer_norm;
pub use residual::{BlockKind, Residual, ResidualConfig};
pub use space_to_depth::{depth_to_space, space_to_depth};
pub use time_embedding::{sinusoidal, sinusoidal_of};

use burn::module::Initializer;
use burn::nn::PaddingConfig2d;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::tensor::Device;

/// A 3x3 convolution that keeps height and width (or halves them with `stride` 2).
pub(crate) fn conv3x3(from: usize, to: usize, stride: usize, device: &Device) -> Conv2d {
    conv3x3_config(from, to, stride).init(device)
}

/// A 3x3 convolution whose weights and bias start at zero, so that its branch starts as nothing.
pub(crate) fn conv3x3_zero(from: usize, to: usize, device: &Device) -> Conv2d {
    conv3x3_config(from, to, 1).with_initializer(Initializer::Zeros).init(device)
}

/// A 1x1 convolution.
pub(crate) fn conv1x1(from: usize, to: usize, device: &Device) -> Conv2d {
    Conv2dConfig::new([from, to], [1, 1]).init(device)
}

fn conv3x3_config(from: usize, to: usize, stride: usize) -> Conv2dConfig {
    Conv2dConfig::new([from, to], [3, 3])
        .with_stride([stride, stride])
        .with_padding(PaddingConfig2d::Explicit(1, 1, 1, 1))
}
