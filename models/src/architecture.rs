//! Which network, and of what size: the part of a recipe and of a model file that rebuilds a network.

use crate::classifier::ClassifierConfig;
use crate::network::Network;
use crate::unet::UNetConfig;
use crate::weights::{WeightError, Weights, load};
use burn::tensor::Device;
use serde::{Deserialize, Serialize};

/// A velocity network's kind and sizes. In TOML or JSON: `kind = "unet"` and that kind's fields.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Architecture {
    /// The residual U-Net.
    Unet(UNetConfig),
}

/// A size that does not fit.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ArchitectureError {
    /// A field of the configuration is out of range or does not fit the others.
    #[error("architecture: {field} = {got} is not accepted; it takes {accepts}")]
    Field {
        /// The field's name.
        field: &'static str,
        /// What it was.
        got: String,
        /// What it may be.
        accepts: String,
    },
}

impl Architecture {
    /// Checks that the sizes fit each other.
    ///
    /// # Errors
    /// Names the first field that does not fit.
    pub fn validate(&self) -> Result<(), ArchitectureError> {
        match self {
            Self::Unet(config) => config.validate(),
        }
    }

    /// The kind's name, as in a recipe.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Unet(_) => "unet",
        }
    }

    /// Channels, height and width of an image.
    pub fn image(&self) -> [usize; 3] {
        match self {
            Self::Unet(config) => config.image,
        }
    }

    /// Number of values of an image.
    pub fn image_len(&self) -> usize {
        self.image().iter().product()
    }

    /// Number of classes, the null class not counted.
    pub fn classes(&self) -> usize {
        match self {
            Self::Unet(config) => config.classes,
        }
    }

    /// The label that stands for no class, in classifier-free guidance.
    pub fn null_class(&self) -> usize {
        self.classes()
    }

    /// Multiply-adds of one evaluation of one image.
    pub fn multiply_adds(&self) -> u64 {
        match self {
            Self::Unet(config) => config.multiply_adds(),
        }
    }

    /// Number of trained values. Builds the network's (lazy) parameters on `device` to count them.
    pub fn parameters(&self, device: &Device) -> u64 {
        burn::module::Module::num_params(&self.init(device)) as u64
    }

    /// Names and shapes of all tensors, sorted by name.
    pub fn expected(&self, device: &Device) -> Vec<(String, Vec<usize>)> {
        crate::weights::shapes(&self.init(device), self.module_name())
    }

    /// An untrained network. The architecture must be [valid](Self::validate).
    pub fn init(&self, device: &Device) -> Network {
        match self {
            Self::Unet(config) => Network::Unet(config.init(device)),
        }
    }

    /// A network with the weights given.
    ///
    /// # Errors
    /// Sizes that do not fit, and weights that are missing, too many, or of another shape.
    pub fn with_weights(&self, weights: Weights, device: &Device) -> Result<Network, WeightError> {
        self.validate()?;
        load(self.init(device), weights, self.module_name(), device)
    }

    pub(crate) fn module_name(&self) -> &'static str {
        match self {
            Self::Unet(_) => "Unet",
        }
    }
}

/// What a classifier file's architecture holds; beside [`Architecture`] because a classifier is no velocity network.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum JudgeArchitecture {
    /// The convolutional classifier.
    Classifier(ClassifierConfig),
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::{Distribution, Tensor, TensorData};

    fn small() -> UNetConfig {
        UNetConfig {
            image: [1, 28, 28],
            classes: 10,
            patch: 2,
            channels: vec![8, 16],
            blocks: 1,
            up_blocks: 1,
            middle_blocks: 1,
            embedding: 16,
            groups: 4,
            attention_heads: 2,
        }
    }

    #[test]
    fn a_velocity_has_the_shape_of_the_image_and_an_untrained_one_is_zero() {
        let device = Device::flex();
        let network = Architecture::Unet(small()).init(&device);
        let x = Tensor::<4>::random([3, 1, 28, 28], Distribution::Normal(0.0, 1.0), &device);
        let t = Tensor::<1>::from_floats([0.0, 0.5, 1.0], &device);
        let class = Tensor::from_data(TensorData::from([0, 9, 10]), &device);
        let v = network.forward(x, t, class);
        assert_eq!(v.dims(), [3, 1, 28, 28]);
        assert_eq!(v.abs().max().into_scalar::<f32>(), 0.0);
    }

    #[test]
    fn weights_survive_the_way_out_and_in() {
        let device = Device::flex();
        let architecture = Architecture::Unet(small());
        let network = architecture.init(&device);
        let weights = network.weights();
        let names: Vec<_> = weights.keys().cloned().collect();
        let expected: Vec<_> = architecture.expected(&device).into_iter().map(|(n, _)| n).collect();
        assert_eq!(names, expected);
        assert!(names.contains(&"down.0.blocks.0.conv1.weight".to_string()), "{names:?}");
        let count: usize = weights.values().map(|w| w.1.len()).sum();
        assert_eq!(count as u64, architecture.parameters(&device));
        let again = architecture.with_weights(weights.clone(), &device).unwrap();
        assert_eq!(again.weights(), weights);
    }

    #[test]
    fn a_missing_weight_is_named() {
        let device = Device::flex();
        let architecture = Architecture::Unet(small());
        let mut weights = architecture.init(&device).weights();
        weights.remove("input.bias");
        let error = architecture.with_weights(weights, &device).unwrap_err();
        assert_eq!(error, WeightError::Missing { name: "input.bias".into() });
    }

    #[test]
    fn a_weight_of_another_shape_is_named() {
        let device = Device::flex();
        let architecture = Architecture::Unet(small());
        let mut weights = architecture.init(&device).weights();
        weights.insert("input.bias".into(), (vec![3], vec![0.0; 3]));
        let error = architecture.with_weights(weights, &device).unwrap_err();
        let expected = WeightError::Shape { name: "input.bias".into(), got: vec![3], expected: vec![8] };
        assert_eq!(error, expected);
    }

    #[test]
    fn an_unknown_weight_is_named() {
        let device = Device::flex();
        let architecture = Architecture::Unet(small());
        let mut weights = architecture.init(&device).weights();
        weights.insert("surprise".into(), (vec![1], vec![0.0]));
        let error = architecture.with_weights(weights, &device).unwrap_err();
        assert_eq!(error, WeightError::Unknown { name: "surprise".into() });
    }

    #[test]
    fn sizes_that_do_not_fit_name_the_field() {
        let wrong = |change: fn(&mut UNetConfig)| {
            let mut config = small();
            change(&mut config);
            match config.validate().unwrap_err() {
                ArchitectureError::Field { field, .. } => field,
            }
        };
        assert_eq!(wrong(|c| c.groups = 3), "groups");
        assert_eq!(wrong(|c| c.patch = 3), "patch");
        assert_eq!(wrong(|c| c.channels.clear()), "channels");
        assert_eq!(wrong(|c| c.attention_heads = 5), "attention_heads");
        assert_eq!(wrong(|c| c.embedding = 7), "embedding");
        assert_eq!(wrong(|c| c.blocks = 0), "blocks");
        assert_eq!(wrong(|c| c.up_blocks = 17), "up_blocks");
        assert_eq!(wrong(|c| c.image = [1, 0, 28]), "image");
    }

    #[test]
    fn an_architecture_reads_back_from_json_and_refuses_unknown_fields() {
        let architecture = Architecture::Unet(small());
        let text = serde_json::to_string(&architecture).unwrap();
        assert_eq!(serde_json::from_str::<Architecture>(&text).unwrap(), architecture);
        let text = text.replace("\"patch\"", "\"patches\"");
        assert!(serde_json::from_str::<Architecture>(&text).is_err());
    }
}
