//! Flow matching (Lipman 2022, Liu 2022): regress the velocity of the path between noise and an image.
//!
//! x_t = a(t) x1 + s(t) x0 (and sigma eps on a tube), target a'(t) x1 + s'(t) x0, loss = mean squared error over all values. Noise, times and
//! label dropout of step k come from generators keyed by (seed, k). Path arithmetic is done on the loader's thread.

use super::Task;
use super::images::{Images, Latents};
use super::pairs::Pairs;
use super::quality;
use crate::data::Dataset;
use crate::evaluation::Evaluation;
use crate::recipe::{EarlyStop, Normalization, Recipe};
use crate::reflow::TeacherPairs;
use crate::sampler::{self, Sampler};
use anyhow::{Context, Result, bail};
use burn::tensor::{Device, Int, Tensor, TensorData};
use flow::path::Path as FlowPath;
use flow::plan::SamplePlan;
use flow::time::TimeDistribution;
use models::{Architecture, Autoencoder, Network, WeightError, Weights};
use rand_chacha::rand_core::RngCore;
use serde_json::{Map, Value, json};
use std::path::Path;

/// Training a velocity network on labelled images.
pub struct FlowTask<'a> {
    recipe: &'a Recipe,
    architecture: &'a Architecture,
    pairs: Pairs<'a>,
    decoder: Option<&'a Autoencoder>,
    path: FlowPath,
    time: TimeDistribution,
    label_dropout: f64,
    plan: SamplePlan,
}

/// One step's images on their paths.
pub struct FlowBatch {
    x_t: Vec<f32>,
    target: Vec<f32>,
    t: Vec<f32>,
    class: Vec<i32>,
}

impl<'a> FlowTask<'a> {
    /// For a recipe with an architecture, and images of its size.
    ///
    /// # Errors
    /// A recipe of another kind, or images of another size or with labels out of range.
    pub fn new(recipe: &'a Recipe, data: &'a Dataset) -> Result<Self> {
        if let Some(latent) = &recipe.latent {
            bail!("the recipe learns latents of `{}`, not images", latent.autoencoder);
        }
        if let Some(reflow) = &recipe.reflow {
            bail!("the recipe learns from pairs of `{}`, not from images", reflow.teacher);
        }
        Self::of(recipe, Images::Pixels(data, recipe.normalization), None)
    }

    /// For a recipe with an architecture, and latents of its size with what decodes them.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn on_latents(recipe: &'a Recipe, latents: &'a Latents, decoder: &'a Autoencoder) -> Result<Self> {
        Self::of(recipe, Images::Latents(latents), Some(decoder))
    }

    /// For a recipe with `[reflow]`, and its teacher's pairs.
    ///
    /// # Errors
    /// As [`new`](Self::new), and pairs of another teacher, or of other values than the recipe's.
    pub fn on_pairs(recipe: &'a Recipe, pairs: &'a TeacherPairs) -> Result<Self> {
        let teacher = recipe.reflow.as_ref().context("the recipe has no [reflow]")?;
        if pairs.facts.teacher != teacher.teacher {
            bail!("the pairs are by {}, the recipe learns from {}", pairs.facts.teacher, teacher.teacher);
        }
        if pairs.facts.normalization != recipe.normalization {
            let Normalization { mean, std } = pairs.facts.normalization;
            bail!(
                "the pairs are of pixels with mean {mean} and std {std}, the recipe's normalization is another"
            );
        }
        Self::of(recipe, Images::Pairs(pairs), None)
    }

    fn of(recipe: &'a Recipe, images: Images<'a>, decoder: Option<&'a Autoencoder>) -> Result<Self> {
        let architecture = recipe.architecture.as_ref().context("the recipe has no [architecture]")?;
        let flow = recipe.flow.as_ref().context("the recipe has no [flow]")?;
        let extents = |[channels, height, width]: [usize; 3]| format!("{channels}x{height}x{width}");
        if architecture.image() != images.shape() {
            let what = if decoder.is_some() { "latents" } else { "images" };
            bail!(
                "the {what} are {}, the architecture takes {}",
                extents(images.shape()),
                extents(architecture.image())
            );
        }
        if let Some(label) = images.labels().iter().find(|&&l| usize::from(l) >= architecture.classes()) {
            bail!("a label is {label}, the architecture has {} classes", architecture.classes());
        }
        Ok(Self {
            recipe,
            architecture,
            pairs: Pairs::new(recipe, images)?,
            decoder,
            path: flow.path.parse()?,
            time: flow.time.parse()?,
            label_dropout: flow.label_dropout,
            plan: recipe.output.plan.as_deref().unwrap_or_default().parse()?,
        })
    }
}

impl Task for FlowTask<'_> {
    type Model = Network;
    type Batch = FlowBatch;

    fn init(&self, device: &Device) -> Network {
        self.architecture.init(device)
    }

    fn with_weights(&self, weights: Weights, device: &Device) -> Result<Network, WeightError> {
        self.architecture.with_weights(weights, device)
    }

    fn batch(&self, step: u64) -> Result<FlowBatch, String> {
        let n = self.architecture.image_len();
        let pairs = self.pairs.at(step)?;
        let batch = pairs.labels.len();
        let mut rng = flow::noise::rng(self.recipe.seed ^ 0x7469_6d65_0000_0000, step);
        let times = self.time.sample_batch(&mut rng, batch);
        let mut made = FlowBatch {
            x_t: Vec::with_capacity(batch * n),
            target: Vec::with_capacity(batch * n),
            t: times.iter().map(|&t| t as f32).collect(),
            class: Vec::with_capacity(batch),
        };
        let tube = self.path.tube() as f32;
        let first = step * batch as u64;
        let rows = pairs.x0.chunks(n).zip(pairs.x1.chunks(n)).zip(&pairs.labels).zip(&times);
        for (image, (((x0, x1), &label), &t)) in (first..).zip(rows) {
            let [a, s, da, ds] =
                [self.path.a(t), self.path.s(t), self.path.da(t), self.path.ds(t)].map(|c| c as f32);
            for (&x0, &x1) in x0.iter().zip(x1) {
                made.x_t.push(a * x1 + s * x0);
                made.target.push(da * x1 + ds * x0);
            }
            if tube > 0.0 {
                let eps = flow::noise::gaussian(self.recipe.seed ^ 0x7475_6265_0000_0000, image, n);
                let from = made.x_t.len() - n;
                made.x_t[from..].iter_mut().zip(eps).for_each(|(x, eps)| *x += tube * eps);
            }
            let dropped = (rng.next_u64() >> 11) as f64 / (1u64 << 53) as f64 >= 1.0 - self.label_dropout;
            made.class.push(if dropped { self.architecture.null_class() } else { label } as i32);
        }
        Ok(made)
    }

    fn prepare(&self, step: u64) {
        self.pairs.prepare(step);
    }

    fn split(&self, batch: FlowBatch, parts: usize) -> Result<Vec<FlowBatch>, String> {
        let (count, n) = (batch.class.len() / parts, self.architecture.image_len());
        Ok((0..parts)
            .map(|part| {
                let (rows, values) =
                    (part * count..(part + 1) * count, part * count * n..(part + 1) * count * n);
                FlowBatch {
                    x_t: batch.x_t[values.clone()].to_vec(),
                    target: batch.target[values].to_vec(),
                    t: batch.t[rows.clone()].to_vec(),
                    class: batch.class[rows].to_vec(),
                }
            })
            .collect())
    }

    fn loss(&self, model: &Network, batch: FlowBatch, device: &Device) -> Tensor<1> {
        let count = batch.class.len();
        let [channels, height, width] = self.architecture.image();
        let shape = [count, channels, height, width];
        let x_t = Tensor::<4>::from_data(TensorData::new(batch.x_t, shape), device);
        let target = Tensor::<4>::from_data(TensorData::new(batch.target, shape), device);
        let t = Tensor::<1>::from_data(TensorData::new(batch.t, [count]), device);
        let class = Tensor::<1, Int>::from_data(TensorData::new(batch.class, [count]), device);
        (model.forward(x_t, t, class) - target).square().mean()
    }

    fn quality(&self, model: &Network, wish: &EarlyStop, device: &Device) -> Result<Option<Evaluation>> {
        let sampler = Sampler::new(model, self.architecture, self.recipe.normalization, device)
            .on_path(self.path.clone())
            .decoding(self.decoder);
        quality::measure(&sampler, wish, self.recipe.dataset, &self.plan, device).map(Some)
    }

    fn report(&self, model: &Network, step: u64, dir: &Path, device: &Device) -> Result<Map<String, Value>> {
        let sampler = Sampler::new(model, self.architecture, self.recipe.normalization, device)
            .on_path(self.path.clone())
            .decoding(self.decoder);
        let samples = sampler.run(&self.plan, |_| {})?;
        let path = dir.join("grids").join(format!("step-{step:08}.png"));
        sampler::write_grid(&path, &samples, 10)?;
        let mut report = Map::new();
        report.insert("grid".into(), json!(path.display().to_string()));
        report.insert("evaluations".into(), json!(samples.evaluations));
        Ok(report)
    }
}
