//! Checkpoints: all that a run needs to go on exactly, in one folder that appears at once or not at all.
//!
//! `checkpoints/step-00000250/` holds the weights, their average and the optimizer's moments (burnpack), and
//! `state.json` with the step, the counts and the SHA-256 of the other files. It is written under another name, synced
//! and renamed; the newest two are kept. A folder whose hashes do not match is passed over, aloud. With early stopping,
//! `best/` holds the best one in the same way, and can be sampled and exported like a run.

use super::quality::Best;
use crate::recipe::{Recipe, RecipeError};
use burn::module::Module;
use burn::optim::{ModuleOptimizer, OptimizerRecord};
use burn::store::ModuleRecord;
use burn::tensor::Bytes;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

const MODEL: &str = "model.bpk";
const AVERAGE: &str = "average.bpk";
const OPTIMIZER: &str = "optimizer.bpk";
const STATE: &str = "state.json";
const KEPT: usize = 2;
const CHECKPOINTS: &str = "checkpoints";
/// The folder in a run that holds its best checkpoint, itself like a run.
pub(super) const BEST: &str = "best";

/// Where a run is. Data order and randomness need no state: they are drawn from the seed and the step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct State {
    /// Steps done.
    pub step: u64,
    /// Images seen, those of the run that this one started from included.
    pub images: u64,
    /// Steps left out because loss or gradient was not finite.
    pub skipped: u64,
    /// Seconds spent in steps.
    pub seconds: f64,
    /// The device in words.
    pub device: String,
    /// The training data in words.
    #[serde(default)]
    pub data: String,
    /// What the run started from, where that was not an untrained network: name and training of the weights.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_from: Option<serde_json::Value>,
    /// The best measurement so far, with early stopping.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub best: Option<Best>,
    /// The recipe, as TOML.
    pub recipe: String,
    /// SHA-256 of the folder's other files, by name, in hexadecimal.
    pub sha256: BTreeMap<String, String>,
}

impl State {
    /// The state before the first step.
    ///
    /// # Errors
    /// When the recipe cannot be written as TOML.
    pub fn new(recipe: &Recipe) -> std::result::Result<Self, RecipeError> {
        Ok(Self {
            step: 0,
            images: 0,
            skipped: 0,
            seconds: 0.0,
            device: String::new(),
            data: String::new(),
            started_from: None,
            best: None,
            recipe: recipe.to_toml()?,
            sha256: BTreeMap::new(),
        })
    }
}

/// Why a checkpoint could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// The system refused; a full disk ends here, with the older checkpoints intact.
    #[error("checkpoint {path}")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file is not what was written.
    #[error("checkpoint {path}: {what}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// It belongs to another recipe.
    #[error("checkpoint {path} was made by another recipe: {what}. Choose another folder with --out")]
    OtherRecipe {
        /// The checkpoint.
        path: PathBuf,
        /// The keys that differ, then and now.
        what: String,
    },
}

type Result<T> = std::result::Result<T, CheckpointError>;

fn io(path: &Path) -> impl FnOnce(std::io::Error) -> CheckpointError {
    let path = path.to_owned();
    move |source| CheckpointError::Io { path, source }
}

/// A complete checkpoint on disk.
#[derive(Clone, Debug)]
pub struct Checkpoint {
    dir: PathBuf,
    state: State,
}

/// The newest intact checkpoint of a run folder, or none.
///
/// # Errors
/// When the folder cannot be listed, or holds checkpoints of which none is intact.
pub fn latest(run: &Path) -> Result<Option<Checkpoint>> {
    let root = run.join(CHECKPOINTS);
    let mut names = steps(&root)?;
    names.sort_unstable();
    let mut newest = None;
    for name in names.into_iter().rev() {
        match Checkpoint::open(&root.join(name)) {
            Ok(checkpoint) => {
                if let Some(fault) = newest {
                    let (fault, dir) = (anyhow::Error::from(fault), checkpoint.dir.display());
                    crate::errln!("warning: {fault:#}; taking {dir} instead");
                }
                return Ok(Some(checkpoint));
            }
            Err(fault) => newest = newest.or(Some(fault)),
        }
    }
    newest.map_or(Ok(None), Err)
}

fn steps(root: &Path) -> Result<Vec<String>> {
    let entries = match std::fs::read_dir(root) {
        Ok(entries) => entries,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(io(root)(e)),
    };
    Ok(entries
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| name.starts_with("step-"))
        .collect())
}

impl Checkpoint {
    /// Opens one checkpoint folder and checks its files' hashes.
    ///
    /// # Errors
    /// A missing or damaged file, by name.
    pub fn open(dir: &Path) -> Result<Self> {
        let path = dir.join(STATE);
        let text = std::fs::read_to_string(&path).map_err(io(&path))?;
        let state: State = serde_json::from_str(&text)
            .map_err(|e| CheckpointError::Damaged { path: path.clone(), what: e.to_string() })?;
        for name in [MODEL, AVERAGE, OPTIMIZER] {
            let path = dir.join(name);
            let bytes = std::fs::read(&path).map_err(io(&path))?;
            if state.sha256.get(name) != Some(&hash(&bytes)) {
                let what = "its SHA-256 is not the one in state.json".to_owned();
                return Err(CheckpointError::Damaged { path, what });
            }
        }
        Ok(Self { dir: dir.to_owned(), state })
    }

    /// Where the run was.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// The folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The run's folder; the checkpoint's own when it was moved out of one.
    pub fn run(&self) -> &Path {
        let checkpoints = self.dir.parent().filter(|folder| folder.ends_with("checkpoints"));
        checkpoints.and_then(Path::parent).unwrap_or(&self.dir)
    }

    /// The recipe that made it.
    ///
    /// # Errors
    /// When the stored recipe does not read.
    pub fn recipe(&self) -> Result<Recipe> {
        let path = self.dir.join(STATE);
        Recipe::parse(&self.state.recipe, &path.display().to_string(), &[])
            .map_err(|e| CheckpointError::Damaged { path, what: e.to_string() })
    }

    /// Refuses to go on with a recipe whose model, data order or randomness is another.
    ///
    /// # Errors
    /// Names the parts that differ.
    pub fn check_recipe(&self, now: &Recipe) -> Result<()> {
        let then = self.recipe()?;
        let decisive = |recipe: &Recipe| {
            let mut table = toml::Table::try_from(recipe)
                .map_err(|e| CheckpointError::Damaged { path: self.dir.clone(), what: e.to_string() })?;
            // What is written while training, and what people call it, may change.
            for key in ["output", "label", "about"] {
                table.remove(key);
            }
            // When to stop changes nothing of what was trained until then.
            if let Some(toml::Value::Table(train)) = table.get_mut("train") {
                train.remove("early_stop");
            }
            Ok(table)
        };
        let mut differ = Vec::new();
        differences("", &decisive(&then)?, &decisive(now)?, &mut differ);
        if differ.is_empty() {
            return Ok(());
        }
        Err(CheckpointError::OtherRecipe { path: self.dir.clone(), what: differ.join(", ") })
    }

    /// Puts the trained weights into `model`.
    ///
    /// # Errors
    /// A file that does not fit the model.
    pub fn load_model<M: Module>(&self, model: M) -> Result<M> {
        self.load(MODEL, model)
    }

    /// Puts the averaged weights into `model`.
    ///
    /// # Errors
    /// A file that does not fit the model.
    pub fn load_average<M: Module>(&self, model: M) -> Result<M> {
        self.load(AVERAGE, model)
    }

    fn load<M: Module>(&self, name: &str, model: M) -> Result<M> {
        let path = self.dir.join(name);
        let bytes = std::fs::read(&path).map_err(io(&path))?;
        ModuleRecord::from_bytes(Bytes::from_bytes_vec(bytes))
            .and_then(|record| model.try_load_record(record))
            .map_err(|e| CheckpointError::Damaged { path, what: e.to_string() })
    }

    pub(super) fn load_optimizer(&self, optimizer: ModuleOptimizer) -> Result<ModuleOptimizer> {
        let path = self.dir.join(OPTIMIZER);
        let bytes = std::fs::read(&path).map_err(io(&path))?;
        let record = OptimizerRecord::from_bytes(Bytes::from_bytes_vec(bytes))
            .map_err(|e| CheckpointError::Damaged { path, what: e.to_string() })?;
        Ok(optimizer.load_record(record))
    }
}

/// What a checkpoint is made of, besides the state.
pub(super) struct Parts<'a, M> {
    pub(super) recipe: &'a Recipe,
    pub(super) model: &'a M,
    pub(super) average: &'a M,
    pub(super) optimizer: &'a ModuleOptimizer,
}

/// Writes a checkpoint and lets go of old ones.
///
/// # Errors
/// Weights that are not finite, and what the system refuses; the older checkpoints are intact.
pub(super) fn save<M: Module>(run: &Path, state: &State, parts: &Parts<'_, M>) -> anyhow::Result<()> {
    write(&run.join(CHECKPOINTS), KEPT, state, parts)
}

/// Writes the best checkpoint in the place of the one before.
///
/// # Errors
/// As [`save`].
pub(super) fn save_best<M: Module>(run: &Path, state: &State, parts: &Parts<'_, M>) -> anyhow::Result<()> {
    write(&run.join(BEST).join(CHECKPOINTS), 1, state, parts)
}

fn write<M: Module>(root: &Path, kept: usize, state: &State, parts: &Parts<'_, M>) -> anyhow::Result<()> {
    let Parts { recipe, model, average, optimizer } = parts;
    if !(super::gradients::all_finite(*model) && super::gradients::all_finite(*average)) {
        anyhow::bail!(
            "after step {} the weights are not all finite, and no checkpoint is made of them; the last one is from \
             before. A lower train.learning_rate usually helps",
            state.step
        );
    }
    let name = format!("step-{:08}", state.step);
    let scratch = root.join(format!(".{name}.writing"));
    clear_scratch(root)?;
    std::fs::create_dir_all(&scratch).map_err(io(&scratch))?;
    let mut state = State { recipe: recipe.to_toml()?, ..state.clone() };
    let parts = [
        (MODEL, (*model).clone().into_record().into_bytes()),
        (AVERAGE, (*average).clone().into_record().into_bytes()),
        (OPTIMIZER, optimizer.to_record().into_bytes()),
    ];
    for (file, bytes) in parts {
        let path = scratch.join(file);
        let bytes =
            bytes.map_err(|e| CheckpointError::Damaged { path: path.clone(), what: e.to_string() })?;
        state.sha256.insert(file.to_owned(), hash(&bytes));
        // The error names the file itself.
        model_export::write_atomically(&path, &bytes).map_err(io(&scratch))?;
    }
    let path = scratch.join(STATE);
    model_export::write_atomically(&path, serde_json::to_string_pretty(&state)?.as_bytes())
        .map_err(io(&scratch))?;
    let complete = root.join(&name);
    if complete.exists() {
        std::fs::remove_dir_all(&complete).map_err(io(&complete))?;
    }
    std::fs::rename(&scratch, &complete).map_err(io(&complete))?;
    let mut names = steps(root)?;
    // The newest is what was just written, also where a lost future left later ones.
    names.retain(|old| *old != name);
    names.sort_unstable();
    for old in names.iter().rev().skip(kept - 1) {
        let path = root.join(old);
        std::fs::remove_dir_all(&path).map_err(io(&path))?;
    }
    Ok(())
}

/// Removes what kills in the middle of a save left behind.
fn clear_scratch(root: &Path) -> Result<()> {
    let Ok(entries) = std::fs::read_dir(root) else { return Ok(()) };
    for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        if name.starts_with(".step-") && name.ends_with(".writing") {
            std::fs::remove_dir_all(&path).map_err(io(&path))?;
        }
    }
    Ok(())
}

/// The keys whose values differ, with both values.
fn differences(prefix: &str, then: &toml::Table, now: &toml::Table, found: &mut Vec<String>) {
    let mut keys: Vec<&String> = then.keys().chain(now.keys()).collect();
    keys.sort_unstable();
    keys.dedup();
    for key in keys {
        match (then.get(key), now.get(key)) {
            (Some(toml::Value::Table(then)), Some(toml::Value::Table(now))) => {
                differences(&format!("{prefix}{key}."), then, now, found);
            }
            (then, now) if then != now => {
                let text = |value: Option<&toml::Value>| value.map_or("none".to_owned(), ToString::to_string);
                found.push(format!("{prefix}{key} was {}, now {}", text(then), text(now)));
            }
            _ => {}
        }
    }
}

fn hash(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|b| format!("{b:02x}")).collect()
}
