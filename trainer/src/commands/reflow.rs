//! `flow-digits reflow`: pairs of noises and a trained model's images, for a student of few steps.

use super::plan::PlanArgs;
use anyhow::{Result, bail};
use std::path::PathBuf;
use trainer::device::DeviceChoice;
use trainer::reflow::{Facts, MOST, fingerprint, make};
use trainer::sampler::Sampler;
use trainer::source::Source;

const EXAMPLES: &str = "\
Examples:
  flow-digits reflow public/models/mnist-unet.safetensors --pairs 40000 --steps 8 --guidance 1.3 --seed 20261125
  flow-digits train recipes/mnist-few.toml --from public/models/mnist-unet.safetensors

The pairs go into pairs/NAME, where a recipe with [reflow] looks for them. Interrupted, the same command goes on.";

#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The teacher: an exported model, a run folder or a checkpoint
    model: PathBuf,
    #[command(flatten)]
    plan: PlanArgs,
    /// Pairs to make
    #[arg(long, default_value_t = 40_000)]
    pairs: usize,
    /// The folder to write [default: pairs/NAME of the teacher]
    #[arg(long)]
    out: Option<PathBuf>,
    /// auto, cuda, cuda:N, wgpu, cpu or torch
    #[arg(long, default_value = "auto")]
    device: DeviceChoice,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    if !(1..=MOST).contains(&args.pairs) {
        bail!("--pairs {}: accepted are 1 to {MOST}", args.pairs);
    }
    if let Some(flag) = args.plan.names_pictures() {
        bail!("--{flag} has no say here: pairs are of all classes in turn, and --pairs says how many");
    }
    let opened = args.device.open()?;
    let source = Source::open(&args.model, &opened.device)?;
    source.require_images("reflow")?;
    let plan = args.plan.plan("")?;
    let folder = args.out.clone().unwrap_or_else(|| PathBuf::from("pairs").join(&source.name));
    let facts = Facts {
        teacher: source.name.clone(),
        weights: fingerprint(&source.network.weights()),
        plan: plan.to_string(),
        evaluations: 0,
        image: source.architecture.image(),
        classes: source.architecture.classes(),
        normalization: source.normalization,
    };
    trainer::outln!("device: {}", opened.description);
    let bar = super::image_bar(args.pairs, "pairs");
    let sampler = Sampler::of(&source, &opened.device);
    let made = make(&sampler, &facts, args.pairs, &folder, |count| bar.set_position(count as u64))?;
    bar.finish_and_clear();
    trainer::outln!(
        "{} pairs by {} with {}: {} evaluations each, in {}",
        args.pairs,
        made.teacher,
        made.plan,
        made.evaluations,
        folder.display()
    );
    Ok(())
}
