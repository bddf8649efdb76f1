//! `flow-digits study`.

use anyhow::{Context, Result, bail};
use indicatif::{ProgressBar, ProgressStyle};
use std::path::PathBuf;
use trainer::device::DeviceChoice;
use trainer::judge::Judge;
use trainer::study::{Findings, Ledger, Options, Progress, StudyRecipe, cells, open_models, report, run};

const EXAMPLES: &str = "\
Examples:
  flow-digits study recipes/study.toml --jobs 2
  flow-digits study recipes/study.toml --only schedules --images 200 --out /tmp/try --public /tmp/try/results.json
  flow-digits study recipes/study.toml --report-only

Every finished cell is in the ledger at once; a study that was stopped goes on where it was. A cell that cannot be
(a solver that costs more than its budget) is told in the report.";

#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The study's recipe, a TOML file
    recipe: PathBuf,
    /// Compute only this part; may be given several times
    #[arg(long, value_name = "PART")]
    only: Vec<String>,
    /// Images of each cell, instead of the recipe's
    #[arg(long)]
    images: Option<usize>,
    /// Cells to compute beside each other; on LibTorch set OMP_NUM_THREADS=1 with it
    #[arg(long, default_value_t = 1)]
    jobs: usize,
    /// Write the report from what is finished, compute nothing
    #[arg(long)]
    report_only: bool,
    /// Folder of the ledger [default: runs/study-NAME]
    #[arg(long)]
    work: Option<PathBuf>,
    /// Folder of the report: NAME.md, and NAME/ with its table, its plots and the figures as JSON
    #[arg(long, default_value = "docs/results")]
    out: PathBuf,
    /// The figures for the page
    #[arg(long, default_value = "public/results.json")]
    public: PathBuf,
    /// The judge's file
    #[arg(long, default_value = "trainer/judge/mnist-classifier.safetensors")]
    judge: PathBuf,
    /// auto, cuda, cuda:N, wgpu, cpu or torch
    #[arg(long, default_value = "auto")]
    device: DeviceChoice,
}

pub(crate) fn run_study(args: &Args) -> Result<()> {
    let mut recipe = StudyRecipe::open(&args.recipe)?;
    if let Some(images) = args.images {
        if !trainer::study::IMAGES.contains(&images) {
            bail!(
                "--images {images}: accepted are {} to {}",
                trainer::study::IMAGES.start(),
                trainer::study::IMAGES.end()
            );
        }
        recipe.images = images;
        recipe.parts.iter_mut().for_each(|part| part.images = None);
    }
    if !(1..=64).contains(&args.jobs) {
        bail!("--jobs {}: accepted are 1 to 64", args.jobs);
    }
    for name in &args.only {
        if !recipe.parts.iter().any(|part| part.id == *name) {
            let known: Vec<&str> = recipe.parts.iter().map(|part| part.id.as_str()).collect();
            bail!("--only {name}: the recipe's parts are {}", known.join(", "));
        }
    }
    let opened = args.device.open()?;
    trainer::errln!("device: {}", opened.description);
    let judge = Judge::open(&args.judge, &opened.device)?;
    let facts = judge.facts.as_ref().context("the judge's file has no statistics of the training set")?;
    let reference = format!("{} ({})", facts.reference, facts.reference_count);
    let cells = cells(&recipe)?;
    let models = open_models(&cells, &opened)?;
    let folder = args.work.clone().unwrap_or_else(|| PathBuf::from(format!("runs/study-{}", recipe.name)));
    let ledger = if args.report_only { Ledger::read(&folder)? } else { Ledger::open(&folder)? };
    let mut failed = 0;
    if !args.report_only {
        let wanted: Vec<_> = cells
            .iter()
            .filter(|cell| args.only.is_empty() || args.only.contains(&recipe.parts[cell.part].id))
            .cloned()
            .collect();
        let bar = ProgressBar::new(0);
        if let Ok(style) =
            ProgressStyle::with_template("{bar:24} {percent}% {msg}, {elapsed} gone, {eta} left")
        {
            bar.set_style(style);
        }
        let options = Options { device: args.device.clone(), judge: args.judge.clone(), jobs: args.jobs };
        let begin = |count: usize, work: u64| {
            trainer::errln!("{count} cells to compute, {} in the ledger {}", ledger.len(), folder.display());
            bar.set_length(work);
        };
        failed = run(&recipe, &wanted, &models, &ledger, &options, begin, &|progress| match progress {
            Progress::Work(done) => bar.inc(done),
            Progress::Done(plan, figure) => {
                let what = format!(
                    "{} {} {} -> FID {:.2}",
                    plan.solver, plan.schedule, figure.evaluations, figure.fid
                );
                if bar.is_hidden() {
                    trainer::errln!("{what}");
                }
                bar.set_message(what);
            }
            Progress::Failed(plan, error) => bar.suspend(|| trainer::errln!("failed: {plan}: {error:#}")),
        })?;
        bar.finish_and_clear();
    }
    let findings =
        Findings::gather(&recipe, &cells, &models, &ledger, (judge.description.clone(), reference))?;
    for path in report::write(&findings, &args.recipe, &args.out, &args.public)? {
        trainer::outln!("wrote {}", path.display());
    }
    for verdict in &findings.verdicts {
        let [pro, contra, open] = verdict.counts;
        trainer::outln!(
            "{}: {} ({pro} for, {contra} against, {open} undecided)",
            verdict.says,
            verdict.conclusion
        );
    }
    if failed > 0 {
        bail!("{failed} cells failed; the same command tries them again");
    }
    Ok(())
}
