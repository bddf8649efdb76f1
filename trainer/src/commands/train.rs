//! `flow-digits train`.

use anyhow::{Result, bail};
use std::path::{Path, PathBuf};
use trainer::device::{DeviceChoice, processor};
use trainer::export::keep_autoencoder;
use trainer::recipe::Recipe;
use trainer::reflow::TeacherPairs;
use trainer::track::Wish;
use trainer::train::{
    AutoencoderTask, FlowTask, JudgeTask, Latents, RateSpan, Rates, Run, Start, Task, Watch, find_rate, train,
};

const EXAMPLES: &str = "\
Examples:
  flow-digits train recipes/mnist-unet.toml
  flow-digits train recipes/mnist-unet.toml --steps 200 --set train.learning_rate=1e-3 --out runs/try
  flow-digits train recipes/mnist-unet.toml --resume
  flow-digits train recipes/latent-base.toml --autoencoder runs/mnist-vae
  flow-digits train recipes/mnist-unet.toml --set train.optimizer=muon --set train.accumulate=2 --out runs/muon
  flow-digits train recipes/mnist-unet.toml --find-rate --out runs/rate
  flow-digits train recipes/mnist-unet.toml --mlflow http://localhost:5000
  flow-digits train recipes/mnist-few.toml --from public/models/mnist-unet.safetensors --pairs pairs/mnist-unet
  flow-digits train recipes/mnist-unet-more.toml --from runs/mnist-unet --out runs/mnist-unet-more

A run's folder holds recipe.toml, metrics.jsonl, grids/ and checkpoints/. Ctrl-C loses what came after the last checkpoint.";

#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The recipe, a TOML file
    recipe: PathBuf,
    /// Folder with the recipe's data set [default: data/ and the set's name]
    #[arg(long)]
    data: Option<PathBuf>,
    /// The run's folder [default: runs/NAME]
    #[arg(long)]
    out: Option<PathBuf>,
    /// auto, cuda, cuda:N, wgpu, cpu or torch
    #[arg(long, default_value = "auto")]
    device: DeviceChoice,
    /// Go on from the run's newest checkpoint, exactly
    #[arg(long)]
    resume: bool,
    /// Start from the weights of a run (its average), a checkpoint or an exported model; optimizer and learning rate begin anew
    #[arg(long, value_name = "RUN|FILE", conflicts_with = "resume")]
    from: Option<PathBuf>,
    /// The autoencoder's run, for a flow over its latents [default: its name, beside --out]
    #[arg(long, value_name = "RUN")]
    autoencoder: Option<PathBuf>,
    /// The teacher's pairs, for a recipe with [reflow] [default: pairs/ and the teacher's name]
    #[arg(long, value_name = "FOLDER")]
    pairs: Option<PathBuf>,
    /// Replace a value of the recipe; may be given several times
    #[arg(long = "set", value_name = "SECTION.KEY=VALUE")]
    overrides: Vec<String>,
    /// Short for --set train.steps=N
    #[arg(long)]
    steps: Option<u64>,
    /// Short for --set train.batch=N
    #[arg(long)]
    batch: Option<usize>,
    /// Short for --set seed=N; 0 to 2^63 - 1, what TOML holds
    #[arg(long, value_parser = clap::value_parser!(u64).range(0..=i64::MAX as u64))]
    seed: Option<u64>,
    /// Stop with a checkpoint after this step; --resume goes on
    #[arg(long, value_name = "STEP")]
    stop_after: Option<u64>,
    /// Train nothing: let the learning rate rise over 200 steps on a copy, and print what it does to the loss
    #[arg(long, conflicts_with_all = ["stop_after", "mlflow"])]
    find_rate: bool,
    /// Tell this MLflow tracking server of the run, without ever waiting for it
    #[arg(long, value_name = "URI")]
    mlflow: Option<String>,
    /// The experiment's name there
    #[arg(long, value_name = "NAME", requires = "mlflow", default_value = Wish::EXPERIMENT)]
    mlflow_experiment: String,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    let mut overrides = args.overrides.clone();
    overrides.extend(args.steps.map(|n| format!("train.steps={n}")));
    overrides.extend(args.batch.map(|n| format!("train.batch={n}")));
    overrides.extend(args.seed.map(|n| format!("seed={n}")));
    let warmup_is_named = args.overrides.iter().any(|o| o.starts_with("train.warmup_steps="));
    if let (Some(steps), false) = (args.steps, warmup_is_named)
        && let warmup = Recipe::load(&args.recipe, &args.overrides)?.train.warmup_steps
        && warmup >= steps
    {
        overrides.push(format!("train.warmup_steps={}", steps / 10));
        trainer::outln!("warm-up shortened from {warmup} to {} of the {steps} steps", steps / 10);
    }
    let recipe = Recipe::load(&args.recipe, &overrides)?;
    let mlflow = args.mlflow.as_deref().map(|uri| Wish::new(uri, &args.mlflow_experiment)).transpose()?;
    let start = args.from.as_deref().map(Start::open).transpose()?;
    let folder = super::data_folder(args.data.as_deref(), recipe.dataset);
    let loaded = recipe.dataset.load(&folder, |warning| trainer::errln!("warning: {warning}"))?;
    let (train_set, test_set) = (loaded.train, loaded.test);
    let opened = args.device.open()?;
    let dir = args.out.clone().unwrap_or_else(|| PathBuf::from("runs").join(&recipe.name));
    trainer::outln!("device: {}", opened.description);
    trainer::outln!(
        "{}: {} steps of {} images ({:.1} epochs) into {}",
        recipe.name,
        recipe.train.steps,
        recipe.train.batch,
        recipe.train.steps as f64 * recipe.train.batch as f64 / train_set.count as f64,
        dir.display()
    );
    let pairs = match (&recipe.reflow, &args.pairs) {
        (None, Some(_)) => bail!("--pairs is for a recipe with [reflow]; {} has none", args.recipe.display()),
        (None, None) => None,
        (Some(reflow), named) => {
            let beside = || Path::new("pairs").join(&reflow.teacher);
            Some(TeacherPairs::open(&named.clone().unwrap_or_else(beside))?)
        }
    };
    let run = Run {
        recipe: &recipe,
        dir: dir.clone(),
        device: opened.device,
        device_description: format!("{}; {}", opened.choice.label(), processor()),
        data_description: pairs.as_ref().map_or(loaded.description, TeacherPairs::description),
        resume: args.resume,
        start,
        stop_after: args.stop_after,
        watch: Watch { mlflow, gpu: opened.choice.nvidia_index() },
    };
    if let Some(latent) = &recipe.latent {
        let beside = || dir.parent().unwrap_or(Path::new("")).join(&latent.autoencoder);
        let coder = args.autoencoder.clone().unwrap_or_else(beside);
        let coder = keep_autoencoder(&coder, &dir, &run.device)?;
        let bar = super::image_bar(train_set.count, "encoding");
        let latents = Latents::of(&coder, &train_set, &run.device, |n| bar.set_position(n as u64))?;
        bar.finish_and_clear();
        let (mean, spread) = latents.spread();
        trainer::outln!("latents {:?}: mean {mean:.3}, root mean square {spread:.3}", latents.shape());
        work(&FlowTask::on_latents(&recipe, &latents, &coder)?, &run, args.find_rate)?;
    } else if args.autoencoder.is_some() {
        bail!("--autoencoder is for a recipe with [latent]; {} has none", args.recipe.display());
    } else if let Some(pairs) = &pairs {
        work(&FlowTask::on_pairs(&recipe, pairs)?, &run, args.find_rate)?;
    } else if recipe.architecture.is_some() {
        work(&FlowTask::new(&recipe, &train_set)?, &run, args.find_rate)?;
    } else if recipe.classifier.is_some() {
        work(&JudgeTask::new(&recipe, &train_set, &test_set)?, &run, args.find_rate)?;
    } else if recipe.autoencoder.is_some() {
        work(&AutoencoderTask::new(&recipe, &train_set, &test_set)?, &run, args.find_rate)?;
    } else {
        bail!("the recipe has nothing to train");
    }
    if args.find_rate {
        return Ok(());
    }
    match args.stop_after.filter(|&stop| stop < recipe.train.steps) {
        Some(0) => trainer::outln!("stopped before the first step: nothing was trained"),
        Some(stop) => trainer::outln!("stopped after step {stop}; --resume goes on"),
        None => {
            trainer::outln!("done: {}", dir.display());
            trainer::outln!("next: flow-digits export {}", dir.display());
        }
    }
    Ok(())
}

fn work<T: Task>(task: &T, run: &Run<'_>, rate_only: bool) -> Result<()> {
    if rate_only {
        say_rates(&find_rate(task, run, RateSpan::default())?);
    } else {
        train(task, run)?;
    }
    Ok(())
}

/// The table in twenty rows, and the rates that the two usual rules take from it.
fn say_rates(rates: &Rates) {
    trainer::outln!("learning rate       loss   smoothed");
    let every = rates.points.len().div_ceil(20).max(1);
    for point in rates.points.iter().step_by(every) {
        trainer::outln!("{:>13.2e} {:>10.4} {:>10.4}", point.rate, point.loss, point.smoothed);
    }
    match (rates.steepest, rates.lowest) {
        (Some(steepest), Some(lowest)) => {
            trainer::outln!(
                "suggested: train.learning_rate = {steepest:.1e}, where the loss falls fastest; a tenth of the rate at \
                 the lowest loss is {:.1e}",
                lowest / 10.0
            );
        }
        _ => trainer::outln!("the loss never fell: no rate is suggested"),
    }
    trainer::outln!("all steps: {}", rates.file.display());
}
