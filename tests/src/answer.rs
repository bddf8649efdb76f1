//! The stored answers in `public/models`: for a model, a plan and the final states that it leads to; of a model over
//! latents, and of an autoencoder, the decoded pixels.
//!
//! The noise is no file: it is drawn from the plan's seed by `flow::noise`, on the host, to the same bits everywhere.

use std::path::{Path, PathBuf};

use flow::plan::SamplePlan;
use model_export::manifest::{Manifest, ManifestEntry};
use model_export::{Kind, ModelFile};
use protocol::Looks;

/// How far two backends may lie apart, in model units. The page's workers are held to the same.
pub const TOLERANCE: f32 = protocol::SELF_TEST_TOLERANCE;

/// A model that ships, with the answer that it must give.
pub struct Answer {
    /// The model's id.
    pub id: String,
    /// The verified file of the network; none of an autoencoder, whose draws are decoded as they are.
    pub network: Option<ModelFile>,
    /// The verified file of what decodes the states, if they are latents.
    pub decoder: Option<ModelFile>,
    /// What is sampled.
    pub plan: SamplePlan,
    /// The final states or decoded pixels, image after image.
    pub states: Vec<f32>,
}

/// Why an answer could not be had; every fault here is one of the repository.
pub type Fault = Box<dyn std::error::Error>;

/// Every model of the manifest in a folder that can be sampled, verified, with its stored answer.
pub fn stored(folder: &Path) -> Result<Vec<Answer>, Fault> {
    let read = |file: PathBuf| std::fs::read(&file).map_err(|error| format!("{}: {error}", file.display()));
    let manifest = Manifest::parse(&String::from_utf8(read(folder.join("manifest.json"))?)?)?;
    let open = |entry: &ManifestEntry| -> Result<ModelFile, Fault> {
        let bytes = read(folder.join(&entry.file))?;
        model_export::manifest::verify(entry, &bytes)?;
        Ok(entry.open(&bytes)?)
    };
    let mut answers = Vec::new();
    for entry in manifest.models.iter().filter(|entry| entry.can_be_sampled()) {
        let decoder = entry.decoder.as_deref().and_then(|id| manifest.entry(id));
        let (network, decoder) = match entry.kind {
            Kind::Autoencoder => (None, Some(open(entry)?)),
            _ => (Some(open(entry)?), decoder.map(open).transpose()?),
        };
        let test = entry.self_test.as_ref().ok_or_else(|| format!("{} has no stored answer", entry.id))?;
        let states = test.open(&read(folder.join(&test.file))?)?;
        let plan: SamplePlan = test.plan.parse()?;
        let answer = Answer { id: entry.id.clone(), network, decoder, plan, states };
        if answer.states.len() != answer.plan.count * answer.image_len() {
            let (numbers, images) = (answer.states.len(), answer.plan.count);
            return Err(format!("{}: {numbers} numbers for {images} images", entry.id).into());
        }
        answers.push(answer);
    }
    Ok(answers)
}

impl Answer {
    /// What a picture looks like, and how its numbers become pixels.
    fn looks(&self) -> Looks {
        let header = self.decoder.as_ref().or(self.network.as_ref()).map(|file| &file.header);
        let image =
            header.map_or([0; 3], |header| [header.image.channels, header.image.height, header.image.width]);
        let (mean, std) =
            header.map_or((0.0, 1.0), |header| (header.normalization.mean, header.normalization.std));
        Looks { image, latent: self.decoder.is_some(), mean, std }
    }

    /// Numbers of one image.
    pub fn image_len(&self) -> usize {
        self.looks().image.iter().product()
    }

    /// The noise that the plan begins with, where it is a picture.
    pub fn noise(&self) -> Vec<f32> {
        flow::noise::batch(self.plan.seed, 0..self.plan.count as u64, self.image_len())
    }

    /// A state's numbers as a worker sends them to the page; none when one is not finite.
    pub fn pixels(&self, states: &[f32]) -> Vec<u8> {
        self.looks().pixels(states).unwrap_or_default()
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
