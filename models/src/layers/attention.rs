//! Multi-head self-attention over the pixels of a small map, with a pre-norm and a residual connection.
//!
//! softmax(q k^T / sqrt(d)) v (Vaswani 2017). The output projection starts at zero.

use super::{GroupNorm, GroupNormConfig, Start, fast, linear, linear_from, project, shaders};
use burn::module::Module;
use burn::nn::Linear;
use burn::tensor::activation::softmax;
use burn::tensor::{Device, Tensor};

/// Configuration of an [`Attention`] layer.
#[derive(Clone, Debug)]
pub struct AttentionConfig {
    /// Channels of input and output.
    pub channels: usize,
    /// Heads; divides `channels`.
    pub heads: usize,
    /// Groups of the normalization.
    pub groups: usize,
}

/// Self-attention over pixels.
#[derive(Module, Debug)]
pub struct Attention {
    norm: GroupNorm,
    query_key_value: Linear,
    output: Linear,
    heads: usize,
}

impl AttentionConfig {
    /// Makes the layer on `device`.
    pub fn init(&self, device: &Device) -> Attention {
        Attention {
            norm: GroupNormConfig { groups: self.groups, channels: self.channels, affine: true }.init(device),
            query_key_value: linear(self.channels, 3 * self.channels, device),
            output: linear_from(Start::Zero, self.channels, self.channels, device),
            heads: self.heads,
        }
    }

    /// Multiply-adds of one image of `height` x `width`.
    pub fn multiply_adds(&self, height: usize, width: usize) -> u64 {
        let (n, c) = ((height * width) as u64, self.channels as u64);
        n * 4 * c * c + 2 * n * n * c
    }
}

impl Attention {
    /// Applies the layer.
    ///
    /// # Shapes
    /// - `x`: `[batch, channels, height, width]`, returned with the same shape.
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let [batch, channels, height, width] = x.dims();
        let normed = self.norm.forward(x.clone());
        let tokens = fast::tokens(&normed)
            .or_else(|| shaders::tokens(&normed))
            .unwrap_or_else(|| normed.reshape([batch, channels, height * width]).swap_dims(1, 2));
        let tokens = project(&self.output, attend(project(&self.query_key_value, tokens), self.heads));
        if let Some(sum) = fast::add_tokens(&x, &tokens).or_else(|| shaders::add_tokens(&x, &tokens)) {
            return sum;
        }
        x + tokens.swap_dims(1, 2).reshape([batch, channels, height, width])
    }
}

/// softmax(q k^T / sqrt(d)) v, head by head.
///
/// # Shapes
/// - `query_key_value`: `[batch, tokens, 3 * width]`, queries, keys, values, each the heads' parts in turn
/// - returns `[batch, tokens, width]`.
pub(crate) fn attend(query_key_value: Tensor<3>, heads: usize) -> Tensor<3> {
    if let Some(mixed) =
        fast::attend(&query_key_value, heads).or_else(|| shaders::attend(&query_key_value, heads))
    {
        return mixed;
    }
    let [batch, tokens, three] = query_key_value.dims();
    let (width, head) = (three / 3, three / 3 / heads);
    let qkv = query_key_value.reshape([batch, tokens, 3, heads, head]).permute([2, 0, 3, 1, 4]);
    let part = |i: usize| qkv.clone().narrow(0, i, 1).reshape([batch, heads, tokens, head]);
    let scores = part(0).matmul(part(1).swap_dims(2, 3)) / (head as f64).sqrt();
    softmax(scores, 3).matmul(part(2)).swap_dims(1, 2).reshape([batch, tokens, width])
}
