//! Recipes: what to train and how, as a TOML file with comments. `--set section.key=value` overrides a value.
//!
//! Unknown keys are refused, by name. Every value has a range that is checked before anything is loaded.

mod latent;

pub use latent::{AutoencoderRecipe, LatentRecipe, ReflowRecipe};

use crate::data::DataSet;
use flow::coupling::Coupling;
use flow::path::Path;
use flow::plan::SamplePlan;
use flow::time::TimeDistribution;
use models::{Architecture, ArchitectureError, ClassifierConfig};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

mod train;

pub use train::{EarlyStop, EmaWarmup, OptimizerKind, Precision, TrainRecipe};

/// A recipe that was read and checked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// The model's id: lower-case letters, digits and hyphens.
    pub name: String,
    /// A short name for people.
    pub label: String,
    /// One line that says what it is.
    pub about: String,
    /// Seed of the initial weights, the data's order, noises, times and label dropout.
    pub seed: u64,
    /// What it is trained on.
    #[serde(default, skip_serializing_if = "DataSet::is_default")]
    pub dataset: DataSet,
    /// A velocity network and its flow; this, `classifier` or `autoencoder`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub architecture: Option<Architecture>,
    /// The judge's network.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub classifier: Option<ClassifierRecipe>,
    /// An autoencoder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub autoencoder: Option<AutoencoderRecipe>,
    /// Whose latents the flow learns; without it, it learns images.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latent: Option<LatentRecipe>,
    /// Whose pairs the flow learns; without it, it learns images.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reflow: Option<ReflowRecipe>,
    /// How pixels become the network's values.
    pub normalization: Normalization,
    /// The flow that is learned; only with `architecture`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flow: Option<FlowRecipe>,
    /// The optimization.
    pub train: TrainRecipe,
    /// What is written while training.
    pub output: OutputRecipe,
}

/// value = (pixel - mean) / std, pixels in [0, 1].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Normalization {
    /// Subtracted from a pixel.
    pub mean: f32,
    /// Divides it; positive.
    pub std: f32,
}

/// The judge's sizes and the shifts of its training images.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClassifierRecipe {
    /// The network.
    pub network: ClassifierConfig,
    /// Images are shifted by up to this many pixels each way, 0 to 4.
    pub shift: usize,
}

/// The flow that is learned.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FlowRecipe {
    /// Probability path, in the registry's text form.
    pub path: String,
    /// Distribution of training times, in the registry's text form.
    pub time: String,
    /// Probability that a sample is trained with the null class, drawn for each sample, 0 to 1.
    pub label_dropout: f64,
    /// Which noise goes with which image; without it, whatever was drawn beside it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub coupling: Option<CouplingRecipe>,
}

/// How noises and images are paired, ahead of the training and on threads of its own.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CouplingRecipe {
    /// The coupling, in the registry's text form.
    pub kind: String,
    /// Images and noises that are paired together: a multiple of `train.batch`; one batch when absent.
    #[serde(default)]
    pub pool: Option<usize>,
    /// How often a pool is gone through before the next one, 1 to 100.
    #[serde(default = "one")]
    pub passes: u64,
    /// Steps before the coupling begins, which train on independent pairs.
    #[serde(default)]
    pub warmup_steps: u64,
    /// Threads that pair a pool, 1 to 64.
    #[serde(default = "one")]
    pub threads: u64,
}

fn one() -> u64 {
    1
}

impl CouplingRecipe {
    /// The largest pool.
    pub const MOST: usize = 65_536;

    /// The pool's size, for batches of this size.
    pub fn pool_of(&self, batch: usize) -> usize {
        self.pool.unwrap_or(batch)
    }
}

/// What is written while training.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OutputRecipe {
    /// Steps between checkpoints.
    pub checkpoint_every: u64,
    /// Steps between reports: a sample grid, or the judge's accuracy.
    pub report_every: u64,
    /// The plan of the sample grid; only with `architecture`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<String>,
}

/// Why a recipe was refused.
#[derive(Debug, thiserror::Error)]
pub enum RecipeError {
    /// The file could not be read.
    #[error("cannot read the recipe {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Not TOML, an unknown key, a missing key or a wrong type.
    #[error("recipe {origin}: {message}")]
    Text {
        /// Where the text came from.
        origin: String,
        /// The TOML reader's message, with the line.
        message: String,
    },
    /// An override that is not `section.key=value`.
    #[error("--set {got}: an override reads section.key=value, for example --set train.steps=1000")]
    Override {
        /// What was given.
        got: String,
    },
    /// Sizes of the network that do not fit each other.
    #[error("recipe {name}: {fault}")]
    Architecture {
        /// The recipe.
        name: String,
        /// The field, what it was and what is accepted.
        fault: ArchitectureError,
    },
    /// A value out of range.
    #[error("recipe {name}: {field} = {got} is not accepted; it takes {accepts}")]
    Value {
        /// The recipe.
        name: String,
        /// The key.
        field: &'static str,
        /// Its value.
        got: String,
        /// What it may be.
        accepts: String,
    },
}

impl Recipe {
    /// Reads a recipe file and applies overrides.
    ///
    /// # Errors
    /// Names the file, the key, what was found and what is accepted.
    pub fn load(path: &std::path::Path, overrides: &[String]) -> Result<Self, RecipeError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| RecipeError::Read { path: path.to_owned(), source })?;
        Self::parse(&text, &path.display().to_string(), overrides)
    }

    /// Reads a recipe's text; `origin` stands in errors.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub fn parse(text: &str, origin: &str, overrides: &[String]) -> Result<Self, RecipeError> {
        let fault = |message: String| RecipeError::Text { origin: origin.to_owned(), message };
        let recipe: Recipe = if overrides.is_empty() {
            toml::from_str(text).map_err(|e| fault(with_hint(e.to_string())))?
        } else {
            let mut table: toml::Table = toml::from_str(text).map_err(|e| fault(e.to_string()))?;
            for text in overrides {
                apply(&mut table, text)?;
            }
            table.try_into().map_err(|e: toml::de::Error| fault(with_hint(e.to_string())))?
        };
        recipe.check()?;
        Ok(recipe)
    }

    /// The recipe as TOML, without comments.
    ///
    /// # Errors
    /// Never for a recipe that was read; the TOML writer's error otherwise.
    pub fn to_toml(&self) -> Result<String, RecipeError> {
        toml::to_string_pretty(self)
            .map_err(|e| RecipeError::Text { origin: self.name.clone(), message: e.to_string() })
    }

    fn check(&self) -> Result<(), RecipeError> {
        let fault = |field: &'static str, got: String, accepts: &str| {
            Err(RecipeError::Value { name: self.name.clone(), field, got, accepts: accepts.to_owned() })
        };
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if self.name.is_empty() || self.name.len() > 64 || !self.name.chars().all(plain) {
            return fault("name", self.name.clone(), "1 to 64 lower-case letters, digits and hyphens");
        }
        if !self.normalization.mean.is_finite() {
            return fault("normalization.mean", self.normalization.mean.to_string(), "a finite number");
        }
        if !(self.normalization.std > 0.0 && self.normalization.std.is_finite()) {
            return fault("normalization.std", self.normalization.std.to_string(), "a positive number");
        }
        let networks = (&self.architecture, &self.classifier, &self.autoencoder);
        match (networks, &self.flow, &self.output.plan) {
            ((Some(architecture), None, None), Some(flow), Some(plan)) => {
                if !architecture.is_evaluated() {
                    let accepts = "a network with something to train: unet, dit or latent-mlp";
                    return fault("architecture.kind", architecture.kind().into(), accepts);
                }
                let is_plain = |name: &str| !name.is_empty() && name.len() <= 64 && name.chars().all(plain);
                if let Some(latent) = self.latent.as_ref().filter(|latent| !is_plain(&latent.autoencoder)) {
                    let accepts = "a recipe's name: lower-case letters, digits and hyphens";
                    return fault("latent.autoencoder", latent.autoencoder.clone(), accepts);
                }
                if let Some(reflow) = &self.reflow {
                    if !is_plain(&reflow.teacher) {
                        let accepts = "a recipe's name: lower-case letters, digits and hyphens";
                        return fault("reflow.teacher", reflow.teacher.clone(), accepts);
                    }
                    if self.latent.is_some() || flow.coupling.is_some() {
                        let accepts = "neither [latent] nor flow.coupling beside it: its pairs are made";
                        return fault("reflow", "a section".into(), accepts);
                    }
                }
                if let Err(fault) = architecture.validate() {
                    return Err(RecipeError::Architecture { name: self.name.clone(), fault });
                }
                if let Err(e) = flow.path.parse::<Path>() {
                    return fault("flow.path", flow.path.clone(), &e.to_string());
                }
                if let Err(e) = flow.time.parse::<TimeDistribution>() {
                    return fault("flow.time", flow.time.clone(), &e.to_string());
                }
                if !(0.0..=1.0).contains(&flow.label_dropout) {
                    return fault("flow.label_dropout", flow.label_dropout.to_string(), "0 to 1");
                }
                if let Some(coupling) = &flow.coupling {
                    self.check_coupling(coupling)?;
                }
                if let Err(e) = plan.parse::<SamplePlan>() {
                    return fault("output.plan", plan.clone(), &e.to_string());
                }
            }
            ((None, Some(judge), None), None, None) if self.latent.is_none() && self.reflow.is_none() => {
                if judge.shift > 4 {
                    return fault("classifier.shift", judge.shift.to_string(), "0 to 4 pixels");
                }
            }
            ((None, None, Some(autoencoder)), None, None)
                if self.latent.is_none() && self.reflow.is_none() =>
            {
                autoencoder.check(&self.name)?;
                let Normalization { mean, std } = self.normalization;
                if (mean, std) != (0.0, 1.0) {
                    let accepts = "mean 0 and std 1: an autoencoder's values are pixels";
                    return fault("normalization", format!("mean {mean} and std {std}"), accepts);
                }
            }
            _ => {
                let accepts = "either [architecture] with [flow] and output.plan, and [latent] for a flow over latents; \
                               or [classifier], or [autoencoder], without them";
                return fault("architecture", "this mixture of sections".into(), accepts);
            }
        }
        self.train.check(&self.name, self.architecture.as_ref().map(Architecture::kind))?;
        if self.output.checkpoint_every == 0 || self.output.report_every == 0 {
            return fault("output.checkpoint_every or output.report_every", "0".into(), "1 or more steps");
        }
        Ok(())
    }

    fn check_coupling(&self, coupling: &CouplingRecipe) -> Result<(), RecipeError> {
        let fault = |field: &'static str, got: String, accepts: String| {
            Err(RecipeError::Value { name: self.name.clone(), field, got, accepts })
        };
        if let Err(e) = coupling.kind.parse::<Coupling>() {
            return fault("flow.coupling.kind", coupling.kind.clone(), e.to_string());
        }
        let (batch, pool) = (self.train.batch, coupling.pool_of(self.train.batch));
        if batch == 0 || pool == 0 || pool % batch != 0 || pool > CouplingRecipe::MOST {
            let accepts = format!("a multiple of train.batch = {batch}, at most {}", CouplingRecipe::MOST);
            return fault("flow.coupling.pool", pool.to_string(), accepts);
        }
        if !(1..=100).contains(&coupling.passes) {
            return fault("flow.coupling.passes", coupling.passes.to_string(), "1 to 100".to_owned());
        }
        if !(1..=64).contains(&coupling.threads) {
            return fault("flow.coupling.threads", coupling.threads.to_string(), "1 to 64".to_owned());
        }
        Ok(())
    }
}

/// A message of the TOML reader that names an unknown key and those that are known, with the nearest of them.
fn with_hint(message: String) -> String {
    let Some(at) = message.find("unknown field `").or_else(|| message.find("unknown variant `")) else {
        return message;
    };
    let mut quoted = message[at..].lines().next().unwrap_or_default().split('`').skip(1).step_by(2);
    let Some(got) = quoted.next() else { return message };
    let distance = |known: &str| strsim::damerau_levenshtein(got, known);
    match quoted.min_by_key(|known| distance(known)).filter(|known| distance(known) <= 3) {
        Some(known) => format!("{}\n(did you mean `{known}`?)", message.trim_end()),
        None => message,
    }
}

/// Applies `section.key=value`; the value is TOML, or a bare string.
fn apply(table: &mut toml::Table, text: &str) -> Result<(), RecipeError> {
    let wrong = || RecipeError::Override { got: text.to_owned() };
    let (key, value) = text.split_once('=').ok_or_else(wrong)?;
    let parsed = toml::from_str::<toml::Table>(&format!("v = {value}"))
        .ok()
        .and_then(|mut t| t.remove("v"))
        .unwrap_or_else(|| toml::Value::String(value.to_owned()));
    let mut parts: Vec<&str> = key.split('.').collect();
    let last = parts.pop().filter(|l| !l.is_empty()).ok_or_else(wrong)?;
    let mut at = table;
    for part in parts {
        let next = at.entry(part).or_insert_with(|| toml::Value::Table(toml::Table::new()));
        at = next.as_table_mut().ok_or_else(wrong)?;
    }
    at.insert(last.to_owned(), parsed);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const FLAGSHIP: &str = include_str!("../../recipes/mnist-unet.toml");
    const COUPLED: &str = include_str!("../../recipes/pair-class-aware.toml");

    #[test]
    fn every_shipped_training_recipe_is_valid_and_survives_writing() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../recipes");
        let mut names = Vec::new();
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let stem = path.file_stem().unwrap().to_str().unwrap().to_owned();
            // A study compares models; it trains none.
            if stem.starts_with("study") {
                continue;
            }
            let recipe = Recipe::load(&path, &[]).unwrap();
            let again = Recipe::parse(&recipe.to_toml().unwrap(), "again", &[]).unwrap();
            assert_eq!(again, recipe);
            assert!(stem.starts_with(&recipe.name), "{stem} trains {}", recipe.name);
            names.push(stem);
        }
        assert!(names.len() >= 8, "{names:?}");
    }

    #[test]
    fn the_pairs_differ_in_the_one_thing_that_they_compare() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../recipes");
        let load = |name: &str| Recipe::load(format!("{folder}/{name}.toml").as_ref(), &[]).unwrap();
        let baseline = load("pair-independent");
        for name in ["pair-uniform", "pair-logit-normal-half", "pair-exact", "pair-class-aware"] {
            let mut other = load(name);
            let (ours, theirs) = (other.flow.as_mut().unwrap(), baseline.flow.as_ref().unwrap());
            let differs = [ours.time != theirs.time, ours.coupling != theirs.coupling];
            assert_eq!(differs.iter().filter(|d| **d).count(), 1, "{name}");
            ours.time.clone_from(&theirs.time);
            ours.coupling.clone_from(&theirs.coupling);
            other.name.clone_from(&baseline.name);
            other.label.clone_from(&baseline.label);
            other.about.clone_from(&baseline.about);
            other.output.plan.clone_from(&baseline.output.plan);
            assert_eq!(other, baseline, "{name}");
        }
    }

    #[test]
    fn a_coupling_that_cannot_be_is_refused_by_its_key() {
        let refused = |set: &str| match Recipe::parse(COUPLED, "test", &[set.to_owned()]).unwrap_err() {
            RecipeError::Value { field, accepts, .. } => (field, accepts),
            other => panic!("{other}"),
        };
        let (field, accepts) = refused("flow.coupling.kind=class-awear");
        assert_eq!(field, "flow.coupling.kind");
        assert!(accepts.contains("class-aware"), "{accepts}");
        for pool in ["0", "100", "6400000"] {
            assert_eq!(refused(&format!("flow.coupling.pool={pool}")).0, "flow.coupling.pool");
        }
        assert_eq!(refused("flow.coupling.passes=0").0, "flow.coupling.passes");
        assert_eq!(refused("flow.coupling.threads=65").0, "flow.coupling.threads");
        let error = Recipe::parse(COUPLED, "test", &["flow.coupling.reg=1".to_owned()]).unwrap_err();
        assert!(error.to_string().contains("reg"), "{error}");
    }

    fn overridden(set: &str) -> Result<Recipe, RecipeError> {
        Recipe::parse(FLAGSHIP, "test", &[set.to_owned()])
    }

    #[test]
    fn an_override_replaces_one_value() {
        assert_eq!(overridden("train.steps=1234").unwrap().train.steps, 1234);
        let recipe = overridden("flow.time=uniform").unwrap();
        assert_eq!(recipe.flow.unwrap().time, "uniform");
    }

    #[test]
    fn an_unknown_key_is_named() {
        let error = overridden("train.stepps=3").unwrap_err().to_string();
        assert!(error.contains("stepps"), "{error}");
        assert!(error.contains("did you mean `steps`?"), "{error}");
        let file = Recipe::parse(&FLAGSHIP.replace("\nlearning_rate =", "\nlearnig_rate ="), "test", &[]);
        let error = file.unwrap_err().to_string();
        assert!(
            error.contains("`learnig_rate`") && error.contains("did you mean `learning_rate`?"),
            "{error}"
        );
        let far = overridden("train.quux=3").unwrap_err().to_string();
        assert!(far.contains("quux") && !far.contains("did you mean"), "{far}");
    }

    #[test]
    fn a_malformed_override_shows_the_form() {
        assert!(matches!(overridden("train.steps"), Err(RecipeError::Override { .. })));
    }

    #[test]
    fn values_out_of_range_name_the_key() {
        let field = |set: &str| match overridden(set).unwrap_err() {
            RecipeError::Value { field, .. } => field,
            other => panic!("{other}"),
        };
        assert_eq!(field("train.batch=0"), "train.batch");
        assert_eq!(field("train.learning_rate=-1.0"), "train.learning_rate");
        assert_eq!(field("train.ema_decay=1.0"), "train.ema_decay");
        assert_eq!(field("flow.label_dropout=2.0"), "flow.label_dropout");
        assert_eq!(field("flow.path=strait"), "flow.path");
        assert_eq!(field("name=A/b"), "name");
        assert_eq!(field("normalization.std=0.0"), "normalization.std");
    }
}
