//! The site's two lists, as the page needs them: `site.json` (programs) and `models/manifest.json` (models).
//!
//! The page only shows and fetches what they name; the worker reads the manifest strictly before it builds anything.

use flow::schedule::KnotTable;
use protocol::Backend;
use serde::{Deserialize, Deserializer, de::Error};
use std::collections::BTreeMap;

/// Where the lists are, relative to the page.
pub(crate) const SITE: &str = "site.json";
/// The manifest's place.
pub(crate) const MANIFEST: &str = "models/manifest.json";

/// The workers' programs.
#[derive(Clone, PartialEq, Debug, Deserialize)]
pub(crate) struct Site {
    cpu: Option<Program>,
    gpu: Option<Program>,
    /// What starts either.
    #[serde(default)]
    worker: Option<Script>,
    /// The manifest's SHA-256.
    #[serde(default)]
    manifest_sha256: Option<String>,
    #[serde(default)]
    results_sha256: Option<String>,
    /// Where the figures of a study are.
    #[serde(default)]
    pub(crate) results: Option<String>,
}

/// One worker's program.
#[derive(Clone, PartialEq, Debug, Deserialize)]
pub(crate) struct Program {
    /// The JavaScript beside the wasm.
    pub(crate) js: String,
    /// The wasm.
    pub(crate) wasm: String,
    /// The wasm's size, not compressed.
    pub(crate) bytes: u64,
    #[serde(default)]
    js_sha256: Option<String>,
    #[serde(default)]
    wasm_sha256: Option<String>,
}

/// A script without more.
#[derive(Clone, PartialEq, Debug, Deserialize)]
struct Script {
    js: String,
    js_sha256: String,
}

impl Site {
    /// The program of a backend, if this site has one.
    pub(crate) fn program(&self, backend: Backend) -> Option<&Program> {
        match backend {
            Backend::Cpu => self.cpu.as_ref(),
            Backend::Gpu => self.gpu.as_ref(),
        }
    }

    /// The files that this list vouches for, each with its SHA-256. What it names without one is taken as it comes, or refused where
    /// the document vouches for the list (`fetch::trust`).
    pub(crate) fn vouches_for(&self) -> Vec<(&str, &str)> {
        let programs = [&self.cpu, &self.gpu].into_iter().flatten();
        let of_programs = programs.flat_map(|program| {
            [(program.js.as_str(), &program.js_sha256), (program.wasm.as_str(), &program.wasm_sha256)]
        });
        let results = self.results.as_deref().unwrap_or_default();
        let others = [(MANIFEST, &self.manifest_sha256), (results, &self.results_sha256)];
        let script = self.worker.iter().map(|script| (script.js.as_str(), script.js_sha256.as_str()));
        let known = of_programs.chain(others).filter_map(|(file, hash)| Some((file, hash.as_deref()?)));
        script.chain(known).filter(|(file, _)| !file.is_empty()).collect()
    }
}

/// The models that ship.
#[derive(Clone, PartialEq, Debug, Deserialize)]
pub(crate) struct Catalog {
    /// Id of the model to begin with.
    pub(crate) default: String,
    /// All models, of every kind.
    models: Vec<Entry>,
}

/// One model.
#[derive(Clone, PartialEq, Debug, Deserialize)]
pub(crate) struct Entry {
    /// Id in plans and addresses.
    pub(crate) id: String,
    /// A short name.
    pub(crate) label: String,
    /// One line about it.
    pub(crate) about: String,
    kind: String,
    file: String,
    sha256: String,
    /// The file's size.
    pub(crate) bytes: u64,
    /// Number of weights.
    pub(crate) parameters: u64,
    /// Multiply-adds of one evaluation of one image.
    pub(crate) multiply_adds: u64,
    self_test: Option<StoredAnswer>,
    /// The knots that were fitted to it; empty for most models.
    #[serde(default, deserialize_with = "knot_table")]
    pub(crate) knots: KnotTable,
    weak: Option<String>,
    decoder: Option<String>,
    dataset: Option<DataSet>,
}

/// What a model was trained on.
#[derive(Clone, PartialEq, Debug, Deserialize)]
pub(crate) struct DataSet {
    /// Its id.
    pub(crate) id: String,
    /// A short name.
    pub(crate) label: String,
    /// A name for each class.
    pub(crate) classes: Vec<String>,
}

impl Default for DataSet {
    /// MNIST, which is what a model without a data set was trained on.
    fn default() -> Self {
        let classes = (0..flow::plan::CLASSES).map(|class| class.to_string()).collect();
        Self { id: "mnist".to_owned(), label: "Digits (MNIST)".to_owned(), classes }
    }
}

impl DataSet {
    /// What one of its pictures is called.
    pub(crate) fn noun(&self) -> &'static str {
        if self.is_digits() { "digit" } else { "picture" }
    }

    /// Whether its pictures are of handwritten digits.
    pub(crate) fn is_digits(&self) -> bool {
        self.id == "mnist"
    }
}

/// The manifest's knots, checked.
fn knot_table<'de, D: Deserializer<'de>>(from: D) -> Result<KnotTable, D::Error> {
    #[derive(Deserialize)]
    struct Fitted {
        rows: BTreeMap<usize, Vec<f64>>,
    }
    KnotTable::new(Fitted::deserialize(from)?.rows).map_err(D::Error::custom)
}

#[derive(Clone, PartialEq, Debug, Deserialize)]
struct StoredAnswer {
    file: String,
    sha256: String,
}

impl Catalog {
    /// The files that this list vouches for, each with its SHA-256.
    pub(crate) fn vouches_for(&self) -> impl Iterator<Item = (String, &str)> {
        self.models.iter().flat_map(|entry| {
            let answer = entry.self_test.iter().map(|test| (&test.file, &test.sha256));
            let files = std::iter::once((&entry.file, &entry.sha256)).chain(answer);
            files.map(|(file, sha256)| (format!("models/{file}"), sha256.as_str()))
        })
    }

    /// The models that draw, in the manifest's order: velocities, and autoencoders whose draws have a stored answer.
    pub(crate) fn velocities(&self) -> impl Iterator<Item = &Entry> {
        self.models.iter().filter(|entry| match entry.kind.as_str() {
            "velocity" => true,
            "autoencoder" => entry.self_test.is_some(),
            _ => false,
        })
    }

    /// What decodes a model over latents.
    pub(crate) fn decoder(&self, entry: &Entry) -> Option<&Entry> {
        let id = entry.decoder.as_deref()?;
        self.models.iter().find(|other| other.id == id && other.kind == "autoencoder")
    }

    /// The data sets of the models that draw, in the manifest's order.
    pub(crate) fn data_sets(&self) -> Vec<DataSet> {
        let mut sets: Vec<DataSet> = Vec::new();
        for set in self.velocities().map(Entry::data_set) {
            if !sets.iter().any(|known| known.id == set.id) {
                sets.push(set);
            }
        }
        sets
    }

    /// The first model of a data set: the default one if it is of that set.
    pub(crate) fn first_of(&self, set: &str) -> Option<&Entry> {
        let is_of = |entry: &&Entry| entry.data_set().id == set;
        self.entry(&self.default).filter(is_of).or_else(|| self.velocities().find(is_of))
    }

    /// The drawing model of that id.
    pub(crate) fn entry(&self, id: &str) -> Option<&Entry> {
        self.velocities().find(|entry| entry.id == id)
    }

    /// The weaker model that goes beside one, for a guidance that needs it.
    pub(crate) fn weaker(&self, entry: &Entry) -> Option<&Entry> {
        self.entry(entry.weak.as_deref()?)
    }
}

impl Entry {
    /// What it was trained on.
    pub(crate) fn data_set(&self) -> DataSet {
        self.dataset.clone().unwrap_or_default()
    }

    /// Whether a network is evaluated along the way; an autoencoder's draws are decoded as they are.
    pub(crate) fn is_evaluated(&self) -> bool {
        self.kind == "velocity"
    }

    /// Where its file is, relative to the page.
    pub(crate) fn url(&self) -> String {
        versioned(&self.file, &self.sha256)
    }

    /// Where the stored answer of its self-test is.
    pub(crate) fn answer_url(&self) -> Option<String> {
        self.self_test.as_ref().map(|test| versioned(&test.file, &test.sha256))
    }
}

/// A file's address with the beginning of its hash: a name says nothing of its content, and a browser that keeps an older
/// file of that name must not give it out for this one.
fn versioned(file: &str, sha256: &str) -> String {
    format!("models/{file}?v={}", sha256.get(..8).unwrap_or(sha256))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_site_without_a_gpu_program_is_a_site() {
        // What is not there may be named as such, or not at all.
        for absent in ["", r#","worker":null,"manifest_sha256":null,"results":null,"results_sha256":null"#] {
            let text = r#"{"cpu":{"js":"workers/cpu-1.js","wasm":"workers/cpu-1.wasm","bytes":7},"gpu":null"#;
            let site: Site = serde_json::from_str(&format!("{text}{absent}}}")).unwrap();
            assert_eq!(site.program(Backend::Cpu).map(|program| program.bytes), Some(7));
            assert_eq!((site.program(Backend::Gpu), site.vouches_for()), (None, Vec::new()));
        }
    }

    #[test]
    fn a_list_vouches_for_every_file_whose_hash_it_has() {
        let text = r#"{"cpu":{"js":"workers/cpu-1.js","wasm":"workers/cpu-1.wasm","bytes":7,"js_sha256":"a","wasm_sha256":"b"},
            "gpu":null,"worker":{"js":"worker.js","js_sha256":"c"},"manifest_sha256":"d","results":"results.json?v=0"}"#;
        let site: Site = serde_json::from_str(text).unwrap();
        let wanted =
            [("worker.js", "c"), ("workers/cpu-1.js", "a"), ("workers/cpu-1.wasm", "b"), (MANIFEST, "d")];
        assert_eq!(site.vouches_for(), wanted);
    }

    #[test]
    fn only_models_that_draw_are_offered() {
        let entry = |id: &str, kind: &str| {
            format!(
                r#"{{"id":"{id}","label":"L","about":"","kind":"{kind}","file":"{id}.safetensors","bytes":1,
                "sha256":"f14d4bc77a90","precision":"f16","parameters":1,"multiply_adds":1,"path":"","metrics":{{}}}}"#
            )
        };
        let text = format!(
            r#"{{"format":1,"default":"a","models":[{},{}]}}"#,
            entry("a", "velocity"),
            entry("judge", "classifier")
        );
        let catalog: Catalog = serde_json::from_str(&text).unwrap();
        assert_eq!(catalog.velocities().map(|entry| entry.id.as_str()).collect::<Vec<_>>(), ["a"]);
        assert_eq!(catalog.entry("judge"), None);
        assert_eq!(catalog.entry("a").and_then(Entry::answer_url), None);
    }

    #[test]
    fn a_latent_model_brings_its_decoder_and_data_sets_are_told_apart() {
        let entry = |id: &str, more: &str| {
            format!(
                r#"{{"id":"{id}","label":"L","about":"","file":"{id}.safetensors","bytes":1,
                "sha256":"f14d4bc77a90","parameters":1,"multiply_adds":1{more}}}"#
            )
        };
        let answer = r#","self_test":{"plan":"","file":"a.bin","sha256":"00","bytes":1}"#;
        let fashion =
            r#","kind":"velocity","dataset":{"id":"fashion-mnist","label":"Clothes","classes":["Coat"]}"#;
        let text = format!(
            r#"{{"format":1,"default":"flow","models":[{},{},{},{}]}}"#,
            entry("coat", fashion),
            entry("vae", &format!(r#","kind":"autoencoder"{answer}"#)),
            entry("vq", r#","kind":"autoencoder""#),
            entry("flow", r#","kind":"velocity","decoder":"vq""#),
        );
        let catalog: Catalog = serde_json::from_str(&text).unwrap();
        let drawn: Vec<&str> = catalog.velocities().map(|entry| entry.id.as_str()).collect();
        assert_eq!(drawn, ["coat", "vae", "flow"]);
        let flow = catalog.entry("flow").unwrap();
        assert_eq!(catalog.decoder(flow).map(|entry| entry.id.as_str()), Some("vq"));
        assert!(flow.is_evaluated() && !catalog.entry("vae").unwrap().is_evaluated());
        let sets: Vec<String> = catalog.data_sets().into_iter().map(|set| set.id).collect();
        assert_eq!(sets, ["fashion-mnist", "mnist"]);
        assert_eq!(catalog.first_of("mnist").map(|entry| entry.id.as_str()), Some("flow"));
        assert_eq!(catalog.first_of("fashion-mnist").map(|entry| entry.id.as_str()), Some("coat"));
        assert_eq!(DataSet::default().classes.len(), 10);
    }

    #[test]
    fn a_model_brings_its_fitted_knots_and_names_its_weaker_one() {
        let entry = |id: &str, more: &str| {
            format!(
                r#"{{"id":"{id}","label":"L","about":"","kind":"velocity","file":"{id}.safetensors","bytes":1,
                "sha256":"f14d4bc77a90","parameters":1,"multiply_adds":1{more}}}"#
            )
        };
        let knots = r#","weak":"b","knots":{"plan":"solver=heun","rows":{"2":[0.0,0.7,1.0]}}"#;
        let text = |more: &str| {
            format!(r#"{{"format":1,"default":"a","models":[{},{}]}}"#, entry("a", more), entry("b", ""))
        };
        let catalog: Catalog = serde_json::from_str(&text(knots)).unwrap();
        let [a, b] = ["a", "b"].map(|id| catalog.entry(id).unwrap());
        assert_eq!(a.knots.get(2), Some(&[0.0, 0.7, 1.0][..]));
        assert_eq!(catalog.weaker(a).map(|weak| weak.id.as_str()), Some("b"));
        assert_eq!((b.knots.is_empty(), catalog.weaker(b)), (true, None));
        let wrong = r#","knots":{"plan":"","rows":{"2":[0.0,1.0]}}"#;
        assert!(serde_json::from_str::<Catalog>(&text(wrong)).is_err());
    }

    #[test]
    fn another_content_under_the_same_name_has_another_address() {
        let entry = |model: &str, answer: &str| -> Entry {
            serde_json::from_str(&format!(
                r#"{{"id":"a","label":"L","about":"","kind":"velocity","file":"a.safetensors","bytes":1,
                "sha256":"{model}","parameters":1,"multiply_adds":1,
                "self_test":{{"plan":"","file":"a.bin","sha256":"{answer}","bytes":1}}}}"#
            ))
            .unwrap()
        };
        let old = entry("f14d4bc77a90a79e", "f43212a3516fd935");
        assert_eq!(old.url(), "models/a.safetensors?v=f14d4bc7");
        assert_eq!(old.answer_url().as_deref(), Some("models/a.bin?v=f43212a3"));
        assert_ne!(old.url(), entry("0000000077a90a79", "").url());
    }
}
