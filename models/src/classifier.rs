//! The classifier that judges digits: its accuracy on generated images, and the features that the Fréchet distance reads.
//!
//! Two 3x3 convolutions at 28x28, two at 14x14, two at 7x7 (batch-norm free: GroupNorm), each pair followed by
//! 2x2 max pooling or the final average; then one hidden layer whose activations are the features, and the classes.
//! It is trained on MNIST's 60,000 training images with small shifts; its recipe stands beside the shipped file.

use crate::layers::{GroupNorm, GroupNormConfig, conv3x3, linear};
use burn::module::Module;
use burn::nn::conv::Conv2d;
use burn::nn::pool::{MaxPool2d, MaxPool2dConfig};
use burn::nn::{Dropout, DropoutConfig, Linear};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

/// Configuration of a [`Classifier`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClassifierConfig {
    /// Channels, height and width of an image; height and width are multiples of 4.
    pub image: [usize; 3],
    /// Number of classes.
    pub classes: usize,
    /// Channels at full, half and quarter size.
    pub channels: [usize; 3],
    /// Width of the hidden layer: the number of features.
    pub features: usize,
    /// Dropout before the last layer while training, 0 to 1.
    pub dropout: f64,
}

impl Default for ClassifierConfig {
    fn default() -> Self {
        Self { image: [1, 28, 28], classes: 10, channels: [16, 32, 64], features: 64, dropout: 0.3 }
    }
}

/// The classifier; made by [`ClassifierConfig::init`].
#[derive(Module, Debug)]
pub struct Classifier {
    conv: Vec<Conv2d>,
    norm: Vec<GroupNorm>,
    pool: MaxPool2d,
    hidden: Linear,
    dropout: Dropout,
    output: Linear,
}

impl ClassifierConfig {
    /// Makes an untrained classifier on `device`.
    pub fn init(&self, device: &Device) -> Classifier {
        let [a, b, c] = self.channels;
        let widths = [(self.image[0], a), (a, a), (a, b), (b, b), (b, c), (c, c)];
        let flat = c * (self.image[1] / 4) * (self.image[2] / 4);
        Classifier {
            conv: widths.iter().map(|&(from, to)| conv3x3(from, to, 1, device)).collect(),
            norm: widths
                .iter()
                .map(|&(_, channels)| GroupNormConfig { groups: 4, channels, affine: true }.init(device))
                .collect(),
            pool: MaxPool2dConfig::new([2, 2]).with_strides([2, 2]).init(),
            hidden: linear(flat, self.features, device),
            dropout: DropoutConfig::new(self.dropout).init(),
            output: linear(self.features, self.classes, device),
        }
    }

    /// Names and shapes of all tensors, sorted by name.
    pub fn expected(&self, device: &Device) -> Vec<(String, Vec<usize>)> {
        crate::weights::shapes(&self.init(device), "")
    }
}

impl Classifier {
    /// The features that the Fréchet distance reads: the hidden layer after its ReLU.
    ///
    /// # Shapes
    /// - `x`: `[batch, channels, height, width]`, normalized as the classifier's file says
    /// - returns `[batch, features]`.
    pub fn features(&self, x: Tensor<4>) -> Tensor<2> {
        let mut h = x;
        for (i, (conv, norm)) in self.conv.iter().zip(&self.norm).enumerate() {
            h = relu(norm.forward(conv.forward(h)));
            if i == 1 || i == 3 {
                h = self.pool.forward(h);
            }
        }
        relu(self.hidden.forward(h.flatten::<2>(1, 3)))
    }

    /// Scores of the classes from [features](Self::features).
    ///
    /// # Shapes
    /// - `features`: `[batch, features]`
    /// - returns `[batch, classes]`, logits.
    pub fn logits(&self, features: Tensor<2>) -> Tensor<2> {
        self.output.forward(self.dropout.forward(features))
    }
}
