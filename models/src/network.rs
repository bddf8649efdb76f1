//! The velocity networks behind one name. A further network is one variant here and in
//! [`Architecture`](crate::Architecture).

use crate::unet::UNet;
use crate::weights::{Weights, collect};
use burn::module::Module;
use burn::tensor::{Int, Tensor};

/// A velocity network of any kind.
#[derive(Module, Debug)]
pub enum Network {
    /// The residual U-Net.
    Unet(UNet),
}

impl Network {
    /// The velocity at `(x, t)` for each image's class.
    ///
    /// # Shapes
    /// - `x`: `[batch, channels, height, width]`
    /// - `t`: `[batch]`, 0 noise to 1 data
    /// - `class`: `[batch]`, the null class is `classes`
    /// - returns the shape of `x`.
    pub fn forward(&self, x: Tensor<4>, t: Tensor<1>, class: Tensor<1, Int>) -> Tensor<4> {
        match self {
            Self::Unet(network) => network.forward(x, t, class),
        }
    }

    /// As [`forward`](Self::forward), at times that the host knows; more accurate on a GPU.
    pub fn forward_at(&self, x: Tensor<4>, times: &[f32], class: Tensor<1, Int>) -> Tensor<4> {
        match self {
            Self::Unet(network) => network.forward_at(x, times, class),
        }
    }

    /// All weights by name, read back synchronously (not for the browser).
    pub fn weights(&self) -> Weights {
        match self {
            Self::Unet(network) => collect(network),
        }
    }
}
