//! Training steps with a stopwatch: the parts that [`train`](super::train) goes through, one after another on one thread,
//! without metrics, checkpoints or a loader beside them, in 32 bits and in one part.

use super::{Task, ema, gradients, optimizer};
use crate::recipe::TrainRecipe;
use anyhow::{Result, bail};
use burn::module::Module;
use burn::optim::{GradientsParams, ModuleOptimizer};
use burn::tensor::Device;
use std::time::Instant;

/// The parts of a step. A device that works behind the host's back may do the work of one part in a later one; the norm is
/// where the host waits for it.
pub const PHASES: [&str; 5] = ["batch", "forward and backward", "norm and clip", "optimizer", "average"];

/// A training that is timed.
pub struct Timed<'a, T: Task> {
    task: &'a T,
    plan: &'a TrainRecipe,
    device: Device,
    /// Taken out and put back by every step.
    model: Option<T::Model>,
    average: ema::Average<T::Model>,
    optimizer: ModuleOptimizer,
    step: u64,
}

impl<'a, T: Task> Timed<'a, T> {
    /// An untrained network and its optimizer.
    pub fn new(task: &'a T, plan: &'a TrainRecipe, device: &Device) -> Self {
        let device = device.clone().autodiff();
        let model = task.init(&device);
        let average = ema::Average::new(model.valid(), plan.ema_decay, plan.ema_warmup);
        let optimizer = optimizer::optimizer(plan, &model);
        Self { task, plan, device, model: Some(model), average, optimizer, step: 0 }
    }

    /// Takes a step at the recipe's highest rate; the milliseconds of each of the [`PHASES`].
    ///
    /// # Errors
    /// A batch that cannot be made, or an earlier step that failed.
    pub fn step(&mut self) -> Result<[f64; 5]> {
        let Some(model) = self.model.take() else { bail!("an earlier step failed") };
        let mut at = Instant::now();
        let mut lap = || {
            let ms = at.elapsed().as_secs_f64() * 1e3;
            at = Instant::now();
            ms
        };
        let batch = self.task.batch(self.step).map_err(anyhow::Error::msg)?;
        let made = lap();
        let loss = self.task.loss(&model, batch, &self.device);
        let gradients = GradientsParams::from_grads(loss.backward(), &model);
        let learned = lap();
        let (_, norm) = gradients::loss_and_norm(loss.inner(), &gradients, &model);
        let gradients = gradients::clip(gradients, &model, norm, self.plan.clip_norm);
        let clipped = lap();
        let model = self.optimizer.step(self.plan.learning_rate, model, gradients);
        let moved = lap();
        self.average.update(&model, self.step);
        let averaged = lap();
        self.model = Some(model);
        self.step += 1;
        Ok([made, learned, clipped, moved, averaged])
    }

    /// The averaged model, gradients off.
    pub fn average(&self) -> &T::Model {
        &self.average.model
    }
}
