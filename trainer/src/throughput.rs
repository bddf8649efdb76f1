//! How fast a recipe's network trains and answers on synthetic images, beside another program that does the same.
//!
//! Machines are shared and warm up, so the two are asked in turn, and what is told is the ratio of each turn's medians: its
//! median over the turns, and its range.
//!
//! With the weights of a model file both evaluate the same trained network, and their answers to the same question are compared
//! first: a program that computes something else is not timed against.

use crate::data::Dataset;
use crate::recipe::Recipe;
use crate::source::Source;
use crate::train::FlowTask;
use crate::train::timing::{PHASES, Timed};
use anyhow::{Context, Result, bail};
use burn::tensor::{Device, Int, Tensor, TensorData};
use models::{Architecture, Network};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::process::Command;
use std::time::Instant;

/// What is asked of both.
#[derive(Clone, Debug)]
pub struct Ask {
    /// The recipe's file, for the other program.
    pub recipe: PathBuf,
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
    /// A model file whose network is evaluated, instead of the untrained one.
    pub weights: Option<PathBuf>,
    /// No training steps.
    pub evaluations_only: bool,
}

/// How far two answers may lie apart, in model units.
pub const TOLERANCE: f32 = 1e-3;

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
    /// The velocities of the question that [`question`] asks, where weights were given.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub answer: Vec<f32>,
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
    /// The greatest difference between our answers and theirs, where weights were given.
    pub difference: Option<f32>,
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
/// `--warm-up` and `--threads`, with `--weights` and `--evaluations-only` where they were asked for, and its last line is a
/// [`Turn`] as JSON.
///
/// # Errors
/// A recipe of no velocity network, weights of another one, another program that fails or says something else, has another
/// number of parameters, or answers otherwise by more than [`TOLERANCE`].
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
    let trained = ask.weights.as_ref().map(|file| Source::open(file, device)).transpose()?;
    if let (Some(source), Some(file)) = (&trained, &ask.weights)
        && source.architecture != *architecture
    {
        bail!("{} holds another network than {} names", file.display(), recipe.name);
    }
    let answer = match &trained {
        Some(source) => answer(&source.network, architecture, ask.batch, device)?,
        None => Vec::new(),
    };
    let mut difference: Option<f32> = None;
    for turn in 0..ask.turns {
        let mut train_ms = Vec::new();
        let training_steps = if ask.evaluations_only { 0 } else { ask.warm_up + ask.steps };
        for step in 0..training_steps {
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
            evaluation_ms: {
                let network = trained.as_ref().map_or_else(|| timed.average(), |source| &source.network);
                evaluations(network, architecture, ask, device)?
            },
            answer: Vec::new(),
        });
        if let Some(command) = against {
            let mut found = other(command, ask, ours[turn].parameters)?;
            if trained.is_some() {
                let apart = agreement(&answer, &std::mem::take(&mut found.answer))
                    .with_context(|| format!("`{command}` does not evaluate the same network"))?;
                difference = Some(difference.map_or(apart, |worst| worst.max(apart)));
            }
            theirs.push(found);
        }
        progress(turn + 1);
    }
    let spread = |i: usize| (PHASES[i], Spread::of(phases.iter().map(|parts| parts[i])));
    let phases = (0..PHASES.len()).map(spread).collect();
    Ok(Measured { recipe: recipe.name.clone(), batch: ask.batch, ours, theirs, phases, difference })
}

/// What both are asked before they are timed: numbers between -2 and 2 that any language makes alike, at time 0.5, the classes in
/// turn.
pub fn question(count: usize) -> Vec<f32> {
    (0..count as u32).map(|i| i.wrapping_mul(2_654_435_761) as f32 / 2.0_f32.powi(30) - 2.0).collect()
}

/// The velocities of the [`question`].
fn answer(network: &Network, architecture: &Architecture, batch: usize, device: &Device) -> Result<Vec<f32>> {
    let [channels, height, width] = architecture.image();
    let x = TensorData::new(question(batch * architecture.image_len()), [batch, channels, height, width]);
    let labels: Vec<i32> = (0..batch).map(|i| (i % architecture.classes()) as i32).collect();
    let class = Tensor::<1, Int>::from_data(TensorData::new(labels, [batch]), device);
    let out = network.forward_at(Tensor::from_data(x, device), &vec![0.5; batch], class);
    Ok(out.into_data().iter::<f32>().collect())
}

/// The greatest difference of two answers, if it is one that rounding explains.
fn agreement(ours: &[f32], theirs: &[f32]) -> Result<f32> {
    if ours.len() != theirs.len() {
        bail!("it answers with {} numbers; {} were asked for", theirs.len(), ours.len());
    }
    let apart = ours.iter().zip(theirs).map(|(a, b)| (a - b).abs());
    // A NaN loses every comparison, so it is made the worst.
    let worst = apart.fold(0.0_f32, |worst, apart| if apart.is_nan() { f32::MAX } else { worst.max(apart) });
    if worst > TOLERANCE {
        bail!("its answer is {worst:e} off; accepted is {TOLERANCE:e}");
    }
    Ok(worst)
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
    let mut options: Vec<String> =
        numbers.iter().flat_map(|(name, value)| [(*name).to_owned(), value.to_string()]).collect();
    if let Some(file) = &ask.weights {
        options.extend(["--weights".to_owned(), file.display().to_string()]);
    }
    if ask.evaluations_only {
        options.push("--evaluations-only".to_owned());
    }
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
    if turn.train_ms.is_empty() != ask.evaluations_only || turn.evaluation_ms.is_empty() {
        bail!("`{command}` did not time what was asked for");
    }
    Ok(turn)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RECIPE: &str = include_str!("../../recipes/pair-independent.toml");

    fn ask() -> Ask {
        Ask {
            recipe: "r.toml".into(),
            batch: 2,
            steps: 2,
            warm_up: 1,
            turns: 2,
            threads: 1,
            weights: None,
            evaluations_only: false,
        }
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
    fn the_question_is_spread_between_its_ends() {
        let question = question(4);
        // 2654435761 = 2.472 * 2^30, and twice that is 0.944 * 2^30 over 2^32.
        let expected = [-2.0, 0.472_136, -1.055_728, 1.416_408];
        assert!(question.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-5), "{question:?}");
    }

    #[test]
    fn answers_agree_only_within_rounding() {
        assert_eq!(agreement(&[1.0, 2.0], &[1.0, 2.0005]).unwrap(), 2.0005_f32 - 2.0);
        let off = agreement(&[1.0, 2.0], &[1.0, 2.01]).unwrap_err().to_string();
        assert!(off.contains("off; accepted is 1e-3"), "{off}");
        assert!(agreement(&[1.0], &[f32::NAN]).is_err());
        let short = agreement(&[1.0, 2.0], &[1.0]).unwrap_err().to_string();
        assert!(short.contains("1 numbers; 2 were asked for"), "{short}");
    }

    #[test]
    fn weights_of_another_network_are_refused() {
        let recipe = Recipe::parse(RECIPE, "test", &[]).unwrap();
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../public/models/mnist-unet.safetensors");
        let ask = Ask { weights: Some(file.into()), ..ask() };
        let error = measure(&recipe, &ask, &Device::flex(), "ours", None, |_| ()).unwrap_err();
        assert!(error.to_string().contains("holds another network"), "{error}");
    }

    #[test]
    fn evaluations_alone_train_nothing() {
        let recipe = Recipe::parse(RECIPE, "test", &[]).unwrap();
        let ask = Ask { evaluations_only: true, turns: 1, ..ask() };
        let found = measure(&recipe, &ask, &Device::flex(), "ours", None, |_| ()).unwrap();
        assert_eq!((found.ours[0].train_ms.len(), found.ours[0].evaluation_ms.len()), (0, 2));
    }

    #[test]
    fn ratios_are_those_of_the_turns() {
        let turn = |train: f64, evaluation: f64| Turn {
            name: String::new(),
            parameters: 1,
            threads: 1,
            train_ms: vec![train],
            evaluation_ms: vec![evaluation],
            answer: vec![],
        };
        let found = Measured {
            recipe: "r".to_owned(),
            batch: 1,
            ours: vec![turn(100.0, 10.0), turn(100.0, 10.0)],
            theirs: vec![turn(50.0, 10.0), turn(70.0, 20.0)],
            phases: vec![],
            difference: None,
        };
        let [train, evaluation] = found.ratios().unwrap();
        assert_eq!(train, Spread { median: 0.6, low: 0.5, high: 0.7 });
        assert_eq!(evaluation, Spread { median: 1.5, low: 1.0, high: 2.0 });
    }
}
