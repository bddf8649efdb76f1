//! `flow-digits zoo`.

use anyhow::{Context, Result, bail};
use model_export::manifest::Manifest;
use model_export::write_atomically;
use std::path::PathBuf;
use trainer::device::DeviceChoice;
use trainer::judge::Judge;
use trainer::zoo::{Zoo, markdown, measure, missing};

const EXAMPLES: &str = "\
Examples:
  flow-digits zoo
  flow-digits zoo --images 500 --out /tmp/zoo.md

What is measured is kept in a JSON file beside the report; a second run measures only models that are new.";

#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Folder of the models and their manifest
    #[arg(long, default_value = super::MODELS)]
    dir: PathBuf,
    /// Pictures of each figure, 100 to 100000
    #[arg(long, default_value_t = 2000)]
    images: usize,
    /// Seed of the noises
    #[arg(long, default_value_t = 7)]
    seed: u64,
    /// The report, Markdown
    #[arg(long, default_value = "docs/results/zoo.md")]
    out: PathBuf,
    /// Measure every model anew
    #[arg(long)]
    anew: bool,
    /// auto, cuda, cuda:N, wgpu, cpu or torch
    #[arg(long, default_value = "auto")]
    device: DeviceChoice,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    if !(100..=100_000).contains(&args.images) {
        bail!("--images {}: accepted are 100 to 100000", args.images);
    }
    let path = args.dir.join("manifest.json");
    let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let manifest = Manifest::parse(&text).with_context(|| path.display().to_string())?;
    let kept = args.out.with_extension("json");
    let mut zoo = Zoo { images: args.images, seed: args.seed, lines: vec![] };
    if let Ok(text) = std::fs::read_to_string(&kept)
        && !args.anew
    {
        let before: Zoo = serde_json::from_str(&text).with_context(|| {
            format!("{} is not what this command writes; --anew replaces it", kept.display())
        })?;
        if (before.images, before.seed) == (args.images, args.seed) {
            zoo = before;
        } else {
            trainer::outln!("{} has other images or another seed: all is measured anew", kept.display());
        }
    }
    let opened = args.device.open()?;
    trainer::outln!("device: {}", opened.description);
    if let Some(folder) = args.out.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    }
    for entry in missing(&manifest, &zoo) {
        trainer::outln!("{}", entry.id);
        let bar = super::image_bar(args.images, "sampling");
        let judge = |set| Judge::open(&super::judge_file(None, set)?, &opened.device);
        let line = measure(
            &args.dir,
            &manifest,
            entry,
            &opened.device,
            (args.images, args.seed),
            judge,
            |done, of| {
                bar.set_length(of as u64);
                bar.set_position(done as u64);
            },
        );
        bar.finish_and_clear();
        let line = line.with_context(|| entry.id.clone())?;
        for figure in &line.figures {
            trainer::outln!("  {}", figure.line());
        }
        zoo.lines.retain(|known| known.id != line.id);
        zoo.lines.push(line);
        // After each model: a break loses one at most.
        write_atomically(&kept, serde_json::to_string_pretty(&zoo)?.as_bytes())?;
    }
    let place = |id: &str| manifest.models.iter().position(|entry| entry.id == id);
    zoo.lines.retain(|line| place(&line.id).is_some());
    zoo.lines.sort_by_key(|line| place(&line.id));
    write_atomically(&kept, serde_json::to_string_pretty(&zoo)?.as_bytes())?;
    let command = format!("flow-digits zoo --images {} --seed {}", args.images, args.seed);
    write_atomically(&args.out, markdown(&zoo, &command)?.as_bytes())
        .with_context(|| format!("cannot write {}", args.out.display()))?;
    trainer::outln!("wrote {} and {}: {} models", args.out.display(), kept.display(), zoo.lines.len());
    Ok(())
}
