//! `flow-digits export`.

use anyhow::{Result, bail};
use model_export::Precision;
use std::path::PathBuf;
use trainer::device::DeviceChoice;
use trainer::export::{ExportOptions, export_autoencoder, export_judge, export_velocity};
use trainer::fid;
use trainer::judge::{Judge, JudgeFacts};
use trainer::source::open_checkpoint;

const EXAMPLES: &str = "\
Examples:
  flow-digits export runs/mnist-unet
  flow-digits export runs/mnist-unet --precision f16 --images 2000 --dir public/models
  flow-digits export runs/mnist-classifier --judge trainer/judge/mnist-classifier.safetensors";

#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// A run folder or a checkpoint
    run: PathBuf,
    /// Folder of the models and their manifest
    #[arg(long, default_value = super::MODELS)]
    dir: PathBuf,
    /// auto, f32, f16 or int8; auto takes int8 if it costs less than 2% of FID
    #[arg(long, default_value = "auto")]
    precision: String,
    /// Images of each evaluation; 0 measures nothing, needs no judge, and wants a --precision
    #[arg(long, default_value_t = 5000)]
    images: usize,
    /// Make this the model that the page starts with
    #[arg(long)]
    default: bool,
    /// Id of a weaker model of the same manifest, for guidance=autoguidance [default: as the manifest has it]
    #[arg(long, value_name = "ID")]
    weak: Option<String>,
    /// The judge's file: read for a velocity model, written for a classifier [default: the data set's that ships]
    #[arg(long)]
    judge: Option<PathBuf>,
    /// Folder with the data set, for a classifier's statistics and an autoencoder's reconstructions
    /// [default: data/ and the set's name]
    #[arg(long)]
    data: Option<PathBuf>,
    /// auto, cuda, cuda:N, wgpu, cpu or torch
    #[arg(long, default_value = "auto")]
    device: DeviceChoice,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    let precision = match args.precision.as_str() {
        "auto" => None,
        text => match Precision::parse(text) {
            Some(precision) => Some(precision),
            None => bail!("--precision {text}: accepted are auto, f32, f16 and int8"),
        },
    };
    if args.images != 0 && !(100..=1_000_000).contains(&args.images) {
        bail!("--images {}: accepted are 0, or 100 to 1000000", args.images);
    }
    if args.images == 0 && precision.is_none() {
        bail!("--images 0 measures nothing, so --precision must say which: f32, f16 or int8");
    }
    let checkpoint = open_checkpoint(&args.run)?;
    let recipe = checkpoint.recipe()?;
    if recipe.architecture.is_none() && args.weak.is_some() {
        bail!("--weak is for a velocity model; {} is a run of another kind", args.run.display());
    }
    let opened = args.device.open()?;
    trainer::outln!("device: {}", opened.description);
    let judge_file = super::judge_file(args.judge.as_deref(), recipe.dataset);
    let load = || {
        let folder = super::data_folder(args.data.as_deref(), recipe.dataset);
        recipe.dataset.load(&folder, |warning| trainer::errln!("warning: {warning}"))
    };
    let exported = if let Some(config) = &recipe.classifier {
        let trainer::data::Loaded { train, test, .. } = load()?;
        let model = checkpoint.load_average(config.network.init(&opened.device))?;
        let judge = Judge::new(model, config, recipe.normalization, &opened.device);
        let bar = super::image_bar(train.count + test.count, "judging");
        let seen = judge.look_at(&train, |n| bar.set_position(n as u64))?;
        let unseen = judge.look_at(&test, |n| bar.set_position((train.count + n) as u64))?;
        bar.finish_and_clear();
        let reference = fid::Statistics::of(&seen.features, seen.width)?;
        let real = fid::Statistics::of(&unseen.features, unseen.width)?;
        let facts = JudgeFacts {
            test_accuracy: unseen.accuracy(&test.labels),
            reference: format!("{} training set", recipe.dataset.label()),
            reference_count: train.count,
            mean: reference.mean().to_vec(),
            covariance: reference.upper_triangle(),
            test_fid: fid::frechet(&real, &reference)?,
        };
        trainer::outln!("test accuracy {:.2}%", 100.0 * facts.test_accuracy);
        trainer::outln!("FID of the real test images against the training set {:.3}", facts.test_fid);
        export_judge(&checkpoint, &facts, &opened.device, &judge_file?)?
    } else {
        let judge = match args.images {
            0 => None,
            _ => Some(Judge::open(&judge_file?, &opened.device)?),
        };
        let options = ExportOptions {
            dir: args.dir.clone(),
            precision,
            images: args.images,
            default: args.default,
            weak: args.weak.clone(),
        };
        let bar = super::image_bar(args.images, "sampling");
        let progress = |n: usize, what| {
            bar.set_message(what);
            bar.set_position(n as u64);
        };
        let exported = if recipe.autoencoder.is_some() {
            let test = if args.images > 0 { Some(load()?.test) } else { None };
            export_autoencoder(
                &checkpoint,
                judge.as_ref(),
                test.as_ref(),
                &opened.device,
                &options,
                progress,
            )?
        } else {
            export_velocity(&checkpoint, judge.as_ref(), &opened.device, &options, progress)?
        };
        bar.finish_and_clear();
        exported
    };
    for finding in &exported.findings {
        trainer::outln!("{finding}");
    }
    trainer::outln!(
        "wrote {} ({}, {:.0} kB)",
        exported.path.display(),
        exported.precision,
        exported.bytes as f64 / 1e3
    );
    Ok(())
}
