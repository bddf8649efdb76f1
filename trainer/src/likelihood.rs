//! How probable real images are under a model: in nats an image and in bits a pixel.
//!
//! A pixel is a whole number k from 0 to 255, and a flow has a density: so k stands for the interval from k - 1/2 to
//! k + 1/2, and an image is asked about at a point drawn uniformly there (uniform dequantization, Theis et al. 2016, arXiv
//! 1511.01844). By Jensen's inequality the mean of those log-densities, a grey level being the unit, is at most the
//! logarithm of the image's probability, and the bits are at least those of a lossless code. Without dequantization the
//! density at k itself is told: no bound of anything, and without limit for a model that has learned that pixels are whole
//! numbers.
//!
//! Values of the network are (k / 255 - mean) / std, so that log p(k) = log p(x) - dimensions * ln(255 std).

use crate::data::Dataset;
use crate::source::Source;
use anyhow::{Result, bail};
use burn::tensor::{Device, Tensor, TensorData};
use flow::guidance::Guided;
use flow::integrate::{End, Options};
use flow::likelihood::{Divergence, Probes, bits_per_dimension, log_likelihood};
use flow::plan::{MOST_EVALUATIONS, SamplePlan};
use models::{ConditionalNetwork, Differentiated};
use rand_chacha::rand_core::RngCore;
use serde::Serialize;
use std::ops::{ControlFlow, Range};

/// Images whose ways are walked together.
const BATCH: usize = 16;
/// Keeps the points within the grey levels apart from other uses of a seed.
const DEQUANTIZATION: u64 = 0x6465_7161_6e74_0000;
/// The largest value of a pixel.
const LEVELS: f64 = 255.0;

/// How to ask.
#[derive(Clone, Debug)]
pub struct Question<'a> {
    /// Solver, schedule, steps or tolerance, guidance and seed; its digit and count are not used.
    pub plan: &'a SamplePlan,
    /// How the divergence is had.
    pub probes: Probes,
    /// Whether a pixel stands for its whole interval rather than for its middle.
    pub dequantize: bool,
}

/// What an image came to.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ImageLikelihood {
    /// The image's number in the data.
    pub image: usize,
    /// Its class.
    pub label: u8,
    /// The log-density with a grey level as the unit.
    pub nats: f64,
    /// The standard error over the probes; none for a single probe.
    pub standard_error: Option<f64>,
    /// The log-density in the network's own values.
    pub nats_of_values: f64,
    /// Bits a pixel.
    pub bits_per_dimension: f64,
    /// Evaluations that it took, passes forth and back of all probes.
    pub evaluations: usize,
}

/// A mean over images.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Mean {
    /// The mean.
    pub mean: f64,
    /// Its standard error from how much images differ; none for a single image.
    pub error_of_images: Option<f64>,
    /// Its standard error from the probes alone; none from single probes.
    pub error_of_probes: Option<f64>,
}

/// Asks about these images of a data set, each under its own class; `progress` hears which part of the work is done.
///
/// # Errors
/// Images of another size, classes that the model does not know, a plan that cannot tell a density, and an integration
/// that fails or gives up.
pub fn likelihoods(
    source: &Source,
    device: &Device,
    data: &Dataset,
    images: Range<usize>,
    question: &Question<'_>,
    mut progress: impl FnMut(f64),
) -> Result<Vec<ImageLikelihood>> {
    let [channels, height, width] = source.architecture.image();
    if channels != 1 || (data.height, data.width) != (height, width) {
        bail!("the images are {} x {}, the model's {channels} x {height} x {width}", data.height, data.width);
    }
    if images.is_empty() || images.end > data.count {
        bail!("images {} to {} were asked for; there are 0 to {}", images.start, images.end, data.count);
    }
    let (mut told, total) = (Vec::with_capacity(images.len()), images.len() as f64);
    let mut first = images.start;
    while first < images.end {
        let part = first..images.end.min(first + BATCH);
        let before = told.len() as f64;
        let size = part.len() as f64;
        told.extend(batch(source, device, data, part.clone(), question, |walked| {
            progress((before + size * walked) / total);
        })?);
        first = part.end;
    }
    Ok(told)
}

fn batch(
    source: &Source,
    device: &Device,
    data: &Dataset,
    images: Range<usize>,
    question: &Question<'_>,
    mut progress: impl FnMut(f64),
) -> Result<Vec<ImageLikelihood>> {
    let Question { plan, probes, dequantize } = question;
    let labels = &data.labels[images.clone()];
    if let Some(label) = labels.iter().find(|&&label| usize::from(label) >= source.architecture.classes()) {
        bail!("a label is {label}, the model knows 0 to {}", source.architecture.classes() - 1);
    }
    if plan.guidance.needs_weak_model() {
        bail!("guidance={} has no likelihood here: it needs a second model", plan.guidance);
    }
    let [channels, height, width] = source.architecture.image();
    let n = source.architecture.image_len();
    let (mean, std) = (f64::from(source.normalization.mean), f64::from(source.normalization.std));
    let values: Vec<f32> = images
        .clone()
        .flat_map(|image| levels(data, image, n, dequantize.then_some(plan.seed)))
        .map(|level| ((level / LEVELS - mean) / std) as f32)
        .collect();
    let shape = [images.len(), channels, height, width];
    let x = Tensor::<4>::from_data(TensorData::new(values, shape), device);
    let network = ConditionalNetwork::new(&source.network, labels, source.architecture.null_class(), device);
    let mut field = Differentiated::new(Guided::new(plan.guidance.clone(), network));
    let count = match probes {
        Probes::Rademacher(count) | Probes::Gaussian(count) => *count,
        Probes::Exact => n,
    };
    let budget = MOST_EVALUATIONS.saturating_mul(field.evaluations_per_probed(count));
    let options = Options { path: source.path.clone(), ..plan.options(images.start as u64) }.within(budget);
    let stepping = plan.stepping(&source.knots)?;
    let told = pollster::block_on(log_likelihood(
        &mut field,
        &plan.solver,
        &stepping,
        x,
        *probes,
        &options,
        async |report| {
            progress(1.0 - report.t);
            ControlFlow::Continue(())
        },
    ))?;
    match told.outcome.end {
        End::Finished => {}
        End::BudgetExhausted => bail!(
            "the solver was at t = {:.3} after {budget} evaluations; a larger tolerance needs fewer",
            told.outcome.t
        ),
        other => bail!("the integration ended early ({other:?}) at t = {:.3}", told.outcome.t),
    }
    let a_level = n as f64 * (LEVELS * std).ln();
    Ok(told
        .samples
        .iter()
        .enumerate()
        .map(|(i, estimate)| ImageLikelihood {
            image: images.start + i,
            label: labels[i],
            nats: estimate.nats - a_level,
            standard_error: estimate.standard_error,
            nats_of_values: estimate.nats,
            bits_per_dimension: bits_per_dimension(estimate.nats - a_level, n),
            evaluations: told.outcome.samples.get(i).map_or(told.outcome.evaluations, |s| s.evaluations),
        })
        .collect())
}

/// The grey levels of an image, each somewhere in its interval when there is a seed to draw it with.
fn levels(data: &Dataset, image: usize, n: usize, seed: Option<u64>) -> Vec<f64> {
    let pixels = data.images[image * n..(image + 1) * n].iter().map(|&k| f64::from(k));
    match seed {
        None => pixels.collect(),
        Some(seed) => {
            let mut rng = flow::noise::rng(seed ^ DEQUANTIZATION, image as u64);
            let mut offset = || (rng.next_u64() >> 11) as f64 / (1u64 << 53) as f64 - 0.5;
            pixels.map(|k| k + offset()).collect()
        }
    }
}

/// The mean over images of a value and its error over the probes.
pub fn mean(values: &[(f64, Option<f64>)]) -> Mean {
    let n = values.len() as f64;
    let mean = values.iter().map(|(value, _)| value).sum::<f64>() / n;
    let squares: f64 = values.iter().map(|(value, _)| (value - mean).powi(2)).sum();
    let probes: Option<f64> = values.iter().map(|(_, error)| error.map(|e| e * e)).sum();
    Mean {
        mean,
        error_of_images: (values.len() > 1).then(|| (squares / (n - 1.0) / n).sqrt()),
        error_of_probes: probes.map(|sum| sum.sqrt() / n),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one_image(pixels: Vec<u8>) -> Dataset {
        let width = pixels.len();
        Dataset { images: pixels, labels: vec![3], count: 1, channels: 1, height: 1, width }
    }

    #[test]
    fn a_level_stands_for_its_interval_or_for_its_middle() {
        let data = one_image(vec![0, 7, 255]);
        assert_eq!(levels(&data, 0, 3, None), [0.0, 7.0, 255.0]);
        let drawn = levels(&data, 0, 3, Some(1));
        assert!(drawn.iter().zip([0.0, 7.0, 255.0]).all(|(a, b): (&f64, f64)| (a - b).abs() <= 0.5));
        assert_ne!(drawn, levels(&data, 0, 3, Some(2)));
        assert_eq!(drawn, levels(&data, 0, 3, Some(1)));
    }

    #[test]
    fn the_mean_has_two_errors_one_from_the_images_and_one_from_the_probes() {
        let told = mean(&[(1.0, Some(0.3)), (3.0, Some(0.4))]);
        assert_eq!((told.mean, told.error_of_images, told.error_of_probes), (2.0, Some(1.0), Some(0.25)));
        let single = mean(&[(1.0, None)]);
        assert_eq!((single.mean, single.error_of_images, single.error_of_probes), (1.0, None, None));
    }
}
