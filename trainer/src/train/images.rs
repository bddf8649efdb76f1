//! What a flow learns: a data set's images, an autoencoder's latents of them, or what a teacher made of its noises.

use crate::data::Dataset;
use crate::recipe::Normalization;
use crate::reflow::TeacherPairs;
use anyhow::{Result, bail};
use burn::tensor::{Device, Tensor, TensorData};
use models::{Autoencoder, Encoded};

/// Images that are encoded together.
const BATCH: usize = 500;

/// Where the values of sample number i come from.
#[derive(Clone, Copy)]
pub(super) enum Images<'a> {
    /// A data set's pixels, scaled.
    Pixels(&'a Dataset, Normalization),
    /// Latents.
    Latents(&'a Latents),
    /// What a teacher made of its noises; each comes with its own.
    Pairs(&'a TeacherPairs),
}

/// The latents of a data set's images. A variational autoencoder's are drawn anew each time that they are seen.
pub struct Latents {
    mean: Vec<f32>,
    /// Standard deviations; empty for a vector-quantized autoencoder.
    deviation: Vec<f32>,
    labels: Vec<u8>,
    shape: [usize; 3],
}

impl Latents {
    /// Encodes a data set's images; `progress` hears how many are done.
    ///
    /// # Errors
    /// An autoencoder without an encoder, or of other images.
    pub fn of(
        autoencoder: &Autoencoder,
        data: &Dataset,
        device: &Device,
        mut progress: impl FnMut(usize),
    ) -> Result<Self> {
        let mut latents =
            Self { mean: vec![], deviation: vec![], labels: data.labels.clone(), shape: [0; 3] };
        let n = data.image_len();
        let [channels, height, width] = data.image();
        for part in data.images.chunks(BATCH * n) {
            let pixels: Vec<f32> = part.iter().map(|&p| f32::from(p) / 255.0).collect();
            let count = pixels.len() / n;
            let x = TensorData::new(pixels, [count, channels, height, width]);
            let Some(encoded) = autoencoder.encode(Tensor::from_data(x, device)) else {
                bail!("the autoencoder has no encoder: give its run, not the file that ships");
            };
            let (mean, deviation) = match encoded {
                Encoded::Latent(z) => (z, None),
                Encoded::Distribution { mean, log_variance } => {
                    (mean, Some(log_variance.mul_scalar(0.5).exp()))
                }
            };
            let [_, c, h, w] = mean.dims();
            latents.shape = [c, h, w];
            latents.mean.extend(mean.into_data().iter::<f32>());
            if let Some(deviation) = deviation {
                latents.deviation.extend(deviation.into_data().iter::<f32>());
            }
            progress(latents.mean.len() / latents.len());
        }
        Ok(latents)
    }

    /// Channels, height and width.
    pub fn shape(&self) -> [usize; 3] {
        self.shape
    }

    /// Mean and root mean square over all values, drawn ones; a flow from a standard normal likes 0 and 1.
    pub fn spread(&self) -> (f64, f64) {
        let n = self.mean.len().max(1) as f64;
        let mean = self.mean.iter().map(|&v| f64::from(v)).sum::<f64>() / n;
        let square = |values: &[f32]| values.iter().map(|&v| f64::from(v).powi(2)).sum::<f64>() / n;
        (mean, (square(&self.mean) + square(&self.deviation)).sqrt())
    }

    fn len(&self) -> usize {
        self.shape.iter().product::<usize>().max(1)
    }
}

impl Images<'_> {
    /// Number of samples.
    pub(super) fn count(&self) -> usize {
        match self {
            Self::Pixels(data, _) => data.count,
            Self::Latents(latents) => latents.labels.len(),
            Self::Pairs(pairs) => pairs.count(),
        }
    }

    /// Number of values of a sample.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Pixels(data, _) => data.image_len(),
            Self::Latents(latents) => latents.len(),
            Self::Pairs(pairs) => pairs.len(),
        }
    }

    /// Channels, height and width of a sample.
    pub(super) fn shape(&self) -> [usize; 3] {
        match self {
            Self::Pixels(data, _) => data.image(),
            Self::Latents(latents) => latents.shape,
            Self::Pairs(pairs) => pairs.facts.image,
        }
    }

    /// The classes.
    pub(super) fn labels(&self) -> &[u8] {
        match self {
            Self::Pixels(data, _) => &data.labels,
            Self::Latents(latents) => &latents.labels,
            Self::Pairs(pairs) => pairs.labels(),
        }
    }

    /// The noise that sample `index` has for itself; none where any noise will do.
    pub(super) fn own_noise(&self, index: usize) -> Option<Vec<f32>> {
        match self {
            Self::Pixels(..) | Self::Latents(_) => None,
            Self::Pairs(pairs) => Some(pairs.noise(index)),
        }
    }

    /// Appends the values of sample `index`, seen as the training's sample number `place`.
    pub(super) fn push(&self, into: &mut Vec<f32>, index: usize, seed: u64, place: u64) {
        let n = self.len();
        let range = index * n..(index + 1) * n;
        match self {
            Self::Pixels(data, Normalization { mean, std }) => {
                into.extend(data.images[range].iter().map(|&p| (f32::from(p) / 255.0 - mean) / std));
            }
            Self::Pairs(pairs) => into.extend_from_slice(pairs.state(index)),
            Self::Latents(latents) if latents.deviation.is_empty() => {
                into.extend_from_slice(&latents.mean[range]);
            }
            Self::Latents(latents) => {
                let eps = flow::noise::gaussian(seed ^ 0x6c61_7465_6e74_0000, place, n);
                let said = latents.mean[range.clone()].iter().zip(&latents.deviation[range]);
                into.extend(said.zip(eps).map(|((mean, deviation), eps)| mean + deviation * eps));
            }
        }
    }
}
