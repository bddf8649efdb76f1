//! The one training loop: batches from a loader thread, AdamW or Muon, warm-up and cosine decay, clipping by the norm of
//! the whole gradient, an average of the weights, checkpoints that resume exactly, metrics as JSON lines.
//!
//! What is trained is a [`Task`]. All randomness of step k is drawn from (seed, k) alone, so a resumed run sees what
//! an unbroken one would have seen, and on the CPU ends in the same bits.

mod autoencoder_task;
mod checkpoint;
mod ema;
mod find_rate;
mod flow_task;
mod gradients;
mod images;
mod judge_task;
mod loader;
mod metrics;
mod optimizer;
mod order;
mod pairs;
mod progress;
mod quality;
mod round;
mod schedule;
mod start;
mod step;
pub mod timing;

pub use autoencoder_task::AutoencoderTask;
pub use checkpoint::{Checkpoint, CheckpointError, State, latest};
pub use find_rate::{RatePoint, RateSpan, Rates, find_rate};
pub use flow_task::FlowTask;
pub use images::Latents;
pub use judge_task::{JudgeTask, accuracy};
pub use quality::Best;
pub(crate) use round::as_exported;
pub use schedule::learning_rate;
pub use start::Start;

use crate::evaluation::Evaluation;
use crate::monitor::Monitor;
use crate::recipe::{EarlyStop, Recipe};
use crate::track::{Outcome, Tracker, Wish};
use anyhow::{Context, Result, bail};
use burn::module::Module;
use burn::optim::ModuleOptimizer;
use burn::tensor::{Device, Tensor};
use checkpoint::{BEST, Parts};
use models::{WeightError, Weights};
use progress::Progress;
use serde_json::{Map, Value, json};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// After so many steps in a row whose loss or gradient is not finite, training stops.
const MOST_BAD_STEPS: u32 = 10;
/// How often the machine's state goes into the metrics.
const MACHINE_EVERY: Duration = Duration::from_secs(10);

/// Something to train.
pub trait Task: Sync {
    /// The network.
    type Model: Module + 'static;
    /// What one step needs, made on the loader's thread.
    type Batch: Send;

    /// An untrained network on `device`.
    fn init(&self, device: &Device) -> Self::Model;

    /// The network on `device` with trained weights.
    ///
    /// # Errors
    /// Weights that do not fit it.
    fn with_weights(&self, weights: Weights, device: &Device) -> Result<Self::Model, WeightError>;

    /// The batch of a step; the same for the same step, always.
    ///
    /// # Errors
    /// Why it could not be made, in words.
    fn batch(&self, step: u64) -> Result<Self::Batch, String>;

    /// Makes what batches after `step` need and what takes long. Runs on a thread of its own, not for every step.
    fn prepare(&self, _step: u64) {}

    /// A batch in so many parts of the same size, for gradients that are accumulated.
    ///
    /// # Errors
    /// A task that does not know how.
    fn split(&self, _batch: Self::Batch, _parts: usize) -> Result<Vec<Self::Batch>, String> {
        Err("train.accumulate: batches of this recipe can't be split; leave it at 1".to_owned())
    }

    /// The Fréchet distance of a model's samples and what belongs to it; none where there is no such thing.
    ///
    /// # Errors
    /// When the model cannot be run or the judge cannot be read.
    fn quality(
        &self,
        _model: &Self::Model,
        _wish: &EarlyStop,
        _device: &Device,
    ) -> Result<Option<Evaluation>> {
        Ok(None)
    }

    /// The mean loss of a batch.
    fn loss(&self, model: &Self::Model, batch: Self::Batch, device: &Device) -> Tensor<1>;

    /// What is told of a model now and then: figures for the metrics, and files beside them.
    ///
    /// # Errors
    /// When a file cannot be written or the model cannot be run.
    fn report(
        &self,
        model: &Self::Model,
        step: u64,
        dir: &Path,
        device: &Device,
    ) -> Result<Map<String, Value>>;
}

/// Where and from where to train.
pub struct Run<'a> {
    /// The recipe.
    pub recipe: &'a Recipe,
    /// The run's folder: recipe, metrics, checkpoints, reports.
    pub dir: PathBuf,
    /// The device, gradients off.
    pub device: Device,
    /// The device in words, for the run's facts.
    pub device_description: String,
    /// The training data in words, for the run's facts.
    pub data_description: String,
    /// Whether to go on from the newest checkpoint.
    pub resume: bool,
    /// Trained weights to start from; none starts untrained, and a resumed run has no use for it.
    pub start: Option<Start>,
    /// Stop (with a checkpoint) after this step, as an interruption would; none runs to the recipe's end.
    pub stop_after: Option<u64>,
    /// Who else is told, and what is watched.
    pub watch: Watch,
}

/// Who else is told of a training, and what is watched meanwhile.
#[derive(Clone, Debug, Default)]
pub struct Watch {
    /// An MLflow tracking server.
    pub mlflow: Option<Wish>,
    /// The NVIDIA GPU whose load is shown, by index.
    pub gpu: Option<usize>,
}

/// What is trained, between steps.
struct Trained<M: Module> {
    model: M,
    average: ema::Average<M>,
    optimizer: ModuleOptimizer,
    state: State,
}

/// The model that a run begins with: trained weights where it has some, else an untrained network.
fn initial<T: Task>(task: &T, run: &Run<'_>, device: &Device, state: &mut State) -> Result<T::Model> {
    let Some(start) = &run.start else { return Ok(task.init(device)) };
    start.check(run.recipe.normalization)?;
    (state.images, state.seconds) = start.spent();
    state.started_from = Some(start.facts.clone());
    let fits = task.with_weights(start.weights.clone(), device);
    fits.context("the weights to start from are not the recipe's network's")
}

/// A new run's beginning, or where the newest checkpoint was.
fn begin<T: Task>(task: &T, run: &Run<'_>, device: &Device) -> Result<Trained<T::Model>> {
    let (recipe, plan) = (run.recipe, &run.recipe.train);
    let mut state = State::new(recipe)?;
    let model = initial(task, run, device, &mut state)?;
    let average = ema::Average::new(model.valid(), plan.ema_decay, plan.ema_warmup);
    let optimizer = optimizer::optimizer(plan, &model);
    let mut trained = Trained { model, average, optimizer, state };
    match latest(&run.dir)? {
        Some(checkpoint) if run.resume => {
            checkpoint.check_recipe(recipe)?;
            trained.model = checkpoint.load_model(trained.model)?;
            trained.average.model = checkpoint.load_average(trained.average.model)?;
            trained.optimizer = checkpoint.load_optimizer(trained.optimizer)?;
            trained.state = checkpoint.state().clone();
            crate::outln!("resuming {} at step {} of {}", run.dir.display(), trained.state.step, plan.steps);
        }
        Some(checkpoint) => bail!(
            "{} already holds a run (step {}); go on with --resume, or choose another folder with --out",
            run.dir.display(),
            checkpoint.state().step
        ),
        None if run.resume => bail!("{} holds no checkpoint to resume from", run.dir.display()),
        None => {}
    }
    Ok(trained)
}

/// Trains `task` to the end of its recipe; returns the averaged model.
///
/// # Errors
/// A run folder that holds another run, files that cannot be read or written, ten bad steps in a row, weights that are
/// not finite, a device that runs out of memory.
pub fn train<T: Task>(task: &T, run: &Run<'_>) -> Result<T::Model> {
    let recipe = run.recipe;
    let training_device = run.device.clone().autodiff();
    step::check_precision(&recipe.train, &run.device, &run.device_description)?;
    if let Some(wish) = &recipe.train.early_stop {
        quality::check(wish, run.recipe.dataset, &run.device)?;
    }
    std::fs::create_dir_all(&run.dir).with_context(|| format!("cannot create {}", run.dir.display()))?;
    run.device.seed(recipe.seed);
    let mut trained = begin(task, run, &training_device)?;
    model_export::write_atomically(&run.dir.join("recipe.toml"), recipe.to_toml()?.as_bytes())?;
    let mut tracker = run.watch.mlflow.as_ref().and_then(|wish| {
        let tracker = Tracker::start(wish, &run.dir, recipe, &run.device_description, &run.data_description);
        tracker.map_err(|error| crate::errln!("warning: mlflow: {error:#}; training goes on without it")).ok()
    });
    let outcome = steps(task, run, &training_device, &mut trained, tracker.as_mut());
    if let Some(mut tracker) = tracker {
        let done = outcome.is_ok() && trained.state.step == recipe.train.steps;
        let stopped = outcome.as_ref().is_ok_and(|early| *early);
        if done || stopped {
            let newest = run.dir.join("checkpoints").join(format!("step-{:08}", trained.state.step));
            tracker.folder(&newest, "checkpoint");
        }
        tracker.finish(match &outcome {
            Ok(_) if done || stopped => Outcome::Finished,
            Ok(_) => Outcome::Stopped,
            Err(_) => Outcome::Failed,
        });
    }
    outcome?;
    Ok(trained.average.model)
}

/// The loop; true when it ended early because the samples got no better.
fn steps<T: Task>(
    task: &T,
    run: &Run<'_>,
    device: &Device,
    trained: &mut Trained<T::Model>,
    mut tracker: Option<&mut Tracker>,
) -> Result<bool> {
    let (recipe, plan) = (run.recipe, &run.recipe.train);
    let Trained { model, average, optimizer, state } = trained;
    let mut metrics = metrics::Metrics::open(&run.dir.join("metrics.jsonl"), state.step)?;
    let monitor = Monitor::start(run.watch.gpu);
    let mut machine_told = Instant::now();
    let last = run.stop_after.map_or(plan.steps, |s| s.min(plan.steps));
    let mut progress = Progress::new(plan.steps, state.step);
    let mut bad_in_a_row = 0;
    let mut exhausted = patience_is_over(plan.early_stop.as_ref(), state);
    std::thread::scope(|scope| -> Result<()> {
        let mut batches = loader::Loader::start(scope, task, state.step..last);
        while state.step < last && !exhausted {
            let at = state.step;
            let asked = Instant::now();
            let Some(batch) = batches.next() else { bail!("the loader stopped early, at step {at}") };
            let batch = batch.map_err(anyhow::Error::msg)?;
            let waited = asked.elapsed();
            let rate = learning_rate(plan, at);
            let (loss, norm) = step::guarded(at, plan, || {
                let step::Gradient { loss, norm, gradients } =
                    step::gradient(task, plan, model, batch, device)?;
                if loss.is_finite() && norm.is_finite() {
                    let gradients = gradients::clip(gradients, model, norm, plan.clip_norm);
                    *model = optimizer.step(rate, model.clone(), gradients);
                    average.update(model, at);
                }
                Ok((loss, norm))
            })?;
            if loss.is_finite() && norm.is_finite() {
                bad_in_a_row = 0;
            } else {
                state.skipped += 1;
                bad_in_a_row += 1;
                if bad_in_a_row >= MOST_BAD_STEPS {
                    bail!(
                        "{MOST_BAD_STEPS} steps in a row had a loss or gradient that is not finite (loss {loss}, \
                         gradient norm {norm}, step {at}); the last checkpoint is from before. \
                         A lower train.learning_rate usually helps"
                    );
                }
            }
            state.step += 1;
            state.images += plan.batch as u64;
            let speed = progress.step(plan.batch);
            state.seconds += progress.last_seconds;
            let mut line = Map::new();
            for (key, value) in [
                ("step", json!(state.step)),
                ("loss", json!(loss)),
                ("gradient_norm", json!(norm)),
                ("learning_rate", json!(rate)),
                ("images", json!(state.images)),
                ("images_per_s", json!(speed)),
                ("waited_ms", json!(waited.as_secs_f64() * 1e3)),
            ] {
                line.insert(key.to_owned(), value);
            }
            let machine = monitor.latest();
            if machine_told.elapsed() > MACHINE_EVERY {
                machine_told = Instant::now();
                machine.insert_into(&mut line);
            }
            progress.say(state, loss, speed, &machine);
            tell(&mut metrics, &mut tracker, line)?;

            if let Some(wish) = plan.early_stop.as_ref().filter(|w| state.step.is_multiple_of(w.every)) {
                match task.quality(&round::as_exported(average.model.clone(), plan.levels), wish, &run.device)
                {
                    Ok(Some(measured)) => {
                        let line = measurement(&measured, state.step);
                        progress.report(&line);
                        tell(&mut metrics, &mut tracker, line)?;
                        if Best::update(&mut state.best, state.step, measured.fid) {
                            name(state, run);
                            let parts = Parts { recipe, model, average: &average.model, optimizer };
                            checkpoint::save_best(&run.dir, state, &parts)?;
                        }
                        exhausted = patience_is_over(Some(wish), state);
                    }
                    Ok(None) => {}
                    Err(error) => progress.warn(&format!(
                        "the measurement of step {} failed, training goes on: {error:#}",
                        state.step
                    )),
                }
            }
            let end = state.step == last || exhausted;
            if state.step.is_multiple_of(recipe.output.checkpoint_every) || end {
                name(state, run);
                metrics.flush()?;
                let parts = Parts { recipe, model, average: &average.model, optimizer };
                checkpoint::save(&run.dir, state, &parts)?;
            }
            // After the checkpoint, and never fatal: a preview is not worth a training.
            if state.step.is_multiple_of(recipe.output.report_every) || state.step == plan.steps || exhausted
            {
                let shown = round::as_exported(average.model.clone(), plan.levels);
                match task.report(&shown, state.step, &run.dir, &run.device) {
                    Ok(mut report) => {
                        report.insert("step".into(), json!(state.step));
                        progress.report(&report);
                        let grid = report.get("grid").and_then(Value::as_str);
                        if let (Some(tracker), Some(grid)) = (&mut tracker, grid) {
                            tracker.file(Path::new(grid), "grids");
                        }
                        tell(&mut metrics, &mut tracker, report)?;
                    }
                    Err(error) => progress.warn(&format!(
                        "the report of step {} failed, training goes on: {error:#}",
                        state.step
                    )),
                }
                metrics.flush()?;
            }
            progress.forget_pause();
        }
        Ok(())
    })?;
    progress.finish();
    if let (true, Some(best)) = (exhausted, &state.best) {
        crate::outln!(
            "stopped early after step {}: {} measurements without a smaller FID than {:.3} at step {}, whose \
             checkpoint is in {}",
            state.step,
            best.worse,
            best.fid,
            best.step,
            run.dir.join(BEST).display()
        );
    }
    Ok(exhausted)
}

/// Puts a line into the metrics and tells the tracking server.
fn tell(
    metrics: &mut metrics::Metrics,
    tracker: &mut Option<&mut Tracker>,
    line: Map<String, Value>,
) -> Result<()> {
    if let Some(tracker) = tracker {
        tracker.metrics(&line);
    }
    metrics.line(&Value::Object(line))
}

fn name(state: &mut State, run: &Run<'_>) {
    state.device.clone_from(&run.device_description);
    state.data.clone_from(&run.data_description);
}

fn patience_is_over(wish: Option<&EarlyStop>, state: &State) -> bool {
    let worse = state.best.as_ref().map(|best| best.worse);
    wish.zip(worse).is_some_and(|(wish, worse)| worse >= wish.patience)
}

fn measurement(measured: &Evaluation, step: u64) -> Map<String, Value> {
    let mut line = Map::new();
    for (key, value) in [
        ("step", json!(step)),
        ("fid", json!(measured.fid)),
        ("fid_low", json!(measured.fid_low)),
        ("fid_high", json!(measured.fid_high)),
        ("accuracy", json!(measured.accuracy)),
        ("sampled", json!(measured.images)),
    ] {
        line.insert(key.to_owned(), value);
    }
    line
}
