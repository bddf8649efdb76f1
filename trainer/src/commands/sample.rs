//! `flow-digits sample`.

use super::plan::PlanArgs;
use anyhow::{Result, bail};
use std::path::PathBuf;
use trainer::device::DeviceChoice;
use trainer::evaluation;
use trainer::image::npy;
use trainer::sampler::{Sampler, write_grid};
use trainer::source::Source;

const EXAMPLES: &str = "\
Examples:
  flow-digits sample public/models/mnist-unet.safetensors --out digits.png
  flow-digits sample runs/mnist-unet --digit 7 --solver euler --steps 20 --guidance 1 --out sevens.png
  flow-digits sample runs/mnist-unet --class-grid --out classes.png --npy images.npy";

#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// An exported model, a run folder or a checkpoint
    model: PathBuf,
    #[command(flatten)]
    plan: PlanArgs,
    /// The PNG grid to write
    #[arg(long, default_value = "samples.png")]
    out: PathBuf,
    /// One row a class, ten columns, the same noises in every row
    #[arg(long)]
    class_grid: bool,
    /// Columns of the grid [default: ten, or fewer to make a square]
    #[arg(long)]
    columns: Option<usize>,
    /// Also write the images as float32 N x 28 x 28 in [0, 1], and their labels beside (NAME-labels.npy)
    #[arg(long, value_name = "FILE")]
    npy: Option<PathBuf>,
    /// A second, weaker model for guidance=autoguidance [default: the one that the manifest beside the model names]
    #[arg(long, value_name = "MODEL")]
    weak: Option<PathBuf>,
    /// auto, cuda, cuda:N, wgpu, cpu or torch
    #[arg(long, default_value = "auto")]
    device: DeviceChoice,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    if args.columns == Some(0) {
        bail!("--columns takes 1 or more");
    }
    if args.npy.as_ref() == Some(&args.out) {
        bail!("--out and --npy both name {}: give two files", args.out.display());
    }
    let mut plan = args.plan.plan("")?;
    let opened = args.device.open()?;
    trainer::outln!("device: {}", opened.description);
    let source = Source::open(&args.model, &opened.device)?;
    plan.model.clone_from(&source.name);
    let weak = source.weaker(args.weak.as_deref(), &plan.guidance, &opened.device)?;
    let sampler = Sampler::of(&source, &opened.device);
    let sampler = match &weak {
        Some(weak) => sampler.with_weak(weak)?,
        None => sampler,
    };
    let classes = source.architecture.classes();
    let total = if args.class_grid { classes * 10 } else { plan.count };
    let bar = super::image_bar(total, "sampling");
    let (samples, columns) = if args.class_grid {
        let mut rows = None;
        for class in 0..classes as u8 {
            let row = sampler
                .run_labels(&plan, &[class; 10], 0, |n| bar.set_position(u64::from(class) * 10 + n as u64))?;
            match &mut rows {
                None => rows = Some(row),
                Some(all) => all.append(row),
            }
        }
        let Some(rows) = rows else { bail!("the model has no classes") };
        (rows, args.columns.unwrap_or(10))
    } else {
        let samples = sampler.run(&plan, |n| bar.set_position(n as u64))?;
        let square = (1..=10).find(|n| n * n >= plan.count).unwrap_or(10);
        (samples, args.columns.unwrap_or(square))
    };
    bar.finish_and_clear();
    write_grid(&args.out, &samples, columns)?;
    if args.class_grid {
        let text = evaluation::plan_text(&plan);
        trainer::outln!("plan: {text}&model={}, {classes} classes x 10", source.name);
    } else {
        trainer::outln!("plan: {plan}");
    }
    trainer::outln!(
        "{} images, {} evaluations an image, {:.2} s ({:.1} ms an image)",
        samples.labels.len(),
        samples.evaluations,
        samples.time.as_secs_f64(),
        1000.0 * samples.time.as_secs_f64() / samples.labels.len() as f64
    );
    trainer::outln!("wrote {}", args.out.display());
    if let Some(path) = &args.npy {
        let [_, height, width] = samples.image;
        let labels = npy::write(path, &samples.pixels, height, width, &samples.labels)?;
        trainer::outln!("wrote {} and {}", path.display(), labels.display());
    }
    Ok(())
}
