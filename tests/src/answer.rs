//! The stored answers in `public/models`: for a model, a plan and the final states that it leads to.
//!
//! The noise is no file: it is drawn from the plan's seed by `flow::noise`, on the host, to the same bits everywhere.

use std::path::{Path, PathBuf};

use flow::plan::SamplePlan;
use model_export::manifest::Manifest;
use model_export::{Kind, ModelFile};
use protocol::Looks;

/// How far two backends may lie apart, in model units. The page's workers are held to the same.
pub const TOLERANCE: f32 = protocol::SELF_TEST_TOLERANCE;

/// A model that ships, with the answer that it must give.
pub struct Answer {
    /// The model's id.
    pub id: String,
    /// The verified file.
    pub file: ModelFile,
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
        let test = entry.self_test.as_ref().ok_or_else(|| format!("{} has no stored answer", entry.id))?;
        let states = test.open(&read(folder.join(&test.file))?)?;
        let plan: SamplePlan = test.plan.parse()?;
        let answer = Answer { id: entry.id.clone(), file, plan, states };
        if answer.states.len() != answer.plan.count * answer.image_len() {
            let (numbers, images) = (answer.states.len(), answer.plan.count);
            return Err(format!("{}: {numbers} numbers for {images} images", entry.id).into());
        }
        answers.push(answer);
    }
    Ok(answers)
}

impl Answer {
    /// Numbers of one image.
    pub fn image_len(&self) -> usize {
        let image = &self.file.header.image;
        image.channels * image.height * image.width
    }

    /// The noise that the plan begins with.
    pub fn noise(&self) -> Vec<f32> {
        flow::noise::batch(self.plan.seed, 0..self.plan.count as u64, self.image_len())
    }

    /// A state's numbers as a worker sends them to the page; none when one is not finite.
    pub fn pixels(&self, states: &[f32]) -> Vec<u8> {
        let (image, normalization) = (&self.file.header.image, self.file.header.normalization);
        let image = [image.channels, image.height, image.width];
        let looks = Looks { image, mean: normalization.mean, std: normalization.std };
        looks.pixels(states).unwrap_or_default()
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
