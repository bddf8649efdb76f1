//! A run that is filmed: its final images, and what it shows at chosen times.

use crate::sampler::Sampler;
use anyhow::{Result, bail};
use flow::plan::SamplePlan;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

/// Images that go through the network together.
const BATCH: usize = 100;

/// What is to be drawn: a class and a noise for every image.
#[derive(Clone, Debug, PartialEq)]
pub struct Cast {
    /// The class of each image.
    pub labels: Vec<u8>,
    /// The noise of each image, one after another.
    pub noises: Vec<f32>,
    /// The number of the first image, which decides what a stochastic solver adds on the way.
    pub first: u64,
}

/// What a run gave.
#[derive(Clone, Debug, Default)]
pub struct Take {
    /// The class of each image.
    pub labels: Vec<u8>,
    /// The final images, pixels from 0 to 1 and a little beyond.
    pub pixels: Vec<f32>,
    /// All images at each time that was asked for, pixels likewise.
    pub frames: Vec<Vec<f32>>,
    /// How fast each pixel changes at these times, a unit of t: the slope between the accepted states around it.
    pub slopes: Vec<Vec<f32>>,
    /// Evaluations of an image; the most of any image for an adaptive solver.
    pub evaluations: usize,
    /// Wall time of the integration.
    pub time: Duration,
}

impl Cast {
    /// The plan's own images: the noises of its seed.
    pub fn of(plan: &SamplePlan, size: usize) -> Self {
        let labels = (0..plan.count).map(|i| plan.label(i)).collect();
        Self { labels, noises: flow::noise::batch(plan.seed, 0..plan.count as u64, size), first: 0 }
    }
}

impl Take {
    /// Puts another take of the same times behind this one.
    pub fn append(&mut self, mut other: Self) {
        self.labels.append(&mut other.labels);
        self.pixels.append(&mut other.pixels);
        self.frames.resize(other.frames.len().max(self.frames.len()), Vec::new());
        self.slopes.resize(other.slopes.len().max(self.slopes.len()), Vec::new());
        self.frames.iter_mut().zip(&mut other.frames).for_each(|(all, more)| all.append(more));
        self.slopes.iter_mut().zip(&mut other.slopes).for_each(|(all, more)| all.append(more));
        self.evaluations = self.evaluations.max(other.evaluations);
        self.time += other.time;
    }
}

/// Runs the plan for a cast and keeps what it shows at `times`, 0 to 1. `progress` hears how many images'
/// worth of steps are done.
///
/// # Errors
/// A plan that does not fit the model, or an integration that fails.
pub fn shoot(
    sampler: &Sampler<'_>,
    plan: &SamplePlan,
    cast: &Cast,
    times: &[f64],
    mut progress: impl FnMut(f64),
) -> Result<Take> {
    let size = cast.noises.len() / cast.labels.len().max(1);
    if size == 0 || cast.noises.len() != size * cast.labels.len() {
        bail!("{} values of noise are not those of {} images", cast.noises.len(), cast.labels.len());
    }
    let mut take = Take::default();
    for (number, labels) in cast.labels.chunks(BATCH).enumerate() {
        let first = number * BATCH;
        let noises = &cast.noises[first * size..(first + labels.len()) * size];
        let mut scenes = Scenes::new(times, labels.len());
        let mut unread = None;
        let start = Instant::now();
        let ran =
            sampler.observed_from(plan, labels, noises.to_vec(), cast.first + first as u64, async |report| {
                if !times.is_empty() {
                    match report.x.clone().into_data_async().await {
                        Ok(data) => {
                            let values: Vec<f32> = data.iter::<f32>().collect();
                            scenes.see(&sampler.ink(&values), report.t, report.times);
                        }
                        Err(error) => {
                            unread = Some(format!("{error:?}"));
                            return ControlFlow::Break(());
                        }
                    }
                }
                progress(first as f64 + report.t * labels.len() as f64);
                ControlFlow::Continue(())
            });
        let (values, evaluations) = match (ran, unread) {
            (_, Some(why)) => bail!("a state could not be read from the device: {why}"),
            (ran, None) => ran?,
        };
        let pixels = sampler.ink(&values);
        let (frames, slopes) = scenes.finish(&pixels);
        take.append(Take {
            labels: labels.to_vec(),
            pixels,
            frames,
            slopes,
            evaluations,
            time: start.elapsed(),
        });
    }
    Ok(take)
}

/// The frames of a batch, filled as the run goes on. Under a tolerance every image is at a time of its own.
struct Scenes<'a> {
    times: &'a [f64],
    frames: Vec<Vec<f32>>,
    slopes: Vec<Vec<f32>>,
    /// Each image's last state and its time.
    before: Vec<(f64, Vec<f32>)>,
    /// Where all of them began.
    start: f64,
    images: usize,
}

impl<'a> Scenes<'a> {
    fn new(times: &'a [f64], images: usize) -> Self {
        Self { times, frames: Vec::new(), slopes: Vec::new(), before: Vec::new(), start: 0.0, images }
    }

    /// Takes an accepted state: all images at `t`, or each at its own time.
    fn see(&mut self, pixels: &[f32], t: f64, own: &[f64]) {
        let size = pixels.len() / self.images.max(1);
        if self.before.is_empty() {
            // What is never reached shows the start.
            self.frames = vec![pixels.to_vec(); self.times.len()];
            self.slopes = vec![vec![0.0; pixels.len()]; self.times.len()];
            self.start = t;
            self.before = pixels.chunks(size).map(|image| (t, image.to_vec())).collect();
            return;
        }
        for (i, (image, before)) in pixels.chunks(size).zip(&mut self.before).enumerate() {
            let now = own.get(i).copied().unwrap_or(t);
            let (start, old) = before;
            if now <= *start {
                continue;
            }
            let span = now - *start;
            // The first step also tells the slope of where it begins.
            let first_step = *start <= self.start;
            for (k, time) in self.times.iter().enumerate() {
                let inside = *time <= now && (*time > *start || (first_step && *time >= *start));
                if !inside {
                    continue;
                }
                let share = ((*time - *start) / span) as f32;
                let at = i * size..(i + 1) * size;
                let frame = &mut self.frames[k][at.clone()];
                for (((frame, slope), a), b) in
                    frame.iter_mut().zip(&mut self.slopes[k][at]).zip(&*old).zip(image)
                {
                    *frame = if share >= 1.0 { *b } else { a + share * (b - a) };
                    *slope = (b - a) / span as f32;
                }
            }
            *before = (now, image.to_vec());
        }
    }

    /// The frames, of which the last one is the final images.
    fn finish(mut self, end: &[f32]) -> (Vec<Vec<f32>>, Vec<Vec<f32>>) {
        for (frame, time) in self.frames.iter_mut().zip(self.times) {
            if *time >= 1.0 {
                frame.copy_from_slice(end);
            }
        }
        (self.frames, self.slopes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Source;
    use burn::tensor::Device;
    use std::path::Path;

    #[test]
    fn between_accepted_states_a_frame_is_their_mix_by_time_each_image_at_its_own() {
        let times = [0.0, 0.25, 0.5, 1.0];
        let mut scenes = Scenes::new(&times, 2);
        scenes.see(&[0.0, 8.0], 0.0, &[]);
        // The first image jumps to 0.5, the second to 1; then the first follows.
        scenes.see(&[1.0, 4.0], 0.5, &[0.5, 1.0]);
        scenes.see(&[3.0, 4.0], 1.0, &[1.0, 1.0]);
        let (frames, slopes) = scenes.finish(&[3.0, 4.0]);
        assert_eq!(frames, [[0.0, 8.0], [0.5, 7.0], [1.0, 6.0], [3.0, 4.0]]);
        assert_eq!(slopes, [[2.0, -4.0], [2.0, -4.0], [2.0, -4.0], [4.0, -4.0]]);
    }

    #[test]
    fn a_film_begins_with_the_noise_ends_with_the_sample_and_costs_no_evaluation() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../public/models/mnist-unet.safetensors");
        let source = Source::open(Path::new(path), &Device::flex()).unwrap();
        let sampler = Sampler::of(&source, &Device::flex());
        let plan: SamplePlan =
            "solver=euler&steps=4&schedule=linear&guidance=1&seed=5&count=3".parse().unwrap();
        let cast = Cast::of(&plan, 784);
        let mut heard = Vec::new();
        let take = shoot(&sampler, &plan, &cast, &[0.0, 0.5, 0.625, 1.0], |done| heard.push(done)).unwrap();
        assert_eq!((take.evaluations, heard.last()), (4, Some(&3.0)));
        let (end, _) = sampler.batch(&plan, &[0, 1, 2], 0..3).unwrap();
        assert_eq!(take.pixels, sampler.ink(&end));
        assert_eq!(take.frames[3], take.pixels);
        assert_eq!(take.frames[0], sampler.ink(&cast.noises));
        // Half of a step further along Euler's straight line, at the slope that is told.
        for i in 0..3 * 784 {
            let ahead = take.frames[1][i] + 0.125 * take.slopes[2][i];
            assert!((ahead - take.frames[2][i]).abs() < 1e-4, "{i}");
        }
    }

    #[test]
    fn noises_that_are_not_the_images_are_refused() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../public/models/mnist-unet.safetensors");
        let source = Source::open(Path::new(path), &Device::flex()).unwrap();
        let sampler = Sampler::of(&source, &Device::flex());
        let cast = Cast { labels: vec![1, 2], noises: vec![0.0; 785], first: 0 };
        let error = shoot(&sampler, &SamplePlan::default(), &cast, &[], |_| {}).unwrap_err();
        assert!(error.to_string().contains("785"), "{error}");
    }
}
