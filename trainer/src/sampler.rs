//! Runs a [`SamplePlan`] natively over a network, in batches, and counts what it cost.
//!
//! Images do not depend on the batch: noise and label of image i come from (seed, i), and an adaptive solver steps each
//! image by itself.

use crate::image::grid::{GridOptions, write_images};
use crate::recipe::Normalization;
use crate::source::Source;
use anyhow::{Result, bail};
use burn::tensor::{Device, Tensor, TensorData};
use flow::field::Field;
use flow::guidance::Guided;
use flow::integrate::{End, Options, Outcome, Report, integrate};
use flow::path::Path as FlowPath;
use flow::plan::{MOST_EVALUATIONS, SamplePlan};
use flow::schedule::KnotTable;
use models::gaussian::{in_one_step, uncounted};
use models::{Architecture, Autoencoder, ConditionalNetwork, Network};
use paths::Paths;
use std::ops::{ControlFlow, Range};
use std::path::Path;
use std::time::{Duration, Instant};

mod paths;

pub use paths::Straightness;

/// Images that go through the network together.
const BATCH: usize = 100;

/// A network ready to sample.
pub struct Sampler<'a> {
    network: &'a Network,
    architecture: &'a Architecture,
    normalization: Normalization,
    device: Device,
    path: FlowPath,
    knots: KnotTable,
    weak: Option<&'a Network>,
    decoder: Option<&'a Autoencoder>,
    measures_paths: bool,
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
    /// Network evaluations an image took; the most of any image for an adaptive solver. Guidance's second branch counts.
    pub evaluations: usize,
    /// The mean over the images, which is less than the most for an adaptive solver.
    pub mean_evaluations: f64,
    /// Wall time of the integration.
    pub time: Duration,
    /// How straight the paths were, an image each; empty unless [measured](Sampler::measuring_paths).
    pub straightness: Vec<Straightness>,
}

impl<'a> Sampler<'a> {
    /// For an opened model, with its path and its fitted knots.
    pub fn of(source: &'a Source, device: &Device) -> Self {
        let sampler = Self::new(&source.network, &source.architecture, source.normalization, device);
        let sampler = sampler.on_path(source.path.clone()).with_knots(source.knots.clone());
        sampler.decoding(source.decoder.as_ref())
    }

    /// For a network of the linear path whose values are normalized so, on its device.
    pub fn new(
        network: &'a Network,
        architecture: &'a Architecture,
        normalization: Normalization,
        device: &Device,
    ) -> Self {
        Self {
            network,
            architecture,
            normalization,
            device: device.clone(),
            path: FlowPath::default(),
            knots: KnotTable::default(),
            weak: None,
            decoder: None,
            measures_paths: false,
        }
    }

    /// The same for a network that was trained on this path.
    pub fn on_path(self, path: FlowPath) -> Self {
        Self { path, ..self }
    }

    /// The same for a network of latents that this decodes.
    pub fn decoding(self, decoder: Option<&'a Autoencoder>) -> Self {
        Self { decoder, ..self }
    }

    /// The same with knots that were fitted to the network.
    pub fn with_knots(self, knots: KnotTable) -> Self {
        Self { knots, ..self }
    }

    /// The same with a weaker network of the same images and classes beside it, for autoguidance.
    ///
    /// # Errors
    /// A network of other images or classes.
    pub fn with_weak(self, weak: &'a Source) -> Result<Self> {
        let (ours, theirs) = (self.architecture, &weak.architecture);
        let decoded = self.decoder.is_some() != weak.decoder.is_some();
        if decoded || ours.image() != theirs.image() || ours.classes() != theirs.classes() {
            bail!(
                "the weak model {} has images of {:?} and {} classes, the model {:?} and {}",
                weak.name,
                theirs.image(),
                theirs.classes(),
                ours.image(),
                ours.classes()
            );
        }
        Ok(Self { weak: Some(&weak.network), ..self })
    }

    /// The same, measuring how straight the paths are; costs a read of the device a step.
    pub fn measuring_paths(self) -> Self {
        Self { measures_paths: true, ..self }
    }

    /// The knots that were fitted to the network.
    pub fn knots(&self) -> &KnotTable {
        &self.knots
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
            pixels: Vec::new(),
            labels: labels.to_vec(),
            image: self.image(),
            evaluations: 0,
            mean_evaluations: 0.0,
            time: Duration::ZERO,
            straightness: Vec::new(),
        };
        let (mut at, mut spent_in_all) = (0, 0.0);
        for part in labels.chunks(BATCH) {
            let start = Instant::now();
            let from = first + at as u64;
            let mut paths = self.measures_paths.then(Paths::default);
            let images = from..from + part.len() as u64;
            let noises = flow::noise::batch(plan.seed, images, self.architecture.image_len());
            let outcome = self.integrate(plan, part, noises, from, async |report| match &mut paths {
                Some(paths) => paths.see(report).await,
                None => ControlFlow::Continue(()),
            })?;
            let spent: f64 = match &outcome.samples[..] {
                [] => (outcome.evaluations * part.len()) as f64,
                each => each.iter().map(|sample| sample.evaluations as f64).sum(),
            };
            let pixels = self.pixels(outcome.x);
            samples.straightness.extend(paths.map(Paths::finish).transpose()?.unwrap_or_default());
            samples.time += start.elapsed();
            samples.evaluations = samples.evaluations.max(outcome.evaluations);
            spent_in_all += spent;
            samples.mean_evaluations = spent_in_all / (at + part.len()) as f64;
            samples.pixels.extend(pixels);
            at += part.len();
            progress(at);
        }
        Ok(samples)
    }

    /// States as pixels in [0, 1], latents decoded.
    fn pixels(&self, x: Tensor<4>) -> Vec<f32> {
        let values = match self.decoder {
            Some(decoder) => decoder.decode(x),
            None => x.mul_scalar(self.normalization.std).add_scalar(self.normalization.mean),
        };
        values.into_data().iter::<f32>().map(|v| v.clamp(0.0, 1.0)).collect()
    }

    /// The final states of one batch in the network's own values, and the evaluations they took.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub fn batch(&self, plan: &SamplePlan, labels: &[u8], images: Range<u64>) -> Result<(Vec<f32>, usize)> {
        self.observed(plan, labels, images, async |_| ControlFlow::Continue(()))
    }

    /// As [`batch`](Self::batch), with `observe` to see every accepted state.
    ///
    /// # Errors
    /// As [`run`](Self::run), and when `observe` breaks off.
    pub fn observed(
        &self,
        plan: &SamplePlan,
        labels: &[u8],
        images: Range<u64>,
        observe: impl AsyncFnMut(Report<'_, Tensor<4>>) -> ControlFlow<()>,
    ) -> Result<(Vec<f32>, usize)> {
        let noises = flow::noise::batch(plan.seed, images.clone(), self.architecture.image_len());
        self.observed_from(plan, labels, noises, images.start, observe)
    }

    /// As [`observed`](Self::observed), from these noises; the first image has the number `first`.
    ///
    /// # Errors
    /// As [`observed`](Self::observed).
    pub fn observed_from(
        &self,
        plan: &SamplePlan,
        labels: &[u8],
        noises: Vec<f32>,
        first: u64,
        observe: impl AsyncFnMut(Report<'_, Tensor<4>>) -> ControlFlow<()>,
    ) -> Result<(Vec<f32>, usize)> {
        let outcome = self.integrate(plan, labels, noises, first, observe)?;
        Ok((outcome.x.into_data().iter::<f32>().collect(), outcome.evaluations))
    }

    /// The pixels of states, latents decoded: 0 to 1, and what lies beyond on the way.
    pub fn ink(&self, values: &[f32]) -> Vec<f32> {
        let Some(decoder) = self.decoder else {
            let Normalization { mean, std } = self.normalization;
            return values.iter().map(|v| v * std + mean).collect();
        };
        let [channels, height, width] = self.architecture.image();
        let count = values.len() / self.architecture.image_len();
        let states = TensorData::new(values.to_vec(), [count, channels, height, width]);
        decoder.decode(Tensor::from_data(states, &self.device)).into_data().iter::<f32>().collect()
    }

    /// Channels, height and width of a picture.
    pub fn image(&self) -> [usize; 3] {
        self.decoder.map_or_else(|| self.architecture.image(), Autoencoder::image)
    }

    /// The velocity that a plan follows, for images of these classes.
    pub fn field(&self, plan: &SamplePlan, labels: &[u8]) -> impl Field<Tensor<4>> {
        let conditional =
            ConditionalNetwork::new(self.network, labels, self.architecture.null_class(), &self.device)
                .with_weak(self.weak);
        Guided::new(plan.guidance.clone(), conditional)
    }

    fn integrate(
        &self,
        plan: &SamplePlan,
        labels: &[u8],
        noises: Vec<f32>,
        first: u64,
        observe: impl AsyncFnMut(Report<'_, Tensor<4>>) -> ControlFlow<()>,
    ) -> Result<Outcome<Tensor<4>>> {
        if plan.guidance.needs_weak_model() && self.weak.is_none() {
            bail!(
                "guidance={} needs a second, weaker model: name one with --weak, or in the manifest",
                plan.guidance
            );
        }
        if let Some(label) = labels.iter().find(|&&l| usize::from(l) >= self.architecture.classes()) {
            bail!("class {label} was asked for, the model knows 0 to {}", self.architecture.classes() - 1);
        }
        let still = (!self.architecture.is_evaluated()).then(|| in_one_step(plan)).transpose()?;
        let plan = still.as_ref().unwrap_or(plan);
        let [channels, height, width] = self.architecture.image();
        if noises.len() != labels.len() * self.architecture.image_len() {
            bail!(
                "{} values of noise are not {} images of {:?}",
                noises.len(),
                labels.len(),
                self.architecture.image()
            );
        }
        let x0 = TensorData::new(noises, [labels.len(), channels, height, width]);
        let x0 = Tensor::<4>::from_data(x0, &self.device);
        let mut field = self.field(plan, labels);
        let stepping = plan.stepping(&self.knots)?;
        let options = Options { path: self.path.clone(), ..plan.options(first) };
        let run = integrate(&mut field, &plan.solver, &stepping, x0, &options, observe);
        let mut outcome = pollster::block_on(run)?;
        if !self.architecture.is_evaluated() {
            outcome = uncounted(outcome);
        }
        match outcome.end {
            End::Finished => {}
            End::BudgetExhausted => bail!(
                "the solver was at t = {:.3} after {MOST_EVALUATIONS} evaluations; a larger tolerance needs fewer",
                outcome.t
            ),
            other => bail!("the integration ended early ({other:?}) at t = {:.3}", outcome.t),
        }
        Ok(outcome)
    }
}

impl Samples {
    /// Puts other samples of the same size behind these.
    pub fn append(&mut self, mut other: Self) {
        let (ours, theirs) = (self.labels.len(), other.labels.len());
        let share = theirs as f64 / (ours + theirs).max(1) as f64;
        self.mean_evaluations += share * (other.mean_evaluations - self.mean_evaluations);
        self.evaluations = self.evaluations.max(other.evaluations);
        self.pixels.append(&mut other.pixels);
        self.labels.append(&mut other.labels);
        self.straightness.append(&mut other.straightness);
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
    let options = GridOptions { columns, ..GridOptions::default() };
    write_images(path, &samples.pixels, samples.image, &options)?;
    Ok(())
}
