//! Computes the cells that a ledger lacks, on several threads.
//!
//! Each thread opens its models for itself and takes the next cell until none is left. A cell that fails is told and left
//! out; the others go on, and the next run tries it again.

use super::cell::{Allowance, Cell};
use super::ledger::{Figure, Ledger};
use super::recipe::StudyRecipe;
use crate::device::{DeviceChoice, Opened as OpenedDevice};
use crate::evaluation::{Measured, measure};
use crate::judge::Judge;
use crate::sampler::Sampler;
use crate::source::{Source, open_checkpoint};
use anyhow::{Context, Result};
use flow::plan::{Budget, SamplePlan};
use flow::schedule::KnotTable;
use model_export::manifest::sha256_hex;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// The plan of the reference solution: 200 evaluations of the velocity an image, guidance not counted.
const REFERENCE: &str = "solver=heun&schedule=linear&steps=100";
/// Images that the distance from the reference is measured on.
const REFERENCE_IMAGES: usize = 50;

/// What a study's run needs beside its recipe.
pub struct Options {
    /// The device.
    pub device: DeviceChoice,
    /// The judge's file.
    pub judge: PathBuf,
    /// Cells that are computed beside each other.
    pub jobs: usize,
}

/// What is known of a model before any cell: its name, its knots, and what decides its figures.
#[derive(Clone, Debug)]
pub struct Opened {
    /// The model's id.
    pub name: String,
    /// Its knots.
    pub knots: KnotTable,
    /// The SHA-256 of its file, or of the weights of its checkpoint.
    pub identity: String,
}

/// What a run tells while it works.
pub enum Progress<'a> {
    /// So much of a cell is sampled: images times evaluations.
    Work(u64),
    /// A cell is finished.
    Done(&'a SamplePlan, &'a Figure),
    /// A cell failed, and why.
    Failed(&'a SamplePlan, &'a anyhow::Error),
}

/// The models of a study: what is known of each, or why it cannot be opened.
pub type Models = BTreeMap<PathBuf, Result<Opened, String>>;

/// Opens every model of the cells once, to learn what it is. Cells of one that cannot be opened cannot be; the others go on.
///
/// # Errors
/// When none can be opened, or two models have one name.
pub fn open_models(cells: &[Cell], device: &OpenedDevice) -> Result<Models> {
    let mut models = Models::new();
    for path in cells.iter().flat_map(|cell| std::iter::once(&cell.model).chain(&cell.weak)) {
        if models.contains_key(path) {
            continue;
        }
        let opened = open_model(path, device).map_err(|error| format!("{error:#}"));
        if let Ok(new) = &opened
            && let Some((other, _)) =
                models.iter().find(|(_, model)| model.as_ref().is_ok_and(|model| model.name == new.name))
        {
            anyhow::bail!("{} and {} both hold a model named {}", other.display(), path.display(), new.name);
        }
        models.insert(path.clone(), opened);
    }
    if models.values().all(Result::is_err)
        && let Some(Err(why)) = models.values().next()
    {
        anyhow::bail!("no model of the study can be opened: {why}");
    }
    Ok(models)
}

fn open_model(path: &Path, device: &OpenedDevice) -> Result<Opened> {
    let source = Source::open(path, &device.device)?;
    Ok(Opened { name: source.name, knots: source.knots, identity: identity(path)? })
}

/// The plan of a cell; or why it cannot be.
pub(super) fn settled(cell: &Cell, models: &Models) -> Result<SamplePlan, String> {
    let find = |path: &PathBuf| match models.get(path) {
        Some(Ok(model)) => Ok(model),
        Some(Err(why)) => Err(why.clone()),
        None => Err(format!("{} was not opened", path.display())),
    };
    if let Some(weak) = &cell.weak {
        find(weak)?;
    }
    cell.settled(&find(&cell.model)?.knots)
}

fn known<'a>(models: &'a Models, path: &Path) -> Option<&'a Opened> {
    models.get(path)?.as_ref().ok()
}

fn identity(path: &Path) -> Result<String> {
    if path.is_dir() {
        let checkpoint = open_checkpoint(path)?;
        return Ok(sha256_hex(serde_json::to_string(&checkpoint.state().sha256)?.as_bytes()));
    }
    let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(sha256_hex(&bytes))
}

/// What decides a cell's figures, as one short text.
pub(super) fn key(cell: &Cell, plan: &SamplePlan, models: &Models, judge: &str) -> String {
    let identity = |path: &PathBuf| known(models, path).map_or("", |model| model.identity.as_str());
    let weak = cell.weak.as_ref().map_or("", &identity);
    // The steps of a fitted schedule are the table's, not the plan's.
    let knots = match plan.budget {
        Budget::Steps(n) if plan.schedule.fitted() => {
            format!("{:?}", known(models, &cell.model).and_then(|model| model.knots.get(n)))
        }
        _ => String::new(),
    };
    let text = [
        identity(&cell.model),
        weak,
        judge,
        &crate::evaluation::plan_text(plan),
        &cell.images.to_string(),
        &knots,
    ]
    .join("|");
    sha256_hex(text.as_bytes())[..24].to_owned()
}

/// A cell whose plan is settled.
pub(super) struct Task<'a> {
    pub(super) cell: &'a Cell,
    pub(super) plan: SamplePlan,
    pub(super) key: String,
}

impl Task<'_> {
    /// Images times evaluations, as far as they are known.
    pub(super) fn work(&self, models: &Models) -> u64 {
        let knots = known(models, &self.cell.model).map(|model| model.knots.clone()).unwrap_or_default();
        let evaluations = match self.cell.allowance {
            Allowance::Evaluations(_) => self.plan.expected_evaluations(&knots).unwrap_or(1),
            // A guess: what the shipped models take at a tolerance of a hundredth.
            Allowance::Tolerance(_) => 60,
        };
        (evaluations * self.cell.images) as u64
    }
}

/// The cells that the ledger lacks, each once, and the work that they are.
pub(super) fn pending<'a>(cells: &'a [Cell], models: &Models, judge: &str, ledger: &Ledger) -> Vec<Task<'a>> {
    let mut tasks: Vec<Task<'a>> = Vec::new();
    for cell in cells {
        let Ok(plan) = settled(cell, models) else { continue };
        let key = key(cell, &plan, models, judge);
        if ledger.get(&key).is_none() && !tasks.iter().any(|task| task.key == key) {
            tasks.push(Task { cell, plan, key });
        }
    }
    tasks
}

/// Final pixels of the reference solution, by model and guidance; computed once, by whoever needs them first.
type References = Mutex<BTreeMap<String, Arc<OnceLock<Result<Vec<f32>, String>>>>>;

/// Computes what is missing; `progress` first hears the whole work, then all that is done, from any thread.
///
/// # Errors
/// A judge that cannot be opened, or a ledger that cannot be written. Cells that fail are told through `progress`; how many
/// is the result.
pub fn run(
    recipe: &StudyRecipe,
    cells: &[Cell],
    models: &Models,
    ledger: &Ledger,
    options: &Options,
    start: impl FnOnce(usize, u64),
    progress: &(dyn Fn(Progress<'_>) + Sync),
) -> Result<usize> {
    let device = options.device.open()?;
    let judge = Judge::open(&options.judge, &device.device)?;
    let tasks = pending(cells, models, &judge.description, ledger);
    start(tasks.len(), tasks.iter().map(|task| task.work(models)).sum());
    let (next, failed) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let references = References::default();
    let jobs = options.jobs.clamp(1, tasks.len().max(1));
    let about = format!("{}, {jobs} cells beside each other", device.choice.label());
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..jobs)
            .map(|_| {
                scope.spawn(|| -> Result<()> {
                    let mut desk = Desk {
                        recipe,
                        about: &about,
                        device: options.device.open()?,
                        judge: None,
                        sources: BTreeMap::new(),
                        references: &references,
                    };
                    while let Some(task) = tasks.get(next.fetch_add(1, Ordering::Relaxed)) {
                        match desk.compute(task, &options.judge, progress) {
                            Ok(figure) => {
                                let name = known(models, &task.cell.model).map_or("", |model| &model.name);
                                let text = format!("{name}, {}", task.plan);
                                ledger.add(&task.key, &text, &figure)?;
                                progress(Progress::Done(&task.plan, &figure));
                            }
                            Err(error) => {
                                failed.fetch_add(1, Ordering::Relaxed);
                                progress(Progress::Failed(&task.plan, &error));
                            }
                        }
                    }
                    Ok(())
                })
            })
            .collect();
        for worker in workers {
            match worker.join() {
                Ok(outcome) => outcome?,
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        Ok(failed.load(Ordering::Relaxed))
    })
}

/// One thread's own device, judge and models.
struct Desk<'a> {
    recipe: &'a StudyRecipe,
    about: &'a str,
    device: OpenedDevice,
    judge: Option<Judge>,
    sources: BTreeMap<PathBuf, Source>,
    references: &'a References,
}

impl Desk<'_> {
    fn compute(
        &mut self,
        task: &Task<'_>,
        judge: &Path,
        progress: &(dyn Fn(Progress<'_>) + Sync),
    ) -> Result<Figure> {
        let device = &self.device.device;
        for path in std::iter::once(&task.cell.model).chain(&task.cell.weak) {
            if !self.sources.contains_key(path) {
                self.sources.insert(path.clone(), Source::open(path, device)?);
            }
        }
        if self.judge.is_none() {
            self.judge = Some(Judge::open(judge, device)?);
        }
        let (Some(judge), Some(source)) = (&self.judge, self.sources.get(&task.cell.model)) else {
            anyhow::bail!("the judge or the model is gone");
        };
        let sampler = Sampler::of(source, device).measuring_paths();
        let sampler = match task.cell.weak.as_ref().and_then(|path| self.sources.get(path)) {
            Some(weak) => sampler.with_weak(weak)?,
            None => sampler,
        };
        let reference = self.reference(task, &sampler, &source.name)?;
        let (mut seen, evaluations) =
            (0, task.plan.expected_evaluations(sampler.knots()).unwrap_or(60) as u64);
        let Measured { samples, accuracy, distance, .. } =
            measure(&sampler, judge, &task.plan, task.cell.images, |n| {
                progress(Progress::Work((n as u64 - seen) * evaluations));
                seen = n as u64;
            })?;
        let mean = |of: fn(&crate::sampler::Straightness) -> f64| {
            samples.straightness.iter().map(of).sum::<f64>() / samples.straightness.len().max(1) as f64
        };
        Ok(Figure {
            steps: match task.plan.budget {
                Budget::Steps(n) => Some(n),
                Budget::Tolerance(_) => None,
            },
            evaluations: samples.mean_evaluations,
            most_evaluations: samples.evaluations,
            images: task.cell.images,
            accuracy,
            fid: distance.fid,
            fid_low: distance.low,
            fid_high: distance.high,
            // Five digits tell every difference that the interval lets stand.
            resamples: distance
                .resamples
                .iter()
                .map(|d| format!("{d:.5e}").parse().unwrap_or(*d as f32))
                .collect(),
            bend: mean(|s| s.bend),
            length: mean(|s| s.length),
            error: reference.map(|pixels| {
                let squares = pixels.iter().zip(&samples.pixels).map(|(a, b)| f64::from(a - b).powi(2));
                (squares.sum::<f64>() / pixels.len() as f64).sqrt()
            }),
            seconds: samples.time.as_secs_f64(),
            device: self.about.to_owned(),
        })
    }

    /// Pixels of the first images by the reference solution; none for a solver that adds noise of its own.
    fn reference(&self, task: &Task<'_>, sampler: &Sampler<'_>, model: &str) -> Result<Option<Vec<f32>>> {
        if task.plan.solver.stochastic() {
            return Ok(None);
        }
        let guidance = task.plan.guidance.to_string();
        let name = format!(
            "{model}|{guidance}|{}",
            task.cell.weak.as_ref().map_or(String::new(), |p| p.display().to_string())
        );
        let slot = Arc::clone(
            self.references.lock().unwrap_or_else(PoisonError::into_inner).entry(name).or_default(),
        );
        let pixels = slot.get_or_init(|| {
            let text = format!("{REFERENCE}&guidance={guidance}&seed={}", self.recipe.seed);
            let labels: Vec<u8> =
                (0..REFERENCE_IMAGES.min(task.cell.images)).map(|i| (i % 10) as u8).collect();
            text.parse::<SamplePlan>()
                .map_err(anyhow::Error::from)
                .and_then(|plan| sampler.run_labels(&plan, &labels, 0, |_| {}))
                .map(|samples| samples.pixels)
                .map_err(|error| format!("the reference solution failed: {error:#}"))
        });
        pixels.clone().map(Some).map_err(anyhow::Error::msg)
    }
}
