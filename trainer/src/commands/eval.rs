//! `flow-digits eval`.

use super::plan::PlanArgs;
use anyhow::{Result, bail};
use std::path::PathBuf;
use trainer::data::DataSet;
use trainer::device::DeviceChoice;
use trainer::evaluation::evaluate;
use trainer::judge::Judge;
use trainer::sampler::Sampler;
use trainer::source::Source;

const EXAMPLES: &str = "\
Examples:
  flow-digits eval public/models/mnist-unet.safetensors
  flow-digits eval runs/mnist-unet --guidance 1 --steps 10 --images 2000
  flow-digits eval --judge-only --data data/mnist

Without guidance flags, the model is judged without guidance (scale 1) and with it (scale 2), by 10 Heun steps
on the inverse-cubic schedule.";

#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// An exported model, a run folder or a checkpoint
    #[arg(required_unless_present = "judge_only")]
    model: Option<PathBuf>,
    #[command(flatten)]
    plan: PlanArgs,
    /// Images to generate and judge; FID from fewer than a few thousand is biased upwards
    #[arg(long, default_value_t = 10_000)]
    images: usize,
    /// The judge's file [default: the one that ships for the model's data set]
    #[arg(long)]
    judge: Option<PathBuf>,
    /// Judge the judge: its accuracy on MNIST's test images
    #[arg(long)]
    judge_only: bool,
    /// The data set of --judge-only: mnist or fashion-mnist
    #[arg(long, default_value = "mnist", requires = "judge_only")]
    set: DataSet,
    /// Its folder, for --judge-only [default: data/ and the set's name]
    #[arg(long)]
    data: Option<PathBuf>,
    /// The figures as JSON, one line a plan
    #[arg(long)]
    json: bool,
    /// A second, weaker model for guidance=autoguidance [default: the one that the manifest beside the model names]
    #[arg(long, value_name = "MODEL")]
    weak: Option<PathBuf>,
    /// auto, cuda, cuda:N, wgpu, cpu or torch
    #[arg(long, default_value = "auto")]
    device: DeviceChoice,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    if let Some(flag) = args.plan.names_pictures() {
        bail!("--{flag} is not taken: eval judges --images digits, the classes 0 to 9 in turn");
    }
    let opened = args.device.open()?;
    trainer::errln!("device: {}", opened.description);
    let open_judge = |set: DataSet| -> Result<Judge> {
        let judge = Judge::open(&super::judge_file(args.judge.as_deref(), set)?, &opened.device)?;
        trainer::errln!("judge: {}", judge.description);
        Ok(judge)
    };
    let Some(model) = args.model.as_ref().filter(|_| !args.judge_only) else {
        let judge = open_judge(args.set)?;
        let test = args.set.load_test(&super::data_folder(args.data.as_deref(), args.set))?;
        let bar = super::image_bar(test.count, "judging");
        let verdict = judge.look_at(&test, |n| bar.set_position(n as u64))?;
        bar.finish_and_clear();
        let accuracy = verdict.accuracy(&test.labels);
        if args.json {
            let test_fid = judge.facts.as_ref().map(|facts| facts.test_fid);
            let facts = serde_json::json!({
                "judge": judge.description, "test_images": test.count, "accuracy": accuracy, "test_fid": test_fid,
            });
            trainer::outln!("{facts}");
            return Ok(());
        }
        trainer::outln!("{:.2}% of {} test images", 100.0 * accuracy, test.count);
        if let Some(facts) = &judge.facts {
            trainer::outln!("FID of the real test images against {}: {:.3}", facts.reference, facts.test_fid);
        }
        return Ok(());
    };
    if !(100..=1_000_000).contains(&args.images) {
        bail!("--images {}: accepted are 100 to 1000000", args.images);
    }
    let source = Source::open(model, &opened.device)?;
    let judge = open_judge(source.dataset)?;
    let plan = args.plan.plan("")?;
    let weak = source.weaker(args.weak.as_deref(), &plan.guidance, &opened.device)?;
    let sampler = Sampler::of(&source, &opened.device);
    let sampler = match &weak {
        Some(weak) => sampler.with_weak(weak)?,
        None => sampler,
    };
    let plans = if args.plan.names_guidance() {
        vec![plan]
    } else {
        let mut without = plan.clone();
        without.set("guidance", "1")?;
        vec![without, plan]
    };
    for plan in plans {
        let bar = super::image_bar(args.images, "sampling");
        let evaluation = evaluate(&sampler, &judge, &plan, args.images, |n| bar.set_position(n as u64))?;
        bar.finish_and_clear();
        if args.json {
            trainer::outln!("{}", serde_json::to_string(&evaluation)?);
        } else {
            trainer::outln!("{}", evaluation.plan);
            trainer::outln!("  {}; {:.0} s", evaluation.line(), evaluation.seconds);
        }
    }
    Ok(())
}
