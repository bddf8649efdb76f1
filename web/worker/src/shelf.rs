//! Models, verified before they are built: the manifest's size and SHA-256, the file's own rules, its agreement with its
//! manifest entry, and every name and shape against the architecture.

use burn::tensor::Device;
use flow::path::Path;
use flow::schedule::KnotTable;
use model_export::Kind;
use model_export::manifest::{Manifest, SelfTest};
use models::{Architecture, Network};
use protocol::{Fault, Looks};

/// A model that is ready to be evaluated.
pub(crate) struct Model {
    /// Its id in plans.
    pub(crate) id: String,
    /// The network, on the device.
    pub(crate) network: Network,
    /// Where the network lives.
    pub(crate) device: Device,
    /// From model values to pixels.
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

/// Verifies the bytes of the model `id` against the manifest and builds it on the device.
pub(crate) fn build(id: &str, manifest: &str, bytes: &[u8], device: &Device) -> Result<Model, Fault> {
    let corrupt = |what: String| Fault::Corrupt { model: id.to_owned(), what };
    let unusable = |what: String| Fault::Unusable { model: id.to_owned(), what };

    let manifest = Manifest::parse(manifest).map_err(|error| unusable(error.to_string()))?;
    let entry = manifest.entry(id).ok_or_else(|| unusable("it is not in the manifest".to_owned()))?;
    if entry.kind != Kind::Velocity {
        return Err(unusable(format!("it is a {}, not a velocity", entry.kind.id())));
    }
    model_export::manifest::verify(entry, bytes).map_err(|error| corrupt(error.to_string()))?;
    let file = entry.open(bytes).map_err(|error| unusable(error.to_string()))?;
    let architecture: Architecture = serde_json::from_value(file.header.architecture.clone())
        .map_err(|error| unusable(format!("architecture: {error}")))?;
    architecture.validate().map_err(|error| unusable(error.to_string()))?;
    file.check(&architecture.expected(device)).map_err(|error| unusable(error.to_string()))?;

    let image = architecture.image();
    let spec = file.header.image;
    if image != [spec.channels, spec.height, spec.width] {
        return Err(unusable(format!("its header says {spec:?}, its architecture {image:?}")));
    }
    if file.header.conditioning.classes != architecture.classes()
        || file.header.conditioning.null_class != Some(architecture.null_class())
    {
        return Err(unusable("its header and its architecture disagree about classes".to_owned()));
    }
    let normalization = file.header.normalization;
    let path = entry.path.parse().map_err(|error: flow::Error| unusable(error.to_string()))?;
    let rows = entry.knots.as_ref().map(|knots| knots.rows.clone()).unwrap_or_default();
    let knots = KnotTable::new(rows).map_err(|error| unusable(error.to_string()))?;
    let weights =
        file.tensors.into_iter().map(|(name, tensor)| (name, (tensor.shape, tensor.data))).collect();
    let network = architecture.with_weights(weights, device).map_err(|error| unusable(error.to_string()))?;
    Ok(Model {
        id: id.to_owned(),
        network,
        device: device.clone(),
        looks: Looks { image, mean: normalization.mean, std: normalization.std },
        null_class: architecture.null_class(),
        classes: architecture.classes(),
        path,
        knots,
        weak: entry.weak.clone(),
        self_test: entry.self_test.clone(),
    })
}
