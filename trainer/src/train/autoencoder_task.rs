//! Training an autoencoder on images, whose pixels are taken as probabilities of ink.
//!
//! Variational: cross-entropy of the pixels plus `kl_weight` times the divergence of the latent's distribution from a
//! standard normal (Kingma and Welling 2013; Higgins 2017). Vector-quantized: cross-entropy plus the distances of codes
//! from latents and, by `commitment`, of latents from codes, the gradient led straight through the quantization (van den
//! Oord 2017). Sums over an image are divided by its number of pixels.

use super::Task;
use super::order::Order;
use crate::data::Dataset;
use crate::image::grid::{GridOptions, write_png};
use crate::recipe::{AutoencoderRecipe, Recipe};
use anyhow::{Context, Result, bail};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor, TensorData};
use models::{Autoencoder, Encoded, WeightError, Weights};
use serde_json::{Map, Value, json};
use std::path::Path;

/// Test images that a report reconstructs and measures.
const REPORTED: usize = 1000;
/// Columns of a report's picture.
const COLUMNS: usize = 10;

/// Training an autoencoder.
pub struct AutoencoderTask<'a> {
    recipe: &'a Recipe,
    autoencoder: &'a AutoencoderRecipe,
    train: &'a Dataset,
    test: &'a Dataset,
    order: Order,
}

/// One step's images, and the noise that draws their latents.
pub struct AutoencoderBatch {
    pixels: Vec<f32>,
    noise: Vec<f32>,
    count: usize,
}

/// The parts of the loss, in nats an image.
struct Parts {
    pixels: Tensor<1>,
    latent: Tensor<1>,
    /// Codes in use, by the exponential of their entropy; of a vector-quantized one.
    perplexity: Option<Tensor<1>>,
}

impl<'a> AutoencoderTask<'a> {
    /// For a recipe with an autoencoder, and a data set of its images.
    ///
    /// # Errors
    /// A recipe of another kind, or images of another size.
    pub fn new(recipe: &'a Recipe, train: &'a Dataset, test: &'a Dataset) -> Result<Self> {
        let autoencoder = recipe.autoencoder.as_ref().context("the recipe has no [autoencoder]")?;
        if autoencoder.network.image != train.image() {
            bail!(
                "the images are {:?}, the autoencoder takes {:?}",
                train.image(),
                autoencoder.network.image
            );
        }
        let order = Order::new(recipe.seed, train.count, recipe.train.batch);
        Ok(Self { recipe, autoencoder, train, test, order })
    }

    fn tensor(&self, pixels: Vec<f32>, device: &Device) -> Tensor<4> {
        let [channels, height, width] = self.train.image();
        let count = pixels.len() / self.train.image_len();
        Tensor::from_data(TensorData::new(pixels, [count, channels, height, width]), device)
    }

    /// The parts of the loss over images `x`; latents are drawn with `noise`, or are their means without.
    fn parts(&self, model: &Autoencoder, x: Tensor<4>, noise: Option<Tensor<4>>) -> Option<Parts> {
        let [count, ..] = x.dims();
        let per_image = |sum: Tensor<1>| sum.div_scalar(count as f64);
        match model.encode(x.clone())? {
            Encoded::Distribution { mean, log_variance } => {
                let z = match noise {
                    Some(noise) => mean.clone() + log_variance.clone().mul_scalar(0.5).exp() * noise,
                    None => mean.clone(),
                };
                let divergence = mean.square() + log_variance.clone().exp() - log_variance - 1.0;
                Some(Parts {
                    pixels: per_image(cross_entropy(model.logits(z), x)),
                    latent: per_image(divergence.sum()).mul_scalar(0.5),
                    perplexity: None,
                })
            }
            Encoded::Latent(z) => {
                let (codes, chosen) = model.quantize(z.clone())?;
                let straight = z.clone() + (codes.clone() - z.clone()).detach();
                let commitment = self.autoencoder.commitment.unwrap_or(0.25);
                let to_latents = (codes.clone() - z.clone().detach()).square().sum();
                let to_codes = (z - codes.detach()).square().sum();
                let share = chosen.detach().mean_dim(0);
                let entropy = (share.clone() * (share + 1e-10).log()).sum().neg();
                Some(Parts {
                    pixels: per_image(cross_entropy(model.logits(straight), x)),
                    latent: per_image(to_latents + to_codes.mul_scalar(commitment)),
                    perplexity: Some(entropy.exp()),
                })
            }
        }
    }
}

/// Sum over all pixels, in nats, from scores.
fn cross_entropy(logits: Tensor<4>, x: Tensor<4>) -> Tensor<1> {
    (relu(logits.clone()) - logits.clone() * x + (logits.abs().neg().exp() + 1.0).log()).sum()
}

impl Task for AutoencoderTask<'_> {
    type Model = Autoencoder;
    type Batch = AutoencoderBatch;

    fn init(&self, device: &Device) -> Autoencoder {
        self.autoencoder.network.init(device)
    }

    fn with_weights(&self, weights: Weights, device: &Device) -> Result<Autoencoder, WeightError> {
        self.autoencoder.network.with_weights(weights, device)
    }

    fn batch(&self, step: u64) -> Result<AutoencoderBatch, String> {
        let n = self.train.image_len();
        let indices = self.order.indices(step);
        let count = indices.len();
        let mut pixels = Vec::with_capacity(count * n);
        for index in indices {
            let image = &self.train.images[index * n..(index + 1) * n];
            pixels.extend(image.iter().map(|&p| f32::from(p) / 255.0));
        }
        let first = step * count as u64;
        let seed = self.recipe.seed ^ 0x6c61_7465_6e74_0000;
        let noise = match self.autoencoder.network.codes {
            None => {
                flow::noise::batch(seed, first..first + count as u64, self.autoencoder.network.latent_len())
            }
            Some(_) => vec![],
        };
        Ok(AutoencoderBatch { pixels, noise, count })
    }

    fn split(&self, batch: AutoencoderBatch, parts: usize) -> Result<Vec<AutoencoderBatch>, String> {
        let count = batch.count / parts;
        let part = |values: &[f32], part: usize| {
            let n = values.len() / parts;
            values[part * n..(part + 1) * n].to_vec()
        };
        Ok((0..parts)
            .map(|i| AutoencoderBatch { pixels: part(&batch.pixels, i), noise: part(&batch.noise, i), count })
            .collect())
    }

    fn loss(&self, model: &Autoencoder, batch: AutoencoderBatch, device: &Device) -> Tensor<1> {
        let [channels, height, width] = self.autoencoder.network.latent;
        let noise = (!batch.noise.is_empty()).then(|| {
            let shape = [batch.count, channels, height, width];
            Tensor::<4>::from_data(TensorData::new(batch.noise, shape), device)
        });
        let x = self.tensor(batch.pixels, device);
        let weight = self.autoencoder.kl_weight.or(self.autoencoder.code_weight).unwrap_or(1.0);
        match self.parts(model, x.clone(), noise) {
            Some(parts) => {
                (parts.pixels + parts.latent.mul_scalar(weight)).div_scalar(self.train.image_len() as f64)
            }
            // Never of a checked recipe; a loss that is not finite stops the training.
            None => x.sum().mul_scalar(f64::NAN),
        }
    }

    fn report(
        &self,
        model: &Autoencoder,
        step: u64,
        dir: &Path,
        device: &Device,
    ) -> Result<Map<String, Value>> {
        let n = self.test.image_len();
        let count = REPORTED.min(self.test.count);
        let pixels: Vec<f32> = self.test.images[..count * n].iter().map(|&p| f32::from(p) / 255.0).collect();
        let x = self.tensor(pixels.clone(), device);
        let parts = self.parts(model, x.clone(), None).context("the autoencoder has no encoder")?;
        let mut report = Map::new();
        let mut figure = |name: &str, value: Tensor<1>| {
            report.insert(name.to_owned(), json!(value.into_scalar::<f32>()));
        };
        figure("test_pixels_nats", parts.pixels);
        figure("test_latent_nats", parts.latent);
        if let Some(perplexity) = parts.perplexity {
            figure("test_code_perplexity", perplexity);
        }
        // Three pairs of rows, images and what became of them; then, of a variational one, two rows of normal draws.
        let shown = (3 * COLUMNS).min(count);
        let z = match model.encode(x.narrow(0, 0, shown)).context("the autoencoder has no encoder")? {
            Encoded::Distribution { mean, .. } | Encoded::Latent(mean) => mean,
        };
        let [_, c, h, w] = z.dims();
        let again: Vec<f32> = model.decode(z).into_data().iter::<f32>().collect();
        let mut picture = Vec::new();
        for (before, after) in pixels[..shown * n].chunks(COLUMNS * n).zip(again.chunks(COLUMNS * n)) {
            picture.extend_from_slice(before);
            picture.extend_from_slice(after);
        }
        if self.autoencoder.network.codes.is_none() {
            let noise = flow::noise::batch(7, 0..2 * COLUMNS as u64, c * h * w);
            let z = Tensor::<4>::from_data(TensorData::new(noise, [2 * COLUMNS, c, h, w]), device);
            picture.extend(model.decode(z).into_data().iter::<f32>());
        }
        let path = dir.join("grids").join(format!("step-{step:08}.png"));
        std::fs::create_dir_all(dir.join("grids"))?;
        let options = GridOptions { columns: COLUMNS, ..GridOptions::default() };
        write_png(&path, &picture, self.test.height, self.test.width, &options)?;
        report.insert("grid".into(), json!(path.display().to_string()));
        Ok(report)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cross_entropy_is_that_of_the_sigmoid_and_survives_large_scores() {
        let device = Device::flex();
        let x = Tensor::<4>::from_floats([[[[0.0, 1.0, 0.3]]]], &device);
        let scores = [0.4_f64, -1.2, 2.0];
        let expected: f64 = scores
            .iter()
            .zip([0.0, 1.0, 0.3])
            .map(|(s, x)| {
                let p = 1.0 / (1.0 + (-s).exp());
                -(x * p.ln() + (1.0 - x) * (1.0 - p).ln())
            })
            .sum();
        let logits = Tensor::<4>::from_floats([[[[0.4, -1.2, 2.0]]]], &device);
        let got = cross_entropy(logits, x.clone()).into_scalar::<f32>();
        assert!((f64::from(got) - expected).abs() < 1e-5, "{got} {expected}");
        let large = Tensor::<4>::from_floats([[[[1e4, -1e4, 0.0]]]], &device);
        assert!(cross_entropy(large, x).into_scalar::<f32>().is_finite());
    }

    #[test]
    fn both_kinds_learn_to_copy_two_images() {
        for (text, most_nats) in [
            (include_str!("../../../recipes/mnist-vae.toml"), 160.0),
            (include_str!("../../../recipes/mnist-vqvae.toml"), 160.0),
        ] {
            let sets =
                ["train.batch=4", "train.steps=60", "train.warmup_steps=5", "train.learning_rate=5e-3"]
                    .map(str::to_owned);
            let recipe = Recipe::parse(text, "test", &sets).unwrap();
            let image = |up: bool| (0..784).map(move |i| if (i / 28 < 14) == up { 255 } else { 0 });
            let images: Vec<u8> = (0..8).flat_map(|i| image(i % 2 == 0)).collect();
            let data = Dataset { images, labels: vec![0; 8], count: 8, channels: 1, height: 28, width: 28 };
            let dir = tempfile::tempdir().unwrap();
            let run = super::super::Run {
                recipe: &recipe,
                dir: dir.path().to_owned(),
                device: Device::flex(),
                device_description: "cpu".into(),
                data_description: "two images".into(),
                resume: false,
                start: None,
                stop_after: None,
                watch: super::super::Watch::default(),
            };
            let task = AutoencoderTask::new(&recipe, &data, &data).unwrap();
            let model = super::super::train(&task, &run).unwrap();
            let report = task.report(&model, 60, dir.path(), &Device::flex()).unwrap();
            // 784 pixels of a fair coin would be 543 nats.
            let nats = report["test_pixels_nats"].as_f64().unwrap();
            assert!(nats < most_nats, "{}: {nats}", recipe.name);
            assert!(dir.path().join("grids/step-00000060.png").is_file());
        }
    }
}
