//! What a model is worth under a plan: accuracy under the judge, and the Fréchet distance to the training set.
//!
//! Images have the classes 0 to 9 in turn and the noises of images 0..N of the plan's seed, so two models or two plans
//! are compared on the same noises. The interval is a bootstrap over the generated images; the reference is fixed.

use crate::fid;
use crate::judge::{Judge, JudgeFacts};
use crate::sampler::{Sampler, Samples};
use anyhow::{Context, Result};
use flow::plan::SamplePlan;
use serde::{Deserialize, Serialize};

/// Resamples of the bootstrap.
const RESAMPLES: usize = 200;

/// Figures of one model under one plan; field names are those of the metrics in files and reports.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// The plan's text, digit and count aside.
    pub plan: String,
    /// Generated images.
    pub images: usize,
    /// Network evaluations an image.
    pub evaluations: usize,
    /// Share of images that the judge gives the class asked for, 0 to 1.
    pub accuracy: f64,
    /// Fréchet distance.
    pub fid: f64,
    /// Lower end of the 95% bootstrap interval of the distance.
    pub fid_low: f64,
    /// Upper end.
    pub fid_high: f64,
    /// The reference set and its size.
    pub reference: String,
    /// The extractor in words.
    pub extractor: String,
    /// Seconds of sampling.
    pub seconds: f64,
}

/// Samples `images` digits and judges them; `progress` hears how many are sampled.
///
/// # Errors
/// A judge without reference statistics, or a sampling that fails.
pub fn evaluate(
    sampler: &Sampler<'_>,
    judge: &Judge,
    plan: &SamplePlan,
    images: usize,
    progress: impl FnMut(usize),
) -> Result<Evaluation> {
    let Measured { samples, accuracy, distance, facts } = measure(sampler, judge, plan, images, progress)?;
    Ok(Evaluation {
        plan: plan_text(plan),
        images,
        evaluations: samples.evaluations,
        accuracy,
        fid: distance.fid,
        fid_low: distance.low,
        fid_high: distance.high,
        reference: format!("{} ({})", facts.reference, facts.reference_count),
        extractor: judge.description.clone(),
        seconds: samples.time.as_secs_f64(),
    })
}

/// Sampled images with what the judge says of them.
pub struct Measured<'a> {
    /// The images, and what they cost.
    pub samples: Samples,
    /// Share of images that the judge gives the class asked for, 0 to 1.
    pub accuracy: f64,
    /// The distance to the training set.
    pub distance: fid::Interval,
    /// The judge's own facts.
    pub facts: &'a JudgeFacts,
}

/// Samples `images` digits and judges them, as [`evaluate`], keeping the images and the resamples.
///
/// # Errors
/// As [`evaluate`].
pub fn measure<'a>(
    sampler: &Sampler<'_>,
    judge: &'a Judge,
    plan: &SamplePlan,
    images: usize,
    progress: impl FnMut(usize),
) -> Result<Measured<'a>> {
    let facts = judge.facts.as_ref().context("the judge's file has no statistics of the training set")?;
    let labels: Vec<u8> = (0..images).map(|i| (i % 10) as u8).collect();
    let samples = sampler.run_labels(plan, &labels, 0, progress)?;
    let verdict = judge.look(&samples.pixels, |_| {})?;
    let reference = reference(facts, verdict.width)?;
    let distance = fid::fid_with_bootstrap(&verdict.features, &reference, RESAMPLES, plan.seed)?;
    Ok(Measured { samples, accuracy: verdict.accuracy(&labels), distance, facts })
}

/// The plan's text without what an evaluation sets itself: digit, count and model.
pub fn plan_text(plan: &SamplePlan) -> String {
    let text = plan.to_string();
    let set = ["digit", "count", "model"];
    let kept: Vec<&str> =
        text.split('&').filter(|pair| !set.contains(&pair.split('=').next().unwrap_or_default())).collect();
    kept.join("&")
}

/// The reference's statistics as the distance takes them.
fn reference(facts: &JudgeFacts, width: usize) -> Result<fid::Statistics> {
    fid::Statistics::from_upper_triangle(facts.mean.clone(), &facts.covariance, facts.reference_count, width)
        .context("the judge's reference statistics do not fit its features")
}

impl Evaluation {
    /// The figures in one line.
    pub fn line(&self) -> String {
        format!(
            "{:.2}% accuracy, FID {:.3} (95% {:.3} to {:.3}), {} evaluations, {} images",
            100.0 * self.accuracy,
            self.fid,
            self.fid_low,
            self.fid_high,
            self.evaluations,
            self.images
        )
    }
}
