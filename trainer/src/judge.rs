//! The judge at work: what the shipped classifier says of images, and the features that the Fréchet distance reads.
//!
//! Its file carries the statistics of the 60,000 training images' features, so that an evaluation needs no data set,
//! and the distance of the real test images, which is what a perfect model of the test set would score.

use crate::data::Dataset;
use crate::recipe::{ClassifierRecipe, Normalization};
use crate::source::weights;
use anyhow::{Context, Result, bail};
use burn::tensor::{Device, Tensor, TensorData};
use model_export::{Kind, manifest::sha256_hex};
use models::architecture::JudgeArchitecture;
use models::{Classifier, weights::load};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// Images that the judge looks at together.
const BATCH: usize = 250;

/// A classifier on a device.
pub struct Judge {
    model: Classifier,
    normalization: Normalization,
    image: [usize; 3],
    device: Device,
    /// The extractor in words: name, features and the start of the file's SHA-256.
    pub description: String,
    /// What its file says of itself.
    pub facts: Option<JudgeFacts>,
}

/// The metrics in a judge's file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct JudgeFacts {
    /// Share of MNIST's 10,000 test images that it gets right.
    pub test_accuracy: f64,
    /// The reference set's name.
    pub reference: String,
    /// Images in the reference set.
    pub reference_count: usize,
    /// Mean of the reference's features.
    pub mean: Vec<f64>,
    /// Covariance of the reference's features: the upper triangle, row after row.
    pub covariance: Vec<f64>,
    /// Fréchet distance of the real test images against the reference.
    pub test_fid: f64,
}

/// What the judge says of a set of images.
pub struct Verdict {
    /// The most likely class of each image.
    pub guesses: Vec<u8>,
    /// Features, image after image.
    pub features: Vec<f64>,
    /// Features of one image.
    pub width: usize,
}

impl Judge {
    /// Reads the judge's file.
    ///
    /// # Errors
    /// A file that is missing, damaged or no classifier.
    pub fn open(path: &Path, device: &Device) -> Result<Self> {
        let bytes = std::fs::read(path).with_context(|| {
            format!("cannot read the judge {}; name another with --judge", path.display())
        })?;
        let file = model_export::read(&bytes).with_context(|| path.display().to_string())?;
        if file.header.kind != Kind::Classifier {
            bail!("{} is a {} model; the judge is a classifier", path.display(), file.header.kind.id());
        }
        let JudgeArchitecture::Classifier(config) = serde_json::from_value(file.header.architecture.clone())
            .with_context(|| format!("{}: unknown architecture", path.display()))?;
        let facts = serde_json::from_value(file.header.metrics.clone()).ok();
        let description =
            format!("{} ({} features, {})", file.header.name, config.features, &sha256_hex(&bytes)[..12]);
        let normalization =
            Normalization { mean: file.header.normalization.mean, std: file.header.normalization.std };
        let model = load(config.init(device), weights(file.tensors), "", device)?;
        Ok(Self { model, normalization, image: config.image, device: device.clone(), description, facts })
    }

    /// A judge that was just trained.
    pub fn new(
        model: Classifier,
        recipe: &ClassifierRecipe,
        normalization: Normalization,
        device: &Device,
    ) -> Self {
        let description = format!("classifier ({} features)", recipe.network.features);
        Self {
            model,
            normalization,
            image: recipe.network.image,
            device: device.clone(),
            description,
            facts: None,
        }
    }

    /// Looks at images; pixels in [0, 1], image after image.
    ///
    /// # Errors
    /// When the pixels do not fill whole images of the judge's size.
    pub fn look(&self, pixels: &[f32], mut progress: impl FnMut(usize)) -> Result<Verdict> {
        let [channels, height, width] = self.image;
        let n = channels * height * width;
        if !pixels.len().is_multiple_of(n) {
            bail!("{} values are no whole number of {channels}x{height}x{width} images", pixels.len());
        }
        let mut verdict = Verdict { guesses: vec![], features: vec![], width: 0 };
        for part in pixels.chunks(BATCH * n) {
            let Normalization { mean, std } = self.normalization;
            let values: Vec<f32> = part.iter().map(|p| (p - mean) / std).collect();
            let count = values.len() / n;
            let x = TensorData::new(values, [count, channels, height, width]);
            let features = self.model.features(Tensor::<4>::from_data(x, &self.device));
            verdict.width = features.dims()[1];
            let guesses = self.model.logits(features.clone()).argmax(1).into_data();
            verdict.guesses.extend(guesses.iter::<i64>().map(|g| g as u8));
            verdict.features.extend(features.into_data().iter::<f64>());
            progress(verdict.guesses.len());
        }
        Ok(verdict)
    }

    /// Looks at a data set's images.
    ///
    /// # Errors
    /// As [`look`](Self::look).
    pub fn look_at(&self, data: &Dataset, progress: impl FnMut(usize)) -> Result<Verdict> {
        let pixels: Vec<f32> = data.images.iter().map(|&p| f32::from(p) / 255.0).collect();
        self.look(&pixels, progress)
    }
}

impl Verdict {
    /// The share of guesses that are the labels, 0 to 1.
    pub fn accuracy(&self, labels: &[u8]) -> f64 {
        let right = self.guesses.iter().zip(labels).filter(|(g, l)| g == l).count();
        right as f64 / labels.len().max(1) as f64
    }
}
