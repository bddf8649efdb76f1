//! What a model file says about its model: the `flow-digits.*` strings of `__metadata__`.
//!
//! safetensors metadata are strings only, so a structured field is compact JSON inside its string.
//! Every key is required and no other is accepted.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::Precision;
use crate::error::{ReadError, WriteError, shorten};

/// The format version that this crate writes and reads.
pub const FORMAT: u32 = 1;

/// Longest model name, in bytes.
const MAX_MODEL_NAME_BYTES: usize = 64;
/// Largest extent of an image, in pixels.
const MAX_EXTENT: usize = 4096;
/// Most channels of an image.
const MAX_CHANNELS: usize = 1024;
/// Most classes.
const MAX_CLASSES: usize = 10_000;
/// Longest text of a path, and of a label, in bytes.
const MAX_TEXT_BYTES: usize = 256;

/// What a model computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A velocity field: noise at t = 0, data at t = 1.
    Velocity,
    /// Class scores of an image.
    Classifier,
    /// Latents of images, and images of latents: with or without its encoder.
    Autoencoder,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Velocity, Self::Classifier, Self::Autoencoder];

    /// The name in a file and a manifest.
    #[must_use]
    pub fn id(self) -> &'static str {
        match self {
            Self::Velocity => "velocity",
            Self::Classifier => "classifier",
            Self::Autoencoder => "autoencoder",
        }
    }
}

/// What a model reads and writes: an image, in pixels; of a velocity over latents, a latent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImageSpec {
    /// Channels: 1 for grey.
    pub channels: usize,
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
}

/// From pixels to model values: `value = (pixel - mean) / std` with `pixel` in [0, 1], and back by
/// `pixel = clamp(value * std + mean, 0, 1)`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Normalization {
    /// The pixel that becomes 0.
    pub mean: f32,
    /// The distance between pixels that becomes 1; greater than 0.
    pub std: f32,
}

/// What a model can be asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Conditioning {
    /// Number of real classes.
    pub classes: usize,
    /// Index that stands for "no class", if the model was trained with one.
    pub null_class: Option<usize>,
    /// A label for each real class.
    pub labels: Vec<String>,
}

/// Everything a file says about its model besides the weights and their precision.
#[derive(Clone, Debug, PartialEq)]
pub struct Header {
    /// Format version; [`FORMAT`].
    pub format: u32,
    /// The model's id: 1 to 64 of `[a-z0-9._-]`.
    pub name: String,
    /// What it computes.
    pub kind: Kind,
    /// The network's configuration, as the `models` crate writes it: an object.
    pub architecture: Value,
    /// The image's extents.
    pub image: ImageSpec,
    /// From pixels to model values.
    pub normalization: Normalization,
    /// Classes.
    pub conditioning: Conditioning,
    /// The probability path it was trained on, in `flow`'s text form; empty for all but a velocity.
    pub path: String,
    /// Facts of the training: an object.
    pub training: Value,
    /// What was measured of it: an object.
    pub metrics: Value,
}

/// A field that is not acceptable: (field, got, accepts).
type Fault = (&'static str, String, String);

const KEY_FORMAT: &str = "flow-digits.format";
const KEY_NAME: &str = "flow-digits.name";
const KEY_KIND: &str = "flow-digits.kind";
const KEY_PRECISION: &str = "flow-digits.precision";
const KEY_ARCHITECTURE: &str = "flow-digits.architecture";
const KEY_IMAGE: &str = "flow-digits.image";
const KEY_NORMALIZATION: &str = "flow-digits.normalization";
const KEY_CONDITIONING: &str = "flow-digits.conditioning";
const KEY_PATH: &str = "flow-digits.path";
const KEY_TRAINING: &str = "flow-digits.training";
const KEY_METRICS: &str = "flow-digits.metrics";

impl Header {
    /// The metadata strings of this header.
    pub(crate) fn to_metadata(
        &self,
        precision: Precision,
    ) -> Result<BTreeMap<&'static str, String>, WriteError> {
        self.fault()
            .map_or(Ok(()), |(field, got, accepts)| Err(WriteError::Field { field, got, accepts }))?;
        Ok(BTreeMap::from([
            (KEY_FORMAT, self.format.to_string()),
            (KEY_NAME, self.name.clone()),
            (KEY_KIND, self.kind.id().to_owned()),
            (KEY_PRECISION, precision.id().to_owned()),
            (KEY_ARCHITECTURE, self.architecture.to_string()),
            (KEY_IMAGE, json(&self.image)),
            (KEY_NORMALIZATION, json(&self.normalization)),
            (KEY_CONDITIONING, json(&self.conditioning)),
            (KEY_PATH, self.path.clone()),
            (KEY_TRAINING, self.training.to_string()),
            (KEY_METRICS, self.metrics.to_string()),
        ]))
    }

    /// The header of these metadata strings.
    pub(crate) fn from_metadata(
        mut metadata: BTreeMap<String, String>,
    ) -> Result<(Self, Precision), ReadError> {
        // The version first: of another version, nothing else is known.
        let format = take(&mut metadata, KEY_FORMAT)?;
        if format != FORMAT.to_string() {
            return Err(ReadError::UnknownFormat { got: shorten(&format), accepts: FORMAT });
        }
        let kind = take(&mut metadata, KEY_KIND)?;
        let kind =
            Kind::ALL.into_iter().find(|known| known.id() == kind).ok_or_else(|| ReadError::Field {
                field: KEY_KIND,
                got: format!("{:?}", shorten(&kind)),
                accepts: Kind::ALL.map(Kind::id).join(", "),
            })?;
        let precision = take(&mut metadata, KEY_PRECISION)?;
        let precision = Precision::parse(&precision).ok_or_else(|| ReadError::Field {
            field: KEY_PRECISION,
            got: format!("{:?}", shorten(&precision)),
            accepts: Precision::ALL.map(Precision::id).join(", "),
        })?;
        let header = Self {
            format: FORMAT,
            name: take(&mut metadata, KEY_NAME)?,
            kind,
            architecture: take_json(&mut metadata, KEY_ARCHITECTURE)?,
            image: take_json(&mut metadata, KEY_IMAGE)?,
            normalization: take_json(&mut metadata, KEY_NORMALIZATION)?,
            conditioning: take_json(&mut metadata, KEY_CONDITIONING)?,
            path: take(&mut metadata, KEY_PATH)?,
            training: take_json(&mut metadata, KEY_TRAINING)?,
            metrics: take_json(&mut metadata, KEY_METRICS)?,
        };
        if let Some(key) = metadata.keys().next() {
            return Err(ReadError::UnknownKey { key: shorten(key) });
        }
        match header.fault() {
            Some((field, got, accepts)) => Err(ReadError::Field { field, got, accepts }),
            None => Ok((header, precision)),
        }
    }

    /// The first field whose value is not acceptable; the same rules for writing and reading.
    fn fault(&self) -> Option<Fault> {
        let Self { image, normalization, conditioning, .. } = self;
        let extents = [image.height, image.width];
        let Normalization { mean, std } = *normalization;
        let text = |text: &str| text.len() <= MAX_TEXT_BYTES && !text.chars().any(char::is_control);
        let labels = &conditioning.labels;
        let rules: [(bool, &'static str, String, String); 9] = [
            (self.format == FORMAT, KEY_FORMAT, self.format.to_string(), FORMAT.to_string()),
            (
                is_model_id(&self.name),
                KEY_NAME,
                format!("{:?}", shorten(&self.name)),
                format!("1 to {MAX_MODEL_NAME_BYTES} of [a-z0-9._-], not beginning with '.'"),
            ),
            (
                (1..=MAX_CHANNELS).contains(&image.channels)
                    && extents.iter().all(|extent| (1..=MAX_EXTENT).contains(extent)),
                KEY_IMAGE,
                json(image),
                format!("1 to {MAX_CHANNELS} channels, 1 to {MAX_EXTENT} pixels a side"),
            ),
            (
                mean.is_finite() && std.is_normal() && std > 0.0,
                KEY_NORMALIZATION,
                format!("mean {mean}, std {std}"),
                "a finite mean and a finite std greater than 0".to_owned(),
            ),
            (
                (1..=MAX_CLASSES).contains(&conditioning.classes)
                    && conditioning.null_class.is_none_or(|null| null == conditioning.classes)
                    && labels.len() == conditioning.classes
                    && labels.iter().all(|label| text(label)),
                KEY_CONDITIONING,
                shorten(&json(conditioning)),
                format!(
                    "1 to {MAX_CLASSES} classes, a label of at most {MAX_TEXT_BYTES} bytes for each, \
                     a null class right after the last or none"
                ),
            ),
            (
                text(&self.path) && (self.kind != Kind::Velocity) == self.path.is_empty(),
                KEY_PATH,
                format!("{:?}", shorten(&self.path)),
                format!("at most {MAX_TEXT_BYTES} bytes for a velocity, nothing for another kind"),
            ),
            object_rule(KEY_ARCHITECTURE, &self.architecture),
            object_rule(KEY_TRAINING, &self.training),
            object_rule(KEY_METRICS, &self.metrics),
        ];
        rules
            .into_iter()
            .find(|(accepted, ..)| !accepted)
            .map(|(_, field, got, accepts)| (field, got, accepts))
    }
}

/// Whether a model may have this id, in its file and in the manifest.
pub(crate) fn is_model_id(text: &str) -> bool {
    text.len() <= MAX_MODEL_NAME_BYTES && is_plain(text)
}

/// Whether a text is `[a-z0-9._-]` and no dot file: what a model id and a file name may be.
pub(crate) fn is_plain(text: &str) -> bool {
    !text.is_empty()
        && !text.starts_with('.')
        && text
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._-".contains(&byte))
}

fn object_rule(field: &'static str, value: &Value) -> (bool, &'static str, String, String) {
    (value.is_object(), field, shorten(&value.to_string()), "a JSON object".to_owned())
}

/// Structs of numbers and strings cannot fail to become JSON.
fn json<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

fn take(metadata: &mut BTreeMap<String, String>, key: &'static str) -> Result<String, ReadError> {
    metadata.remove(key).ok_or(ReadError::MissingKey { key })
}

fn take_json<T: DeserializeOwned>(
    metadata: &mut BTreeMap<String, String>,
    key: &'static str,
) -> Result<T, ReadError> {
    let text = take(metadata, key)?;
    serde_json::from_str(&text).map_err(|error| ReadError::Field {
        field: key,
        got: shorten(&text),
        accepts: format!("JSON ({error})"),
    })
}
