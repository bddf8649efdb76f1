//! The residual block: GroupNorm, SiLU, 3x3 convolution, GroupNorm scaled and shifted by the conditioning
//! (adaptive group norm, Dhariwal and Nichol 2021, arXiv 2105.05233), SiLU, 3x3 convolution, plus the input.
//!
//! The last convolution starts at zero, so an untrained block is the identity (or its 1x1 projection).

use super::{GroupNorm, GroupNormConfig, conv1x1, conv3x3, conv3x3_zero};
use burn::module::Module;
use burn::nn::conv::Conv2d;
use burn::tensor::activation::silu;
use burn::tensor::{Device, Tensor};

/// Configuration of a [`Residual`] block.
#[derive(Clone, Debug)]
pub struct ResidualConfig {
    /// Channels of the input.
    pub from: usize,
    /// Channels of the output.
    pub to: usize,
    /// Groups of both normalizations.
    pub groups: usize,
}

/// A residual block, conditioned by a scale and a shift per channel.
#[derive(Module, Debug)]
pub struct Residual {
    norm1: GroupNorm,
    conv1: Conv2d,
    norm2: GroupNorm,
    conv2: Conv2d,
    project: Option<Conv2d>,
}

impl ResidualConfig {
    /// Makes the block on `device`.
    pub fn init(&self, device: &Device) -> Residual {
        let norm = |channels, affine| GroupNormConfig { groups: self.groups, channels, affine }.init(device);
        Residual {
            norm1: norm(self.from, true),
            conv1: conv3x3(self.from, self.to, 1, device),
            norm2: norm(self.to, false),
            conv2: conv3x3_zero(self.to, self.to, device),
            project: (self.from != self.to).then(|| conv1x1(self.from, self.to, device)),
        }
    }

    /// Multiply-adds of one image of `height` x `width`.
    pub fn multiply_adds(&self, height: usize, width: usize) -> u64 {
        let pixels = (height * width) as u64;
        let (from, to) = (self.from as u64, self.to as u64);
        let project = if self.from == self.to { 0 } else { from * to };
        pixels * (9 * from * to + 9 * to * to + project)
    }
}

impl Residual {
    /// Applies the block.
    ///
    /// # Shapes
    /// - `x`: `[batch, from, height, width]`
    /// - `modulation`: `[batch, 2 * to]`, scales then shifts
    /// - returns `[batch, to, height, width]`.
    pub fn forward(&self, x: Tensor<4>, modulation: Tensor<2>) -> Tensor<4> {
        let h = self.conv1.forward(silu(self.norm1.forward(x.clone())));
        let [batch, channels, _, _] = h.dims();
        let modulation = modulation.reshape([batch, 2 * channels, 1, 1]);
        let scale = modulation.clone().narrow(1, 0, channels);
        let shift = modulation.narrow(1, channels, channels);
        let h = self.norm2.forward(h) * (scale + 1.0) + shift;
        let h = self.conv2.forward(silu(h));
        match &self.project {
            Some(project) => project.forward(x) + h,
            None => x + h,
        }
    }
}
