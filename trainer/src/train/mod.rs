//! The one training loop: batches from a loader thread, AdamW, warm-up and cosine decay, clipping by the norm of the
//! whole gradient, an average of the weights, checkpoints that resume exactly, metrics as JSON lines.
//!
//! What is trained is a [`Task`]. All randomness of step k is drawn from (seed, k) alone, so a resumed run sees what
//! an unbroken one would have seen, and on the CPU ends in the same bits.

mod checkpoint;
mod ema;
mod flow_task;
mod gradients;
mod judge_task;
mod loader;
mod metrics;
mod order;
mod pairs;
mod schedule;
mod start;
pub mod timing;

pub use checkpoint::{Checkpoint, CheckpointError, State, latest};
pub use flow_task::FlowTask;
pub use judge_task::{JudgeTask, accuracy};
pub use schedule::learning_rate;
pub use start::Start;

use crate::recipe::Recipe;
use anyhow::{Context, Result, bail};
use burn::module::Module;
use burn::optim::GradientsParams;
use burn::tensor::{Device, Tensor};
use indicatif::{ProgressBar, ProgressStyle};
use models::{WeightError, Weights};
use serde_json::{Map, Value, json};
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// After so many steps in a row whose loss or gradient is not finite, training stops.
const MOST_BAD_STEPS: u32 = 10;
/// How often a run without a terminal prints a line.
const LOG_EVERY: Duration = Duration::from_secs(30);

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
}

/// Trains `task` to the end of its recipe; returns the averaged model.
///
/// # Errors
/// A run folder that holds another run, files that cannot be read or written, ten bad steps in a row.
pub fn train<T: Task>(task: &T, run: &Run<'_>) -> Result<T::Model> {
    let recipe = run.recipe;
    let plan = &recipe.train;
    let training_device = run.device.clone().autodiff();
    std::fs::create_dir_all(&run.dir).with_context(|| format!("cannot create {}", run.dir.display()))?;

    run.device.seed(recipe.seed);
    let mut state = State::new(recipe)?;
    let mut model = match &run.start {
        Some(start) => {
            start.check(recipe.normalization)?;
            (state.images, state.seconds) = start.spent();
            state.started_from = Some(start.facts.clone());
            let fits = task.with_weights(start.weights.clone(), &training_device);
            fits.context("the weights to start from are not the recipe's network's")?
        }
        None => task.init(&training_device),
    };
    let mut average = ema::Average::new(model.valid(), plan.ema_decay);
    let mut optimizer = timing::optimizer(plan);

    match latest(&run.dir)? {
        Some(checkpoint) if run.resume => {
            checkpoint.check_recipe(recipe)?;
            model = checkpoint.load_model(model)?;
            average.model = checkpoint.load_average(average.model)?;
            optimizer = checkpoint.load_optimizer(optimizer)?;
            state = checkpoint.state().clone();
            crate::outln!("resuming {} at step {} of {}", run.dir.display(), state.step, plan.steps);
        }
        Some(checkpoint) => bail!(
            "{} already holds a run (step {}); go on with --resume, or choose another folder with --out",
            run.dir.display(),
            checkpoint.state().step
        ),
        None if run.resume => bail!("{} holds no checkpoint to resume from", run.dir.display()),
        None => {}
    }
    model_export::write_atomically(&run.dir.join("recipe.toml"), recipe.to_toml()?.as_bytes())?;
    let mut metrics = metrics::Metrics::open(&run.dir.join("metrics.jsonl"), state.step)?;

    let last = run.stop_after.map_or(plan.steps, |s| s.min(plan.steps));
    let bar = progress(plan.steps, state.step);
    let mut meter = Meter::new();
    let mut bad_in_a_row = 0;
    std::thread::scope(|scope| -> Result<()> {
        let mut batches = loader::Loader::start(scope, task, state.step..last);
        while state.step < last {
            let step = state.step;
            let asked = Instant::now();
            let Some(batch) = batches.next() else { bail!("the loader stopped early, at step {step}") };
            let batch = batch.map_err(anyhow::Error::msg)?;
            let waited = asked.elapsed();
            let rate = learning_rate(plan, step);
            let loss = task.loss(&model, batch, &training_device);
            let gradients = GradientsParams::from_grads(loss.backward(), &model);
            let (loss, norm) = gradients::loss_and_norm(loss.inner(), &gradients, &model);
            if loss.is_finite() && norm.is_finite() {
                let gradients = gradients::clip(gradients, &model, norm, plan.clip_norm);
                model = optimizer.step(rate, model, gradients);
                average.update(&model, step);
                bad_in_a_row = 0;
            } else {
                state.skipped += 1;
                bad_in_a_row += 1;
                if bad_in_a_row >= MOST_BAD_STEPS {
                    bail!(
                        "{MOST_BAD_STEPS} steps in a row had a loss or gradient that is not finite (loss {loss}, \
                         gradient norm {norm}, step {step}); the last checkpoint is from before. \
                         A lower train.learning_rate usually helps"
                    );
                }
            }
            state.step += 1;
            state.images += plan.batch as u64;
            let speed = meter.step(plan.batch);
            state.seconds += meter.last_seconds;
            metrics.line(&json!({
                "step": state.step, "loss": loss, "gradient_norm": norm, "learning_rate": rate,
                "images": state.images, "images_per_s": speed, "waited_ms": waited.as_secs_f64() * 1e3,
            }))?;
            say(&bar, &mut meter, &state, loss, speed, plan.steps);

            if state.step.is_multiple_of(recipe.output.checkpoint_every) || state.step == last {
                state.device.clone_from(&run.device_description);
                state.data.clone_from(&run.data_description);
                metrics.flush()?;
                checkpoint::save(&run.dir, recipe, &state, &model, &average.model, &optimizer)?;
            }
            // After the checkpoint, and never fatal: a preview is not worth a training.
            if state.step.is_multiple_of(recipe.output.report_every) || state.step == plan.steps {
                match task.report(&average.model, state.step, &run.dir, &run.device) {
                    Ok(mut report) => {
                        report.insert("step".into(), json!(state.step));
                        bar.println(Value::Object(report.clone()).to_string());
                        if !bar_is_visible() {
                            crate::outln!("{}", Value::Object(report.clone()));
                        }
                        metrics.line(&Value::Object(report))?;
                    }
                    Err(error) => {
                        bar.suspend(|| {
                            crate::errln!(
                                "warning: the report of step {} failed, training goes on: {error:#}",
                                state.step
                            )
                        });
                    }
                }
                metrics.flush()?;
            }
            meter.forget_pause();
        }
        Ok(())
    })?;
    bar.finish();
    Ok(average.model)
}

fn bar_is_visible() -> bool {
    std::io::stderr().is_terminal()
}

fn progress(steps: u64, at: u64) -> ProgressBar {
    let bar = ProgressBar::new(steps).with_position(at);
    if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len} {msg}, {eta} left") {
        bar.set_style(style);
    }
    bar.reset_eta();
    bar
}

fn say(bar: &ProgressBar, meter: &mut Meter, state: &State, loss: f32, speed: f64, steps: u64) {
    meter.smooth_loss = if meter.smooth_loss == 0.0 { loss } else { 0.99 * meter.smooth_loss + 0.01 * loss };
    let skipped = if state.skipped > 0 { format!(", {} skipped", state.skipped) } else { String::new() };
    let text = format!("loss {:.4}, {speed:.0} images/s{skipped}", meter.smooth_loss);
    bar.set_message(text.clone());
    bar.set_position(state.step);
    if !bar_is_visible() && meter.said.elapsed() > LOG_EVERY {
        meter.said = Instant::now();
        let left = (steps - state.step) as f64 * meter.seconds_a_step;
        crate::outln!("step {}/{steps}: {text}, {:.0} min left", state.step, left / 60.0);
    }
}

/// Measures steps per second, smoothed; pauses for reports and checkpoints are not counted.
struct Meter {
    at: Instant,
    said: Instant,
    seconds_a_step: f64,
    last_seconds: f64,
    smooth_loss: f32,
}

impl Meter {
    fn new() -> Self {
        let now = Instant::now();
        Self { at: now, said: now, seconds_a_step: 0.0, last_seconds: 0.0, smooth_loss: 0.0 }
    }

    fn step(&mut self, images: usize) -> f64 {
        self.last_seconds = self.at.elapsed().as_secs_f64();
        self.seconds_a_step = if self.seconds_a_step == 0.0 {
            self.last_seconds
        } else {
            0.95 * self.seconds_a_step + 0.05 * self.last_seconds
        };
        images as f64 / self.seconds_a_step
    }

    fn forget_pause(&mut self) {
        self.at = Instant::now();
    }
}
