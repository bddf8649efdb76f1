//! `flow-digits knots`: fits the schedule `optimal` to a model and writes the knots into its manifest.

use anyhow::{Context, Result, bail};
use flow::plan::SamplePlan;
use flow::schedule::Schedule;
use indicatif::{ProgressBar, ProgressStyle};
use model_export::manifest::{FittedKnots, Manifest};
use std::path::PathBuf;
use trainer::device::DeviceChoice;
use trainer::knots::{FitOptions, fit_knots, table, trial};
use trainer::sampler::Sampler;
use trainer::source::Source;

const EXAMPLES: &str = "\
Examples:
  flow-digits knots public/models/mnist-unet.safetensors
  flow-digits knots public/models/mnist-unet.safetensors --steps 4,5,8 --solver heun --guidance 2 --dry-run

The knots go into manifest.json beside the model; `--schedule optimal` then takes them, here and on the page.";

#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// An exported model that a manifest beside it lists
    model: PathBuf,
    /// Numbers of steps to fit, separated by commas
    #[arg(long, value_delimiter = ',', default_value = "2,3,4,5,6,8,10,12")]
    steps: Vec<usize>,
    /// Solver whose steps they are: one of those with a tableau
    #[arg(long, default_value = "heun")]
    solver: String,
    /// Guidance: a scale (1 is without), or a form with parameters
    #[arg(long, default_value = "1", allow_hyphen_values = true)]
    guidance: String,
    /// Seed of the trajectories' noise
    #[arg(long, default_value_t = 42)]
    seed: u64,
    /// Intervals of the grid that knots are chosen from; the work grows with its square
    #[arg(long, default_value_t = 32)]
    grid: usize,
    /// Trajectories that the knots are fitted to
    #[arg(long, default_value_t = 20)]
    images: usize,
    /// Print the knots, write nothing
    #[arg(long)]
    dry_run: bool,
    /// auto, cuda, cuda:N, wgpu, cpu or torch
    #[arg(long, default_value = "auto")]
    device: DeviceChoice,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    let (most, least) = (args.steps.iter().max().copied(), args.steps.iter().min().copied());
    let (Some(most), Some(1..)) = (most, least) else {
        bail!("--steps takes numbers of steps from 1 to {}, the intervals of the grid", args.grid);
    };
    if most > args.grid {
        bail!(
            "--steps {most}: accepted are 1 to {}, the intervals of the grid; --grid gives more",
            args.grid
        );
    }
    let folder = args.model.parent().map(PathBuf::from).unwrap_or_default();
    let manifest_path = folder.join("manifest.json");
    let text = std::fs::read_to_string(&manifest_path).with_context(|| {
        format!("cannot read {}: knots belong to an exported model and its manifest", manifest_path.display())
    })?;
    let mut manifest = Manifest::parse(&text).with_context(|| manifest_path.display().to_string())?;
    let opened = args.device.open()?;
    trainer::outln!("device: {}", opened.description);
    let source = Source::open(&args.model, &opened.device)?;
    let plan = SamplePlan {
        model: source.name.clone(),
        solver: args.solver.parse()?,
        guidance: args.guidance.parse()?,
        seed: args.seed,
        ..SamplePlan::default()
    };
    let sampler = Sampler::of(&source, &opened.device);
    let options = FitOptions { plan, most, grid: args.grid, images: args.images };

    let bar = ProgressBar::new(options.evaluations() as u64);
    if let Ok(style) = ProgressStyle::with_template("fitting    {bar:30} {pos}/{len} evaluations, {eta} left")
    {
        bar.set_style(style);
    }
    let fits = fit_knots(&sampler, &options, |n| bar.inc(n as u64))?;
    bar.finish_and_clear();
    let knots = table(&fits, &args.steps)?;

    let compared = ["linear", "inverse-cubic", "optimal"];
    let schedules = compared.map(|id| id.parse::<Schedule>()).into_iter().collect::<Result<Vec<_>, _>>()?;
    trainer::outln!("distance of a pixel (root mean square) from the fine solution, on 50 other images:");
    trainer::outln!("steps   {}", compared.map(|id| format!("{id:>14}")).join(""));
    let trying = Sampler::of(&source, &opened.device).with_knots(knots.clone());
    for (steps, row) in knots.iter() {
        let errors = trial(&trying, &options.plan, steps, &schedules, 50)?;
        let errors: String = errors.iter().map(|error| format!("{error:>14.4}")).collect();
        let row: Vec<String> = row.iter().map(|t| format!("{t:.3}")).collect();
        trainer::outln!("{steps:>5}   {errors}   {}", row.join(" "));
    }
    if args.dry_run {
        return Ok(());
    }
    let file = args.model.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let Some(entry) = manifest.models.iter_mut().find(|entry| entry.file == file) else {
        bail!("{} does not list {file}: `flow-digits export` does", manifest_path.display());
    };
    entry.knots = Some(FittedKnots {
        plan: format!(
            "solver={}&guidance={}&seed={}",
            options.plan.solver, options.plan.guidance, options.plan.seed
        ),
        rows: knots.iter().map(|(steps, row)| (steps, row.to_vec())).collect(),
    });
    manifest.check()?;
    model_export::write_atomically(&manifest_path, manifest.to_text().as_bytes())?;
    trainer::outln!("wrote {}", manifest_path.display());
    Ok(())
}
