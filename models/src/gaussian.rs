//! No flow at all: the velocity is zero, so that what was drawn is what is decoded. It makes a variational autoencoder
//! (Kingma and Welling 2013, arXiv 1312.6114) a model beside the latent flows, from the same noise.

use crate::architecture::{ArchitectureError, NetworkConfig, check_states};
use crate::network::VelocityNetwork;
use burn::module::Module;
use burn::tensor::{Device, Int, Tensor};
use serde::{Deserialize, Serialize};

/// Configuration of a [`Gaussian`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GaussianConfig {
    /// Channels, height and width of a latent.
    pub image: [usize; 3],
    /// Number of classes, none of which it looks at.
    pub classes: usize,
}

/// Nothing that is trained; made by [`GaussianConfig`].
#[derive(Module, Debug)]
pub struct Gaussian {
    embedding: usize,
}

impl NetworkConfig for GaussianConfig {
    type Network = Gaussian;

    fn validate(&self) -> Result<(), ArchitectureError> {
        check_states(self.image, self.classes)
    }

    fn image(&self) -> [usize; 3] {
        self.image
    }

    fn classes(&self) -> usize {
        self.classes
    }

    fn multiply_adds(&self) -> u64 {
        0
    }

    fn init(&self, _device: &Device) -> Gaussian {
        Gaussian { embedding: 2 }
    }
}

impl VelocityNetwork for Gaussian {
    fn embedding(&self) -> usize {
        self.embedding
    }

    fn forward_embedded(&self, x: Tensor<4>, _time: Tensor<2>, _class: Tensor<1, Int>) -> Tensor<4> {
        x.zeros_like()
    }
}
