//! How fast a recipe's network trains and answers on synthetic images, beside another program that does the same.
//!
//! Machines are shared and warm up, so the two are asked in turn, and what is told is the ratio of each turn's medians: its
//! median over the turns, and its range.

use crate::data::Dataset;
use crate::recipe::Recipe;
use crate::train::FlowTask;
use crate::train::timing::{PHASES, Timed};
use anyhow::{Context, Result, bail};
use burn::tensor::{Device, Int, Tensor, TensorData};
use models::{Architecture, Network};
use serde::{Deserialize, Serialize};
use std::process::Command;
use std::time::Instant;

/// What is asked of both.
#[derive(Clone, Debug)]
pub struct Ask {
    /// The recipe's file, for the other program.
    pub recipe: std::path::PathBuf,
    /// Images of a step and of an evaluation.
    pub batch: usize,
    /// Steps and evaluations of a turn that are timed.
    pub steps: usize,
    /// Steps and evaluations before them that are not.
    pub warm_up: usize,
    /// Turns of each.
    pub turns: usize,
    /// Threads of each.
    pub threads: usize,
}

/// What one program's turn took.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Turn {
    /// The program, in words.
    pub name: String,
    /// Number of trained values.
    pub parameters: u64,
    /// Threads that it had.
    pub threads: usize,
    /// Milliseconds of each training step.
    pub train_ms: Vec<f64>,
    /// Milliseconds of each evaluation.
    pub evaluation_ms: Vec<f64>,
}

/// A middle and a range.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Spread {
    /// The median.
    pub median: f64,
    /// The least.
    pub low: f64,
    /// The most.
    pub high: f64,
}

impl Spread {
    /// Of some values; NaN of none.
    pub fn of(values: impl IntoIterator<Item = f64>) -> Self {
        let mut sorted: Vec<f64> = values.into_iter().collect();
        sorted.sort_by(f64::total_cmp);
        let at = |i: usize| sorted.get(i).copied().unwrap_or(f64::NAN);
        let (n, half) = (sorted.len(), sorted.len() / 2);
        let median = if n > 0 && n.is_multiple_of(2) { (at(half - 1) + at(half)) / 2.0 } else { at(half) };
        Self { median, low: at(0), high: at(n.wrapping_sub(1)) }
    }
}

/// All turns.
#[derive(Clone, Debug, Serialize)]
pub struct Measured {
    /// The recipe's name.
    pub recipe: String,
    /// Images of a step.
    pub batch: usize,
    /// Ours, a turn each.
    pub ours: Vec<Turn>,
    /// The other's, a turn each; empty without another.
    pub theirs: Vec<Turn>,
    /// Milliseconds of the parts of our training steps.
    pub phases: Vec<(&'static str, Spread)>,
}

impl Measured {
    /// Our images a second over theirs, a turn each, in training and in evaluations.
    pub fn ratios(&self) -> Option<[Spread; 2]> {
        let ratio = |of: fn(&Turn) -> &[f64]| {
            let median = |turn: &Turn| Spread::of(of(turn).iter().copied()).median;
            Spread::of(self.ours.iter().zip(&self.theirs).map(|(ours, theirs)| median(theirs) / median(ours)))
        };
        (!self.theirs.is_empty()).then(|| [ratio(|turn| &turn.train_ms), ratio(|turn| &turn.evaluation_ms)])
    }
}

/// Times ours, and the program `against` in turn with it: it is run with the recipe, `--json`, `--batch`, `--steps`,
/// `--warm-up` and `--threads`, and its last line is a [`Turn`] as JSON.
///
/// # Errors
/// A recipe of no velocity network, another program that fails or says something else, or has another number of parameters.
pub fn measure(
    recipe: &Recipe,
    ask: &Ask,
    device: &Device,
    name: &str,
    against: Option<&str>,
    mut progress: impl FnMut(usize),
) -> Result<Measured> {
    let mut recipe = recipe.clone();
    recipe.train.batch = ask.batch;
    let Some(architecture) = &recipe.architecture else {
        bail!("{} trains no velocity network: there is nothing to time", recipe.name)
    };
    if recipe.latent.is_some() {
        bail!("{} learns latents, for which this has no data: time another recipe", recipe.name);
    }
    let data = synthetic(architecture, ask.batch);
    let task = FlowTask::new(&recipe, &data)?;
    let mut timed = Timed::new(&task, &recipe.train, device);
    let mut ours = Vec::new();
    let mut theirs = Vec::new();
    let mut phases: Vec<[f64; 5]> = Vec::new();
    for turn in 0..ask.turns {
        let mut train_ms = Vec::new();
        for step in 0..ask.warm_up + ask.steps {
            let parts = timed.step()?;
            if step >= ask.warm_up {
                train_ms.push(parts.iter().sum());
                phases.push(parts);
            }
        }
        ours.push(Turn {
            name: name.to_owned(),
            parameters: architecture.parameters(device),
            threads: ask.threads,
            train_ms,
            evaluation_ms: evaluations(timed.average(), architecture, ask, device)?,
        });
        if let Some(command) = against {
            theirs.push(other(command, ask, ours[turn].parameters)?);
        }
        progress(turn + 1);
    }
    let spread = |i: usize| (PHASES[i], Spread::of(phases.iter().map(|parts| parts[i])));
    let phases = (0..PHASES.len()).map(spread).collect();
    Ok(Measured { recipe: recipe.name.clone(), batch: ask.batch, ours, theirs, phases })
}

/// Images that look like none, and labels in turn.
fn synthetic(architecture: &Architecture, batch: usize) -> Dataset {
    let [channels, height, width] = architecture.image();
    let count = 4 * batch;
    Dataset {
        images: (0..count * architecture.image_len())
            .map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8)
            .collect(),
        labels: (0..count).map(|i| (i % architecture.classes().min(256)) as u8).collect(),
        count,
        channels,
        height,
        width,
    }
}

/// Milliseconds of evaluations of a batch, read back to the host.
fn evaluations(
    network: &Network,
    architecture: &Architecture,
    ask: &Ask,
    device: &Device,
) -> Result<Vec<f64>> {
    let [channels, height, width] = architecture.image();
    let noise = flow::noise::batch(1, 0..ask.batch as u64, architecture.image_len());
    let x = Tensor::<4>::from_data(TensorData::new(noise, [ask.batch, channels, height, width]), device);
    let labels: Vec<i32> = (0..ask.batch).map(|i| (i % architecture.classes()) as i32).collect();
    let times = vec![0.5; ask.batch];
    let mut found = Vec::new();
    for step in 0..ask.warm_up + ask.steps {
        let start = Instant::now();
        let class = Tensor::<1, Int>::from_data(TensorData::new(labels.clone(), [ask.batch]), device);
        let out = network.forward_at(x.clone(), &times, class).into_data();
        if out.num_elements() == 0 {
            bail!("the network answered nothing");
        }
        if step >= ask.warm_up {
            found.push(start.elapsed().as_secs_f64() * 1e3);
        }
    }
    Ok(found)
}

/// A turn of the other program.
fn other(command: &str, ask: &Ask, parameters: u64) -> Result<Turn> {
    let mut words = command.split_whitespace();
    let Some(program) = words.next() else { bail!("--against names no program") };
    let numbers = [
        ("--batch", ask.batch),
        ("--steps", ask.steps),
        ("--warm-up", ask.warm_up),
        ("--threads", ask.threads),
    ];
    let options = numbers.iter().flat_map(|(name, value)| [(*name).to_owned(), value.to_string()]);
    let output = Command::new(program)
        .args(words)
        .arg(&ask.recipe)
        .arg("--json")
        .args(options)
        .output()
        .with_context(|| format!("cannot run {program}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        let last = said.lines().last().unwrap_or("it said nothing");
        bail!("`{command}` failed ({}): {last}", output.status);
    }
    let text = String::from_utf8_lossy(&output.stdout);
    let last = text.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default();
    let turn: Turn = serde_json::from_str(last).with_context(|| {
        format!(
            "`{command}` should end with a line of JSON: name, parameters, threads, train_ms, evaluation_ms"
        )
    })?;
    if turn.parameters != parameters {
        bail!(
            "`{command}` has {} parameters, ours {parameters}: they are not the same network",
            turn.parameters
        );
    }
    if turn.train_ms.is_empty() || turn.evaluation_ms.is_empty() {
        bail!("`{command}` timed nothing");
    }
    Ok(turn)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RECIPE: &str = include_str!("../../recipes/pair-independent.toml");

    fn ask() -> Ask {
        Ask { recipe: "r.toml".into(), batch: 2, steps: 2, warm_up: 1, turns: 2, threads: 1 }
    }

    #[test]
    fn every_phase_of_every_step_is_timed() {
        let recipe = Recipe::parse(RECIPE, "test", &[]).unwrap();
        let mut turns = Vec::new();
        let found = measure(&recipe, &ask(), &Device::flex(), "ours", None, |n| turns.push(n)).unwrap();
        assert_eq!((turns, found.ours.len()), (vec![1, 2], 2));
        for turn in &found.ours {
            assert_eq!((turn.train_ms.len(), turn.evaluation_ms.len()), (2, 2));
            assert!(turn.train_ms.iter().all(|ms| *ms > 0.0) && turn.parameters > 100_000);
        }
        assert_eq!(found.phases.len(), PHASES.len());
        assert!(found.ratios().is_none());
    }

    #[test]
    fn ratios_are_those_of_the_turns() {
        let turn = |train: f64, evaluation: f64| Turn {
            name: String::new(),
            parameters: 1,
            threads: 1,
            train_ms: vec![train],
            evaluation_ms: vec![evaluation],
        };
        let found = Measured {
            recipe: "r".to_owned(),
            batch: 1,
            ours: vec![turn(100.0, 10.0), turn(100.0, 10.0)],
            theirs: vec![turn(50.0, 10.0), turn(70.0, 20.0)],
            phases: vec![],
        };
        let [train, evaluation] = found.ratios().unwrap();
        assert_eq!(train, Spread { median: 0.6, low: 0.5, high: 0.7 });
        assert_eq!(evaluation, Spread { median: 1.5, low: 1.0, high: 2.0 });
    }
}
