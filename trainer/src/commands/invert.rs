//! `flow-digits invert`.

use super::plan::PlanArgs;
use anyhow::{Context, Result, bail};
use flow::plan::Digit;
use std::path::PathBuf;
use trainer::device::DeviceChoice;
use trainer::image::grid::{GridOptions, write_png};
use trainer::image::read::read_png;
use trainer::inversion::invert;
use trainer::source::Source;

const EXAMPLES: &str = "\
Examples:
  flow-digits invert public/models/mnist-unet.safetensors --index 3 --out inverted.png
  flow-digits invert runs/mnist-unet --index 0 --images 5 --to 3 --guidance 2 --out as-threes.png
  flow-digits invert runs/mnist-unet --png mine.png --digit 7 --to 2 --steps 40 --out strip.png

A row an image: the image, its noise, the image drawn again from that noise, and with --to the other digit drawn from
the same noise. A test image is inverted as what its label says, a PNG as --digit or else without a class. Without solver
flags each way is walked by 20 steps of rk4 on the inverse-cubic schedule.";

/// At equal evaluations 3 to 12 times closer than Heun's 40 steps (five test images, the model that ships).
const DEFAULT: &str = "solver=rk4&steps=20&guidance=1";
/// Grey is no noise, and black and white are three standard deviations from it.
const NOISE_SPREAD: f32 = 6.0;

#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// An exported model, a run folder or a checkpoint
    model: PathBuf,
    #[command(flatten)]
    plan: PlanArgs,
    /// Folder with MNIST
    #[arg(long)]
    data: Option<PathBuf>,
    /// The first test image
    #[arg(long, default_value_t = 0, conflicts_with = "png")]
    index: usize,
    /// Test images, one row each
    #[arg(long, default_value_t = 1, conflicts_with = "png")]
    images: usize,
    /// An image of one's own instead: a PNG of the model's size, light ink on black
    #[arg(long, value_name = "FILE")]
    png: Option<PathBuf>,
    /// The PNG shows dark ink on light paper
    #[arg(long, requires = "png")]
    dark_on_light: bool,
    /// Also draw this digit from the noise; --guidance guides this way alone
    #[arg(long, value_name = "DIGIT")]
    to: Option<Digit>,
    /// The PNG to write
    #[arg(long)]
    out: PathBuf,
    /// auto, cuda, cuda:N, wgpu, cpu or torch
    #[arg(long, default_value = "auto")]
    device: DeviceChoice,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    if let Some(flag) = args.plan.names_count() {
        bail!("--{flag} is not taken: --images says how many test images to invert");
    }
    if args.images == 0 || args.images > 100 {
        bail!("--images {}: accepted are 1 to 100", args.images);
    }
    let to = match args.to {
        Some(Digit::Any) => bail!("--to any: accepted is a digit from 0 to 9"),
        Some(Digit::Class(class)) => Some(class),
        None => None,
    };
    if to.is_none() && args.plan.names_guidance() {
        bail!("--guidance guides the way to another digit: give that with --to DIGIT");
    }
    let plan = args.plan.plan(DEFAULT)?;
    let opened = args.device.open()?;
    trainer::outln!("device: {}", opened.description);
    let source = Source::open(&args.model, &opened.device)?;
    source.require_images("invert")?;
    let [_, height, width] = source.architecture.image();
    let (pixels, own, names) = match &args.png {
        Some(path) => {
            let (mut pixels, rows, columns) =
                read_png(path).with_context(|| format!("cannot read {} as a PNG", path.display()))?;
            if (rows, columns) != (height, width) {
                bail!("{} is {columns} x {rows} pixels; the model takes {width} x {height}", path.display());
            }
            if args.dark_on_light {
                pixels.iter_mut().for_each(|p| *p = 1.0 - *p);
            }
            (pixels, vec![source.architecture.null_class() as u8], vec![path.display().to_string()])
        }
        None => {
            let test = source.dataset.load_test(&super::data_folder(args.data.as_deref(), source.dataset))?;
            let (end, count) = (args.index.saturating_add(args.images), test.count);
            if end > count {
                bail!("--index {} --images {}: there are {count} test images", args.index, args.images);
            }
            let size = test.height * test.width;
            let pixels = test.images[args.index * size..end * size].iter().map(|&k| f32::from(k) / 255.0);
            let names = (args.index..end).map(|i| format!("test image {i}")).collect();
            (pixels.collect(), test.labels[args.index..end].to_vec(), names)
        }
    };
    let classes = match plan.digit {
        Digit::Class(class) => vec![class; own.len()],
        Digit::Any => own,
    };
    let bar = super::part_bar("inverting");
    let inverted = invert(&source, &opened.device, &plan, &pixels, &classes, to, |part| {
        bar.set_position((part * super::PARTS as f64) as u64);
    })?;
    bar.finish_and_clear();

    let size = height * width;
    let mut strip = Vec::new();
    for i in 0..classes.len() {
        let part = i * size..(i + 1) * size;
        strip.extend_from_slice(&pixels[part.clone()]);
        strip.extend(inverted.noise[part.clone()].iter().map(|z| 0.5 + z / NOISE_SPREAD));
        strip.extend_from_slice(&inverted.back[part.clone()]);
        strip.extend(inverted.other.iter().flat_map(|other| &other[part.clone()]));
    }
    let columns = if to.is_some() { 4 } else { 3 };
    write_png(&args.out, &strip, height, width, &GridOptions { columns, padding: 4, scale: 4 })
        .with_context(|| format!("cannot write {}", args.out.display()))?;

    for (i, name) in names.iter().enumerate() {
        let error = inverted.errors[i];
        let noise = &inverted.noise[i * size..(i + 1) * size];
        let square: f32 = noise.iter().map(|z| z * z).sum::<f32>() / size as f32;
        let class = match usize::from(classes[i]) == source.architecture.null_class() {
            true => "without a class".to_owned(),
            false => format!("as {}", classes[i]),
        };
        trainer::outln!(
            "{name} {class}: round trip RMS {:.2e}, largest {:.2e} (pixels from 0 to 1); noise RMS {:.3}",
            error.rms,
            error.max,
            square.sqrt()
        );
    }
    let [there, back] = inverted.evaluations;
    trainer::outln!("{there} evaluations to the noise, {back} back");
    if let Some(to) = to {
        let (guidance, cost) = (&plan.guidance, inverted.evaluations_other);
        trainer::outln!("drawn from the same noise as {to}, guidance {guidance}: {cost} evaluations");
    }
    trainer::outln!(
        "wrote {}: image, noise, image again{}",
        args.out.display(),
        if to.is_some() { ", other digit" } else { "" }
    );
    Ok(())
}
