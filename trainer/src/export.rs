//! Writes a trained model as a compact file, chooses its precision by measuring, and updates the manifest.
//!
//! `auto` exports int8 only if its FID is less than 2% above that of f16 on the same noises. A stored answer (the
//! final states of a small plan, computed by Flex) lets the page's GPU prove itself before it shows anything.

use crate::evaluation::{Evaluation, evaluate};
use crate::judge::{Judge, JudgeFacts};
use crate::recipe::Recipe;
use crate::sampler::Sampler;
use crate::source::Source;
use crate::train::{Checkpoint, State};
use anyhow::{Context, Result, bail};
use burn::tensor::Device;
use flow::plan::SamplePlan;
use model_export::manifest::{Manifest, ManifestEntry, SelfTest, sha256_hex};
use model_export::{Conditioning, FORMAT, Header, ImageSpec, Kind, Precision, TensorF32, write_atomically};
use models::Weights;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// int8 ships if its FID is below this multiple of f16's.
const INT8_LIMIT: f64 = 1.02;
/// The plan whose answer is stored with a model.
const SELF_TEST: &str = "solver=heun&schedule=linear&steps=2&guidance=2&seed=7&digit=any&count=4";

/// How a velocity model is exported.
pub struct ExportOptions {
    /// Folder of the models and their manifest.
    pub dir: PathBuf,
    /// A precision, or none to choose between f16 and int8 by measuring.
    pub precision: Option<Precision>,
    /// Images of each evaluation.
    pub images: usize,
    /// Whether this model becomes the manifest's default.
    pub default: bool,
    /// Id of the manifest's weaker model for autoguidance; none keeps the one that an earlier export named.
    pub weak: Option<String>,
}

/// What was written.
pub struct Exported {
    /// The model's file.
    pub path: PathBuf,
    /// Its bytes.
    pub bytes: usize,
    /// Its precision.
    pub precision: Precision,
    /// Lines that say what was measured and chosen.
    pub findings: Vec<String>,
}

/// Exports a checkpoint's averaged velocity network.
///
/// Without a judge nothing is measured, and the precision must be named.
///
/// # Errors
/// A checkpoint of another kind, files that cannot be written, an evaluation that fails.
pub fn export_velocity(
    checkpoint: &Checkpoint,
    judge: Option<&Judge>,
    device: &Device,
    options: &ExportOptions,
    mut progress: impl FnMut(usize, &'static str),
) -> Result<Exported> {
    let recipe = checkpoint.recipe()?;
    let architecture = recipe.architecture.clone().context("the run is of a classifier")?;
    let flow = recipe.flow.clone().context("the recipe has no [flow]")?;
    check_weak(options, &recipe.name)?;
    let network = checkpoint.load_average(architecture.init(device))?;
    let tensors = tensors(network.weights());
    let mut header = header(&recipe, Kind::Velocity, json!(architecture), architecture.image(), &flow.path);
    header.conditioning = Conditioning {
        classes: architecture.classes(),
        null_class: Some(architecture.null_class()),
        labels: (0..architecture.classes()).map(|c| c.to_string()).collect(),
    };
    header.training = training_facts(&recipe, checkpoint.state());

    let mut findings = Vec::new();
    if judge.is_none() && options.precision.is_none() {
        bail!("the precision cannot be chosen without measuring: name one, or measure");
    }
    let mut measured: Vec<(Precision, Vec<Evaluation>)> = Vec::new();
    for precision in options.precision.map_or(vec![Precision::F16, Precision::Int8], |p| vec![p]) {
        let bytes = model_export::write(&header, &tensors, precision)?;
        let source = Source::from_bytes(&bytes, device)?;
        let sampler = Sampler::of(&source, device);
        let mut evaluations = Vec::new();
        for guidance in judge.map_or(&[][..], |_| &["1", "2"]) {
            let mut plan = SamplePlan { model: recipe.name.clone(), ..SamplePlan::default() };
            plan.set("guidance", guidance)?;
            let Some(judge) = judge else { break };
            let evaluation =
                evaluate(&sampler, judge, &plan, options.images, |n| progress(n, precision.id()))?;
            findings.push(format!("{precision}, guidance {guidance}: {}", evaluation.line()));
            evaluations.push(evaluation);
        }
        measured.push((precision, evaluations));
    }
    let Some((precision, evaluations)) = choose(measured, &mut findings) else {
        bail!("no precision was measured");
    };
    header.metrics = json!({ "evaluations": evaluations });

    let bytes = model_export::write(&header, &tensors, precision)?;
    let file = format!("{}.safetensors", recipe.name);
    let answer = answer(&bytes, &recipe.name)?;
    std::fs::create_dir_all(&options.dir)
        .with_context(|| format!("cannot create {}", options.dir.display()))?;
    let answer_file = format!("{}.self-test.bin", recipe.name);
    let entry = ManifestEntry {
        id: recipe.name.clone(),
        label: recipe.label.clone(),
        about: recipe.about.clone(),
        kind: Kind::Velocity,
        file: file.clone(),
        bytes: bytes.len() as u64,
        sha256: sha256_hex(&bytes),
        precision,
        parameters: tensors.values().map(|t| t.data.len() as u64).sum(),
        multiply_adds: architecture.multiply_adds(),
        path: flow.path,
        metrics: header.metrics.clone(),
        self_test: Some(SelfTest {
            plan: self_test_plan(&recipe.name)?.to_string(),
            file: answer_file.clone(),
            sha256: sha256_hex(&answer),
            bytes: answer.len() as u64,
        }),
        // Knots belong to the weights that they were fitted to.
        knots: None,
        weak: options.weak.clone(),
    };
    let manifest = updated(&options.dir, entry, options.default)?;
    let path = options.dir.join(file);
    for (path, bytes) in [
        (path.clone(), bytes.as_slice()),
        (options.dir.join(answer_file), answer.as_slice()),
        (options.dir.join("manifest.json"), manifest.to_text().as_bytes()),
    ] {
        write_atomically(&path, bytes).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(Exported { path, bytes: bytes.len(), precision, findings })
}

/// Exports a checkpoint's averaged classifier as f16, with the training set's statistics inside.
///
/// # Errors
/// A checkpoint of another kind, or a file that cannot be written.
pub fn export_judge(
    checkpoint: &Checkpoint,
    facts: &JudgeFacts,
    device: &Device,
    path: &Path,
) -> Result<Exported> {
    let recipe = checkpoint.recipe()?;
    let judge = recipe.classifier.clone().context("the run is of a velocity model")?;
    let model = checkpoint.load_average(judge.network.init(device))?;
    let architecture = json!(models::architecture::JudgeArchitecture::Classifier(judge.network.clone()));
    let mut header = header(&recipe, Kind::Classifier, architecture, judge.network.image, "");
    header.conditioning = Conditioning {
        classes: judge.network.classes,
        null_class: None,
        labels: (0..judge.network.classes).map(|c| c.to_string()).collect(),
    };
    header.training = training_facts(&recipe, checkpoint.state());
    header.metrics = json!(facts);
    let bytes = model_export::write(&header, &tensors(models::weights::collect(&model)), Precision::F16)?;
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent).with_context(|| format!("cannot create {}", parent.display()))?;
    }
    write_atomically(path, &bytes).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(Exported { path: path.to_owned(), bytes: bytes.len(), precision: Precision::F16, findings: vec![] })
}

/// int8 if it costs less than the limit under every plan, else the first.
fn choose(
    mut measured: Vec<(Precision, Vec<Evaluation>)>,
    findings: &mut Vec<String>,
) -> Option<(Precision, Vec<Evaluation>)> {
    if measured.len() < 2 {
        return measured.pop();
    }
    let worst = measured[1].1.iter().zip(&measured[0].1).map(|(b, a)| b.fid / a.fid).fold(0.0, f64::max);
    let chosen = usize::from(worst < INT8_LIMIT);
    findings.push(format!(
        "int8's FID is at most {worst:.4} times that of f16 (limit {INT8_LIMIT}): {} ships",
        measured[chosen].0
    ));
    Some(measured.swap_remove(chosen))
}

fn header(recipe: &Recipe, kind: Kind, architecture: Value, image: [usize; 3], path: &str) -> Header {
    Header {
        format: FORMAT,
        name: recipe.name.clone(),
        kind,
        architecture,
        image: ImageSpec { channels: image[0], height: image[1], width: image[2] },
        normalization: model_export::Normalization {
            mean: recipe.normalization.mean,
            std: recipe.normalization.std,
        },
        conditioning: Conditioning { classes: 0, null_class: None, labels: vec![] },
        path: path.to_owned(),
        training: json!({}),
        metrics: json!({}),
    }
}

pub(crate) fn training_facts(recipe: &Recipe, state: &State) -> Value {
    let mut facts = json!({
        "recipe": recipe,
        "seed": recipe.seed,
        "steps": state.step,
        "images_seen": state.images,
        "skipped_steps": state.skipped,
        "hardware": state.device,
        "seconds": state.seconds.round(),
        "data": state.data,
        "program": concat!("flow-digits ", env!("CARGO_PKG_VERSION")),
    });
    if let Some(before) = &state.started_from {
        facts["started_from"] = before.clone();
    }
    facts
}

fn tensors(weights: Weights) -> BTreeMap<String, TensorF32> {
    weights.into_iter().map(|(name, (shape, data))| (name, TensorF32 { shape, data })).collect()
}

fn self_test_plan(model: &str) -> Result<SamplePlan> {
    Ok(format!("{SELF_TEST}&model={model}").parse::<SamplePlan>()?)
}

/// The final states of the self-test's plan, little-endian f32, in the network's own values. Always by Flex, whatever device
/// trained: it is what all others are compared with.
fn answer(file: &[u8], model: &str) -> Result<Vec<u8>> {
    let device = &Device::flex();
    let source = Source::from_bytes(file, device)?;
    let plan = self_test_plan(model)?;
    let labels: Vec<u8> = (0..plan.count).map(|i| plan.label(i)).collect();
    let sampler = Sampler::of(&source, device);
    let (values, _) = sampler.batch(&plan, &labels, 0..plan.count as u64)?;
    Ok(values.iter().flat_map(|v| v.to_le_bytes()).collect())
}

/// The manifest of a folder, if it has one.
fn listed(dir: &Path) -> Result<Option<Manifest>> {
    let path = dir.join("manifest.json");
    match std::fs::read_to_string(&path) {
        Ok(text) => Ok(Some(Manifest::parse(&text).with_context(|| path.display().to_string())?)),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(e).with_context(|| format!("cannot read {}", path.display())),
    }
}

/// Refuses a weaker model that the manifest cannot name, before anything is measured for minutes.
fn check_weak(options: &ExportOptions, name: &str) -> Result<()> {
    let Some(weak) = &options.weak else { return Ok(()) };
    let models = listed(&options.dir)?.map(|manifest| manifest.models).unwrap_or_default();
    let others: Vec<&str> = models
        .iter()
        .filter(|entry| entry.kind == Kind::Velocity && entry.id != name)
        .map(|entry| entry.id.as_str())
        .collect();
    if others.contains(&weak.as_str()) {
        return Ok(());
    }
    let accepted = if others.is_empty() { "none yet".to_owned() } else { others.join(", ") };
    bail!("--weak {weak}: accepted are the other velocity models in {}: {accepted}", options.dir.display());
}

fn updated(dir: &Path, mut entry: ManifestEntry, default: bool) -> Result<Manifest> {
    let format = model_export::manifest::FORMAT;
    let mut manifest =
        listed(dir)?.unwrap_or_else(|| Manifest { format, default: entry.id.clone(), models: vec![] });
    if default {
        manifest.default = entry.id.clone();
    }
    match manifest.models.iter_mut().find(|m| m.id == entry.id) {
        Some(old) => {
            entry.weak = entry.weak.or_else(|| old.weak.take());
            *old = entry;
        }
        None => manifest.models.push(entry),
    }
    manifest.check()?;
    Ok(manifest)
}
