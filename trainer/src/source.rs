//! Opens a velocity network from where it may be: an exported model, a checkpoint folder, or a run folder (its newest checkpoint).
//!
//! A network over latents brings the autoencoder that decodes them: the one that its run keeps a copy of, or the one
//! that the manifest beside its file names. A variational autoencoder opens as a model of its own: no flow, decoded.

use crate::data::DataSet;
use crate::recipe::Normalization;
use crate::train::{Checkpoint, State, as_exported, latest};
use anyhow::{Context, Result, bail};
use burn::tensor::Device;
use flow::guidance::Guidance;
use flow::path::Path as FlowPath;
use flow::schedule::KnotTable;
use model_export::manifest::{FittedKnots, Manifest, ManifestEntry, verify};
use model_export::{Header, Kind, ModelFile, Precision};
use models::{
    Architecture, Autoencoder, AutoencoderArchitecture, AutoencoderConfig, GaussianConfig, Network, Weights,
};
use std::path::{Path, PathBuf};

/// A velocity network on a device, and what is known of it.
pub struct Source {
    /// The network.
    pub network: Network,
    /// Its sizes.
    pub architecture: Architecture,
    /// How pixels become its values.
    pub normalization: Normalization,
    /// What decodes its states, if they are latents.
    pub decoder: Option<Autoencoder>,
    /// What it was trained on.
    pub dataset: DataSet,
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
            return Self::open_dir(path, device);
        }
        let (bytes, listed) = read_listed(path, "give a .safetensors file, a checkpoint or a run folder")?;
        let source = Self::from_bytes(&bytes, device).with_context(|| path.display().to_string())?;
        let Some(Listed { entry, weak, decoder }) = listed else { return Ok(source) };
        let knots = entry.knots.map(knot_table).transpose()?.unwrap_or_default();
        let source = Self { knots, weak: weak.map(|file| path.with_file_name(file)), ..source };
        match decoder {
            Some(file) => source.with_decoder(&path.with_file_name(file), device),
            None => Ok(source),
        }
    }

    /// Reads an exported model. One over latents has no decoder yet.
    ///
    /// # Errors
    /// A damaged file, a model of another kind, or weights that do not fit.
    pub fn from_bytes(bytes: &[u8], device: &Device) -> Result<Self> {
        let file = model_export::read(bytes)?;
        match file.header.kind {
            Kind::Velocity => Self::of_velocity(file, device),
            Kind::Autoencoder => Self::of_autoencoder(file, device),
            Kind::Classifier => bail!("this is a classifier; a velocity model is needed here"),
        }
    }

    fn of_velocity(file: ModelFile, device: &Device) -> Result<Self> {
        let architecture: Architecture = serde_json::from_value(file.header.architecture.clone())
            .context("the file's architecture is not one that this program knows")?;
        let network = architecture.with_weights(weights(file.tensors), device)?;
        let normalization =
            Normalization { mean: file.header.normalization.mean, std: file.header.normalization.std };
        let path = file.header.path.parse().context("the file's path is not one that this program knows")?;
        Ok(Self {
            network,
            architecture,
            normalization,
            decoder: None,
            dataset: dataset(&file.header),
            path,
            knots: KnotTable::default(),
            weak: None,
            name: file.header.name.clone(),
            origin: Origin::File(Box::new(file.header), file.precision),
        })
    }

    fn of_autoencoder(file: ModelFile, device: &Device) -> Result<Self> {
        let classes = file.header.conditioning.classes;
        let (header, precision) = (file.header.clone(), file.precision);
        let (config, decoder) = autoencoder(file, device)?;
        let origin = Origin::File(Box::new(header.clone()), precision);
        Self::gaussian(&config, decoder, classes, header.name.clone(), dataset(&header), origin, device)
    }

    /// A variational autoencoder as a model: no flow, decoded.
    fn gaussian(
        config: &AutoencoderConfig,
        decoder: Autoencoder,
        classes: usize,
        name: String,
        dataset: DataSet,
        origin: Origin,
        device: &Device,
    ) -> Result<Self> {
        if config.codes.is_some() {
            bail!(
                "{name} is a vector-quantized autoencoder, which has no prior to sample: a latent flow is its prior"
            );
        }
        let architecture = Architecture::Gaussian(GaussianConfig { image: config.latent, classes });
        Ok(Self {
            network: architecture.init(device),
            architecture,
            normalization: Normalization { mean: 0.0, std: 1.0 },
            decoder: Some(decoder),
            dataset,
            path: FlowPath::default(),
            knots: KnotTable::default(),
            weak: None,
            name,
            origin,
        })
    }

    fn open_dir(path: &Path, device: &Device) -> Result<Self> {
        let checkpoint = open_checkpoint(path)?;
        let recipe = checkpoint.recipe()?;
        if let Some(coder) = &recipe.autoencoder {
            let decoder = checkpoint.load_average(coder.network.init(device))?;
            let decoder = as_exported(decoder, recipe.train.levels);
            let classes = recipe.dataset.classes().len();
            let (name, dataset) = (recipe.name.clone(), recipe.dataset);
            let origin = Origin::Checkpoint(Box::new(checkpoint));
            return Self::gaussian(&coder.network, decoder, classes, name, dataset, origin, device);
        }
        let architecture = recipe.architecture.clone().with_context(|| {
            format!("{} is a run of a classifier; a velocity model is needed here", path.display())
        })?;
        let network = checkpoint.load_average(architecture.init(device))?;
        let network = as_exported(network, recipe.train.levels);
        let decoder = match &recipe.latent {
            Some(_) => Some(open_autoencoder(&checkpoint.run().join(AUTOENCODER), device)?.1),
            None => None,
        };
        Ok(Self {
            network,
            architecture,
            normalization: recipe.normalization,
            decoder,
            dataset: recipe.dataset,
            path: recipe.flow.map(|flow| flow.path.parse()).transpose()?.unwrap_or_default(),
            knots: KnotTable::default(),
            weak: None,
            name: recipe.name,
            origin: Origin::Checkpoint(Box::new(checkpoint)),
        })
    }

    /// The same with the autoencoder of this file as its decoder.
    ///
    /// # Errors
    /// A file that is no autoencoder, or one of other latents.
    pub fn with_decoder(self, path: &Path, device: &Device) -> Result<Self> {
        let (config, decoder) = open_autoencoder(path, device)?;
        if config.latent != self.architecture.image() {
            bail!(
                "the decoder {} takes latents of {:?}, the model has {:?}",
                path.display(),
                config.latent,
                self.architecture.image()
            );
        }
        Ok(Self { decoder: Some(decoder), ..self })
    }

    /// Refuses a model whose states are latents, for work that needs images as they are.
    ///
    /// # Errors
    /// When the model has a decoder.
    pub fn require_images(&self, work: &str) -> Result<()> {
        if self.decoder.is_some() {
            bail!("{work} needs a model of images; the states of {} are latents", self.name);
        }
        Ok(())
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
    /// The file of what decodes it.
    decoder: Option<String>,
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
        let file_of = |id: Option<&str>| Some(manifest.entry(id?)?.file.clone());
        let (weak, decoder) = (file_of(entry.weak.as_deref()), file_of(entry.decoder.as_deref()));
        Some(Listed { entry: entry.clone(), weak, decoder })
    });
    if let Some(Listed { entry, .. }) = &listed {
        verify(entry, &bytes).with_context(|| {
            let path = path.display();
            format!("{path} is not the file that manifest.json beside it lists: damaged, or replaced without `export`")
        })?;
    }
    Ok((bytes, listed))
}

/// The copy of its autoencoder that the run of a latent flow keeps.
pub const AUTOENCODER: &str = "autoencoder.safetensors";

/// Opens an autoencoder's file.
///
/// # Errors
/// Nothing there, a damaged file, or a model of another kind.
pub fn open_autoencoder(path: &Path, device: &Device) -> Result<(AutoencoderConfig, Autoencoder)> {
    let bytes = read_verified(path, "an autoencoder's .safetensors file is needed")?;
    let file = model_export::read(&bytes).with_context(|| path.display().to_string())?;
    autoencoder(file, device).with_context(|| path.display().to_string())
}

fn autoencoder(file: ModelFile, device: &Device) -> Result<(AutoencoderConfig, Autoencoder)> {
    if file.header.kind != Kind::Autoencoder {
        bail!("this is a {} model; an autoencoder is needed here", file.header.kind.id());
    }
    let AutoencoderArchitecture::Autoencoder(config) = serde_json::from_value(file.header.architecture)
        .context("the file's architecture is not one that this program knows")?;
    let network = config.with_weights(weights(file.tensors), device)?;
    Ok((config, network))
}

/// The data set that a file's training names.
fn dataset(header: &Header) -> DataSet {
    header.training["recipe"]["dataset"].as_str().and_then(|id| id.parse().ok()).unwrap_or_default()
}

/// A manifest's fitted knots as the library takes them.
fn knot_table(knots: FittedKnots) -> Result<KnotTable> {
    KnotTable::new(knots.rows).context("the manifest's knots")
}

/// A file's tensors as a network takes them.
pub fn weights(tensors: std::collections::BTreeMap<String, model_export::TensorF32>) -> Weights {
    tensors.into_iter().map(|(name, t)| (name, (t.shape, t.data))).collect()
}
