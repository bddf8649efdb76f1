//! Every shipped model side by side: what it is, what its training cost, and what it draws at 4, 10 and 40 evaluations.
//!
//! All models are sampled from the same noises by Euler on even steps without guidance, so that steps are evaluations
//! and nothing but the model differs. Results are kept by the SHA-256 of a model's file (and its decoder's): a second
//! run measures only what is new.

use crate::data::DataSet;
use crate::evaluation::{Evaluation, evaluate};
use crate::judge::Judge;
use crate::sampler::Sampler;
use crate::source::{Origin, Source};
use anyhow::{Context, Result};
use burn::tensor::Device;
use flow::plan::SamplePlan;
use model_export::Kind;
use model_export::manifest::{Manifest, ManifestEntry};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fmt::Write;
use std::path::Path;

/// Evaluations of the plans.
pub const EVALUATIONS: [usize; 3] = [4, 10, 40];

/// One model's line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// The model's id.
    pub id: String,
    /// Its short name.
    pub label: String,
    /// The data set's name.
    pub dataset: String,
    /// SHA-256 of its file, and of its decoder's after a plus sign.
    pub sha256: String,
    /// Trained values, its decoder's included.
    pub parameters: u64,
    /// Multiply-adds of one evaluation.
    pub multiply_adds: u64,
    /// Multiply-adds of decoding, once an image.
    pub decoding_multiply_adds: u64,
    /// Bytes of its file, its decoder's included.
    pub bytes: u64,
    /// Images, or latents, seen in training.
    pub images_seen: u64,
    /// Seconds of its training steps.
    pub seconds: f64,
    /// What it was trained on.
    pub hardware: String,
    /// Figures at [`EVALUATIONS`]; one for a model that evaluates nothing.
    pub figures: Vec<Evaluation>,
    /// Of an autoencoder: what its reconstructions of test images score.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reconstruction: Option<Value>,
}

/// The lines of a report, as they are kept in a file beside it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Zoo {
    /// Images of each figure.
    pub images: usize,
    /// Seed of the noises.
    pub seed: u64,
    /// One a model, in the manifest's order.
    pub lines: Vec<Line>,
}

/// The plan at so many evaluations.
///
/// # Errors
/// Never for a number of steps that a plan takes.
pub fn plan(evaluations: usize, seed: u64) -> Result<SamplePlan> {
    Ok(format!("solver=euler&schedule=linear&steps={evaluations}&guidance=1&seed={seed}").parse()?)
}

/// What identifies a model's pictures: its file, and its decoder's.
fn identity(manifest: &Manifest, entry: &ManifestEntry) -> String {
    match entry.decoder.as_deref().and_then(|id| manifest.entry(id)) {
        Some(decoder) => format!("{}+{}", entry.sha256, decoder.sha256),
        None => entry.sha256.clone(),
    }
}

/// The models of a manifest of which `known` says nothing yet.
pub fn missing<'a>(manifest: &'a Manifest, known: &Zoo) -> Vec<&'a ManifestEntry> {
    let is_known = |entry: &ManifestEntry| {
        let identity = identity(manifest, entry);
        known.lines.iter().any(|line| line.id == entry.id && line.sha256 == identity)
    };
    manifest.models.iter().filter(|entry| entry.can_be_sampled() && !is_known(entry)).collect()
}

/// Measures one model of the manifest in `dir`; `progress` hears how many images of how many are sampled.
///
/// # Errors
/// A model or a judge that cannot be opened, or a sampling that fails.
pub fn measure(
    dir: &Path,
    manifest: &Manifest,
    entry: &ManifestEntry,
    device: &Device,
    (images, seed): (usize, u64),
    judge_of: impl Fn(DataSet) -> Result<Judge>,
    mut progress: impl FnMut(usize, usize),
) -> Result<Line> {
    let source = Source::open(&dir.join(&entry.file), device)?;
    let judge = judge_of(source.dataset)?;
    let sampler = Sampler::of(&source, device);
    let budgets = if source.architecture.is_evaluated() { &EVALUATIONS[..] } else { &EVALUATIONS[..1] };
    let mut figures = Vec::new();
    for (i, &evaluations) in budgets.iter().enumerate() {
        let plan = plan(evaluations, seed)?;
        let done = i * images;
        figures
            .push(evaluate(&sampler, &judge, &plan, images, |n| progress(done + n, budgets.len() * images))?);
    }
    let decoder = entry.decoder.as_deref().and_then(|id| manifest.entry(id));
    let Origin::File(header, _) = &source.origin else { anyhow::bail!("{} is no file", entry.file) };
    let fact = |key: &str| header.training.get(key).cloned().unwrap_or_default();
    let is_autoencoder = entry.kind == Kind::Autoencoder;
    Ok(Line {
        id: entry.id.clone(),
        label: entry.label.clone(),
        dataset: source.dataset.label().to_owned(),
        sha256: identity(manifest, entry),
        parameters: entry.parameters + decoder.map_or(0, |decoder| decoder.parameters),
        multiply_adds: source.architecture.multiply_adds(),
        decoding_multiply_adds: match decoder {
            Some(decoder) => decoder.multiply_adds,
            None if is_autoencoder => entry.multiply_adds,
            None => 0,
        },
        bytes: entry.bytes + decoder.map_or(0, |decoder| decoder.bytes),
        images_seen: fact("images_seen").as_u64().unwrap_or(0),
        seconds: fact("seconds").as_f64().unwrap_or(0.0),
        hardware: fact("hardware").as_str().unwrap_or_default().to_owned(),
        figures,
        reconstruction: decoder.unwrap_or(entry).metrics.get("reconstruction").cloned(),
    })
}

/// 95% interval of a share of `count` (Wilson 1927).
pub fn wilson(share: f64, count: usize) -> (f64, f64) {
    const Z: f64 = 1.959_964;
    let n = count.max(1) as f64;
    let middle = share + Z * Z / (2.0 * n);
    let half = Z * (share * (1.0 - share) / n + Z * Z / (4.0 * n * n)).sqrt();
    ((middle - half) / (1.0 + Z * Z / n), (middle + half) / (1.0 + Z * Z / n))
}

/// A count for people: 184.7 k, 1.33 M.
fn short(n: u64) -> String {
    match n {
        0 => "0".to_owned(),
        n if n < 1_000 => n.to_string(),
        n if n < 999_500 => format!("{:.1} k", n as f64 / 1e3),
        n => format!("{:.2} M", n as f64 / 1e6),
    }
}

/// The report as Markdown; `command` is what makes it again.
///
/// # Errors
/// A report without lines.
pub fn markdown(zoo: &Zoo, command: &str) -> Result<String> {
    let first = zoo.lines.first().and_then(|line| line.figures.first()).context("no model was measured")?;
    let mut text = format!(
        "# The models that ship\n\n\
         Made by `{command}`. Every model draws {} pictures of its ten classes in turn from the same noises (seed {}), by \
         Euler on even steps without guidance, so that steps are evaluations. FID is the Fréchet distance over the features \
         of a small classifier trained on the data set (for MNIST {}), against its training set; it compares models here \
         and nothing outside. In brackets: 95%, for FID by a bootstrap over the pictures, for accuracy by Wilson's formula. \
         One training each: differences carry no interval over trainings.\n\n\
         ## What they draw\n\n\
         | model | FID at 4 | at 10 | at 40 | accuracy at 4 | at 10 | at 40 |\n|---|---|---|---|---|---|---|\n",
        zoo.images, zoo.seed, first.extractor
    );
    for line in &zoo.lines {
        let mut cells = vec![String::new(); 6];
        for (i, figure) in line.figures.iter().enumerate() {
            cells[i] = format!("{:.2} ({:.2} to {:.2})", figure.fid, figure.fid_low, figure.fid_high);
            let (low, high) = wilson(figure.accuracy, figure.images);
            cells[3 + i] =
                format!("{:.1}% ({:.1} to {:.1})", 100.0 * figure.accuracy, 100.0 * low, 100.0 * high);
        }
        if line.multiply_adds == 0 {
            // Nothing is evaluated, and no class can be asked for.
            cells[0] = format!("{}, without evaluations", cells[0]);
            cells[3] = format!("{}, of classes that it was not told", cells[3]);
        }
        writeln!(text, "| `{}` {} | {} |", line.id, line.label, cells.join(" | "))?;
    }
    text.push_str(
        "\n## What they are\n\n\
         | model | data | parameters | multiply-adds an evaluation | and to decode | file | seen in training | time | on |\n\
         |---|---|---|---|---|---|---|---|---|\n",
    );
    for line in &zoo.lines {
        let decoding = match line.decoding_multiply_adds {
            0 => "-".to_owned(),
            n => short(n),
        };
        writeln!(
            text,
            "| `{}` | {} | {} | {} | {decoding} | {:.0} kB | {} | {:.0} min | {} |",
            line.id,
            line.dataset,
            short(line.parameters),
            short(line.multiply_adds),
            line.bytes as f64 / 1e3,
            short(line.images_seen),
            line.seconds / 60.0,
            line.hardware
        )?;
    }
    text.push_str(
        "\nA model over latents counts its decoder's parameters and bytes as its own; \"seen\" are latents then, and the \
         autoencoder's own training comes before. Times are of steps alone, on a machine that did other things beside.\n",
    );
    let mut told = Vec::new();
    for line in &zoo.lines {
        let Some(reconstruction) = &line.reconstruction else { continue };
        let number = |key: &str| reconstruction[key].as_f64().unwrap_or(f64::NAN);
        let sentence = format!(
            "Test images through the autoencoder of `{}`, encoded and decoded, have FID {:.2} and accuracy {:.1}%; real test \
             images have FID {:.2}. No flow over its latents is likely to do better.\n",
            line.id,
            number("fid"),
            100.0 * number("accuracy"),
            number("test_images_fid")
        );
        if !told.contains(reconstruction) {
            text.push('\n');
            text.push_str(&sentence);
            told.push(reconstruction.clone());
        }
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wilsons_interval_holds_the_share_and_stays_between_0_and_1() {
        // Newcombe 1998, table I: 81 of 263 is 0.2553 to 0.3662; 0 of 20 is 0 to 0.1611.
        let (low, high) = wilson(81.0 / 263.0, 263);
        assert!((low - 0.2553).abs() < 1e-4 && (high - 0.3662).abs() < 1e-4, "{low} {high}");
        let (low, high) = wilson(0.0, 20);
        assert!(low.abs() < 1e-12 && (high - 0.1611).abs() < 1e-4, "{low} {high}");
    }

    #[test]
    fn a_report_has_a_row_a_model_in_both_tables_and_says_what_decoding_costs() {
        let figure = |fid: f64| Evaluation {
            plan: String::new(),
            images: 1000,
            evaluations: 4,
            accuracy: 0.975,
            fid,
            fid_low: fid - 0.5,
            fid_high: fid + 0.5,
            reference: "MNIST".into(),
            extractor: "judge".into(),
            seconds: 1.0,
        };
        let line = |id: &str, work: u64, decoding: u64| Line {
            id: id.into(),
            label: "L".into(),
            dataset: "MNIST".into(),
            sha256: "00".into(),
            parameters: 184_708,
            multiply_adds: work,
            decoding_multiply_adds: decoding,
            bytes: 200_400,
            images_seen: 256_000,
            seconds: 600.0,
            hardware: "cpu".into(),
            figures: if work == 0 {
                vec![figure(30.0)]
            } else {
                EVALUATIONS.map(|n| figure(n as f64)).to_vec()
            },
            reconstruction: None,
        };
        let zoo =
            Zoo { images: 1000, seed: 7, lines: vec![line("a", 11_200_000, 0), line("vae", 0, 3_000_000)] };
        let text = markdown(&zoo, "flow-digits zoo").unwrap();
        assert_eq!(text.matches("| `a`").count(), 2, "{text}");
        assert!(text.contains("4.00 (3.50 to 4.50) | 10.00 (9.50 to 10.50) | 40.00"), "{text}");
        assert!(text.contains("184.7 k | 11.20 M | - | 200 kB | 256.0 k | 10 min | cpu"), "{text}");
        assert!(text.contains("without evaluations") && text.contains("| 0 | 3.00 M |"), "{text}");
        assert!(markdown(&Zoo::default(), "").is_err());
    }
}
