//! Opens a velocity network from where it may be: an exported model, a checkpoint folder, or a run folder (its newest checkpoint).

use crate::recipe::Normalization;
use crate::train::{Checkpoint, State, latest};
use anyhow::{Context, Result, bail};
use burn::tensor::Device;
use flow::guidance::Guidance;
use flow::path::Path as FlowPath;
use flow::schedule::KnotTable;
use model_export::manifest::{FittedKnots, Manifest, ManifestEntry, verify};
use model_export::{Header, Kind, Precision};
use models::{Architecture, Network, Weights};
use std::path::{Path, PathBuf};

/// A velocity network on a device, and what is known of it.
pub struct Source {
    /// The network.
    pub network: Network,
    /// Its sizes.
    pub architecture: Architecture,
    /// How pixels become its values.
    pub normalization: Normalization,
    /// The path that it was trained on.
    pub path: FlowPath,
    /// Knots that were fitted to it; empty unless a manifest beside its file has some.
    pub knots: KnotTable,
    /// The file of its weaker model, for autoguidance; none unless a manifest beside its file names one.
    pub weak: Option<PathBuf>,
    /// Its id.
    pub name: String,
    /// Where it came from.
    pub origin: Origin,
}

/// Where a network came from.
pub enum Origin {
    /// An exported file's header and precision.
    File(Box<Header>, Precision),
    /// A checkpoint.
    Checkpoint(Box<Checkpoint>),
}

impl Source {
    /// Opens `path` on `device`.
    ///
    /// # Errors
    /// Nothing there, a damaged file, or a model of another kind.
    pub fn open(path: &Path, device: &Device) -> Result<Self> {
        if path.is_dir() {
            Self::open_dir(path, device)
        } else {
            let (bytes, listed) =
                read_listed(path, "give a .safetensors file, a checkpoint or a run folder")?;
            let source = Self::from_bytes(&bytes, device).with_context(|| path.display().to_string())?;
            let Some(Listed { entry, weak }) = listed else { return Ok(source) };
            let knots = entry.knots.map(knot_table).transpose()?.unwrap_or_default();
            Ok(Self { knots, weak: weak.map(|file| path.with_file_name(file)), ..source })
        }
    }

    /// Reads an exported model.
    ///
    /// # Errors
    /// A damaged file, a model of another kind, or weights that do not fit.
    pub fn from_bytes(bytes: &[u8], device: &Device) -> Result<Self> {
        let file = model_export::read(bytes)?;
        if file.header.kind != Kind::Velocity {
            bail!("this is a {} model; a velocity model is needed here", file.header.kind.id());
        }
        let architecture: Architecture = serde_json::from_value(file.header.architecture.clone())
            .context("the file's architecture is not one that this program knows")?;
        let network = architecture.with_weights(weights(file.tensors), device)?;
        let normalization =
            Normalization { mean: file.header.normalization.mean, std: file.header.normalization.std };
        let name = file.header.name.clone();
        let path = file.header.path.parse().context("the file's path is not one that this program knows")?;
        let origin = Origin::File(Box::new(file.header), file.precision);
        let knots = KnotTable::default();
        Ok(Self { network, architecture, normalization, path, knots, weak: None, name, origin })
    }

    fn open_dir(path: &Path, device: &Device) -> Result<Self> {
        let checkpoint = open_checkpoint(path)?;
        let recipe = checkpoint.recipe()?;
        let architecture = recipe.architecture.clone().with_context(|| {
            format!("{} is a run of a classifier; a velocity model is needed here", path.display())
        })?;
        let network = checkpoint.load_average(architecture.init(device))?;
        Ok(Self {
            network,
            architecture,
            normalization: recipe.normalization,
            path: recipe.flow.map(|flow| flow.path.parse()).transpose()?.unwrap_or_default(),
            knots: KnotTable::default(),
            weak: None,
            name: recipe.name,
            origin: Origin::Checkpoint(Box::new(checkpoint)),
        })
    }

    /// The weaker model that goes beside this one: the one at `given`, else the one that the manifest names, when
    /// `guidance` needs any.
    ///
    /// # Errors
    /// One that is not there, or cannot be opened.
    pub fn weaker(&self, given: Option<&Path>, guidance: &Guidance, device: &Device) -> Result<Option<Self>> {
        let named = self.weak.as_deref().filter(|_| guidance.needs_weak_model());
        given.or(named).map(|path| Self::open(path, device).context("the weak model")).transpose()
    }

    /// The training state, for a checkpoint.
    pub fn state(&self) -> Option<&State> {
        match &self.origin {
            Origin::Checkpoint(checkpoint) => Some(checkpoint.state()),
            Origin::File(..) => None,
        }
    }
}

/// Opens a checkpoint folder, or the newest checkpoint of a run folder.
///
/// # Errors
/// A folder that is neither.
pub fn open_checkpoint(path: &Path) -> Result<Checkpoint> {
    if path.join("state.json").exists() {
        return Ok(Checkpoint::open(path)?);
    }
    if path.is_file() {
        bail!("{} is a file: give a run folder or one of its checkpoints", path.display());
    }
    match latest(path)? {
        Some(checkpoint) => Ok(checkpoint),
        None => bail!("{} holds no checkpoint: give a run folder or one of its checkpoints", path.display()),
    }
}

/// Reads a model's file. Where a manifest beside it lists it, its SHA-256 must be the one there; a file on its own is
/// checked only by its format.
///
/// # Errors
/// No such file, a recipe, or bytes that are not those of the manifest.
pub fn read_verified(path: &Path, accepted: &str) -> Result<Vec<u8>> {
    Ok(read_listed(path, accepted)?.0)
}

/// What a manifest says of a file beside it.
struct Listed {
    entry: ManifestEntry,
    /// The file of the weaker model.
    weak: Option<String>,
}

/// As [`read_verified`], with what the manifest says.
fn read_listed(path: &Path, accepted: &str) -> Result<(Vec<u8>, Option<Listed>)> {
    if path.extension().is_some_and(|e| e == "toml") {
        bail!("{} is a recipe: {accepted}", path.display());
    }
    let bytes = std::fs::read(path).with_context(|| format!("cannot read {}: {accepted}", path.display()))?;
    let listed = path.parent().map(|folder| folder.join("manifest.json")).and_then(|manifest| {
        let manifest = Manifest::parse(&std::fs::read_to_string(manifest).ok()?).ok()?;
        let name = path.file_name()?.to_str()?;
        let entry = manifest.models.iter().find(|entry| entry.file == name)?;
        let weak = entry.weak.as_deref().and_then(|id| Some(manifest.entry(id)?.file.clone()));
        Some(Listed { entry: entry.clone(), weak })
    });
    if let Some(Listed { entry, .. }) = &listed {
        verify(entry, &bytes).with_context(|| {
            let path = path.display();
            format!("{path} is not the file that manifest.json beside it lists: damaged, or replaced without `export`")
        })?;
    }
    Ok((bytes, listed))
}

/// A manifest's fitted knots as the library takes them.
fn knot_table(knots: FittedKnots) -> Result<KnotTable> {
    KnotTable::new(knots.rows).context("the manifest's knots")
}

/// A file's tensors as a network takes them.
pub fn weights(tensors: std::collections::BTreeMap<String, model_export::TensorF32>) -> Weights {
    tensors.into_iter().map(|(name, t)| (name, (t.shape, t.data))).collect()
}
