//! A velocity network over a latent vector: residual layers, each scaled, shifted and gated by time and class.
//!
//! As the blocks of a diffusion transformer (Peebles and Xie 2022, arXiv 2212.09748, adaLN-Zero) without attention: a
//! latent vector is one token. Every block starts as the identity and the output at zero.

use crate::architecture::{ArchitectureError, NetworkConfig, check_embedding, check_states, fault, in_range};
use crate::layers::{Start, embedding_from, layer_norm, linear, linear_from, project, silu};
use crate::network::VelocityNetwork;
use burn::module::Module;
use burn::nn::{Embedding, Linear};
use burn::tensor::{Device, Int, Tensor};
use serde::{Deserialize, Serialize};

/// Configuration of a [`LatentMlp`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LatentMlpConfig {
    /// Channels, height and width of a latent; it is seen as one vector.
    pub image: [usize; 3],
    /// Number of classes; the null class of classifier-free guidance is one more.
    #[serde(default = "crate::unet::ten")]
    pub classes: usize,
    /// Width of every layer.
    pub width: usize,
    /// Residual blocks.
    pub depth: usize,
    /// Width of the sinusoidal embedding of time; even.
    pub embedding: usize,
}

/// Two layers around which the input is led.
#[derive(Module, Debug)]
struct Block {
    wide: Linear,
    back: Linear,
}

/// The network; made by [`LatentMlpConfig`].
#[derive(Module, Debug)]
pub struct LatentMlp {
    time1: Linear,
    time2: Linear,
    class: Embedding,
    modulation: Linear,
    input: Linear,
    blocks: Vec<Block>,
    output: Linear,
    embedding: usize,
    width: usize,
}

impl NetworkConfig for LatentMlpConfig {
    type Network = LatentMlp;

    fn validate(&self) -> Result<(), ArchitectureError> {
        check_states(self.image, self.classes)?;
        if self.image.iter().product::<usize>() > 65_536 {
            return fault("image", format!("{:?}", self.image), "at most 65536 values".into());
        }
        if !in_range(self.width, 8192) {
            return fault("width", self.width.to_string(), "1 to 8192".into());
        }
        if !in_range(self.depth, 64) {
            return fault("depth", self.depth.to_string(), "1 to 64".into());
        }
        check_embedding(self.embedding)
    }

    fn image(&self) -> [usize; 3] {
        self.image
    }

    fn classes(&self) -> usize {
        self.classes
    }

    fn multiply_adds(&self) -> u64 {
        let [values, width, depth, embedding] =
            [self.image.iter().product(), self.width, self.depth, self.embedding].map(|n: usize| n as u64);
        let modulation = width * (3 * depth + 2) * width;
        2 * values * width + depth * 4 * width * width + embedding * width + width * width + modulation
    }

    fn init(&self, device: &Device) -> LatentMlp {
        let (width, values) = (self.width, self.image.iter().product());
        let zero = |from, to| linear_from(Start::Zero, from, to, device);
        let block =
            || Block { wide: linear(width, 2 * width, device), back: linear(2 * width, width, device) };
        LatentMlp {
            time1: linear(self.embedding, width, device),
            time2: linear(width, width, device),
            class: embedding_from(Start::Usual, self.classes + 1, width, device),
            modulation: zero(width, (3 * self.depth + 2) * width),
            input: linear(values, width, device),
            blocks: (0..self.depth).map(|_| block()).collect(),
            output: zero(width, values),
            embedding: self.embedding,
            width,
        }
    }
}

impl VelocityNetwork for LatentMlp {
    fn embedding(&self) -> usize {
        self.embedding
    }

    fn forward_embedded(&self, x: Tensor<4>, time: Tensor<2>, class: Tensor<1, Int>) -> Tensor<4> {
        let shape = x.dims();
        // Where the weights are cast to 16 bits, the work follows them; the answer is as exact as the question.
        let (given, computing) = (x.dtype(), self.input.weight.dtype());
        let (x, time) = (x.cast(computing), time.cast(computing));
        let (batch, width) = (shape[0], self.width);
        let time = project(&self.time2, silu(project(&self.time1, time)));
        let class = self.class.forward(class.reshape([batch, 1])).reshape([batch, width]);
        let all = project(&self.modulation, silu(time + class));
        let part = |i: usize| all.clone().narrow(1, i * width, width);
        let mut h = project(&self.input, x.flatten::<2>(1, 3));
        for (i, block) in self.blocks.iter().enumerate() {
            let (scale, shift, gate) = (part(3 * i), part(3 * i + 1), part(3 * i + 2));
            let inner = layer_norm(h.clone()) * (scale + 1.0) + shift;
            h = h + gate * project(&block.back, silu(project(&block.wide, inner)));
        }
        let last = 3 * self.blocks.len();
        let h = layer_norm(h) * (part(last) + 1.0) + part(last + 1);
        project(&self.output, h).reshape(shape).cast(given)
    }
}
