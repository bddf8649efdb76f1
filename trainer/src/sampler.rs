//! Runs a [`SamplePlan`] natively over a network, in batches, and counts what it cost.
//!
//! Images do not depend on the batch: noise and label of image i come from (seed, i). Only an adaptive solver's steps
//! do, since a batch shares its step size (that of its most demanding image).

use crate::image::grid::{GridOptions, write_png};
use crate::recipe::Normalization;
use anyhow::{Result, bail};
use burn::tensor::{Device, Tensor, TensorData};
use flow::guidance::Guided;
use flow::integrate::{End, integrate};
use flow::plan::{MOST_EVALUATIONS, SamplePlan};
use models::{Architecture, ConditionalNetwork, Network};
use std::ops::{ControlFlow, Range};
use std::path::Path;
use std::time::{Duration, Instant};

/// Images that go through the network together.
const BATCH: usize = 100;

/// A network ready to sample.
pub struct Sampler<'a> {
    network: &'a Network,
    architecture: &'a Architecture,
    normalization: Normalization,
    device: Device,
}

/// Sampled images and their cost.
#[derive(Clone, Debug)]
pub struct Samples {
    /// Pixels in [0, 1], image after image.
    pub pixels: Vec<f32>,
    /// The class asked for, an image each.
    pub labels: Vec<u8>,
    /// Channels, height and width.
    pub image: [usize; 3],
    /// Network evaluations an image took; the most of any batch for an adaptive solver. Guidance's second branch counts.
    pub evaluations: usize,
    /// Wall time of the integration.
    pub time: Duration,
}

impl<'a> Sampler<'a> {
    /// For a network whose values are normalized so, on its device.
    pub fn new(
        network: &'a Network,
        architecture: &'a Architecture,
        normalization: Normalization,
        device: &Device,
    ) -> Self {
        Self { network, architecture, normalization, device: device.clone() }
    }

    /// Samples the plan's images; `progress` hears how many are done.
    ///
    /// # Errors
    /// A plan that does not fit the model, or an integration that fails or gives up.
    pub fn run(&self, plan: &SamplePlan, progress: impl FnMut(usize)) -> Result<Samples> {
        let labels: Vec<u8> = (0..plan.count).map(|i| plan.label(i)).collect();
        self.run_labels(plan, &labels, 0, progress)
    }

    /// Samples one image for each label, with the noises of images `first..`; the plan's count and digit are not used.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub fn run_labels(
        &self,
        plan: &SamplePlan,
        labels: &[u8],
        first: u64,
        mut progress: impl FnMut(usize),
    ) -> Result<Samples> {
        let mut samples = Samples {
            pixels: Vec::with_capacity(labels.len() * self.architecture.image_len()),
            labels: labels.to_vec(),
            image: self.architecture.image(),
            evaluations: 0,
            time: Duration::ZERO,
        };
        let mut at = 0;
        for part in labels.chunks(BATCH) {
            let start = Instant::now();
            let from = first + at as u64;
            let (values, evaluations) = self.batch(plan, part, from..from + part.len() as u64)?;
            samples.time += start.elapsed();
            samples.evaluations = samples.evaluations.max(evaluations);
            let Normalization { mean, std } = self.normalization;
            samples.pixels.extend(values.iter().map(|v| (v * std + mean).clamp(0.0, 1.0)));
            at += part.len();
            progress(at);
        }
        Ok(samples)
    }

    /// The final states of one batch in the network's own values, and the evaluations they took.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub fn batch(&self, plan: &SamplePlan, labels: &[u8], images: Range<u64>) -> Result<(Vec<f32>, usize)> {
        if let Some(label) = labels.iter().find(|&&l| usize::from(l) >= self.architecture.classes()) {
            bail!("class {label} was asked for, the model knows 0 to {}", self.architecture.classes() - 1);
        }
        let [channels, height, width] = self.architecture.image();
        let noise = flow::noise::batch(plan.seed, images.clone(), self.architecture.image_len());
        let x0 = TensorData::new(noise, [labels.len(), channels, height, width]);
        let x0 = Tensor::<4>::from_data(x0, &self.device);
        let conditional =
            ConditionalNetwork::new(self.network, labels, self.architecture.null_class(), &self.device);
        let mut field = Guided::new(plan.guidance.clone(), conditional);
        let observe = async |_: flow::integrate::Report<'_, Tensor<4>>| ControlFlow::Continue(());
        let stepping = plan.stepping()?;
        let options = plan.options(images.start);
        let run = integrate(&mut field, &plan.solver, &stepping, x0, &options, observe);
        let outcome = pollster::block_on(run)?;
        match outcome.end {
            End::Finished => {}
            End::BudgetExhausted => bail!(
                "the solver was at t = {:.3} after {MOST_EVALUATIONS} evaluations; a larger tolerance needs fewer",
                outcome.t
            ),
            other => bail!("the integration ended early ({other:?}) at t = {:.3}", outcome.t),
        }
        Ok((outcome.x.into_data().iter::<f32>().collect(), outcome.evaluations))
    }
}

impl Samples {
    /// Puts other samples of the same size behind these.
    pub fn append(&mut self, mut other: Self) {
        self.pixels.append(&mut other.pixels);
        self.labels.append(&mut other.labels);
        self.evaluations = self.evaluations.max(other.evaluations);
        self.time += other.time;
    }
}

/// Writes samples as a PNG grid with so many columns.
///
/// # Errors
/// When the file cannot be written.
pub fn write_grid(path: &Path, samples: &Samples, columns: usize) -> Result<()> {
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent)?;
    }
    let [_, height, width] = samples.image;
    let options = GridOptions { columns, ..GridOptions::default() };
    write_png(path, &samples.pixels, height, width, &options)?;
    Ok(())
}
