//! The diffusion transformer (Peebles and Xie 2022, arXiv 2212.09748): patches as tokens, blocks of self-attention and a
//! perceptron, each scaled, shifted and gated by time and class (adaLN-Zero).
//!
//! A block starts as the identity and the output at zero. Positions start as the two-dimensional sine-cosine table and
//! are trained.

use crate::architecture::{ArchitectureError, NetworkConfig, check_embedding, check_states, fault, in_range};
use crate::layers::{
    Start, attend, depth_to_space, embedding_from, layer_norm, linear, linear_from, project, silu,
    space_to_depth,
};
use crate::network::VelocityNetwork;
use burn::module::{Module, Param};
use burn::nn::{Embedding, Linear};
use burn::tensor::activation::gelu_approximate;
use burn::tensor::{Device, Int, Tensor, TensorData};
use serde::{Deserialize, Serialize};

/// Configuration of a [`Dit`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DitConfig {
    /// Channels, height and width of an image.
    #[serde(default = "crate::unet::mnist_image")]
    pub image: [usize; 3],
    /// Number of classes; the null class of classifier-free guidance is one more.
    #[serde(default = "crate::unet::ten")]
    pub classes: usize,
    /// Pixels of a patch's side; divides height and width.
    pub patch: usize,
    /// Width of a token; a multiple of 4 and of `heads`.
    pub width: usize,
    /// Blocks.
    pub depth: usize,
    /// Heads of each self-attention.
    pub heads: usize,
    /// Width of each perceptron's hidden layer, in token widths.
    #[serde(default = "four")]
    pub mlp_ratio: usize,
    /// Width of the sinusoidal embedding of time; even.
    pub embedding: usize,
}

fn four() -> usize {
    4
}

/// One block.
#[derive(Module, Debug)]
struct Block {
    modulation: Linear,
    query_key_value: Linear,
    mix: Linear,
    wide: Linear,
    back: Linear,
    heads: usize,
}

/// The network; made by [`DitConfig`].
#[derive(Module, Debug)]
pub struct Dit {
    time1: Linear,
    time2: Linear,
    class: Embedding,
    input: Linear,
    position: Param<Tensor<2>>,
    blocks: Vec<Block>,
    modulation: Linear,
    output: Linear,
    embedding: usize,
    patch: usize,
}

impl DitConfig {
    fn grid(&self) -> (usize, usize) {
        (self.image[1] / self.patch, self.image[2] / self.patch)
    }

    fn patch_len(&self) -> usize {
        self.image[0] * self.patch * self.patch
    }

    fn block(&self, device: &Device) -> Block {
        let (width, hidden) = (self.width, self.width * self.mlp_ratio);
        let layer = |from, to| linear_from(Start::Xavier, from, to, device);
        Block {
            modulation: zero(width, 6 * width, device),
            query_key_value: layer(width, 3 * width),
            mix: layer(width, width),
            wide: layer(width, hidden),
            back: layer(hidden, width),
            heads: self.heads,
        }
    }
}

fn zero(from: usize, to: usize, device: &Device) -> Linear {
    linear_from(Start::Zero, from, to, device)
}

/// Half of a token's values for the row, half for the column: sines, then cosines, of falling frequencies.
fn positions(rows: usize, columns: usize, width: usize) -> Vec<f32> {
    let quarter = width / 4;
    let one = |at: usize| {
        let angle = move |i: usize| at as f64 / 10_000_f64.powf(i as f64 / quarter as f64);
        (0..quarter).map(move |i| angle(i).sin()).chain((0..quarter).map(move |i| angle(i).cos()))
    };
    let token = |row, column| one(row).chain(one(column)).map(|v| v as f32);
    (0..rows).flat_map(|row| (0..columns).flat_map(move |column| token(row, column))).collect()
}

impl NetworkConfig for DitConfig {
    type Network = Dit;

    fn validate(&self) -> Result<(), ArchitectureError> {
        check_states(self.image, self.classes)?;
        if !in_range(self.patch, 64) || self.image[1..].iter().any(|side| !side.is_multiple_of(self.patch)) {
            let accepts = "1 to 64, a divisor of the image's height and width";
            return fault("patch", self.patch.to_string(), accepts.into());
        }
        if !in_range(self.width, 8192) || !self.width.is_multiple_of(4) {
            return fault("width", self.width.to_string(), "a multiple of 4, at most 8192".into());
        }
        if !in_range(self.depth, 64) {
            return fault("depth", self.depth.to_string(), "1 to 64".into());
        }
        if self.heads == 0 || !self.width.is_multiple_of(self.heads) {
            let accepts = format!("a divisor of width = {}", self.width);
            return fault("heads", self.heads.to_string(), accepts);
        }
        if !in_range(self.mlp_ratio, 16) {
            return fault("mlp_ratio", self.mlp_ratio.to_string(), "1 to 16".into());
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
        let (rows, columns) = self.grid();
        let [tokens, patch, w, depth, ratio, e] =
            [rows * columns, self.patch_len(), self.width, self.depth, self.mlp_ratio, self.embedding]
                .map(|n| n as u64);
        let block = tokens * (4 + 2 * ratio) * w * w + 2 * tokens * tokens * w + 6 * w * w;
        2 * tokens * patch * w + depth * block + e * w + w * w + 2 * w * w
    }

    fn init(&self, device: &Device) -> Dit {
        let (rows, columns) = self.grid();
        let (width, patch) = (self.width, self.patch_len());
        let table = TensorData::new(positions(rows, columns, width), [rows * columns, width]);
        Dit {
            time1: linear(self.embedding, width, device),
            time2: linear(width, width, device),
            class: embedding_from(Start::Normal(0.02), self.classes + 1, width, device),
            input: linear(patch, width, device),
            position: Param::from_tensor(Tensor::from_data(table, device)),
            blocks: (0..self.depth).map(|_| self.block(device)).collect(),
            modulation: zero(width, 2 * width, device),
            output: zero(width, patch, device),
            embedding: self.embedding,
            patch: self.patch,
        }
    }
}

impl Block {
    fn forward(&self, x: Tensor<3>, condition: Tensor<2>) -> Tensor<3> {
        let [batch, _, width] = x.dims();
        let all = project(&self.modulation, condition).reshape([batch, 6, width]);
        let part = |i: usize| all.clone().narrow(1, i, 1);
        let h = layer_norm(x.clone()) * (part(0) + 1.0) + part(1);
        let mixed = attend(project(&self.query_key_value, h), self.heads);
        let x = x + part(2) * project(&self.mix, mixed);
        let h = layer_norm(x.clone()) * (part(3) + 1.0) + part(4);
        x + part(5) * project(&self.back, gelu_approximate(project(&self.wide, h)))
    }
}

impl VelocityNetwork for Dit {
    fn embedding(&self) -> usize {
        self.embedding
    }

    fn forward_embedded(&self, x: Tensor<4>, time: Tensor<2>, class: Tensor<1, Int>) -> Tensor<4> {
        // Where the weights are cast to 16 bits, the work follows them; the answer is as exact as the question.
        let (given, computing) = (x.dtype(), self.input.weight.dtype());
        let (x, time) = (x.cast(computing), time.cast(computing));
        let time = project(&self.time2, silu(project(&self.time1, time)));
        let [batch, width] = time.dims();
        let class = self.class.forward(class.reshape([batch, 1])).reshape([batch, width]);
        let condition = silu(time + class);
        let patches = space_to_depth(x, self.patch);
        let [_, values, rows, columns] = patches.dims();
        let tokens = patches.reshape([batch, values, rows * columns]).swap_dims(1, 2);
        let mut h = project(&self.input, tokens) + self.position.val().unsqueeze_dim::<3>(0);
        for block in &self.blocks {
            h = block.forward(h, condition.clone());
        }
        let last = project(&self.modulation, condition).reshape([batch, 2, width]);
        let h = layer_norm(h) * (last.clone().narrow(1, 0, 1) + 1.0) + last.narrow(1, 1, 1);
        let patches = project(&self.output, h).swap_dims(1, 2).reshape([batch, values, rows, columns]);
        depth_to_space(patches, self.patch).cast(given)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_positions_are_the_same() {
        let table = positions(7, 7, 16);
        let rows: Vec<&[f32]> = table.chunks(16).collect();
        assert_eq!(rows.len(), 49);
        for (i, a) in rows.iter().enumerate() {
            for b in &rows[i + 1..] {
                assert!(a.iter().zip(*b).any(|(a, b)| (a - b).abs() > 1e-3));
            }
        }
        // Row 0, column 0: sines are zero and cosines one.
        assert_eq!(rows[0], [0., 0., 0., 0., 1., 1., 1., 1., 0., 0., 0., 0., 1., 1., 1., 1.]);
    }

    #[test]
    fn sizes_that_do_not_fit_name_the_field() {
        let small = || DitConfig {
            image: [1, 28, 28],
            classes: 10,
            patch: 4,
            width: 32,
            depth: 2,
            heads: 4,
            mlp_ratio: 4,
            embedding: 32,
        };
        let wrong = |change: fn(&mut DitConfig)| {
            let mut config = small();
            change(&mut config);
            let ArchitectureError::Field { field, .. } = config.validate().unwrap_err();
            field
        };
        small().validate().unwrap();
        assert_eq!(wrong(|c| c.patch = 3), "patch");
        assert_eq!(wrong(|c| c.width = 30), "width");
        assert_eq!(wrong(|c| c.heads = 5), "heads");
        assert_eq!(wrong(|c| c.depth = 0), "depth");
        assert_eq!(wrong(|c| c.mlp_ratio = 17), "mlp_ratio");
        assert_eq!(wrong(|c| c.embedding = 3), "embedding");
        assert_eq!(wrong(|c| c.image = [0, 28, 28]), "image");
    }
}
