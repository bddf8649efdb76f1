//! Which network, and of what size: the part of a recipe and of a model file that rebuilds a network.

use crate::classifier::ClassifierConfig;
use crate::network::VelocityNetwork;
use burn::tensor::Device;
use serde::{Deserialize, Serialize};

pub use crate::network::Architecture;

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

/// The sizes of one kind of velocity network.
pub trait NetworkConfig {
    /// The network that it makes.
    type Network: VelocityNetwork;

    /// Checks that the sizes fit each other.
    ///
    /// # Errors
    /// Names the first field that does not fit, what it was and what is accepted.
    fn validate(&self) -> Result<(), ArchitectureError>;

    /// Channels, height and width of a state: an image, or an autoencoder's latent.
    fn image(&self) -> [usize; 3];

    /// Number of classes, the null class not counted.
    fn classes(&self) -> usize;

    /// Multiply-adds of one evaluation of one state (convolutions and matrix products; norms and activations are not
    /// counted).
    fn multiply_adds(&self) -> u64;

    /// An untrained network on `device`. The sizes must be [valid](Self::validate).
    fn init(&self, device: &Device) -> Self::Network;
}

/// A field that does not fit.
pub(crate) fn fault(field: &'static str, got: String, accepts: String) -> Result<(), ArchitectureError> {
    Err(ArchitectureError::Field { field, got, accepts })
}

/// Whether a size is 1 to `most`.
pub(crate) fn in_range(n: usize, most: usize) -> bool {
    (1..=most).contains(&n)
}

/// What every kind of network says of its states and classes.
pub(crate) fn check_states(image: [usize; 3], classes: usize) -> Result<(), ArchitectureError> {
    if !image.iter().all(|&n| in_range(n, 512)) {
        return fault("image", format!("{image:?}"), "three numbers from 1 to 512".into());
    }
    if !in_range(classes, 1000) {
        return fault("classes", classes.to_string(), "1 to 1000".into());
    }
    Ok(())
}

/// What every kind of network says of its time embedding.
pub(crate) fn check_embedding(embedding: usize) -> Result<(), ArchitectureError> {
    if !in_range(embedding, 4096) || !embedding.is_multiple_of(2) {
        return fault("embedding", embedding.to_string(), "an even number from 2 to 4096".into());
    }
    Ok(())
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
    use crate::layers::BlockKind;
    use crate::unet::UNetConfig;
    use crate::weights::WeightError;
    use crate::{DitConfig, LatentMlpConfig};
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
            block: BlockKind::Residual,
        }
    }

    /// One of every kind, small.
    fn each() -> Vec<Architecture> {
        vec![
            Architecture::Unet(small()),
            Architecture::Unet(UNetConfig { block: BlockKind::Plain, attention_heads: 0, ..small() }),
            Architecture::Dit(DitConfig {
                image: [3, 8, 8],
                classes: 10,
                patch: 2,
                width: 16,
                depth: 2,
                heads: 2,
                mlp_ratio: 2,
                embedding: 8,
            }),
            Architecture::LatentMlp(LatentMlpConfig {
                image: [6, 1, 1],
                classes: 10,
                width: 12,
                depth: 2,
                embedding: 8,
            }),
        ]
    }

    #[test]
    fn a_velocity_has_the_shape_of_the_state_whatever_the_network() {
        let device = Device::flex();
        for architecture in each() {
            architecture.validate().unwrap();
            let network = architecture.init(&device);
            let [c, h, w] = architecture.image();
            let x = Tensor::<4>::random([3, c, h, w], Distribution::Normal(0.0, 1.0), &device);
            let class = || Tensor::from_data(TensorData::from([0, 9, 10]), &device);
            let times = [0.0, 0.5, 1.0];
            let v = network.forward(x.clone(), Tensor::from_floats(times, &device), class());
            assert_eq!(v.dims(), [3, c, h, w]);
            // The output layer starts at zero, and everything else is finite.
            assert_eq!(v.abs().max().into_scalar::<f32>(), 0.0, "{}", architecture.kind());
            let at = network.forward_at(x, &times, class());
            assert_eq!(at.dims(), [3, c, h, w]);
        }
    }

    #[test]
    fn every_network_tells_times_and_classes_apart_and_keeps_images_apart() {
        let device = Device::flex();
        for architecture in each() {
            let mut weights = architecture.init(&device).weights();
            for (i, (_, values)) in weights.values_mut().enumerate() {
                let drawn = flow::noise::gaussian(1, i as u64, values.len());
                values.iter_mut().zip(drawn).for_each(|(v, z)| *v += 0.3 * z);
            }
            let network = architecture.with_weights(weights, &device).unwrap();
            let [c, h, w] = architecture.image();
            let one = Tensor::<4>::random([1, c, h, w], Distribution::Normal(0.0, 1.0), &device);
            let other = Tensor::<4>::random([1, c, h, w], Distribution::Normal(0.0, 1.0), &device);
            let x = Tensor::cat(vec![one.clone(), one.clone(), one.clone(), other], 0);
            let class = Tensor::from_data(TensorData::from([3, 3, 10, 3]), &device);
            let v = network.forward_at(x, &[0.3, 0.8, 0.3, 0.3], class);
            let row = |i: usize| v.clone().narrow(0, i, 1);
            let apart = |a: Tensor<4>, b: Tensor<4>| (a - b).abs().max().into_scalar::<f32>();
            let kind = architecture.kind();
            for (i, what) in [(1, "time"), (2, "class"), (3, "image")] {
                assert!(apart(row(0), row(i)) > 1e-3, "{kind} does not look at its {what}");
            }
            let class = Tensor::from_data(TensorData::from([3]), &device);
            let alone = network.forward_at(one, &[0.3], class);
            assert!(apart(row(0), alone) < 1e-4, "{kind}: an image depends on its neighbours");
        }
    }

    #[test]
    fn multiply_adds_of_a_dit_are_those_of_its_matrices() {
        // 16 tokens of 12 values, width 16: in and out 2 * 16 * 12 * 16; a block: 16 tokens * (4 + 2 * 2) * 256 + two
        // products of 16 x 16 tokens over 16, and 6 * 256 of modulation; embedding 8 * 16 + 256, last modulation 2 * 256.
        let [_, _, dit, mlp] = each().try_into().unwrap();
        let block = 16 * 8 * 256 + 2 * 16 * 16 * 16 + 6 * 256;
        assert_eq!(dit.multiply_adds(), 2 * 16 * 12 * 16 + 2 * block + 8 * 16 + 256 + 2 * 256);
        // 6 values in and out, width 12: two blocks of 4 * 144, modulation of 3 parts each and 2 at the end.
        assert_eq!(mlp.multiply_adds(), 2 * 6 * 12 + 2 * 4 * 144 + 8 * 12 + 144 + 12 * (2 * 36 + 24));
    }

    #[test]
    fn a_base_unet_has_the_residual_ones_convolutions_and_no_norm() {
        let device = Device::flex();
        let residual = UNetConfig { attention_heads: 0, ..small() };
        let plain = UNetConfig { block: BlockKind::Plain, ..residual.clone() };
        let names = |config: &UNetConfig| -> Vec<String> {
            Architecture::Unet(config.clone()).expected(&device).into_iter().map(|(name, _)| name).collect()
        };
        let (residual, plain) = (names(&residual), names(&plain));
        assert!(plain.iter().all(|name| residual.contains(name) && !name.contains("norm")), "{plain:?}");
        let more: Vec<&String> = residual.iter().filter(|name| !plain.contains(name)).collect();
        assert!(more.iter().all(|name| name.contains("norm") || name.contains("project")), "{more:?}");
    }

    #[test]
    fn weights_survive_the_way_out_and_in() {
        let device = Device::flex();
        for architecture in each() {
            let weights = architecture.init(&device).weights();
            let again = architecture.with_weights(weights.clone(), &device).unwrap();
            assert_eq!(again.weights(), weights);
        }
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
