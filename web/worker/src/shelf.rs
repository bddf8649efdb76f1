//! Models, verified before they are built: the manifest's size and SHA-256, the file's own rules, its agreement with its
//! manifest entry, and every name and shape against the architecture.

use burn::tensor::{Device, Tensor};
use flow::path::Path;
use flow::schedule::KnotTable;
use model_export::manifest::{Manifest, ManifestEntry, SelfTest};
use model_export::{Kind, ModelFile, Normalization};
use models::{Architecture, Autoencoder, AutoencoderArchitecture, GaussianConfig, Network, Weights};
use protocol::{Fault, Looks};
use std::rc::Rc;

/// A model that is ready to be evaluated.
pub(crate) struct Model {
    /// Its id in plans.
    pub(crate) id: String,
    /// The network, on the device.
    pub(crate) network: Network,
    /// Where the network lives.
    pub(crate) device: Device,
    /// Whether the device computes while the program goes on, so that numbers are better read a step later.
    pub(crate) answers_later: bool,
    /// Channels, height and width of a state.
    pub(crate) state: [usize; 3],
    /// What decodes its states, if they are latents.
    pub(crate) decoder: Option<Rc<Autoencoder>>,
    /// Whether there is a network to evaluate; else what is drawn is decoded as it is.
    pub(crate) evaluated: bool,
    /// From model values, or decoded ones, to pixels.
    pub(crate) looks: Looks,
    /// The label that stands for no class.
    pub(crate) null_class: usize,
    /// Number of classes.
    pub(crate) classes: usize,
    /// The path that it was trained on: some solvers need its coefficients.
    pub(crate) path: Path,
    /// Knots that were fitted to it.
    pub(crate) knots: KnotTable,
    /// The id of its weaker model.
    pub(crate) weak: Option<String>,
    /// The stored answer's place and hash.
    pub(crate) self_test: Option<SelfTest>,
}

impl Model {
    /// What is shown of states: latents decoded, everything else as it is.
    pub(crate) fn shown(&self, states: Tensor<4>) -> Tensor<4> {
        match &self.decoder {
            Some(decoder) => decoder.decode(states),
            None => states,
        }
    }
}

/// Verifies the bytes of the model `id` against the manifest and builds it on the device. `loaded` gives what was built
/// before: a model over latents needs the autoencoder that decodes it.
pub(crate) fn build(
    id: &str,
    manifest: &str,
    bytes: &[u8],
    device: &Device,
    loaded: impl Fn(&str) -> Result<Rc<Model>, Fault>,
) -> Result<Model, Fault> {
    let corrupt = |what: String| Fault::Corrupt { model: id.to_owned(), what };
    let unusable = |what: String| Fault::Unusable { model: id.to_owned(), what };

    let manifest = Manifest::parse(manifest).map_err(|error| unusable(error.to_string()))?;
    let entry = manifest.entry(id).ok_or_else(|| unusable("it is not in the manifest".to_owned()))?;
    model_export::manifest::verify(entry, bytes).map_err(|error| corrupt(error.to_string()))?;
    let file = entry.open(bytes).map_err(|error| unusable(error.to_string()))?;
    let built = match entry.kind {
        Kind::Velocity => velocity(entry, file, device, loaded),
        Kind::Autoencoder => autoencoder(entry, file, device),
        Kind::Classifier => Err("it is a classifier, not a velocity".to_owned()),
    };
    built.map_err(unusable)
}

fn words(error: impl std::fmt::Display) -> String {
    error.to_string()
}

fn velocity(
    entry: &ManifestEntry,
    file: ModelFile,
    device: &Device,
    loaded: impl Fn(&str) -> Result<Rc<Model>, Fault>,
) -> Result<Model, String> {
    let architecture: Architecture = serde_json::from_value(file.header.architecture.clone())
        .map_err(|error| format!("architecture: {error}"))?;
    architecture.validate().map_err(words)?;
    file.check(&architecture.expected(device)).map_err(words)?;

    let state = architecture.image();
    let spec = file.header.image;
    if state != [spec.channels, spec.height, spec.width] {
        return Err(format!("its header says {spec:?}, its architecture {state:?}"));
    }
    if file.header.conditioning.classes != architecture.classes()
        || file.header.conditioning.null_class != Some(architecture.null_class())
    {
        return Err("its header and its architecture disagree about classes".to_owned());
    }
    let normalization = file.header.normalization;
    let (decoder, looks) = match &entry.decoder {
        None => {
            let Normalization { mean, std } = normalization;
            (None, Looks { image: state, latent: false, mean, std })
        }
        Some(id) => {
            let coder = loaded(id).map_err(words)?;
            if coder.state != state {
                return Err(format!("its latents are {state:?}, those of `{id}` are {:?}", coder.state));
            }
            (coder.decoder.clone(), coder.looks)
        }
    };
    let path = entry.path.parse().map_err(|error: flow::Error| words(error))?;
    let rows = entry.knots.as_ref().map(|knots| knots.rows.clone()).unwrap_or_default();
    let knots = KnotTable::new(rows).map_err(words)?;
    let network = architecture.with_weights(weights(file), device).map_err(words)?;
    Ok(Model {
        id: entry.id.clone(),
        network,
        device: device.clone(),
        answers_later: cfg!(feature = "gpu"),
        state,
        decoder,
        evaluated: architecture.is_evaluated(),
        looks,
        null_class: architecture.null_class(),
        classes: architecture.classes(),
        path,
        knots,
        weak: entry.weak.clone(),
        self_test: entry.self_test.clone(),
    })
}

/// An autoencoder: what decodes other models, and a model of its own whose draws are decoded as they are.
fn autoencoder(entry: &ManifestEntry, file: ModelFile, device: &Device) -> Result<Model, String> {
    let AutoencoderArchitecture::Autoencoder(config) =
        serde_json::from_value(file.header.architecture.clone())
            .map_err(|error| format!("architecture: {error}"))?;
    config.validate().map_err(words)?;
    file.check(&config.expected(device)).map_err(words)?;
    let spec = file.header.image;
    if config.image != [spec.channels, spec.height, spec.width] {
        return Err(format!("its header says {spec:?}, its architecture {:?}", config.image));
    }
    let classes = file.header.conditioning.classes;
    let Normalization { mean, std } = file.header.normalization;
    let decoder = config.with_weights(weights(file), device).map_err(words)?;
    let still = Architecture::Gaussian(GaussianConfig { image: config.latent, classes });
    Ok(Model {
        id: entry.id.clone(),
        network: still.init(device),
        device: device.clone(),
        answers_later: cfg!(feature = "gpu"),
        state: config.latent,
        decoder: Some(Rc::new(decoder)),
        evaluated: false,
        looks: Looks { image: config.image, latent: true, mean, std },
        null_class: classes,
        classes,
        path: Path::default(),
        knots: KnotTable::default(),
        weak: None,
        self_test: entry.self_test.clone(),
    })
}

fn weights(file: ModelFile) -> Weights {
    file.tensors.into_iter().map(|(name, tensor)| (name, (tensor.shape, tensor.data))).collect()
}
