//! `manifest.json`: which models ship, how large they are, and the SHA-256 that proves them whole.
//!
//! The manifest stands beside the models it names. A file name is only a name: no path leads out of that
//! folder, whatever the manifest says.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::container::{MAX_ELEMENTS, MAX_FILE_BYTES};
use crate::error::{ReadError, shorten};
use crate::header::{Kind, is_model_id, is_plain};
use crate::{ModelFile, Precision, read};

/// The manifest version that this crate writes and reads.
pub const FORMAT: u32 = 1;
/// Longest manifest, in bytes.
pub const MAX_MANIFEST_BYTES: usize = 1 << 20;
/// Most models in a manifest.
pub const MAX_MODELS: usize = 256;
/// Most rows of fitted knots, and most steps in one.
pub const MAX_FITTED: usize = 256;
/// Longest file name, in bytes.
pub const MAX_FILE_NAME_BYTES: usize = 128;

/// The models that ship, and the one to begin with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Manifest version; [`FORMAT`].
    pub format: u32,
    /// Id of the velocity model that a visitor sees first.
    pub default: String,
    /// The models, in the order to offer them.
    pub models: Vec<ManifestEntry>,
}

/// One model that ships.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ManifestEntry {
    /// Id in plans, URLs and on command lines.
    pub id: String,
    /// A short name for a selector.
    pub label: String,
    /// One line that a visitor understands.
    pub about: String,
    /// What it computes.
    pub kind: Kind,
    /// File name beside the manifest: `[a-z0-9._-]`, no folders.
    pub file: String,
    /// The file's size in bytes.
    pub bytes: u64,
    /// The file's SHA-256, 64 lowercase hexadecimal digits.
    pub sha256: String,
    /// How its weights are stored.
    pub precision: Precision,
    /// Number of weights.
    pub parameters: u64,
    /// Multiply-adds of one evaluation of one image.
    pub multiply_adds: u64,
    /// The probability path it was trained on; empty for all but a velocity.
    pub path: String,
    /// What was measured of it: an object.
    pub metrics: Value,
    /// A stored answer that a device must reproduce before its pictures are shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub self_test: Option<SelfTest>,
    /// Knots that were fitted to it: the schedule `optimal`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub knots: Option<FittedKnots>,
    /// Id of a weaker model of the manifest, of the same images and classes: what autoguidance steers away from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weak: Option<String>,
    /// Id of the manifest's autoencoder that decodes it, if it is a velocity over latents.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decoder: Option<String>,
    /// The data set that it was trained on; none is MNIST.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dataset: Option<DataSetEntry>,
}

/// A data set, as a page offers it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataSetEntry {
    /// Its id.
    pub id: String,
    /// A short name for a selector.
    pub label: String,
    /// A name for each class.
    pub classes: Vec<String>,
}

/// Where the steps of one model fall best, for some numbers of steps.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FittedKnots {
    /// The plan that they were fitted to, in `flow`'s text form: its solver, guidance and seed.
    pub plan: String,
    /// The knots by their number of steps: one more than steps, from 0 to 1, strictly increasing.
    pub rows: BTreeMap<usize, Vec<f64>>,
}

/// A stored answer: the final states of a plan, as little-endian `f32`, image after image.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SelfTest {
    /// The plan, in `flow`'s text form.
    pub plan: String,
    /// File name beside the manifest.
    pub file: String,
    /// The file's SHA-256.
    pub sha256: String,
    /// The file's size in bytes: four times the number of values.
    pub bytes: u64,
}

/// Why a text was refused as a manifest.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ManifestError {
    /// More text than the limit.
    #[error("the manifest has {got} bytes; at most {MAX_MANIFEST_BYTES} are accepted")]
    TooLarge {
        /// Its length in bytes.
        got: usize,
    },
    /// Not JSON of the manifest's layout.
    #[error("the manifest is not valid: {detail}")]
    Json {
        /// What the JSON parser said.
        detail: String,
    },
    /// A version that this reader does not read.
    #[error("manifest version {got} is not known; this reader reads {FORMAT}")]
    UnknownFormat {
        /// The version found.
        got: u32,
    },
    /// No model, or too many.
    #[error("the manifest names {got} models; accepted: 1 to {MAX_MODELS}")]
    Models {
        /// How many.
        got: usize,
    },
    /// Two models of one id.
    #[error("the model {id:?} stands twice")]
    DuplicateId {
        /// The id.
        id: String,
    },
    /// One file for two things.
    #[error("the file {file:?} stands twice")]
    DuplicateFile {
        /// The file.
        file: String,
    },
    /// The default is no velocity model of the manifest.
    #[error("the default {got:?} is no velocity model of the manifest; accepted: {accepts}")]
    Default {
        /// The default.
        got: String,
        /// The ids that could be it.
        accepts: String,
    },
    /// A field of a model that is not acceptable.
    #[error("model {id:?}: {field} is {got}; accepted: {accepts}")]
    Field {
        /// The model.
        id: String,
        /// The field.
        field: &'static str,
        /// The value, shortened.
        got: String,
        /// What is accepted.
        accepts: String,
    },
}

impl Manifest {
    /// The manifest of this text.
    ///
    /// # Errors
    /// The first fault found; see [`ManifestError`].
    pub fn parse(text: &str) -> Result<Self, ManifestError> {
        if text.len() > MAX_MANIFEST_BYTES {
            return Err(ManifestError::TooLarge { got: text.len() });
        }
        let json = |error: serde_json::Error| ManifestError::Json { detail: shorten(&error.to_string()) };
        // The version first: a newer manifest may have other fields.
        #[derive(Deserialize)]
        struct Version {
            format: u32,
        }
        let Version { format } = serde_json::from_str(text).map_err(json)?;
        if format != FORMAT {
            return Err(ManifestError::UnknownFormat { got: format });
        }
        let manifest: Self = serde_json::from_str(text).map_err(json)?;
        manifest.check()?;
        Ok(manifest)
    }

    /// The text, indented for people, with a newline at its end.
    #[must_use]
    pub fn to_text(&self) -> String {
        // Strings, numbers and lists of them cannot fail to become JSON.
        let mut text = serde_json::to_string_pretty(self).unwrap_or_default();
        text.push('\n');
        text
    }

    /// The model of that id.
    #[must_use]
    pub fn entry(&self, id: &str) -> Option<&ManifestEntry> {
        self.models.iter().find(|entry| entry.id == id)
    }

    /// Whether a manifest built in memory is one that [`Manifest::parse`] would accept.
    ///
    /// # Errors
    /// The first fault found.
    pub fn check(&self) -> Result<(), ManifestError> {
        if self.format != FORMAT {
            return Err(ManifestError::UnknownFormat { got: self.format });
        }
        if !(1..=MAX_MODELS).contains(&self.models.len()) {
            return Err(ManifestError::Models { got: self.models.len() });
        }
        let mut files: Vec<&str> = Vec::new();
        for (index, entry) in self.models.iter().enumerate() {
            entry.check()?;
            if self.models[..index].iter().any(|before| before.id == entry.id) {
                return Err(ManifestError::DuplicateId { id: entry.id.clone() });
            }
            for file in
                [Some(&entry.file), entry.self_test.as_ref().map(|test| &test.file)].into_iter().flatten()
            {
                if files.contains(&file.as_str()) {
                    return Err(ManifestError::DuplicateFile { file: file.clone() });
                }
                files.push(file);
            }
        }
        for entry in &self.models {
            self.check_weak(entry)?;
            self.check_decoder(entry)?;
        }
        let velocities = || self.models.iter().filter(|entry| entry.kind == Kind::Velocity);
        if velocities().any(|entry| entry.id == self.default) {
            return Ok(());
        }
        let accepts: Vec<&str> = velocities().map(|entry| entry.id.as_str()).collect();
        Err(ManifestError::Default { got: shorten(&self.default), accepts: accepts.join(", ") })
    }

    /// A weaker model is another velocity model of this manifest, of the same images or latents, and only a velocity model
    /// has one.
    fn check_weak(&self, entry: &ManifestEntry) -> Result<(), ManifestError> {
        let Some(weak) = &entry.weak else { return Ok(()) };
        let fits = |other: &&ManifestEntry| {
            other.kind == Kind::Velocity && other.id != entry.id && other.decoder == entry.decoder
        };
        let others: Vec<&str> = self.models.iter().filter(fits).map(|other| other.id.as_str()).collect();
        if entry.kind == Kind::Velocity && others.contains(&weak.as_str()) {
            return Ok(());
        }
        let accepts = match (entry.kind, others.is_empty()) {
            (Kind::Velocity, false) => format!("another velocity model: {}", others.join(", ")),
            (Kind::Velocity, true) => "another velocity model, and there is none".to_owned(),
            _ => "nothing: only a velocity model is guided".to_owned(),
        };
        let got = format!("{:?}", shorten(weak));
        Err(ManifestError::Field { id: shorten(&entry.id), field: "weak", got, accepts })
    }
}

impl Manifest {
    /// A decoder is an autoencoder of this manifest, and only a velocity has one.
    fn check_decoder(&self, entry: &ManifestEntry) -> Result<(), ManifestError> {
        let Some(decoder) = &entry.decoder else { return Ok(()) };
        let of_kind = |other: &&ManifestEntry| other.kind == Kind::Autoencoder;
        let others: Vec<&str> = self.models.iter().filter(of_kind).map(|other| other.id.as_str()).collect();
        if entry.kind == Kind::Velocity && others.contains(&decoder.as_str()) {
            return Ok(());
        }
        let accepts = match (entry.kind, others.is_empty()) {
            (Kind::Velocity, false) => format!("an autoencoder of the manifest: {}", others.join(", ")),
            (Kind::Velocity, true) => "an autoencoder of the manifest, and there is none".to_owned(),
            _ => "nothing: only a velocity over latents is decoded".to_owned(),
        };
        let got = format!("{:?}", shorten(decoder));
        Err(ManifestError::Field { id: shorten(&entry.id), field: "decoder", got, accepts })
    }
}

impl ManifestEntry {
    /// Verifies the file's bytes, reads it, and sees that it is the model the manifest describes.
    ///
    /// # Errors
    /// Another size or hash, a fault of the file, or a header that says something else than this entry.
    pub fn open(&self, bytes: &[u8]) -> Result<ModelFile, ReadError> {
        verify(self, bytes)?;
        let model = read(bytes)?;
        let facts: [(&'static str, String, String); 4] = [
            ("kind", model.header.kind.id().to_owned(), self.kind.id().to_owned()),
            ("precision", model.precision.to_string(), self.precision.to_string()),
            ("parameters", model.parameters().to_string(), self.parameters.to_string()),
            ("path", model.header.path.clone(), self.path.clone()),
        ];
        match facts.into_iter().find(|(_, got, expected)| got != expected) {
            Some((field, got, expected)) => {
                Err(ReadError::ManifestDisagrees { file: self.file.clone(), field, got, expected })
            }
            None => Ok(model),
        }
    }

    /// Whether it can be sampled: a velocity, or an autoencoder whose prior is a standard normal, which then has a stored
    /// answer.
    #[must_use]
    pub fn can_be_sampled(&self) -> bool {
        match self.kind {
            Kind::Velocity => true,
            Kind::Autoencoder => self.self_test.is_some(),
            Kind::Classifier => false,
        }
    }

    fn check(&self) -> Result<(), ManifestError> {
        let fault = |field, got: String, accepts: String| {
            Err(ManifestError::Field { id: shorten(&self.id), field, got, accepts })
        };
        let quoted = |text: &str| format!("{:?}", shorten(text));
        if !is_model_id(&self.id) {
            return fault(
                "id",
                quoted(&self.id),
                "1 to 64 of [a-z0-9._-], not beginning with '.'".to_owned(),
            );
        }
        let texts =
            [("label", &self.label, 1, 80), ("about", &self.about, 0, 400), ("path", &self.path, 0, 256)];
        for (field, text, least, most) in texts {
            if !(least..=most).contains(&text.len()) || text.chars().any(char::is_control) {
                return fault(field, quoted(text), format!("{least} to {most} bytes in one line"));
            }
        }
        if !(1..=MAX_ELEMENTS).contains(&self.parameters) {
            return fault("parameters", self.parameters.to_string(), format!("1 to {MAX_ELEMENTS}"));
        }
        if let Some(set) = &self.dataset {
            let text = |text: &str| (1..=80).contains(&text.len()) && !text.chars().any(char::is_control);
            let classes =
                (1..=1000).contains(&set.classes.len()) && set.classes.iter().all(|class| text(class));
            if !is_model_id(&set.id) || !text(&set.label) || !classes {
                let accepts =
                    "an id of [a-z0-9._-], a label and 1 to 1000 classes of 1 to 80 bytes in one line";
                return fault("dataset", shorten(&format!("{set:?}")), accepts.to_owned());
            }
        }
        if !self.metrics.is_object() {
            return fault("metrics", shorten(&self.metrics.to_string()), "a JSON object".to_owned());
        }
        if let Some(knots) = &self.knots {
            if knots.plan.len() > 1024 || knots.plan.chars().any(char::is_control) {
                return fault("knots.plan", quoted(&knots.plan), "a plan's text in one line".to_owned());
            }
            if !(1..=MAX_FITTED).contains(&knots.rows.len()) {
                return fault("knots.rows", knots.rows.len().to_string(), format!("1 to {MAX_FITTED} rows"));
            }
            for (&steps, row) in &knots.rows {
                let rises = row.windows(2).all(|pair| pair[0] < pair[1]);
                let ends = row.first() == Some(&0.0) && row.last() == Some(&1.0);
                if !(1..=MAX_FITTED).contains(&steps) || row.len() != steps + 1 || !rises || !ends {
                    let got = shorten(&format!("{steps}: {row:?}"));
                    let accepts = format!(
                        "at most {MAX_FITTED} steps, with one knot more, strictly increasing from 0 to 1"
                    );
                    return fault("knots.rows", got, accepts);
                }
            }
        }
        let mut stored = vec![("file", "bytes", "sha256", &self.file, self.bytes, &self.sha256)];
        if let Some(test) = &self.self_test {
            stored.push((
                "self_test.file",
                "self_test.bytes",
                "self_test.sha256",
                &test.file,
                test.bytes,
                &test.sha256,
            ));
            if test.bytes % 4 != 0 {
                return fault("self_test.bytes", test.bytes.to_string(), "a multiple of 4".to_owned());
            }
        }
        for (file_field, bytes_field, hash_field, file, bytes, sha256) in stored {
            if file.len() > MAX_FILE_NAME_BYTES || !is_plain(file) {
                let accepts = format!("1 to {MAX_FILE_NAME_BYTES} of [a-z0-9._-], not beginning with '.'");
                return fault(file_field, quoted(file), accepts);
            }
            if !(1..=MAX_FILE_BYTES).contains(&bytes) {
                return fault(bytes_field, bytes.to_string(), format!("1 to {MAX_FILE_BYTES}"));
            }
            if sha256.len() != 64 || !sha256.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
                return fault(hash_field, quoted(sha256), "64 lowercase hexadecimal digits".to_owned());
            }
        }
        Ok(())
    }
}

impl SelfTest {
    /// Verifies the file's bytes and gives its numbers.
    ///
    /// # Errors
    /// Another size or hash, or a number that is not finite.
    pub fn open(&self, bytes: &[u8]) -> Result<Vec<f32>, ReadError> {
        verify_bytes(&self.file, self.bytes, &self.sha256, bytes)?;
        let (values, _) = bytes.as_chunks::<4>();
        let values: Vec<f32> = values.iter().map(|&value| f32::from_le_bytes(value)).collect();
        match values.iter().position(|value| !value.is_finite()) {
            Some(index) => Err(ReadError::NotFinite { tensor: self.file.clone(), index }),
            None => Ok(values),
        }
    }
}

/// Whether these bytes are the file that the entry describes: size first, then SHA-256.
///
/// # Errors
/// [`ReadError::WrongSize`] or [`ReadError::WrongHash`].
pub fn verify(entry: &ManifestEntry, bytes: &[u8]) -> Result<(), ReadError> {
    verify_bytes(&entry.file, entry.bytes, &entry.sha256, bytes)
}

/// The SHA-256 of these bytes as the manifest writes it.
#[must_use]
pub fn sha256_hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn verify_bytes(file: &str, size_bytes: u64, sha256: &str, bytes: &[u8]) -> Result<(), ReadError> {
    if bytes.len() as u64 != size_bytes {
        let got = bytes.len() as u64;
        return Err(ReadError::WrongSize { file: file.to_owned(), got, expected: size_bytes });
    }
    let got = sha256_hex(bytes);
    if got != sha256 {
        return Err(ReadError::WrongHash { file: file.to_owned(), got, expected: sha256.to_owned() });
    }
    Ok(())
}
