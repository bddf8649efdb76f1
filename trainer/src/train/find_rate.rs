//! The learning-rate range test (Smith 2017, arXiv 1506.01186): the rate rises exponentially over a few hundred steps on a
//! copy of the weights, and the loss tells where training begins, where it is fastest and where it breaks.
//!
//! The loss is smoothed by an exponential average without bias. The rate of the steepest fall against ln(rate) is what is
//! suggested; a tenth of the rate at the lowest loss is the other common rule.

use super::{Run, State, Task, checkpoint, gradients, initial, loader, optimizer, step};
use anyhow::{Context, Result, bail};
use std::fmt::Write as _;
use std::path::PathBuf;

/// How slowly the smoothed loss follows.
const SMOOTHING: f64 = 0.95;
/// The test ends when the smoothed loss is so many times its smallest.
const BROKEN: f64 = 4.0;
/// Steps at the beginning whose fall is that of the smoothing, not of the rate.
const SETTLING: usize = 10;

/// From which to which rate, in how many steps.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RateSpan {
    /// The first rate.
    pub from: f64,
    /// The last, if the loss does not break before.
    pub to: f64,
    /// Steps between them.
    pub steps: u64,
}

impl Default for RateSpan {
    fn default() -> Self {
        Self { from: 1e-6, to: 1.0, steps: 200 }
    }
}

/// One step of the test.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RatePoint {
    /// The step's rate.
    pub rate: f64,
    /// The loss before the step.
    pub loss: f64,
    /// The losses until here, smoothed.
    pub smoothed: f64,
}

/// What the test found.
#[derive(Clone, Debug, PartialEq)]
pub struct Rates {
    /// All steps, by rising rate.
    pub points: Vec<RatePoint>,
    /// The rate at which the smoothed loss fell fastest; none where it never fell.
    pub steepest: Option<f64>,
    /// The rate at which the smoothed loss was smallest.
    pub lowest: Option<f64>,
    /// The table as a file in the run's folder.
    pub file: PathBuf,
}

/// Runs the test on the weights that the run would begin or go on with, and writes `lr-finder.csv` into its folder. The
/// run's checkpoints are not touched.
///
/// # Errors
/// What [`train`](super::train) refuses to begin with, and a file that cannot be written.
pub fn find_rate<T: Task>(task: &T, run: &Run<'_>, span: RateSpan) -> Result<Rates> {
    if !(span.from > 0.0 && span.to > span.from && span.to.is_finite() && span.steps >= 20) {
        bail!("the rates rise from a positive number to a larger one in 20 or more steps, not {span:?}");
    }
    let plan = &run.recipe.train;
    let device = run.device.clone().autodiff();
    step::check_precision(plan, &run.device, &run.device_description)?;
    run.device.seed(run.recipe.seed);
    let mut state = State::new(run.recipe)?;
    let mut model = initial(task, run, &device, &mut state)?;
    if run.resume {
        let checkpoint = checkpoint::latest(&run.dir)?;
        let checkpoint = checkpoint
            .with_context(|| format!("{} holds no checkpoint to resume from", run.dir.display()))?;
        checkpoint.check_recipe(run.recipe)?;
        model = checkpoint.load_model(model)?;
        state = checkpoint.state().clone();
    }
    let mut optimizer = optimizer::optimizer(plan, &model);
    let mut curve = Curve::default();
    std::thread::scope(|scope| -> Result<()> {
        let mut batches = loader::Loader::start(scope, task, state.step..state.step + span.steps);
        for at in 0..span.steps {
            let Some(batch) = batches.next() else { bail!("the loader stopped early") };
            let batch = batch.map_err(anyhow::Error::msg)?;
            let rate = span.from * (span.to / span.from).powf(at as f64 / (span.steps - 1) as f64);
            let loss = step::guarded(at, plan, || {
                let found = step::gradient(task, plan, &model, batch, &device)?;
                if found.loss.is_finite() && found.norm.is_finite() {
                    let clipped = gradients::clip(found.gradients, &model, found.norm, plan.clip_norm);
                    model = optimizer.step(rate, model.clone(), clipped);
                }
                Ok(found.loss)
            })?;
            if !curve.push(rate, f64::from(loss)) {
                break;
            }
        }
        Ok(())
    })?;
    let file = run.dir.join("lr-finder.csv");
    let mut csv = String::from("learning_rate,loss,smoothed_loss\n");
    for point in &curve.points {
        let _ = writeln!(csv, "{:e},{},{}", point.rate, point.loss, point.smoothed);
    }
    std::fs::create_dir_all(&run.dir).with_context(|| format!("cannot create {}", run.dir.display()))?;
    model_export::write_atomically(&file, csv.as_bytes())?;
    let (steepest, lowest) = (curve.steepest(), curve.lowest().map(|point| point.rate));
    Ok(Rates { points: curve.points, steepest, lowest, file })
}

#[derive(Default)]
struct Curve {
    points: Vec<RatePoint>,
    average: f64,
}

impl Curve {
    /// Takes a loss in; false when the curve has broken and the test is over.
    fn push(&mut self, rate: f64, loss: f64) -> bool {
        if !loss.is_finite() {
            return false;
        }
        self.average = SMOOTHING * self.average + (1.0 - SMOOTHING) * loss;
        let smoothed = self.average / (1.0 - SMOOTHING.powi(self.points.len() as i32 + 1));
        self.points.push(RatePoint { rate, loss, smoothed });
        let lowest = self.lowest().map_or(smoothed, |point| point.smoothed);
        self.points.len() <= SETTLING || smoothed <= BROKEN * lowest
    }

    fn lowest(&self) -> Option<&RatePoint> {
        self.points.iter().min_by(|a, b| a.smoothed.total_cmp(&b.smoothed))
    }

    /// Where the smoothed loss falls fastest, before its lowest point.
    fn steepest(&self) -> Option<f64> {
        let end = self.points.iter().position(|p| Some(p.rate) == self.lowest().map(|l| l.rate))?;
        let slope = |i: usize| {
            let (before, after) = (self.points[i - 1], self.points[i + 1]);
            (after.smoothed - before.smoothed) / (after.rate / before.rate).ln()
        };
        let steepest = (SETTLING..end).min_by(|&a, &b| slope(a).total_cmp(&slope(b)))?;
        (slope(steepest) < 0.0).then(|| self.points[steepest].rate)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_steepest_fall_lies_before_the_lowest_loss_and_a_broken_loss_ends_the_test() {
        // Flat until 1e-4, falling around 1e-3, rising from 1e-1.
        let loss = |rate: f64| {
            let x = rate.log10();
            2.0 - 1.0 / (1.0 + (-4.0 * (x + 3.0)).exp()) + (x + 1.0).max(0.0) * 200.0
        };
        let mut curve = Curve::default();
        let rates = (0..200).map(|i| 1e-6 * 10_f64.powf(f64::from(i) * 6.0 / 199.0));
        let taken = rates.take_while(|&rate| curve.push(rate, loss(rate))).count();
        assert!(taken < 195, "{taken}");
        let steepest = curve.steepest().unwrap();
        // The smoothing lags by 20 of 33 steps a decade.
        assert!((5e-4..8e-3).contains(&steepest), "{steepest}");
        assert!(curve.lowest().unwrap().rate > steepest);
    }

    #[test]
    fn a_loss_that_never_falls_suggests_nothing() {
        let mut curve = Curve::default();
        for i in 0..50 {
            assert!(curve.push(1e-5 * f64::from(i + 1), 1.0 + f64::from(i) / 100.0));
        }
        assert_eq!(curve.steepest(), None);
        assert!(!curve.push(1.0, f64::NAN));
    }
}
