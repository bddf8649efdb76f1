//! `flow-digits plot`: schedules, trajectories and the velocity field as SVG.

use super::plan::PlanArgs;
use anyhow::{Result, bail};
use burn::tensor::Device;
use clap::{Subcommand, value_parser};
use flow::schedule::{KnotTable, Schedule};
use indicatif::{ProgressBar, ProgressStyle};
use std::path::{Path, PathBuf};
use trainer::device::DeviceChoice;
use trainer::plot::trajectories::Projection;
use trainer::plot::velocity::{Arrows, Film};
use trainer::plot::{check_name, collect, schedules, trajectories, velocity, write};
use trainer::sampler::Sampler;
use trainer::source::Source;

const EXAMPLES: &str = "\
Examples:
  flow-digits plot schedules
  flow-digits plot trajectories public/models/mnist-unet.safetensors
  flow-digits plot velocity public/models/mnist-unet.safetensors --digit 3 --seed 7";

/// Figures, as SVG
#[derive(clap::Args)]
#[command(after_help = EXAMPLES, arg_required_else_help = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    figure: Figure,
}

#[derive(Subcommand)]
enum Figure {
    /// Where schedules put their steps: curves with knots, and knots on one time axis
    Schedules(SchedulesArgs),
    /// Paths from noise to digits in two dimensions, their speed and their bends
    Trajectories(TrajectoriesArgs),
    /// The velocity as arrows over the forming digit, and as signed colour
    Velocity(VelocityArgs),
}

const SCHEDULES_EXAMPLES: &str = "\
Examples:
  flow-digits plot schedules
  flow-digits plot schedules linear logit-normal-cdf:mu=-1,std=3 --steps 20 --out two.svg
  flow-digits plot schedules --model public/models/mnist-unet.safetensors --steps 8";

#[derive(clap::Args)]
#[command(after_help = SCHEDULES_EXAMPLES)]
struct SchedulesArgs {
    /// Schedules with parameters; `flow-digits list schedules` names them [default: all that need no model]
    schedule: Vec<String>,
    /// Number of steps
    #[arg(long, default_value_t = 10)]
    steps: usize,
    /// A model whose manifest has fitted knots, for the schedule `optimal`
    #[arg(long)]
    model: Option<PathBuf>,
    /// The SVG to write
    #[arg(long, default_value = "schedules.svg")]
    out: PathBuf,
}

const TRAJECTORIES_EXAMPLES: &str = "\
Examples:
  flow-digits plot trajectories public/models/mnist-unet.safetensors
  flow-digits plot trajectories runs/mnist-unet --digit 7 --count 50 --projection random --out sevens.svg
  flow-digits plot trajectories runs/mnist-unet --solver dopri5 --tol 0.01 --guidance 2

Without flags: 200 samples, 24 Midpoint steps on the schedule linear, no guidance, seed 42.";

/// What a plan of trajectories takes that names nothing. Midpoint, because it never looks at t = 1, where Heun's last step
/// turns: the figure should show the flow's bends, not the solver's.
const TRAJECTORIES_PLAN: &str = "solver=midpoint&schedule=linear&steps=24&guidance=1&count=200";

#[derive(clap::Args)]
#[command(after_help = TRAJECTORIES_EXAMPLES)]
struct TrajectoriesArgs {
    /// An exported model, a run folder or a checkpoint
    model: PathBuf,
    #[command(flatten)]
    plan: PlanArgs,
    /// The two directions to look along
    #[arg(long, value_enum, default_value_t = Projection::Pca)]
    projection: Projection,
    /// A second, weaker model for guidance=autoguidance: smaller, or trained less
    #[arg(long, value_name = "MODEL")]
    weak: Option<PathBuf>,
    /// The SVG to write
    #[arg(long, default_value = "trajectories.svg")]
    out: PathBuf,
    /// auto, cuda, cuda:N, wgpu, cpu or torch
    #[arg(long, default_value = "auto")]
    device: DeviceChoice,
}

const VELOCITY_EXAMPLES: &str = "\
Examples:
  flow-digits plot velocity public/models/mnist-unet.safetensors
  flow-digits plot velocity public/models/mnist-unet.safetensors --digit 3 --seed 7 --frames 6 --block 4
  flow-digits plot velocity runs/mnist-unet --guidance 2 --arrows gradient --out guided.svg

Without flags: the digit 3, 48 Heun steps on the schedule linear, no guidance, seed 42.";

/// What a plan of the velocity takes that names nothing.
const VELOCITY_PLAN: &str = "schedule=linear&steps=48&guidance=1&digit=3";

#[derive(clap::Args)]
#[command(after_help = VELOCITY_EXAMPLES)]
struct VelocityArgs {
    /// An exported model, a run folder or a checkpoint
    model: PathBuf,
    #[command(flatten)]
    plan: PlanArgs,
    /// Times to look at, 1 to 12; each is moved to the nearest state of the run
    #[arg(long, default_value_t = 4, value_parser = value_parser!(u8).range(1..=12))]
    frames: u8,
    /// Pixels on a side of the blocks that velocity and arrows are averaged over, 1 to 7
    #[arg(long, default_value_t = 2, value_parser = value_parser!(u8).range(1..=7))]
    block: u8,
    /// What an arrow is: both lead from where ink is lost to where it is gained
    #[arg(long, value_enum, default_value_t = Arrows::Flux)]
    arrows: Arrows,
    /// A second, weaker model for guidance=autoguidance: smaller, or trained less
    #[arg(long, value_name = "MODEL")]
    weak: Option<PathBuf>,
    /// The SVG to write
    #[arg(long, default_value = "velocity.svg")]
    out: PathBuf,
    /// auto, cuda, cuda:N, wgpu, cpu or torch
    #[arg(long, default_value = "auto")]
    device: DeviceChoice,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    match &args.figure {
        Figure::Schedules(args) => draw_schedules(args),
        Figure::Trajectories(args) => draw_trajectories(args),
        Figure::Velocity(args) => draw_velocity(args),
    }
}

fn draw_schedules(args: &SchedulesArgs) -> Result<()> {
    check_name(&args.out)?;
    let mut asked: Vec<Schedule> = args.schedule.iter().map(|text| text.parse()).collect::<Result<_, _>>()?;
    let (table, model) = match &args.model {
        None => (KnotTable::default(), None),
        Some(path) => {
            let source = Source::open(path, &Device::flex())?;
            (source.knots, Some(source.name))
        }
    };
    if let (Some(path), Some(name)) = (&args.model, &model)
        && table.is_empty()
    {
        bail!(
            "no knots were fitted to {name}: the manifest beside {} has none; `flow-digits knots` fits them",
            path.display()
        );
    }
    if asked.is_empty() {
        asked = Schedule::all().filter(|schedule| model.is_some() || !schedule.fitted()).collect();
    }
    if model.is_none()
        && let Some(fitted) = asked.iter().find(|schedule| schedule.fitted())
    {
        bail!("the schedule {fitted} is fitted to a model: name one with --model");
    }
    let svg = schedules::svg(&asked, args.steps, &table, model.as_deref())?;
    save(&args.out, &svg)
}

fn draw_trajectories(args: &TrajectoriesArgs) -> Result<()> {
    check_name(&args.out)?;
    let mut plan = args.plan.plan(TRAJECTORIES_PLAN)?;
    let opened = args.device.open()?;
    trainer::outln!("device: {}", opened.description);
    let source = Source::open(&args.model, &opened.device)?;
    plan.model.clone_from(&source.name);
    let weak = args.weak.as_ref().map(|path| Source::open(path, &opened.device)).transpose()?;
    let sampler = sampler(&source, weak.as_ref(), &opened.device)?;
    let bar = ProgressBar::new(1000);
    if let Ok(style) = ProgressStyle::with_template("{msg:10} {bar:30} {percent}%, {eta} left") {
        bar.set_style(style);
    }
    bar.set_message("sampling");
    let count = plan.count as f64;
    let (paths, evaluations) =
        collect::trajectories(&sampler, &plan, |done| bar.set_position((1000.0 * done / count) as u64))?;
    bar.finish_and_clear();
    let how = collect::in_words(&source.name, &plan, evaluations);
    trainer::outln!("plan: {plan}");
    save(&args.out, &trajectories::svg(&paths, args.projection, &how)?)
}

fn draw_velocity(args: &VelocityArgs) -> Result<()> {
    check_name(&args.out)?;
    let mut plan = args.plan.plan(VELOCITY_PLAN)?;
    if args.plan.names_pictures() == Some("count") {
        bail!("this figure shows one digit: --count has no place here; --digit and --seed choose which");
    }
    let opened = args.device.open()?;
    trainer::outln!("device: {}", opened.description);
    let source = Source::open(&args.model, &opened.device)?;
    plan.model.clone_from(&source.name);
    plan.count = 1;
    source.require_images("plot velocity")?;
    let [channels, height, width] = source.architecture.image();
    if channels != 1 {
        bail!("{} makes images of {channels} channels; ink has one", source.name);
    }
    let weak = args.weak.as_ref().map(|path| Source::open(path, &opened.device)).transpose()?;
    let sampler = sampler(&source, weak.as_ref(), &opened.device)?;
    let (frames, end, evaluations) = collect::film(&source, &sampler, &plan, usize::from(args.frames))?;
    let svg = velocity::svg(&Film {
        size: (height, width),
        frames,
        end,
        block: usize::from(args.block),
        arrows: args.arrows,
        title: format!("What pushes: the velocity while noise becomes a {}", plan.label(0)),
        how: collect::in_words(&source.name, &plan, evaluations),
    })?;
    trainer::outln!("plan: {plan}");
    save(&args.out, &svg)
}

fn sampler<'a>(source: &'a Source, weak: Option<&'a Source>, device: &Device) -> Result<Sampler<'a>> {
    let sampler = Sampler::of(source, device);
    match weak {
        Some(weak) => sampler.with_weak(weak),
        None => Ok(sampler),
    }
}

fn save(path: &Path, svg: &str) -> Result<()> {
    write(path, svg)?;
    trainer::outln!("wrote {} ({} kB)", path.display(), svg.len().div_ceil(1000));
    Ok(())
}
