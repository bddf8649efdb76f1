//! The judge: a classifier trained on MNIST's training images with small shifts, by cross-entropy.

use super::Task;
use super::order::Order;
use crate::data::Dataset;
use crate::recipe::{ClassifierRecipe, Normalization, Recipe};
use anyhow::{Context, Result, bail};
use burn::nn::loss::CrossEntropyLossConfig;
use burn::tensor::{Device, Int, Tensor, TensorData};
use models::{Classifier, WeightError, Weights};
use rand_chacha::rand_core::RngCore;
use serde_json::{Map, Value, json};
use std::path::Path;

/// Images the judge looks at in one go.
const BATCH: usize = 500;

/// Training the judge.
pub struct JudgeTask<'a> {
    recipe: &'a Recipe,
    judge: &'a ClassifierRecipe,
    train: &'a Dataset,
    test: &'a Dataset,
    order: Order,
}

/// One step's shifted images.
pub struct JudgeBatch {
    images: Vec<f32>,
    labels: Vec<i32>,
}

impl<'a> JudgeTask<'a> {
    /// For a recipe with a classifier, and MNIST's two sets.
    ///
    /// # Errors
    /// A recipe of another kind.
    pub fn new(recipe: &'a Recipe, train: &'a Dataset, test: &'a Dataset) -> Result<Self> {
        let judge = recipe.classifier.as_ref().context("the recipe has no [classifier]")?;
        if judge.network.image != train.image() || train.channels != 1 {
            bail!("the images are {:?}, the classifier takes {:?}, grey", train.image(), judge.network.image);
        }
        let order = Order::new(recipe.seed, train.count, recipe.train.batch);
        Ok(Self { recipe, judge, train, test, order })
    }
}

impl Task for JudgeTask<'_> {
    type Model = Classifier;
    type Batch = JudgeBatch;

    fn init(&self, device: &Device) -> Classifier {
        self.judge.network.init(device)
    }

    fn with_weights(&self, weights: Weights, device: &Device) -> Result<Classifier, WeightError> {
        models::weights::load(self.init(device), weights, "", device)
    }

    fn batch(&self, step: u64) -> Result<JudgeBatch, String> {
        let indices = self.order.indices(step);
        let (h, w) = (self.train.height, self.train.width);
        let mut rng = flow::noise::rng(self.recipe.seed ^ 0x7368_6966_7400_0000, step);
        let span = 2 * self.judge.shift as u64 + 1;
        let mut draw = || (rng.next_u64() % span) as isize - self.judge.shift as isize;
        let Normalization { mean, std } = self.recipe.normalization;
        let mut made = JudgeBatch { images: Vec::with_capacity(indices.len() * h * w), labels: vec![] };
        for &index in &indices {
            let image = &self.train.images[index * h * w..(index + 1) * h * w];
            let (down, right) = (draw(), draw());
            for row in 0..h {
                for column in 0..w {
                    let from = (row.checked_add_signed(-down), column.checked_add_signed(-right));
                    let pixel = match from {
                        (Some(r), Some(c)) if r < h && c < w => image[r * w + c],
                        _ => 0,
                    };
                    made.images.push((f32::from(pixel) / 255.0 - mean) / std);
                }
            }
            made.labels.push(i32::from(self.train.labels[index]));
        }
        Ok(made)
    }

    fn split(&self, batch: JudgeBatch, parts: usize) -> Result<Vec<JudgeBatch>, String> {
        let (count, n) = (batch.labels.len() / parts, self.train.height * self.train.width);
        let images = batch.images.chunks(count * n).zip(batch.labels.chunks(count));
        Ok(images
            .map(|(images, labels)| JudgeBatch { images: images.to_vec(), labels: labels.to_vec() })
            .collect())
    }

    fn loss(&self, model: &Classifier, batch: JudgeBatch, device: &Device) -> Tensor<1> {
        let count = batch.labels.len();
        let shape = [count, 1, self.train.height, self.train.width];
        let images = Tensor::<4>::from_data(TensorData::new(batch.images, shape), device);
        let labels = Tensor::<1, Int>::from_data(TensorData::new(batch.labels, [count]), device);
        let logits = model.logits(model.features(images));
        CrossEntropyLossConfig::new().init(device).forward(logits, labels)
    }

    fn report(
        &self,
        model: &Classifier,
        _step: u64,
        _dir: &Path,
        device: &Device,
    ) -> Result<Map<String, Value>> {
        let mut report = Map::new();
        report.insert(
            "test_accuracy".into(),
            json!(accuracy(model, self.test, self.recipe.normalization, device)),
        );
        Ok(report)
    }
}

/// The share of a data set's images that the classifier gets right, 0 to 1.
pub fn accuracy(model: &Classifier, data: &Dataset, normalization: Normalization, device: &Device) -> f64 {
    let n = data.height * data.width;
    let mut right = 0;
    for (images, labels) in data.images.chunks(BATCH * n).zip(data.labels.chunks(BATCH)) {
        let values: Vec<f32> =
            images.iter().map(|&p| (f32::from(p) / 255.0 - normalization.mean) / normalization.std).collect();
        let shape = [labels.len(), 1, data.height, data.width];
        let x = Tensor::<4>::from_data(TensorData::new(values, shape), device);
        let guesses = model.logits(model.features(x)).argmax(1).into_data();
        right += guesses.iter::<i64>().zip(labels).filter(|(g, l)| *g == i64::from(**l)).count();
    }
    right as f64 / data.count as f64
}
