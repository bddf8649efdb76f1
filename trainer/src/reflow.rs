//! Pairs of a noise and what a trained model makes of it: what the next model learns from, so that it needs fewer steps.
//!
//! A flow couples each noise with one image. A second flow that is trained on these pairs has far straighter paths
//! (rectified flow: Liu et al. 2022, arXiv 2209.03003), and guidance that the teacher was asked with is in them, at no cost.
//!
//! A folder holds the pairs in parts. Noise i is `flow::noise::batch` of the plan's seed, and is not stored; its class is
//! i modulo the number of classes. Parts that are there already are kept, so that making pairs can be interrupted.

use crate::recipe::Normalization;
use crate::sampler::Sampler;
use anyhow::{Context, Result, bail};
use flow::plan::SamplePlan;
use model_export::manifest::sha256_hex;
use model_export::write_atomically;
use models::Weights;
use safetensors::tensor::{Dtype, SafeTensors, TensorView, serialize};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// Pairs in a part.
const PART: usize = 1_000;
/// The most pairs: they are held in memory.
pub const MOST: usize = 1_000_000;
/// The metadata's key.
const FACTS: &str = "flow-digits.pairs";

/// How pairs were made. All parts of a folder say the same.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Facts {
    /// The teacher's id.
    pub teacher: String,
    /// The [`fingerprint`] of its weights.
    pub weights: String,
    /// How it was asked; the count says nothing here.
    pub plan: String,
    /// Evaluations of the teacher for each pair.
    pub evaluations: usize,
    /// Channels, height and width.
    pub image: [usize; 3],
    /// Classes, in turn.
    pub classes: usize,
    /// How pixels became the values that are stored.
    pub normalization: Normalization,
}

/// Pairs, in memory.
pub struct TeacherPairs {
    /// How they were made.
    pub facts: Facts,
    seed: u64,
    states: Vec<f32>,
    labels: Vec<u8>,
}

/// SHA-256 over all weights and their names.
pub fn fingerprint(weights: &Weights) -> String {
    let mut all = Vec::new();
    for (name, (_, values)) in weights {
        all.extend(name.bytes());
        all.extend(values.iter().flat_map(|value| value.to_le_bytes()));
    }
    sha256_hex(&all)
}

/// Makes `count` pairs into `folder`, in parts; `progress` hears how many are there.
///
/// # Errors
/// A folder with pairs that were made otherwise, a plan that the teacher can't follow, a folder that can't be written.
pub fn make(
    sampler: &Sampler<'_>,
    facts: &Facts,
    count: usize,
    folder: &Path,
    mut progress: impl FnMut(usize),
) -> Result<Facts> {
    if !(1..=MOST).contains(&count) {
        bail!("{count} pairs were asked for; accepted are 1 to {MOST}");
    }
    let plan: SamplePlan = facts.plan.parse()?;
    std::fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let mut facts = facts.clone();
    for first in (0..count).step_by(PART) {
        let size = PART.min(count - first);
        let file = part(folder, first);
        if file.is_file() {
            let there = read(&file)?;
            let same = Facts { evaluations: there.facts.evaluations, ..facts.clone() };
            if there.facts != same {
                bail!(
                    "{} was made by {} with {}, not by {} with {}: choose another folder",
                    file.display(),
                    there.facts.teacher,
                    there.facts.plan,
                    facts.teacher,
                    facts.plan
                );
            }
            if there.labels.len() >= size {
                facts = there.facts;
                progress(first + size);
                continue;
            }
        }
        let labels: Vec<u8> = (first..first + size).map(|image| (image % facts.classes) as u8).collect();
        let mut states = Vec::with_capacity(size * facts.image.iter().product::<usize>());
        for (at, some) in labels.chunks(100).enumerate() {
            let from = (first + at * 100) as u64;
            let (values, evaluations) = sampler.batch(&plan, some, from..from + some.len() as u64)?;
            states.extend(values);
            facts.evaluations = evaluations;
            progress(first + at * 100 + some.len());
        }
        write_atomically(&file, &bytes(&facts, &states, &labels)?)?;
    }
    Ok(facts)
}

fn part(folder: &Path, first: usize) -> PathBuf {
    folder.join(format!("part-{:05}.safetensors", first / PART))
}

fn bytes(facts: &Facts, states: &[f32], labels: &[u8]) -> Result<Vec<u8>> {
    let values: Vec<u8> = states.iter().flat_map(|value| value.to_le_bytes()).collect();
    let [channels, height, width] = facts.image;
    let tensors = [
        ("states", TensorView::new(Dtype::F32, vec![labels.len(), channels, height, width], &values)?),
        ("labels", TensorView::new(Dtype::U8, vec![labels.len()], labels)?),
    ];
    let told = HashMap::from([(FACTS.to_owned(), serde_json::to_string(facts)?)]);
    Ok(serialize(tensors, Some(told))?)
}

fn read(file: &Path) -> Result<TeacherPairs> {
    let bytes = std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
    parse(&bytes).with_context(|| format!("{} holds no pairs", file.display()))
}

fn parse(bytes: &[u8]) -> Result<TeacherPairs> {
    let (_, header) = SafeTensors::read_metadata(bytes)?;
    let told = header.metadata().as_ref().and_then(|told| told.get(FACTS));
    let facts: Facts = serde_json::from_str(told.with_context(|| format!("it does not say {FACTS}"))?)?;
    let tensors = SafeTensors::deserialize(bytes)?;
    let (states, labels) = (tensors.tensor("states")?, tensors.tensor("labels")?);
    let count = labels.shape().iter().product::<usize>();
    let mut shape = vec![count];
    shape.extend(facts.image);
    if labels.dtype() != Dtype::U8 || states.dtype() != Dtype::F32 || states.shape() != shape {
        bail!("{count} labels and states of {:?} do not go together", states.shape());
    }
    let labels = labels.data().to_vec();
    if let Some(label) = labels.iter().find(|&&label| usize::from(label) >= facts.classes) {
        bail!("a label is {label}, and there are {} classes", facts.classes);
    }
    let states: Vec<f32> = states.data().as_chunks().0.iter().map(|four| f32::from_le_bytes(*four)).collect();
    if states.iter().any(|value| !value.is_finite()) {
        bail!("some of its states are not finite");
    }
    let plan: SamplePlan = facts.plan.parse()?;
    Ok(TeacherPairs { seed: plan.seed, facts, states, labels })
}

impl TeacherPairs {
    /// Reads a folder.
    ///
    /// # Errors
    /// No folder, no parts, a part that is missing, damaged or of other pairs.
    pub fn open(folder: &Path) -> Result<Self> {
        let mut pairs: Option<Self> = None;
        for first in (0..MOST).step_by(PART) {
            let file = part(folder, first);
            if !file.is_file() {
                break;
            }
            let next = read(&file)?;
            match &mut pairs {
                None => pairs = Some(next),
                Some(pairs) if pairs.facts == next.facts && pairs.labels.len() == first => {
                    pairs.states.extend(next.states);
                    pairs.labels.extend(next.labels);
                }
                Some(pairs) => bail!(
                    "{} does not go on where the parts before it end: they hold {} pairs by {} with {}",
                    file.display(),
                    pairs.labels.len(),
                    pairs.facts.teacher,
                    pairs.facts.plan
                ),
            }
        }
        pairs.with_context(|| {
            format!("{} holds no pairs: make them first, with flow-digits reflow", folder.display())
        })
    }

    /// Of states at hand.
    #[cfg(test)]
    pub(crate) fn at_hand(seed: u64, image: [usize; 3], states: Vec<f32>, labels: Vec<u8>) -> Self {
        let normalization = Normalization { mean: 0.5, std: 0.5 };
        let plan = format!("seed={seed}");
        let (teacher, weights) = ("teacher".to_owned(), String::new());
        let facts = Facts { teacher, weights, plan, evaluations: 1, image, classes: 10, normalization };
        Self { facts, seed, states, labels }
    }

    /// Number of pairs.
    pub fn count(&self) -> usize {
        self.labels.len()
    }

    /// The classes.
    pub fn labels(&self) -> &[u8] {
        &self.labels
    }

    /// Number of values of an image.
    pub fn len(&self) -> usize {
        self.facts.image.iter().product()
    }

    /// Whether there is nothing; never, once it was opened.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// What the teacher made of noise `index`.
    pub fn state(&self, index: usize) -> &[f32] {
        &self.states[index * self.len()..(index + 1) * self.len()]
    }

    /// Noise `index`.
    pub fn noise(&self, index: usize) -> Vec<f32> {
        flow::noise::batch(self.seed, index as u64..index as u64 + 1, self.len())
    }

    /// In words, for a run's facts.
    pub fn description(&self) -> String {
        let Facts { teacher, plan, evaluations, .. } = &self.facts;
        format!("{} pairs by {teacher} ({plan}; {evaluations} evaluations each)", self.count())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts() -> Facts {
        Facts {
            teacher: "teacher".into(),
            weights: "abc".into(),
            plan: "solver=heun&schedule=linear&steps=2&guidance=1&seed=5"
                .parse::<SamplePlan>()
                .unwrap()
                .to_string(),
            evaluations: 4,
            image: [1, 2, 2],
            classes: 3,
            normalization: Normalization { mean: 0.5, std: 0.5 },
        }
    }

    #[test]
    fn parts_read_back_and_noises_are_those_of_the_plan() {
        let folder = tempfile::tempdir().unwrap();
        let states: Vec<f32> = (0..8).map(|i| i as f32 / 7.0).collect();
        std::fs::write(part(folder.path(), 0), bytes(&facts(), &states, &[0, 1]).unwrap()).unwrap();
        let pairs = TeacherPairs::open(folder.path()).unwrap();
        assert_eq!((pairs.count(), pairs.labels(), pairs.state(1)), (2, &[0, 1][..], &states[4..]));
        assert_eq!(pairs.noise(1), flow::noise::gaussian(5, 1, 4));
    }

    #[test]
    fn what_holds_no_pairs_is_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let refused = |folder: &Path| format!("{:#}", TeacherPairs::open(folder).err().unwrap());
        assert!(refused(folder.path()).contains("flow-digits reflow"));
        let file = part(folder.path(), 0);
        let good = bytes(&facts(), &[0.5; 8], &[0, 1]).unwrap();
        for (bad, named) in [
            (good[..20].to_vec(), "part-00000"),
            (bytes(&facts(), &[f32::NAN; 8], &[0, 1]).unwrap(), "not finite"),
            (bytes(&facts(), &[0.5; 8], &[0, 3]).unwrap(), "a label is 3"),
        ] {
            std::fs::write(&file, bad).unwrap();
            let said = refused(folder.path());
            assert!(said.contains(named), "{said}");
        }
        // A second part that goes on elsewhere.
        std::fs::write(&file, &good).unwrap();
        std::fs::write(part(folder.path(), PART), &good).unwrap();
        assert!(refused(folder.path()).contains("does not go on"));
    }
}
