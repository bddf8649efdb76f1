//! Fits the schedule `optimal` to a model: reference trajectories of a fine solution, and of all knots on their grid those
//! along which the plan's solver ends closest to them ([`flow::schedule::fit`]).

use crate::sampler::Sampler;
use anyhow::{Context, Result, bail};
use burn::tensor::Tensor;
use flow::field::Field;
use flow::plan::{Budget, SamplePlan};
use flow::schedule::fit::{Fit, fit};
use flow::schedule::{KnotTable, Schedule};
use flow::solver::Solver;
use flow::state::{Rows, State};
use std::ops::ControlFlow;

/// Steps of the reference within each interval of the grid.
const FINE: usize = 2;
/// The first image of the trajectories that knots are fitted to; those that they are tried on begin at 0.
const FIRST: u64 = 1 << 32;

/// What to fit.
#[derive(Clone, Debug)]
pub struct FitOptions {
    /// The solver, the guidance and the seed; its other fields are not used.
    pub plan: SamplePlan,
    /// The most steps.
    pub most: usize,
    /// Intervals of the grid; its times lie closer at both ends.
    pub grid: usize,
    /// Trajectories.
    pub images: usize,
}

impl FitOptions {
    /// Network evaluations an image that the fit will take, but for the reference.
    pub fn evaluations(&self) -> usize {
        let stages = self.plan.solver.tableau().map_or(1, |t| t.stages_for_solution());
        let pairs = self.grid * (self.grid + 1) / 2;
        // Each state asks once at its own time, and for each later time its further stages.
        (self.most.saturating_sub(1)) * (self.grid + (stages - 1) * pairs) + 1 + (self.grid + 1) * stages
    }

    fn check(&self) -> Result<()> {
        if self.plan.solver.tableau().is_none() {
            let accepted: Vec<&str> =
                Solver::all().filter(|s| s.tableau().is_some()).map(|s| s.id()).collect();
            bail!(
                "knots are fitted to steps that stand alone; {} remembers earlier ones or adds noise. Accepted are {}",
                self.plan.solver,
                accepted.join(", ")
            );
        }
        for (what, got, low, high) in [
            ("grid", self.grid, 4, 200),
            ("steps", self.most, 1, self.grid),
            ("images", self.images, 1, 1000),
        ] {
            if !(low..=high).contains(&got) {
                bail!("--{what} {got}: accepted are {low} to {high}");
            }
        }
        Ok(())
    }
}

/// The knots of 1 to `most` steps; `progress` hears the evaluations that were made.
///
/// # Errors
/// Options out of range, a solver without a tableau, or a field that fails.
pub fn fit_knots(
    sampler: &Sampler<'_>,
    options: &FitOptions,
    mut progress: impl FnMut(usize),
) -> Result<Vec<Fit>> {
    options.check()?;
    let labels: Vec<u8> = (0..options.images).map(|i| (i % 10) as u8).collect();
    let images = FIRST..FIRST + options.images as u64;
    // Closer at both ends, where a flow from noise to data changes fastest.
    let grid = Schedule::parse("cosine")?.knots(options.grid)?;
    let mut reference = Vec::with_capacity(grid.len());
    let fine = SamplePlan {
        solver: Solver::parse("rk4")?,
        schedule: Schedule::parse("cosine")?,
        budget: Budget::Steps(options.grid * FINE),
        ..options.plan.clone()
    };
    sampler.observed(&fine, &labels, images.clone(), async |report| {
        if report.accepted % FINE == 0 {
            reference.push(report.x.clone());
        }
        ControlFlow::Continue(())
    })?;
    let start = reference.first().context("the reference solution has no start")?.clone();
    let run_options = options.plan.options(images.start);
    let mut evaluations = 0;
    let mut field = Remembering { field: sampler.field(&options.plan, &labels), kept: None };
    let steps = |x: &Tensor<4>, k: usize, targets: &[usize]| {
        field.kept = None;
        let mut landed = Vec::with_capacity(targets.len());
        for j in targets {
            let mut stepper = options.plan.solver.stepper(&run_options);
            landed.push(stepper.step(&mut field, grid[k], grid[*j] - grid[k], x)?);
        }
        let now = field.evaluations();
        progress(now - evaluations);
        evaluations = now;
        Ok(landed)
    };
    let error = |x: &Tensor<4>, j: usize| {
        let off = State::combine(&[(1.0, x), (-1.0, &reference[j])]);
        let squares = pollster::block_on(Rows::inner(&off, &off))?;
        Ok(squares.iter().sum::<f64>() / squares.len() as f64)
    };
    Ok(fit(&grid, start, options.most, steps, error)?)
}

/// A root mean square distance of a pixel from the fine solution, for each schedule, on images that no knots were fitted to.
///
/// # Errors
/// A sampling that fails.
pub fn trial(
    sampler: &Sampler<'_>,
    plan: &SamplePlan,
    steps: usize,
    schedules: &[Schedule],
    images: usize,
) -> Result<Vec<f64>> {
    let labels: Vec<u8> = (0..images).map(|i| (i % 10) as u8).collect();
    let fine = SamplePlan {
        solver: Solver::parse("rk4")?,
        schedule: Schedule::parse("cosine")?,
        budget: Budget::Steps(50),
        ..plan.clone()
    };
    let (truth, _) = sampler.batch(&fine, &labels, 0..images as u64)?;
    let mut errors = Vec::with_capacity(schedules.len());
    for schedule in schedules {
        let plan = SamplePlan { schedule: schedule.clone(), budget: Budget::Steps(steps), ..plan.clone() };
        let (found, _) = sampler.batch(&plan, &labels, 0..images as u64)?;
        let squares: f64 = found.iter().zip(&truth).map(|(a, b)| f64::from(a - b).powi(2)).sum();
        errors.push((squares / truth.len() as f64).sqrt());
    }
    Ok(errors)
}

/// The rows of these numbers of steps as the manifest keeps them, rounded to what a reader can tell.
///
/// # Errors
/// A number that was not fitted.
pub fn table(fits: &[Fit], counts: &[usize]) -> Result<KnotTable> {
    let mut rows = Vec::with_capacity(counts.len());
    for steps in counts {
        let fit = steps
            .checked_sub(1)
            .and_then(|i| fits.get(i))
            .with_context(|| format!("no fit of {steps} steps"))?;
        rows.push((*steps, fit.knots.iter().map(|t| (t * 1e6).round() / 1e6).collect()));
    }
    Ok(KnotTable::new(rows)?)
}

/// A field that answers a question twice only if it must: the first stage of all steps from one state is the same.
struct Remembering<F> {
    field: F,
    /// The time and the velocity of the first question since it was cleared.
    kept: Option<(f64, Tensor<4>)>,
}

impl<F: Field<Tensor<4>>> Field<Tensor<4>> for Remembering<F> {
    fn velocity(&mut self, t: f64, x: &Tensor<4>) -> Result<Tensor<4>, flow::Error> {
        // Later stages look at later times: all nodes of a tableau but the first are above 0.
        if let Some((_, velocity)) = self.kept.as_ref().filter(|(kept, _)| *kept == t) {
            return Ok(velocity.clone());
        }
        let velocity = self.field.velocity(t, x)?;
        if self.kept.is_none() {
            self.kept = Some((t, velocity.clone()));
        }
        Ok(velocity)
    }

    fn velocity_rows(
        &mut self,
        times: &[f64],
        rows: &[usize],
        x: &Tensor<4>,
    ) -> Result<Tensor<4>, flow::Error> {
        self.field.velocity_rows(times, rows, x)
    }

    fn spent(&self, row: usize) -> usize {
        self.field.spent(row)
    }

    fn evaluations(&self) -> usize {
        self.field.evaluations()
    }

    fn evaluations_per_call(&self) -> usize {
        self.field.evaluations_per_call()
    }
}
