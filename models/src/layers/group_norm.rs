//! Group normalization over images (Wu and He 2018, arXiv 1803.08494), with a fast path for small maps.
//!
//! y = (x - mean_g) / sqrt(var_g + eps) * gamma_c + beta_c, statistics over a sample's channels of one group.

use super::{fast, shaders, silu, start};
use burn::module::{Module, Param};
use burn::tensor::{DType, Device, Tensor};

/// Configuration of a [`GroupNorm`].
#[derive(Clone, Debug)]
pub struct GroupNormConfig {
    /// Number of groups; divides `channels`.
    pub groups: usize,
    /// Number of channels of the input.
    pub channels: usize,
    /// Whether a learned scale and shift per channel follow.
    pub affine: bool,
}

/// Group normalization; without `affine` a caller applies its own scale and shift.
#[derive(Module, Debug)]
pub struct GroupNorm {
    /// Scale per channel, `[channels]`.
    pub gamma: Option<Param<Tensor<1>>>,
    /// Shift per channel, `[channels]`.
    pub beta: Option<Param<Tensor<1>>>,
    groups: usize,
}

impl GroupNormConfig {
    /// Makes the layer on `device`, scale one and shift zero.
    pub fn init(&self, device: &Device) -> GroupNorm {
        let (gamma, beta) = if self.affine {
            let gamma = start::ones(self.channels, device);
            let beta = start::zeros(self.channels, device);
            (Some(gamma), Some(beta))
        } else {
            (None, None)
        };
        GroupNorm { gamma, beta, groups: self.groups }
    }
}

impl GroupNorm {
    /// Groups.
    pub fn groups(&self) -> usize {
        self.groups
    }

    /// Normalizes, and applies SiLU.
    ///
    /// # Shapes
    /// As [`forward`](Self::forward).
    pub fn silu(&self, x: Tensor<4>) -> Tensor<4> {
        normalized(self, &x, None, true).unwrap_or_else(|| silu(self.forward(x)))
    }

    /// Normalizes, scales each channel by one more than its scale, shifts it, and applies SiLU.
    ///
    /// # Shapes
    /// - `x`: `[batch, channels, height, width]`, returned with the same shape
    /// - `modulation`: `[batch, 2 * channels]`, scales then shifts.
    pub fn modulated_silu(&self, x: Tensor<4>, modulation: Tensor<2>) -> Tensor<4> {
        normalized(self, &x, Some(&modulation), true)
            .unwrap_or_else(|| silu(modulated(self.forward(x), modulation)))
    }

    /// Normalizes.
    ///
    /// # Shapes
    /// - `x`: `[batch, channels, height, width]`, returned with the same shape.
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        if let Some(y) = normalized(self, &x, None, false) {
            return y;
        }
        let [batch, channels, height, width] = x.dims();
        // Sums of thousands of values need more than 16 bits.
        let given = x.dtype();
        let wide = if matches!(given, DType::BF16 | DType::F16) { DType::F32 } else { given };
        let x = x.cast(wide).reshape([batch, self.groups, channels / self.groups * height * width]);
        let x = x.clone() - x.mean_dim(2);
        let inverse_deviation = (x.clone().square().mean_dim(2) + 1e-5).sqrt().recip();
        let x = (x * inverse_deviation).reshape([batch, channels, height, width]).cast(given);
        match (&self.gamma, &self.beta) {
            (Some(gamma), Some(beta)) => {
                x * gamma.val().reshape([1, channels, 1, 1]) + beta.val().reshape([1, channels, 1, 1])
            }
            _ => x,
        }
    }
}

/// By loops or a shader made for it, where there is one.
fn normalized(
    norm: &GroupNorm,
    x: &Tensor<4>,
    modulation: Option<&Tensor<2>>,
    silu: bool,
) -> Option<Tensor<4>> {
    fast::normalize(norm, x, modulation, silu).or_else(|| shaders::normalize(norm, x, modulation, silu))
}

/// Each channel scaled by one more than its scale, and shifted.
pub(super) fn modulated(h: Tensor<4>, modulation: Tensor<2>) -> Tensor<4> {
    let [batch, channels, _, _] = h.dims();
    let modulation = modulation.reshape([batch, 2 * channels, 1, 1]);
    let scale = modulation.clone().narrow(1, 0, channels);
    let shift = modulation.narrow(1, channels, channels);
    h * (scale + 1.0) + shift
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::nn::GroupNormConfig as BurnGroupNormConfig;
    use burn::tensor::Distribution;

    #[test]
    fn agrees_with_burns_own_group_norm() {
        let device = Device::flex();
        let ours = GroupNormConfig { groups: 4, channels: 8, affine: true }.init(&device);
        let burns = BurnGroupNormConfig::new(4, 8).init(&device);
        let x = Tensor::<4>::random([2, 8, 5, 5], Distribution::Normal(1.0, 3.0), &device);
        let difference = (ours.forward(x.clone()) - burns.forward(x)).abs().max().into_scalar::<f32>();
        assert!(difference < 1e-5, "{difference}");
    }
}
