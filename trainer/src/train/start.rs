//! Weights that a run starts from, instead of an untrained network: another run's average, or an exported model.
//!
//! The optimizer, the learning rate's schedule and the step count begin anew; the images seen and the seconds spent go on
//! counting, and what was trained before is told in the checkpoint's state and in the exported file's header.

use crate::export::training_facts;
use crate::recipe::Normalization;
use crate::source::{open_checkpoint, read_verified, weights};
use anyhow::{Context, Result, bail};
use burn::tensor::Device;
use models::Weights;
use models::weights::collect;
use serde_json::{Value, json};
use std::path::Path;

/// Trained weights and where they came from.
pub struct Start {
    pub(super) weights: Weights,
    normalization: Normalization,
    pub(super) facts: Value,
}

impl Start {
    /// Reads the averaged weights of a run or a checkpoint, or those of an exported model.
    ///
    /// # Errors
    /// Nothing there, or a damaged file.
    pub fn open(path: &Path) -> Result<Self> {
        let from = |weights, normalization, name: &str, training: Value| Self {
            weights,
            normalization,
            facts: json!({ "name": name, "training": training }),
        };
        if !path.is_dir() {
            let bytes =
                read_verified(path, "--from takes a run folder, a checkpoint or a .safetensors file")?;
            let file = model_export::read(&bytes).with_context(|| path.display().to_string())?;
            let model_export::Normalization { mean, std } = file.header.normalization;
            let normalization = Normalization { mean, std };
            return Ok(from(weights(file.tensors), normalization, &file.header.name, file.header.training));
        }
        let checkpoint = open_checkpoint(path)?;
        let recipe = checkpoint.recipe()?;
        let device = Device::flex();
        let trained = match (&recipe.architecture, &recipe.classifier, &recipe.autoencoder) {
            (Some(architecture), ..) => checkpoint.load_average(architecture.init(&device))?.weights(),
            (_, Some(judge), _) => collect(&checkpoint.load_average(judge.network.init(&device))?),
            (.., Some(coder)) => collect(&checkpoint.load_average(coder.network.init(&device))?),
            (None, None, None) => bail!("{} is the run of no network", path.display()),
        };
        Ok(from(trained, recipe.normalization, &recipe.name, training_facts(&recipe, checkpoint.state())))
    }

    /// Refuses weights that were trained on pixels scaled in another way.
    pub(super) fn check(&self, normalization: Normalization) -> Result<()> {
        if self.normalization == normalization {
            return Ok(());
        }
        let Normalization { mean, std } = self.normalization;
        bail!(
            "the weights to start from take pixels with mean {mean} and std {std}, the recipe has mean {} and std {}",
            normalization.mean,
            normalization.std
        )
    }

    /// Images seen and seconds spent before; zero where the file does not tell.
    pub(super) fn spent(&self) -> (u64, f64) {
        let training = &self.facts["training"];
        (training["images_seen"].as_u64().unwrap_or(0), training["seconds"].as_f64().unwrap_or(0.0))
    }
}
