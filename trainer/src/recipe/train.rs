//! The recipe's `[train]` section: the optimization, and when to stop it early.
//!
//! What was added since the first recipes has a default and is not written while it has it, so that older recipes and
//! checkpoints read, and a resumed run finds its recipe unchanged.

use super::RecipeError;
use flow::plan::SamplePlan;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// The optimization.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainRecipe {
    /// Images a step.
    pub batch: usize,
    /// Steps in all.
    pub steps: u64,
    /// Peak learning rate.
    pub learning_rate: f64,
    /// Steps over which the rate rises from zero.
    pub warmup_steps: u64,
    /// The rate at the last step, after a half cosine.
    pub final_learning_rate: f64,
    /// Decoupled weight decay.
    pub weight_decay: f64,
    /// Decay rates of AdamW's moments.
    pub betas: [f64; 2],
    /// Largest norm of the whole gradient; larger ones are scaled down to it.
    pub clip_norm: f64,
    /// Decay of the exponential moving average of the weights.
    pub ema_decay: f64,
    /// Whether the average's decay rises to [`ema_decay`](Self::ema_decay) or starts there.
    #[serde(default, skip_serializing_if = "is_default")]
    pub ema_warmup: EmaWarmup,
    /// What turns gradients into steps.
    #[serde(default, skip_serializing_if = "is_default")]
    pub optimizer: OptimizerKind,
    /// Parts that a step's batch is computed in, one after the other; a divisor of `batch`.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub accumulate: usize,
    /// What the network computes in; weights, average and optimizer are always f32.
    #[serde(default, skip_serializing_if = "is_default")]
    pub precision: Precision,
    /// Levels of a weight, 1 to 127: weights of two or more dimensions are rounded to that many whole multiples of their
    /// channel's scale either way, while training as in an exported int8 file. Without it nothing is rounded while training.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub levels: Option<u8>,
    /// Stop when the Fréchet distance gets no better; only with `[architecture]`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub early_stop: Option<EarlyStop>,
}

/// What turns gradients into steps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OptimizerKind {
    /// AdamW for all weights.
    #[default]
    Adamw,
    /// Muon for the hidden layers' matrices and convolutions, AdamW for the rest.
    Muon,
}

/// What the network computes in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// 32 bits.
    #[default]
    F32,
    /// Brain floating point: 16 bits with the range of 32.
    Bf16,
}

/// How the average of the weights begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EmaWarmup {
    /// The decay is at most (1 + step) / (10 + step), so that the first steps are soon forgotten.
    #[default]
    Ramp,
    /// The decay is the same from the first step.
    None,
}

/// Stop when the Fréchet distance of the average's samples gets no better.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EarlyStop {
    /// Steps between measurements.
    pub every: u64,
    /// Images of a measurement; 100 or more, the same noises each time.
    #[serde(default = "images")]
    pub images: usize,
    /// Measurements in a row without a smaller distance, after which training stops.
    pub patience: u64,
    /// How the images are sampled, as `output.plan`; that one when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<String>,
    /// The judge's file; without it, the one that ships for the recipe's data set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub judge: Option<PathBuf>,
}

fn one() -> usize {
    1
}

fn images() -> usize {
    1000
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

fn is_one(n: &usize) -> bool {
    *n == 1
}

impl TrainRecipe {
    /// Refuses values out of range; `network` is the velocity network's kind, none for a judge.
    pub(super) fn check(&self, name: &str, network: Option<&str>) -> Result<(), RecipeError> {
        let fault = |field: &'static str, got: String, accepts: &str| {
            Err(RecipeError::Value { name: name.to_owned(), field, got, accepts: accepts.to_owned() })
        };
        if !(1..=65_536).contains(&self.batch) {
            return fault("train.batch", self.batch.to_string(), "1 to 65536");
        }
        if !(1..=100_000_000).contains(&self.steps) {
            return fault("train.steps", self.steps.to_string(), "1 to 100000000");
        }
        if let Some(levels) = self.levels.filter(|levels| !(1..=127).contains(levels)) {
            return fault("train.levels", levels.to_string(), "1 to 127, or absent");
        }
        if self.warmup_steps >= self.steps && self.warmup_steps > 0 {
            return fault("train.warmup_steps", self.warmup_steps.to_string(), "fewer than train.steps");
        }
        for (field, value) in
            [("train.learning_rate", self.learning_rate), ("train.clip_norm", self.clip_norm)]
        {
            if !(value > 0.0 && value.is_finite()) {
                return fault(field, value.to_string(), "a positive number");
            }
        }
        for (field, value) in [
            ("train.final_learning_rate", self.final_learning_rate),
            ("train.weight_decay", self.weight_decay),
        ] {
            if !(value >= 0.0 && value.is_finite()) {
                return fault(field, value.to_string(), "zero or a positive number");
            }
        }
        for (field, value) in [
            ("train.betas", self.betas[0]),
            ("train.betas", self.betas[1]),
            ("train.ema_decay", self.ema_decay),
        ] {
            if !(0.0..1.0).contains(&value) {
                return fault(field, value.to_string(), "0 to below 1");
            }
        }
        if self.accumulate == 0 || !self.batch.is_multiple_of(self.accumulate) {
            let accepts = format!("a divisor of train.batch = {}", self.batch);
            return fault("train.accumulate", self.accumulate.to_string(), &accepts);
        }
        if self.precision == Precision::Bf16 && network.is_none() {
            return fault("train.precision", "bf16".into(), "f32, or bf16 with an [architecture]");
        }
        match (&self.early_stop, network) {
            (Some(stop), Some(_)) => stop.check(name),
            (Some(_), None) => {
                fault("train.early_stop", "a judge's recipe".into(), "recipes with [architecture]")
            }
            (None, _) => Ok(()),
        }
    }
}

impl EarlyStop {
    fn check(&self, name: &str) -> Result<(), RecipeError> {
        let fault = |field: &'static str, got: String, accepts: String| {
            Err(RecipeError::Value { name: name.to_owned(), field, got, accepts })
        };
        if self.every == 0 {
            return fault("train.early_stop.every", "0".into(), "1 or more steps".into());
        }
        if !(100..=100_000).contains(&self.images) {
            return fault("train.early_stop.images", self.images.to_string(), "100 to 100000".into());
        }
        if self.patience == 0 {
            return fault("train.early_stop.patience", "0".into(), "1 or more measurements".into());
        }
        match self.plan.as_deref().map(str::parse::<SamplePlan>) {
            Some(Err(e)) => {
                fault("train.early_stop.plan", self.plan.clone().unwrap_or_default(), e.to_string())
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Recipe, RecipeError};
    use super::*;

    const FLAGSHIP: &str = include_str!("../../../recipes/mnist-unet.toml");
    const JUDGE: &str = include_str!("../../../recipes/mnist-classifier.toml");

    fn with(text: &str, sets: &[&str]) -> Result<Recipe, RecipeError> {
        let sets: Vec<String> = sets.iter().map(|set| (*set).to_owned()).collect();
        Recipe::parse(text, "test", &sets)
    }

    #[test]
    fn what_was_added_later_is_not_written_while_it_is_the_default() {
        let plain = with(FLAGSHIP, &[]).unwrap();
        let text = plain.to_toml().unwrap();
        for key in ["optimizer", "accumulate", "precision", "ema_warmup", "early_stop"] {
            assert!(!text.contains(key), "{key} in {text}");
        }
        let stop = "train.early_stop={ every = 100, patience = 3 }";
        let sets = ["train.optimizer=muon", "train.accumulate=4", "train.precision=bf16", stop];
        let all = with(FLAGSHIP, &sets).unwrap();
        assert_eq!(all.train.optimizer, OptimizerKind::Muon);
        assert_eq!(all.train.early_stop.as_ref().map(|s| s.images), Some(1000));
        assert_eq!(with(&all.to_toml().unwrap(), &[]).unwrap(), all);
    }

    #[test]
    fn values_that_do_not_fit_name_the_key_and_what_is_accepted() {
        let refused = |text: &str, set: &str| match with(text, &[set]).unwrap_err() {
            RecipeError::Value { field, accepts, .. } => (field, accepts),
            other => panic!("{other}"),
        };
        assert_eq!(refused(FLAGSHIP, "train.accumulate=0").0, "train.accumulate");
        assert!(refused(FLAGSHIP, "train.accumulate=7").1.contains("train.batch"));
        assert_eq!(refused(JUDGE, "train.precision=bf16").0, "train.precision");
        let stop = |inside: &str| format!("train.early_stop={{ every = 10, patience = 2, {inside} }}");
        assert_eq!(refused(JUDGE, &stop("images = 100")).0, "train.early_stop");
        assert_eq!(refused(FLAGSHIP, &stop("images = 5")).0, "train.early_stop.images");
        assert_eq!(refused(FLAGSHIP, &stop("plan = \"solver=huen\"")).0, "train.early_stop.plan");
        let unknown = with(FLAGSHIP, &["train.optimizer=adam"]).unwrap_err().to_string();
        assert!(unknown.contains("adamw") && unknown.contains("muon"), "{unknown}");
    }
}
