//! The convolutional blocks of the U-Nets, conditioned by a scale and a shift per channel.
//!
//! Residual: GroupNorm, SiLU, 3x3 convolution, GroupNorm scaled and shifted by the conditioning (adaptive group norm,
//! Dhariwal and Nichol 2021, arXiv 2105.05233), SiLU, 3x3 convolution, plus the input. The last convolution starts at
//! zero, so an untrained block is the identity (or its 1x1 projection).
//!
//! Plain: 3x3 convolution, scaled and shifted by the conditioning, SiLU, 3x3 convolution, SiLU (the double convolution
//! of Ronneberger 2015, arXiv 1505.04597): no normalization, no way around.

use super::group_norm::modulated;
use super::{GroupNorm, GroupNormConfig, conv1x1, conv3x3, conv3x3_zero, convolve, convolve_onto, silu};
use burn::module::Module;
use burn::nn::conv::Conv2d;
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

/// What the blocks of a U-Net are made of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BlockKind {
    /// GroupNorm, and the input added to the output.
    #[default]
    Residual,
    /// Convolutions and activations alone.
    Plain,
}

impl BlockKind {
    /// Whether this is what a recipe without the key means.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// Configuration of a [`Residual`] block.
#[derive(Clone, Debug)]
pub struct ResidualConfig {
    /// Channels of the input.
    pub from: usize,
    /// Channels of the output.
    pub to: usize,
    /// Groups of both normalizations.
    pub groups: usize,
    /// Residual, or plain.
    pub kind: BlockKind,
}

/// A block, conditioned by a scale and a shift per channel; a plain one has neither norms nor projection.
#[derive(Module, Debug)]
pub struct Residual {
    norm1: Option<GroupNorm>,
    conv1: Conv2d,
    norm2: Option<GroupNorm>,
    conv2: Conv2d,
    project: Option<Conv2d>,
}

impl ResidualConfig {
    /// Makes the block on `device`.
    pub fn init(&self, device: &Device) -> Residual {
        let residual = self.kind == BlockKind::Residual;
        let norm = |channels, affine| {
            residual.then(|| GroupNormConfig { groups: self.groups, channels, affine }.init(device))
        };
        Residual {
            norm1: norm(self.from, true),
            conv1: conv3x3(self.from, self.to, 1, device),
            norm2: norm(self.to, false),
            conv2: match self.kind {
                BlockKind::Residual => conv3x3_zero(self.to, self.to, device),
                BlockKind::Plain => conv3x3(self.to, self.to, 1, device),
            },
            project: (residual && self.from != self.to).then(|| conv1x1(self.from, self.to, device)),
        }
    }

    /// Multiply-adds of one image of `height` x `width`.
    pub fn multiply_adds(&self, height: usize, width: usize) -> u64 {
        let pixels = (height * width) as u64;
        let (from, to) = (self.from as u64, self.to as u64);
        let projects = self.kind == BlockKind::Residual && self.from != self.to;
        let project = if projects { from * to } else { 0 };
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
        let (Some(norm1), Some(norm2)) = (&self.norm1, &self.norm2) else {
            let h = silu(modulated(convolve(&self.conv1, x), modulation));
            return silu(convolve(&self.conv2, h));
        };
        let h = convolve(&self.conv1, norm1.silu(x.clone()));
        let h = norm2.modulated_silu(h, modulation);
        let x = match &self.project {
            Some(project) => convolve(project, x),
            None => x,
        };
        convolve_onto(x, &self.conv2, h)
    }
}
