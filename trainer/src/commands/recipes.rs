//! `flow-digits recipes`.

use anyhow::Result;
use std::path::PathBuf;
use trainer::catalogue::{Listed, Outcome, read};

const EXAMPLES: &str = "\
Examples:
  flow-digits recipes
  flow-digits recipes recipes --json

Cost: three times the multiply-adds of an evaluation for every image seen, in 10^12. Result: of the shipped model of that
name, with the plan of its lowest FID.";

#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Folder of recipes
    #[arg(default_value = "recipes")]
    folder: PathBuf,
    /// As JSON
    #[arg(long)]
    json: bool,
    /// Folder of the models' manifest, where results stand
    #[arg(long, default_value = super::MODELS)]
    models: PathBuf,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    let all = read(&args.folder, Some(&args.models.join("manifest.json")))?;
    if args.json {
        trainer::outln!("{}", serde_json::to_string_pretty(&all)?);
        return Ok(());
    }
    let head = ["recipe", "what", "network", "parameters", "mult.-adds", "images", "cost", "result"];
    let rows: Vec<[String; 8]> =
        std::iter::once(head.map(str::to_owned)).chain(all.iter().map(row)).collect();
    let widths: Vec<usize> =
        (0..8).map(|i| rows.iter().map(|row| row[i].chars().count()).max().unwrap_or(0)).collect();
    for row in &rows {
        let cells = row.iter().zip(&widths).enumerate().map(|(i, (cell, width))| match i {
            3..=6 => format!("{cell:>width$}"),
            _ => format!("{cell:width$}"),
        });
        trainer::outln!("{}", cells.collect::<Vec<_>>().join("  ").trim_end());
    }
    Ok(())
}

fn row(listed: &Listed) -> [String; 8] {
    let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    let what = match &listed.dataset {
        Some(dataset) => format!("{} ({dataset})", listed.what),
        None => listed.what.clone(),
    };
    [
        listed.file.clone(),
        what,
        or_dash(listed.network.clone()),
        or_dash(listed.parameters.map(|n| format!("{:.0} k", n as f64 / 1e3))),
        or_dash(listed.multiply_adds.map(|n| format!("{:.1} M", n as f64 / 1e6))),
        or_dash(listed.images.map(|n| format!("{:.0} k", n as f64 / 1e3))),
        or_dash(listed.cost.map(|n| format!("{:.1}", n / 1e12))),
        or_dash(listed.result.as_ref().map(result)),
    ]
}

fn result(outcome: &Outcome) -> String {
    let fid = outcome.fid.map(|fid| format!("FID {fid:.2}"));
    let accuracy = outcome.accuracy.map(|share| format!("{:.1}%", 100.0 * share));
    [fid, accuracy].into_iter().flatten().collect::<Vec<_>>().join(", ")
}
