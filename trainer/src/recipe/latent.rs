//! The parts of a recipe that are about other models: an autoencoder to train, one whose latents a flow learns, or a teacher.

use super::RecipeError;
use models::AutoencoderConfig;
use serde::{Deserialize, Serialize};

/// An autoencoder to train.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AutoencoderRecipe {
    /// The network.
    pub network: AutoencoderConfig,
    /// Weight of the divergence from the standard normal prior, both counted in nats an image; 1 is the evidence lower
    /// bound (Higgins 2017 calls it beta). Only of a variational one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kl_weight: Option<f64>,
    /// Weight of the distances between latents and codes. Only of a vector-quantized one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code_weight: Option<f64>,
    /// How much less the encoder follows the codes than they follow it (van den Oord 2017: 0.25). Only of a
    /// vector-quantized one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commitment: Option<f64>,
}

/// Whose latents a flow learns.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LatentRecipe {
    /// The autoencoder's name: its run is looked for beside the flow's.
    pub autoencoder: String,
}

/// Whose pairs of a noise and an image the flow learns (rectified flow, Liu et al. 2022).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReflowRecipe {
    /// The teacher's name: its pairs are looked for in pairs/NAME.
    pub teacher: String,
}

impl AutoencoderRecipe {
    /// Checks sizes and weights; `name` stands in errors.
    pub(super) fn check(&self, name: &str) -> Result<(), RecipeError> {
        if let Err(fault) = self.network.validate() {
            return Err(RecipeError::Architecture { name: name.to_owned(), fault });
        }
        let fault = |field: &'static str, got: String, accepts: &str| {
            Err(RecipeError::Value { name: name.to_owned(), field, got, accepts: accepts.to_owned() })
        };
        if !self.network.encoder {
            return fault("autoencoder.network.encoder", "false".into(), "true: it is trained here");
        }
        let quantized = self.network.codes.is_some();
        let weights = [
            ("autoencoder.kl_weight", self.kl_weight, !quantized),
            ("autoencoder.code_weight", self.code_weight, quantized),
            ("autoencoder.commitment", self.commitment, quantized),
        ];
        for (field, weight, wanted) in weights {
            match (weight, wanted) {
                (Some(weight), true) if weight >= 0.0 && weight.is_finite() => {}
                (None, false) => {}
                (Some(weight), true) => return fault(field, weight.to_string(), "zero or a positive number"),
                (None, true) => return fault(field, "missing".into(), "zero or a positive number"),
                (Some(_), false) => {
                    let accepts = "kl_weight without codes; code_weight and commitment with them";
                    return fault(field, "a value".into(), accepts);
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use crate::recipe::{Recipe, RecipeError};

    const VAE: &str = include_str!("../../../recipes/mnist-vae.toml");
    const LATENT: &str = include_str!("../../../recipes/latent-base.toml");

    fn refused(text: &str, sets: &[&str]) -> &'static str {
        let sets: Vec<String> = sets.iter().map(|set| (*set).to_owned()).collect();
        match Recipe::parse(text, "test", &sets).unwrap_err() {
            RecipeError::Value { field, .. } => field,
            RecipeError::Architecture { .. } => "architecture",
            other => panic!("{other}"),
        }
    }

    #[test]
    fn weights_that_do_not_belong_to_the_kind_are_refused_by_their_key() {
        assert_eq!(refused(VAE, &["autoencoder.commitment=0.25"]), "autoencoder.commitment");
        assert_eq!(refused(VAE, &["autoencoder.kl_weight=-1.0"]), "autoencoder.kl_weight");
        assert_eq!(refused(VAE, &["autoencoder.network.codes=16"]), "autoencoder.kl_weight");
        assert_eq!(refused(VAE, &["autoencoder.network.encoder=false"]), "autoencoder.network.encoder");
        assert_eq!(refused(VAE, &["autoencoder.network.patch=5"]), "architecture");
    }

    #[test]
    fn a_latent_flow_names_its_autoencoder_and_an_autoencoder_has_none() {
        assert_eq!(refused(LATENT, &["latent.autoencoder=A B"]), "latent.autoencoder");
        assert_eq!(refused(VAE, &["latent.autoencoder=mnist-vae"]), "architecture");
        assert_eq!(
            refused(LATENT, &["architecture={kind=\"gaussian\",image=[4,1,1],classes=10}"]),
            "architecture.kind"
        );
    }
}
