//! What the figures need of a model: the accepted states of many samples, and the velocity along one.

use super::trajectories::Trajectory;
use super::velocity::Frame;
use crate::sampler::Sampler;
use crate::source::Source;
use anyhow::{Context, Result};
use burn::tensor::Tensor;
use flow::field::Field;
use flow::plan::{Budget, SamplePlan};
use std::ops::ControlFlow;

/// Samples that go through the network together.
const BATCH: usize = 50;

/// The paths of the plan's samples, and the most evaluations that one took. `progress` hears how many samples' worth of
/// steps are done, of the plan's count.
///
/// # Errors
/// A plan that does not fit the model, or an integration that fails.
pub fn trajectories(
    sampler: &Sampler<'_>,
    plan: &SamplePlan,
    mut progress: impl FnMut(f64),
) -> Result<(Vec<Trajectory>, usize)> {
    let labels: Vec<u8> = (0..plan.count).map(|i| plan.label(i)).collect();
    let mut all: Vec<Trajectory> =
        labels.iter().map(|digit| Trajectory { digit: *digit, ..Trajectory::default() }).collect();
    let mut most = 0;
    for (number, batch) in all.chunks_mut(BATCH).enumerate() {
        let first = number * BATCH;
        let images = first as u64..(first + batch.len()) as u64;
        let labels = &labels[first..first + batch.len()];
        let mut unread = None;
        let (_, evaluations) = sampler
            .observed(plan, labels, images, async |report| {
                let values: Vec<f32> = match report.x.clone().into_data_async().await {
                    Ok(data) => data.iter::<f32>().collect(),
                    Err(error) => {
                        unread = Some(format!("{error:?}"));
                        return ControlFlow::Break(());
                    }
                };
                let size = values.len() / batch.len();
                for (i, (way, state)) in batch.iter_mut().zip(values.chunks(size)).enumerate() {
                    let t = report.times.get(i).copied().unwrap_or(report.t);
                    // A sample with steps of its own rests while others move.
                    if way.times.last().is_none_or(|last| t > *last) {
                        way.times.push(t);
                        way.states.push(state.to_vec());
                    }
                }
                progress(first as f64 + report.t * batch.len() as f64);
                ControlFlow::Continue(())
            })
            .map_err(|error| match unread.take() {
                Some(why) => anyhow::anyhow!("a state could not be read from the device: {why}"),
                None => error,
            })?;
        most = most.max(evaluations);
    }
    Ok((all, most))
}

/// The velocity along the plan's first image, at about `frames` even times from 0 on, each at an accepted state; the final
/// image; and the evaluations of the run.
///
/// # Errors
/// As [`trajectories`].
pub fn film(
    source: &Source,
    sampler: &Sampler<'_>,
    plan: &SamplePlan,
    frames: usize,
) -> Result<(Vec<Frame>, Vec<f32>, usize)> {
    let labels = [plan.label(0)];
    let mut states: Vec<(f64, Tensor<4>)> = Vec::new();
    let (end, evaluations) = sampler.observed(plan, &labels, 0..1, async |report| {
        states.push((report.t, report.x.clone()));
        ControlFlow::Continue(())
    })?;
    let times: Vec<f64> = states.iter().map(|(t, _)| *t).collect();
    let mut field = sampler.field(plan, &labels);
    let (mean, std) = (source.normalization.mean, source.normalization.std);
    let read = |x: Tensor<4>| x.into_data().iter::<f32>().collect::<Vec<f32>>();
    let ink = |values: Vec<f32>| values.into_iter().map(|v| v * std + mean).collect::<Vec<f32>>();
    let mut found = Vec::new();
    for i in nearest(&times, frames) {
        let (t, x) = &states[i];
        let velocity = field.velocity(*t, x).with_context(|| format!("the velocity at t = {t:.3}"))?;
        let estimate = source.path.x1_estimate(x, &velocity, *t);
        found.push(Frame {
            t: *t,
            state: ink(read(x.clone())),
            velocity: read(velocity).into_iter().map(|v| v * std).collect(),
            estimate: ink(read(estimate)),
        });
    }
    Ok((found, ink(end), evaluations))
}

/// For each of the times k / frames the index of the accepted one that is nearest and before the end, each once.
fn nearest(times: &[f64], frames: usize) -> Vec<usize> {
    let before_end = &times[..times.len().saturating_sub(1)];
    let mut chosen: Vec<usize> = (0..frames)
        .filter_map(|k| {
            let wanted = k as f64 / frames as f64;
            let away = |i: &usize| (before_end[*i] - wanted).abs();
            (0..before_end.len()).min_by(|a, b| away(a).total_cmp(&away(b)))
        })
        .collect();
    chosen.dedup();
    chosen
}

/// How a plan samples, in words for a caption.
pub fn in_words(model: &str, plan: &SamplePlan, evaluations: usize) -> String {
    let budget = match plan.budget {
        Budget::Steps(1) => format!("one step of {} on the schedule {}", plan.solver, plan.schedule),
        Budget::Steps(n) => format!("{n} steps of {} on the schedule {}", plan.solver, plan.schedule),
        Budget::Tolerance(tolerance) => format!("{} at the tolerance {tolerance}", plan.solver),
    };
    let guidance = if plan.guidance.id() == "cfg" && plan.guidance.scale() == 1.0 {
        "no guidance".to_owned()
    } else {
        format!("guidance {}", plan.guidance)
    };
    format!("Model {model}: {budget}, {guidance}, seed {}, {evaluations} evaluations a sample.", plan.seed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Device;
    use std::path::Path;

    fn shipped() -> Source {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../public/models/mnist-unet.safetensors");
        Source::open(Path::new(path), &Device::flex()).unwrap()
    }

    #[test]
    fn paths_begin_at_the_seeds_noise_and_end_at_the_samples_of_the_plan() {
        let source = shipped();
        let sampler = Sampler::of(&source, &Device::flex());
        let plan: SamplePlan =
            "solver=euler&steps=3&schedule=linear&guidance=1&seed=5&count=4".parse().unwrap();
        let mut heard = Vec::new();
        let (paths, evaluations) = trajectories(&sampler, &plan, |done| heard.push(done)).unwrap();
        assert_eq!((paths.len(), evaluations), (4, 3));
        assert_eq!(heard.last(), Some(&4.0));
        let (ends, _) = sampler.batch(&plan, &[0, 1, 2, 3], 0..4).unwrap();
        for (i, path) in paths.iter().enumerate() {
            assert_eq!((path.digit, path.times.len(), path.times[0], path.times[3]), (i as u8, 4, 0.0, 1.0));
            assert_eq!(path.states[0], flow::noise::gaussian(5, i as u64, 784));
            assert_eq!(path.states[3], ends[i * 784..(i + 1) * 784]);
        }
    }

    #[test]
    fn a_step_along_the_velocity_is_the_next_state_and_the_estimate_is_where_it_leads() {
        let source = shipped();
        let sampler = Sampler::of(&source, &Device::flex());
        let plan: SamplePlan =
            "solver=euler&steps=4&schedule=linear&guidance=1&seed=5&digit=3&count=1".parse().unwrap();
        let (frames, end, evaluations) = film(&source, &sampler, &plan, 4).unwrap();
        assert_eq!((frames.len(), evaluations), (4, 4));
        let next = frames.iter().skip(1).map(|f| &f.state).chain([&end]);
        for (frame, next) in frames.iter().zip(next) {
            for (i, next) in next.iter().enumerate() {
                let step = frame.state[i] + 0.25 * frame.velocity[i];
                assert!((step - next).abs() < 1e-4, "{} {i}", frame.t);
                let led = frame.state[i] + (1.0 - frame.t as f32) * frame.velocity[i];
                assert!((led - frame.estimate[i]).abs() < 1e-4, "{} {i}", frame.t);
            }
        }
    }

    #[test]
    fn frames_are_the_nearest_accepted_states_before_the_end_each_once() {
        let times: Vec<f64> = (0..=8).map(|i| f64::from(i) / 8.0).collect();
        assert_eq!(nearest(&times, 4), [0, 2, 4, 6]);
        assert_eq!(nearest(&times, 3), [0, 3, 5]);
        assert_eq!(nearest(&[0.0, 0.9, 1.0], 6), [0, 1]);
        assert_eq!(nearest(&[0.0, 1.0], 6), [0]);
    }

    #[test]
    fn a_plan_in_words_names_what_decides_the_picture() {
        let plan: SamplePlan = "solver=rk4&schedule=linear&steps=5&guidance=1&seed=7".parse().unwrap();
        let words = in_words("m", &plan, 20);
        assert_eq!(
            words,
            "Model m: 5 steps of rk4 on the schedule linear, no guidance, seed 7, 20 evaluations a sample."
        );
        let plan: SamplePlan = "solver=dopri5&tol=0.01&guidance=2&seed=7".parse().unwrap();
        assert!(in_words("m", &plan, 20).contains("dopri5 at the tolerance 0.01, guidance 2"));
    }
}
