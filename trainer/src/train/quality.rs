//! How good the average of the weights is while it trains, and the decision to stop: the Fréchet distance of a few
//! samples, from the same noises each time.

use crate::data::DataSet;
use crate::evaluation::{Evaluation, evaluate};
use crate::judge::Judge;
use crate::recipe::EarlyStop;
use crate::sampler::Sampler;
use anyhow::{Context, Result, bail};
use burn::tensor::Device;
use flow::plan::SamplePlan;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// The best measurement so far.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Best {
    /// The step it was made at.
    pub step: u64,
    /// The distance.
    pub fid: f64,
    /// Measurements since then, none of which was smaller.
    pub worse: u64,
}

impl Best {
    /// Takes a measurement in; true when it is the best.
    pub(super) fn update(best: &mut Option<Self>, step: u64, fid: f64) -> bool {
        // A distance that is no number is never better.
        let better = match best {
            Some(best) => fid < best.fid,
            None => !fid.is_nan(),
        };
        if better {
            *best = Some(Self { step, fid, worse: 0 });
        } else if let Some(best) = best {
            best.worse += 1;
        }
        better
    }
}

/// The judge that is named, or the data set's.
fn judge(wish: &EarlyStop, set: DataSet, device: &Device) -> Result<Judge> {
    let path = match (&wish.judge, set.judge()) {
        (Some(path), _) => path.as_path(),
        (None, Some(path)) => Path::new(path),
        (None, None) => bail!("train.early_stop.judge: no judge ships for {}: name one", set.label()),
    };
    let judge = Judge::open(path, device).context("train.early_stop.judge")?;
    if judge.facts.is_none() {
        bail!("train.early_stop.judge: {} has no statistics of the training set", path.display());
    }
    Ok(judge)
}

/// Refuses a judge that cannot measure, before hours of training.
pub(super) fn check(wish: &EarlyStop, set: DataSet, device: &Device) -> Result<()> {
    judge(wish, set, device).map(|_| ())
}

/// Measures a sampler; `plan` is used where the wish names none.
pub(super) fn measure(
    sampler: &Sampler<'_>,
    wish: &EarlyStop,
    set: DataSet,
    plan: &SamplePlan,
    device: &Device,
) -> Result<Evaluation> {
    let judge = judge(wish, set, device)?;
    let plan = wish.plan.as_deref().map_or_else(|| Ok(plan.clone()), str::parse)?;
    evaluate(sampler, &judge, &plan, wish.images, |_| {})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_smaller_distance_is_better_and_the_others_are_counted() {
        let mut best = None;
        let mut told = |step: u64, fid: f64| {
            let better = Best::update(&mut best, step, fid);
            (better, best.as_ref().map_or(0, |b: &Best| b.worse))
        };
        assert_eq!(told(1, f64::NAN), (false, 0));
        assert_eq!(told(2, 9.0), (true, 0));
        assert_eq!(told(3, 9.0), (false, 1));
        assert_eq!(told(4, f64::NAN), (false, 2));
        assert_eq!(told(5, 8.0), (true, 0));
    }
}
