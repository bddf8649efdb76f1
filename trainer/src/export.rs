//! Writes a trained model as a compact file, chooses its precision by measuring, and updates the manifest.
//!
//! `auto` exports int8 only if its FID is less than 2% above that of f16 on the same noises. A stored answer (the
//! final states of a small plan, computed by Flex) lets the page's GPU prove itself before it shows anything.

use crate::data::{DataSet, Dataset};
use crate::evaluation::{Evaluation, evaluate};
use crate::fid;
use crate::judge::{Judge, JudgeFacts};
use crate::recipe::Recipe;
use crate::sampler::Sampler;
use crate::source::{AUTOENCODER, Source, open_autoencoder, open_checkpoint};
use crate::train::{Checkpoint, State};
use anyhow::{Context, Result, bail};
use burn::tensor::{Device, Tensor, TensorData};
use flow::plan::SamplePlan;
use model_export::manifest::{DataSetEntry, Manifest, ManifestEntry, SelfTest, sha256_hex};
use model_export::{
    Conditioning, FORMAT, Header, ImageSpec, Kind, MOST_LEVELS, Precision, TensorF32, write_all_atomically,
    write_atomically,
};
use models::{Autoencoder, AutoencoderArchitecture, AutoencoderConfig, Encoded, Weights};
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

/// Where a latent flow's autoencoder is listed in the manifest, by its name.
fn listed_decoder(dir: &Path, name: &str) -> Result<PathBuf> {
    let entry = listed(dir)?.and_then(|manifest| manifest.entry(name).cloned());
    match entry.filter(|entry| entry.kind == Kind::Autoencoder) {
        Some(entry) => Ok(dir.join(entry.file)),
        None => bail!(
            "{} lists no autoencoder `{name}`, which decodes this model: export its run first",
            dir.display()
        ),
    }
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
    let decoder = match &recipe.latent {
        Some(latent) => Some(listed_decoder(&options.dir, &latent.autoencoder)?),
        None => None,
    };
    let open = |bytes: &[u8], device: &Device| -> Result<Source> {
        let source = Source::from_bytes(bytes, device)?;
        match &decoder {
            Some(file) => source.with_decoder(file, device),
            None => Ok(source),
        }
    };
    let network = checkpoint.load_average(architecture.init(device))?;
    let tensors = tensors(network.weights());
    let mut header = header(&recipe, Kind::Velocity, json!(architecture), architecture.image(), &flow.path);
    header.conditioning = Conditioning {
        classes: architecture.classes(),
        null_class: Some(architecture.null_class()),
        labels: labels(&recipe, architecture.classes()),
    };
    header.training = training_facts(&recipe, checkpoint.state());

    let mut findings = Vec::new();
    let measured = measured(
        &recipe.name,
        options,
        judge.map(|judge| (judge, device)),
        &["1", "2"],
        &mut findings,
        &mut progress,
        |precision| open(&written(&recipe, &header, &tensors, precision)?, device),
    )?;
    let Some((precision, evaluations)) = choose(measured, &mut findings) else {
        bail!("no precision was measured");
    };
    header.metrics = json!({ "evaluations": evaluations });

    let bytes = written(&recipe, &header, &tensors, precision)?;
    let file = format!("{}.safetensors", recipe.name);
    let answer = answer(&open(&bytes, &Device::flex())?, &recipe.name)?;
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
        decoder: recipe.latent.map(|latent| latent.autoencoder),
        dataset: set_entry(recipe.dataset),
    };
    let path = options.dir.join(file);
    write_all(options, entry, &[(path.clone(), &bytes), (options.dir.join(answer_file), &answer)])?;
    Ok(Exported { path, bytes: bytes.len(), precision, findings })
}

/// Writes a model's files and the manifest, all of them or none; the manifest gets its name last.
fn write_all(options: &ExportOptions, entry: ManifestEntry, files: &[(PathBuf, &Vec<u8>)]) -> Result<()> {
    std::fs::create_dir_all(&options.dir)
        .with_context(|| format!("cannot create {}", options.dir.display()))?;
    let manifest = updated(&options.dir, entry, options.default)?.to_text().into_bytes();
    let last = [(options.dir.join("manifest.json"), &manifest)];
    let files: Vec<(&Path, &[u8])> =
        files.iter().chain(&last).map(|(path, bytes)| (path.as_path(), bytes.as_slice())).collect();
    write_all_atomically(&files).context("the model was not exported")
}

/// Evaluates each precision that is in question, under each guidance; nothing without a judge.
fn measured(
    name: &str,
    options: &ExportOptions,
    judge: Option<(&Judge, &Device)>,
    guidances: &[&str],
    findings: &mut Vec<String>,
    progress: &mut impl FnMut(usize, &'static str),
    open: impl Fn(Precision) -> Result<Source>,
) -> Result<Vec<(Precision, Vec<Evaluation>)>> {
    if judge.is_none() && options.precision.is_none() {
        bail!("the precision cannot be chosen without measuring: name one, or measure");
    }
    let mut measured = Vec::new();
    for precision in options.precision.map_or(vec![Precision::F16, Precision::Int8], |p| vec![p]) {
        let mut evaluations = Vec::new();
        if let Some((judge, device)) = judge {
            let source = open(precision)?;
            let sampler = Sampler::of(&source, device);
            for guidance in guidances {
                let mut plan = SamplePlan { model: name.to_owned(), ..SamplePlan::default() };
                plan.set("guidance", guidance)?;
                let evaluation =
                    evaluate(&sampler, judge, &plan, options.images, |n| progress(n, precision.id()))?;
                findings.push(format!("{precision}, guidance {guidance}: {}", evaluation.line()));
                evaluations.push(evaluation);
            }
        }
        measured.push((precision, evaluations));
    }
    Ok(measured)
}

/// A model file, its weights rounded as the recipe's training rounded them.
fn written(
    recipe: &Recipe,
    header: &Header,
    tensors: &BTreeMap<String, TensorF32>,
    precision: Precision,
) -> Result<Vec<u8>> {
    let levels = recipe.train.levels.unwrap_or(MOST_LEVELS);
    Ok(model_export::write_rounded(header, tensors, precision, levels)?)
}

/// Exports a checkpoint's averaged autoencoder: its decoder alone, which is all that a page needs. A variational one is
/// also measured as a model of its own: normal draws, decoded.
///
/// # Errors
/// As [`export_velocity`].
pub fn export_autoencoder(
    checkpoint: &Checkpoint,
    judge: Option<&Judge>,
    test: Option<&Dataset>,
    device: &Device,
    options: &ExportOptions,
    mut progress: impl FnMut(usize, &'static str),
) -> Result<Exported> {
    let recipe = checkpoint.recipe()?;
    let coder = recipe.autoencoder.clone().context("the run is of no autoencoder")?;
    let whole = checkpoint.load_average(coder.network.init(device))?;
    let config = coder.network.decoder_only();
    let mut kept = models::weights::collect(&whole);
    kept.retain(|name, _| !name.starts_with("encoder."));
    let tensors = tensors(kept);
    let mut header = autoencoder_header(checkpoint, &recipe, &config);
    let is_sampled = config.codes.is_none();
    let mut findings = Vec::new();
    let guidances: &[&str] = if is_sampled { &["1"] } else { &[] };
    let judge_of_draws = judge.filter(|_| is_sampled);
    let options_of_draws = ExportOptions {
        precision: options.precision.or((!is_sampled).then_some(Precision::F16)),
        dir: options.dir.clone(),
        weak: None,
        ..*options
    };
    let measured = measured(
        &recipe.name,
        &options_of_draws,
        judge_of_draws.map(|judge| (judge, device)),
        guidances,
        &mut findings,
        &mut progress,
        |p| Source::from_bytes(&written(&recipe, &header, &tensors, p)?, device),
    )?;
    let Some((precision, evaluations)) = choose(measured, &mut findings) else {
        bail!("no precision was measured");
    };
    header.metrics = json!({ "evaluations": evaluations });
    if let (Some(judge), Some(test)) = (judge, test) {
        let file = model_export::read(&written(&recipe, &header, &tensors, precision)?)?;
        let decoder = config.with_weights(crate::source::weights(file.tensors), device)?;
        let reconstruction = reconstruct(&whole, &decoder, judge, test, device)?;
        findings.push(format!("reconstructions of {} test images: {reconstruction}", test.count));
        header.metrics["reconstruction"] = reconstruction;
    }
    let bytes = written(&recipe, &header, &tensors, precision)?;
    let file = format!("{}.safetensors", recipe.name);
    let path = options.dir.join(&file);
    let mut files = vec![(path.clone(), &bytes)];
    let answer = match is_sampled {
        true => Some(answer(&Source::from_bytes(&bytes, &Device::flex())?, &recipe.name)?),
        false => None,
    };
    let answer_file = format!("{}.self-test.bin", recipe.name);
    if let Some(answer) = &answer {
        files.push((options.dir.join(&answer_file), answer));
    }
    let self_test = match &answer {
        Some(answer) => Some(SelfTest {
            plan: self_test_plan(&recipe.name)?.to_string(),
            file: answer_file,
            sha256: sha256_hex(answer),
            bytes: answer.len() as u64,
        }),
        None => None,
    };
    let entry = ManifestEntry {
        id: recipe.name.clone(),
        label: recipe.label.clone(),
        about: recipe.about.clone(),
        kind: Kind::Autoencoder,
        file,
        bytes: bytes.len() as u64,
        sha256: sha256_hex(&bytes),
        precision,
        parameters: tensors.values().map(|t| t.data.len() as u64).sum(),
        multiply_adds: config.decoding_multiply_adds(),
        path: String::new(),
        metrics: header.metrics.clone(),
        self_test,
        knots: None,
        weak: None,
        decoder: None,
        dataset: set_entry(recipe.dataset),
    };
    write_all(options, entry, &files)?;
    Ok(Exported { path, bytes: bytes.len(), precision, findings })
}

/// Accuracy and distance of a data set's images, encoded and decoded: the best that a flow over the latents can do.
fn reconstruct(
    coder: &Autoencoder,
    decoder: &Autoencoder,
    judge: &Judge,
    data: &Dataset,
    device: &Device,
) -> Result<Value> {
    let facts = judge.facts.as_ref().context("the judge's file has no statistics of the training set")?;
    let n = data.image_len();
    let [channels, height, width] = data.image();
    let mut pixels = Vec::with_capacity(data.images.len());
    for part in data.images.chunks(250 * n) {
        let values: Vec<f32> = part.iter().map(|&p| f32::from(p) / 255.0).collect();
        let shape = [values.len() / n, channels, height, width];
        let x = Tensor::<4>::from_data(TensorData::new(values, shape), device);
        let z = match coder.encode(x).context("the autoencoder has no encoder")? {
            Encoded::Distribution { mean, .. } | Encoded::Latent(mean) => mean,
        };
        pixels.extend(decoder.decode(z).into_data().iter::<f32>());
    }
    let verdict = judge.look(&pixels, |_| {})?;
    let reference = fid::Statistics::from_upper_triangle(
        facts.mean.clone(),
        &facts.covariance,
        facts.reference_count,
        verdict.width,
    )?;
    let fid = fid::frechet(&fid::Statistics::of(&verdict.features, verdict.width)?, &reference)?;
    Ok(json!({
        "images": data.count, "accuracy": verdict.accuracy(&data.labels), "fid": fid,
        "test_images_fid": facts.test_fid,
    }))
}

fn autoencoder_header(checkpoint: &Checkpoint, recipe: &Recipe, config: &AutoencoderConfig) -> Header {
    let architecture = json!(AutoencoderArchitecture::Autoencoder(config.clone()));
    let mut header = header(recipe, Kind::Autoencoder, architecture, config.image, "");
    let classes = recipe.dataset.classes().len();
    header.conditioning = Conditioning { classes, null_class: None, labels: labels(recipe, classes) };
    header.training = training_facts(recipe, checkpoint.state());
    header
}

/// Copies the averaged autoencoder of `run` into the run folder `dir` of a flow over its latents, and opens it. A copy that is
/// there already is what the flow goes on with, and must be the same.
///
/// # Errors
/// A run of another kind, another autoencoder there, or a file that cannot be written.
pub fn keep_autoencoder(run: &Path, dir: &Path, device: &Device) -> Result<Autoencoder> {
    let copy = dir.join(AUTOENCODER);
    let missing = "the latents' autoencoder; train it first, or name its run with --autoencoder";
    if !run.exists() && copy.exists() {
        return Ok(open_autoencoder(&copy, device)?.1);
    }
    let checkpoint = open_checkpoint(run).context(missing)?;
    let recipe = checkpoint.recipe()?;
    let Some(coder) = &recipe.autoencoder else {
        bail!("{} is a run of {}, which is no autoencoder", run.display(), recipe.name);
    };
    let model = checkpoint.load_average(coder.network.init(device))?;
    let header = autoencoder_header(&checkpoint, &recipe, &coder.network);
    let bytes = model_export::write(&header, &tensors(models::weights::collect(&model)), Precision::F32)?;
    match std::fs::read(&copy) {
        Ok(there) if there != bytes => bail!(
            "{} is of another autoencoder than {}: choose another folder with --out",
            copy.display(),
            run.display()
        ),
        Ok(_) => {}
        Err(_) => {
            std::fs::create_dir_all(dir).with_context(|| format!("cannot create {}", dir.display()))?;
            write_atomically(&copy, &bytes).with_context(|| format!("cannot write {}", copy.display()))?;
        }
    }
    Ok(open_autoencoder(&copy, device)?.1)
}

/// A name for each class.
fn labels(recipe: &Recipe, classes: usize) -> Vec<String> {
    let names = recipe.dataset.classes();
    let name = |class: usize| names.get(class).map_or_else(|| class.to_string(), |name| (*name).to_owned());
    (0..classes).map(name).collect()
}

/// The data set as the manifest tells it; MNIST is what it means without.
fn set_entry(set: DataSet) -> Option<DataSetEntry> {
    (!set.is_default()).then(|| DataSetEntry {
        id: set.id().to_owned(),
        label: set.label().to_owned(),
        classes: set.classes().map(str::to_owned).to_vec(),
    })
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
        labels: labels(&recipe, judge.network.classes),
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

/// The final states of the self-test's plan, little-endian f32, in the network's own values; of latents, the decoded pixels.
/// Always by Flex, whatever device trained: it is what all others are compared with.
fn answer(source: &Source, model: &str) -> Result<Vec<u8>> {
    let plan = self_test_plan(model)?;
    let labels: Vec<u8> = (0..plan.count).map(|i| plan.label(i)).collect();
    let sampler = Sampler::of(source, &Device::flex());
    let values = match source.decoder {
        Some(_) => sampler.run_labels(&plan, &labels, 0, |_| {})?.pixels,
        None => sampler.batch(&plan, &labels, 0..plan.count as u64)?.0,
    };
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
