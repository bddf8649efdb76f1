//! `flow-digits likelihood`.

use super::plan::PlanArgs;
use anyhow::{Context, Result, bail};
use flow::likelihood::{MOST_PROBES, Probes};
use std::path::PathBuf;
use std::time::Instant;
use trainer::device::DeviceChoice;
use trainer::evaluation;
use trainer::likelihood::{Mean, Question, likelihoods, mean};
use trainer::source::Source;

const EXAMPLES: &str = "\
Examples:
  flow-digits likelihood public/models/mnist-unet.safetensors
  flow-digits likelihood runs/mnist-unet --images 100 --probes 8 --out likelihood.json
  flow-digits likelihood runs/mnist-unet --images 1 --exact --solver rk4 --steps 20

Images are test images, each asked about under its own class; --guidance 0 asks without classes. Bits a pixel are those
of grey levels with uniform dequantization: at least what a lossless code takes. Without solver flags dopri5 walks back to
a tolerance of 1e-4. Steps that are too few tell too few bits (20 Heun steps 0.3 too few on the model that ships), and no
error bar shows it: compare with twice as many.";

/// What is asked when nothing is said: the model as it was learned, to a tolerance.
const DEFAULT: &str = "solver=dopri5&tol=1e-4&guidance=1&seed=0";
/// The same where steps are chosen.
const DEFAULT_IN_STEPS: &str = "steps=80&guidance=1&seed=0";

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
    #[arg(long, default_value_t = 0)]
    index: usize,
    /// Test images to ask about
    #[arg(long, default_value_t = 16)]
    images: usize,
    /// Random probes of the divergence; each costs a pass through the network and one back at every look
    #[arg(long, default_value_t = 4)]
    probes: usize,
    /// The exact divergence: as many probes as pixels, about 200 times the default's cost
    #[arg(long, conflicts_with = "probes")]
    exact: bool,
    /// Ask at the grey levels themselves; such densities bound nothing
    #[arg(long)]
    no_dequantize: bool,
    /// All figures as JSON
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// auto, cuda, cuda:N, wgpu, cpu or torch
    #[arg(long, default_value = "auto")]
    device: DeviceChoice,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    if let Some(flag) = args.plan.names_pictures() {
        bail!("--{flag} is not taken: likelihood asks about --images real digits, each under its own class");
    }
    if args.images == 0 {
        bail!("--images takes 1 or more");
    }
    if !(1..=MOST_PROBES).contains(&args.probes) {
        bail!("--probes {}: accepted are 1 to {MOST_PROBES}", args.probes);
    }
    let default = if args.plan.names_steps() { DEFAULT_IN_STEPS } else { DEFAULT };
    let plan = args.plan.plan(default)?;
    let opened = args.device.open()?;
    trainer::errln!("device: {}", opened.description);
    let source = Source::open(&args.model, &opened.device)?;
    source.require_images("likelihood")?;
    let test = source.dataset.load_test(&super::data_folder(args.data.as_deref(), source.dataset))?;
    let images = args.index..args.index.saturating_add(args.images);
    if images.end > test.count {
        let count = test.count;
        bail!("--index {} --images {}: there are {count} test images", args.index, args.images);
    }
    let pixels = source.architecture.image_len();
    let probes = if args.exact { Probes::Exact } else { Probes::Rademacher(args.probes) };
    if args.exact {
        trainer::errln!(
            "warning: --exact takes {pixels} passes forth and back an image at every look; {} images may take hours",
            args.images
        );
    }
    let question = Question { plan: &plan, probes, dequantize: !args.no_dequantize };
    let bar = super::part_bar("likelihood");
    let start = Instant::now();
    let told = likelihoods(&source, &opened.device, &test, images, &question, |part| {
        bar.set_position((part * super::PARTS as f64) as u64);
    })?;
    bar.finish_and_clear();
    let seconds = start.elapsed().as_secs_f64();

    let nats = mean(&told.iter().map(|image| (image.nats, image.standard_error)).collect::<Vec<_>>());
    let in_bits = 1.0 / (pixels as f64 * std::f64::consts::LN_2);
    let bits = Mean {
        mean: -nats.mean * in_bits,
        error_of_images: nats.error_of_images.map(|e| e * in_bits),
        error_of_probes: nats.error_of_probes.map(|e| e * in_bits),
    };
    let text = evaluation::plan_text(&plan);
    let probes = if args.exact { "exact".to_owned() } else { format!("{} Rademacher", args.probes) };
    if let Some(path) = &args.out {
        let report = serde_json::json!({
            "model": source.name, "plan": text, "probes": probes, "dequantized": !args.no_dequantize,
            "split": "test", "dimensions": pixels, "nats": nats, "bits_per_dimension": bits,
            "seconds": seconds, "images": told,
        });
        let bytes = format!("{}\n", serde_json::to_string_pretty(&report)?);
        model_export::write_atomically(path, bytes.as_bytes())
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    trainer::outln!("image  digit       nats  bits a pixel");
    for image in &told {
        trainer::outln!(
            "{:5}  {:5}  {:>9.1}{}  {:.3}",
            image.image,
            image.label,
            image.nats,
            bar_of(image.standard_error, 1),
            image.bits_per_dimension
        );
    }
    trainer::outln!("plan: {text}&model={}, probes: {probes}", source.name);
    let unit =
        if args.no_dequantize { "no dequantization: bounds nothing" } else { "uniform dequantization" };
    trainer::outln!(
        "mean of {} test images: {:.1} nats{}, {:.4} bits a pixel{} ({unit})",
        told.len(),
        nats.mean,
        errors(&nats, 1),
        bits.mean,
        errors(&bits, 4)
    );
    let evaluations = told.iter().map(|image| image.evaluations).max().unwrap_or(0);
    trainer::outln!("{evaluations} evaluations an image (passes forth and back), {seconds:.1} s");
    if let Some(path) = &args.out {
        trainer::outln!("wrote {}", path.display());
    }
    Ok(())
}

fn bar_of(error: Option<f64>, digits: usize) -> String {
    error.map_or_else(String::new, |error| format!(" ± {error:.digits$}"))
}

/// Both errors of a mean, named.
fn errors(mean: &Mean, digits: usize) -> String {
    let named = [(mean.error_of_images, "images"), (mean.error_of_probes, "probes")];
    let parts: Vec<String> = named
        .iter()
        .filter_map(|(error, of)| Some(format!("± {:.digits$} from the {of}", (*error)?)))
        .collect();
    if parts.is_empty() { String::new() } else { format!(" ({})", parts.join(", ")) }
}
