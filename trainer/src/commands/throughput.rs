//! `flow-digits throughput`.

use anyhow::{Context, Result};
use clap::value_parser;
use serde_json::json;
use std::path::PathBuf;
use trainer::device::{DeviceChoice, processor};
use trainer::recipe::Recipe;
use trainer::throughput::{Ask, Measured, Spread, Turn, measure};

const EXAMPLES: &str = "\
Examples:
  flow-digits throughput recipes/mnist-unet.toml
  flow-digits throughput recipes/mnist-unet.toml --threads 1 --batch 16 --json
  flow-digits throughput recipes/mnist-unet.toml --against \"python3 bench/torch_bench.py\"
  flow-digits throughput recipes/mnist-unet.toml --weights public/models/mnist-unet.safetensors --evaluations-only

Synthetic images; nothing is written. With --against the two take turns, and the ratio is that of each turn's medians.";

#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The recipe, a TOML file
    recipe: PathBuf,
    /// cpu, cuda, cuda:N, wgpu, torch or auto
    #[arg(long, default_value = "cpu")]
    device: DeviceChoice,
    /// Images of a step [default: the recipe's]
    #[arg(long, value_parser = value_parser!(u64).range(1..=65_536))]
    batch: Option<u64>,
    /// Training steps, and evaluations, that a turn times
    #[arg(long, default_value_t = 10, value_parser = value_parser!(u64).range(1..=100_000))]
    steps: u64,
    /// Turns
    #[arg(long, default_value_t = 3, value_parser = value_parser!(u64).range(1..=1000))]
    turns: u64,
    /// Threads on the CPU, of both [default: all]
    #[arg(long, value_parser = value_parser!(u64).range(1..=1024))]
    threads: Option<u64>,
    /// A model file of the recipe's network, to evaluate instead of the untrained one; answers are compared then
    #[arg(long, value_name = "FILE")]
    weights: Option<PathBuf>,
    /// Evaluations, and no training steps
    #[arg(long)]
    evaluations_only: bool,
    /// A program that times the same network: run with RECIPE --json --batch N --steps N --warm-up N --threads N, and with
    /// --weights FILE and --evaluations-only where they are given
    #[arg(long, value_name = "COMMAND")]
    against: Option<String>,
    /// As JSON, with every time
    #[arg(long)]
    json: bool,
}

/// How this program was built: overflow checks cost time.
const BUILD: &str =
    if cfg!(debug_assertions) { "built as for tests, with overflow checks" } else { "release build" };

/// Steps of a turn that are not timed.
const WARM_UP: usize = 2;

pub(crate) fn run(args: &Args) -> Result<()> {
    let recipe = Recipe::load(&args.recipe, &[])?;
    let all = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let threads = args.threads.map_or(all, |n| n as usize);
    // Before anything computes: the backend takes this pool.
    rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build_global()
        .context("the number of threads cannot be set any more")?;
    let opened = args.device.open()?;
    let ask = Ask {
        recipe: args.recipe.clone(),
        batch: args.batch.map_or(recipe.train.batch, |n| n as usize),
        steps: args.steps as usize,
        warm_up: WARM_UP,
        turns: args.turns as usize,
        threads,
        weights: args.weights.clone(),
        evaluations_only: args.evaluations_only,
    };
    let bar = super::part_bar("timing");
    let turns = args.turns;
    let seen = |turn: usize| bar.set_position(super::PARTS * turn as u64 / turns);
    let name = format!("flow-digits, {}", opened.choice.label());
    let found = measure(&recipe, &ask, &opened.device, &name, args.against.as_deref(), seen)?;
    bar.finish_and_clear();
    if args.json {
        let value = json!({
            "processor": processor(), "build": BUILD, "threads": threads, "measured": found,
            "ratios": found.ratios().map(|[train, evaluation]| json!({"training": train, "evaluation": evaluation})),
        });
        trainer::outln!("{}", serde_json::to_string_pretty(&value)?);
    } else {
        print(&found, threads);
    }
    Ok(())
}

fn print(found: &Measured, threads: usize) {
    let Some(first) = found.ours.first() else { return };
    trainer::outln!(
        "{}: {} parameters, batches of {}, {threads} threads of {}",
        found.recipe,
        first.parameters,
        found.batch,
        processor()
    );
    for turns in [&found.ours, &found.theirs] {
        let Some(first) = turns.first() else { continue };
        trainer::outln!("{}", first.name);
        let all =
            |of: fn(&Turn) -> &[f64]| Spread::of(turns.iter().flat_map(|turn| of(turn).iter().copied()));
        for (what, spread) in
            [("training step", all(|turn| &turn.train_ms)), ("evaluation", all(|turn| &turn.evaluation_ms))]
        {
            if spread.median.is_nan() {
                continue;
            }
            trainer::outln!(
                "  {what:22} {:9.1} ms ({:.1} to {:.1}), {:.1} images/s",
                spread.median,
                spread.low,
                spread.high,
                1e3 * found.batch as f64 / spread.median
            );
        }
    }
    if found.phases.iter().any(|(_, spread)| !spread.median.is_nan()) {
        trainer::outln!("parts of our training step");
    }
    for (phase, spread) in found.phases.iter().filter(|(_, spread)| !spread.median.is_nan()) {
        trainer::outln!("  {phase:22} {:9.1} ms ({:.1} to {:.1})", spread.median, spread.low, spread.high);
    }
    if let Some(ratios) = found.ratios() {
        trainer::outln!("ours over theirs, images/s");
        for (what, ratio) in ["training", "evaluation"].iter().zip(ratios) {
            if !ratio.median.is_nan() {
                trainer::outln!("  {what:22} {:9.2} ({:.2} to {:.2})", ratio.median, ratio.low, ratio.high);
            }
        }
    }
    if let Some(difference) = found.difference {
        trainer::outln!("greatest difference of the answers: {difference:.1e}");
    }
}
