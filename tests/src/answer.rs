//! The stored answers in `public/models`: for a model, a plan and the final states that it leads to.
//!
//! The noise is no file: it is drawn from the plan's seed by `flow::noise`, on the host, to the same bits everywhere.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use burn::tensor::{Device, Tensor, TensorData};
use flow::guidance::Guided;
use flow::integrate::{End, integrate};
use flow::plan::SamplePlan;
use model_export::manifest::Manifest;
use model_export::{Kind, ModelFile};
use models::{Architecture, ConditionalNetwork};

/// How far two backends may lie apart, in model units. The page's workers are held to the same.
pub const TOLERANCE: f32 = protocol::SELF_TEST_TOLERANCE;

/// A model that ships, with the answer that it must give.
pub struct Answer {
    /// The model's id.
    pub id: String,
    /// The verified file.
    pub file: ModelFile,
    /// Its network.
    pub architecture: Architecture,
    /// What is sampled.
    pub plan: SamplePlan,
    /// The final states, image after image.
    pub states: Vec<f32>,
}

/// Why an answer could not be had; every fault here is one of the repository.
pub type Fault = Box<dyn std::error::Error>;

/// Every velocity model of the manifest in a folder, verified, with its stored answer.
pub fn stored(folder: &Path) -> Result<Vec<Answer>, Fault> {
    let read = |file: PathBuf| std::fs::read(&file).map_err(|error| format!("{}: {error}", file.display()));
    let manifest = Manifest::parse(&String::from_utf8(read(folder.join("manifest.json"))?)?)?;
    let mut answers = Vec::new();
    for entry in manifest.models.iter().filter(|entry| entry.kind == Kind::Velocity) {
        let bytes = read(folder.join(&entry.file))?;
        model_export::manifest::verify(entry, &bytes)?;
        let file = entry.open(&bytes)?;
        let architecture: Architecture = serde_json::from_value(file.header.architecture.clone())?;
        architecture.validate()?;
        file.check(&architecture.expected(&Device::flex()))?;
        let test = entry.self_test.as_ref().ok_or_else(|| format!("{} has no stored answer", entry.id))?;
        let states = test.open(&read(folder.join(&test.file))?)?;
        let plan: SamplePlan = test.plan.parse()?;
        if states.len() != plan.count * architecture.image_len() {
            return Err(format!("{}: {} numbers for {} images", entry.id, states.len(), plan.count).into());
        }
        answers.push(Answer { id: entry.id.clone(), file, architecture, plan, states });
    }
    Ok(answers)
}

impl Answer {
    /// The noise that the plan begins with.
    pub fn noise(&self) -> Vec<f32> {
        flow::noise::batch(self.plan.seed, 0..self.plan.count as u64, self.architecture.image_len())
    }

    /// A state's numbers as pixels in [0, 1].
    pub fn pixels(&self, states: &[f32]) -> Vec<f32> {
        let normalization = self.file.header.normalization;
        states.iter().map(|value| (value * normalization.std + normalization.mean).clamp(0.0, 1.0)).collect()
    }

    /// The final states that a device computes, and the evaluations that it took.
    pub fn compute(&self, device: &Device) -> Result<(Vec<f32>, usize), Fault> {
        let weights = self.file.tensors.iter();
        let weights = weights.map(|(name, t)| (name.clone(), (t.shape.clone(), t.data.clone()))).collect();
        let network = self.architecture.with_weights(weights, device)?;
        let labels: Vec<u8> = (0..self.plan.count).map(|image| self.plan.label(image)).collect();
        let branches = ConditionalNetwork::new(&network, &labels, self.architecture.null_class(), device);
        let mut field = Guided::new(self.plan.guidance.clone(), branches);
        let [channels, height, width] = self.architecture.image();
        let noise = TensorData::new(self.noise(), [self.plan.count, channels, height, width]);
        let noise = Tensor::<4>::from_data(noise, device);
        let stepping = self.plan.stepping()?;
        let observe = async |_: flow::integrate::Report<'_, Tensor<4>>| ControlFlow::Continue(());
        let run = integrate(&mut field, &self.plan.solver, &stepping, noise, None, observe);
        let outcome = pollster::block_on(run)?;
        if outcome.end != End::Finished {
            return Err(format!("the integration ended as {:?} at t = {}", outcome.end, outcome.t).into());
        }
        Ok((outcome.x.into_data().iter::<f32>().collect(), outcome.evaluations))
    }
}

/// The greatest difference; infinite when the lengths differ or a number is none.
pub fn worst_difference(got: &[f32], expected: &[f32]) -> f32 {
    if got.len() != expected.len() {
        return f32::INFINITY;
    }
    let differences = got.iter().zip(expected).map(|(a, b)| (a - b).abs());
    differences.fold(0.0, |worst, next| if next.is_nan() { f32::INFINITY } else { worst.max(next) })
}
