//! Autoencoders whose latents a flow can learn: variational (Kingma and Welling 2013, arXiv 1312.6114), with a standard
//! normal prior, or vector-quantized (van den Oord 2017, arXiv 1711.00937), with a book of codes.
//!
//! Encoder: space-to-depth, 3x3 convolution, residual convolutions, a strided convolution to half the size, residual
//! convolutions, then the latent. Decoder: the way back, ending in pixels between 0 and 1. A latent is a vector
//! (`[n, 1, 1]`, through a linear layer) or a map of the encoder's lowest size (through a 1x1 convolution).
//!
//! A vector-quantized latent is scaled, place by place, to a root mean square of 1, and so are the codes: the nearest
//! code is the one of the largest product (Yu 2021, arXiv 2110.04627), and a flow over the latents before quantization
//! needs no normalization of its own. Decoding quantizes.

use crate::architecture::{ArchitectureError, check_states, fault, in_range};
use crate::layers::{
    GroupNorm, GroupNormConfig, conv1x1, conv3x3, convolve, convolve_onto, depth_to_space, linear, multiply,
    normal, project, space_to_depth,
};
use crate::weights::{WeightError, Weights, load, shapes};
use burn::module::{Module, Param};
use burn::nn::Linear;
use burn::nn::conv::Conv2d;
use burn::tensor::activation::sigmoid;
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

/// Configuration of an [`Autoencoder`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AutoencoderConfig {
    /// Channels, height and width of an image.
    #[serde(default = "crate::unet::mnist_image")]
    pub image: [usize; 3],
    /// Channels, height and width of a latent: `[n, 1, 1]`, or the height and width of the lowest maps.
    pub latent: [usize; 3],
    /// Space-to-depth factor at the input.
    pub patch: usize,
    /// Channels of the maps at 1 / patch and at 1 / (2 patch) of the image's size.
    pub channels: [usize; 2],
    /// Residual convolutions at each size, on either way.
    pub blocks: usize,
    /// Groups of every normalization; divides both channels.
    pub groups: usize,
    /// Number of codes of a vector-quantized autoencoder; without it, it is variational.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub codes: Option<usize>,
    /// Whether the encoder is there; a file that only decodes leaves it out.
    #[serde(default = "yes", skip_serializing_if = "is_true")]
    pub encoder: bool,
}

fn yes() -> bool {
    true
}

fn is_true(value: &bool) -> bool {
    *value
}

/// What an autoencoder's file says of its sizes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum AutoencoderArchitecture {
    /// Either kind.
    Autoencoder(AutoencoderConfig),
}

impl AutoencoderConfig {
    /// Checks that the sizes fit each other.
    ///
    /// # Errors
    /// Names the first field that does not fit.
    pub fn validate(&self) -> Result<(), ArchitectureError> {
        check_states(self.image, 1)?;
        let divides = |side: &usize| side.is_multiple_of(2 * self.patch.max(1));
        if !in_range(self.patch, 16) || !self.image[1..].iter().all(divides) {
            let accepts = "1 to 16, so that 2 * patch divides the image's height and width";
            return fault("patch", self.patch.to_string(), accepts.into());
        }
        let [_, height, width] = self.lowest();
        let [channels, h, w] = self.latent;
        if !in_range(channels, 4096) || ((h, w) != (1, 1) && (h, w) != (height, width)) {
            let accepts = format!("[n, 1, 1] or [n, {height}, {width}], n at most 4096");
            return fault("latent", format!("{:?}", self.latent), accepts);
        }
        if !self.channels.iter().all(|&c| in_range(c, 2048)) {
            return fault("channels", format!("{:?}", self.channels), "two numbers from 1 to 2048".into());
        }
        if !in_range(self.blocks, 16) {
            return fault("blocks", self.blocks.to_string(), "1 to 16".into());
        }
        if self.groups == 0 || self.channels.iter().any(|c| !c.is_multiple_of(self.groups)) {
            let accepts = format!("a divisor of both channels {:?}", self.channels);
            return fault("groups", self.groups.to_string(), accepts);
        }
        if let Some(codes) = self.codes.filter(|codes| !in_range(*codes, 65_536)) {
            return fault("codes", codes.to_string(), "1 to 65536".into());
        }
        Ok(())
    }

    /// Number of values of a latent.
    pub fn latent_len(&self) -> usize {
        self.latent.iter().product()
    }

    /// The same without its encoder.
    pub fn decoder_only(&self) -> Self {
        Self { encoder: false, ..self.clone() }
    }

    fn lowest(&self) -> [usize; 3] {
        let shrink = 2 * self.patch;
        [self.channels[1], self.image[1] / shrink, self.image[2] / shrink]
    }

    fn packed(&self) -> usize {
        self.image[0] * self.patch * self.patch
    }

    fn is_vector(&self) -> bool {
        self.latent[1..] == [1, 1] && self.lowest()[1..] != [1, 1]
    }

    /// Values that the encoder says of a latent: mean and logarithm of the variance, or the latent itself.
    fn said(&self) -> usize {
        if self.codes.is_some() { self.latent[0] } else { 2 * self.latent[0] }
    }

    /// Multiply-adds of decoding one latent.
    pub fn decoding_multiply_adds(&self) -> u64 {
        let [low, h, w] = self.lowest().map(|n| n as u64);
        let [high, packed, latent] = [self.channels[0], self.packed(), self.latent[0]].map(|n| n as u64);
        let blocks = self.blocks as u64;
        let (pixels, large) = (h * w, 4 * h * w);
        let codes = self.codes.map_or(0, |codes| 2 * pixels * codes as u64 * latent);
        codes
            + latent * low * pixels
            + pixels * (blocks * 9 * low * low + 4 * low * high)
            + large * (blocks * 9 * high * high + 9 * high * packed)
    }

    /// An untrained autoencoder on `device`. The sizes must be [valid](Self::validate).
    pub fn init(&self, device: &Device) -> Autoencoder {
        let [high, low] = self.channels;
        let flat = self.lowest().iter().product();
        let parts = |channels: usize| -> Vec<Part> {
            (0..self.blocks).map(|_| Part::new(channels, self.groups, device)).collect()
        };
        let norm = |channels| GroupNormConfig { groups: self.groups, channels, affine: true }.init(device);
        let encoder = self.encoder.then(|| Encoder {
            input: conv3x3(self.packed(), high, 1, device),
            high: parts(high),
            shrink: conv3x3(high, low, 2, device),
            low: parts(low),
            norm: norm(low),
            vector: self.is_vector().then(|| linear(flat, self.said(), device)),
            map: (!self.is_vector()).then(|| conv1x1(low, self.said(), device)),
        });
        let decoder = Decoder {
            vector: self.is_vector().then(|| linear(self.latent[0], flat, device)),
            map: (!self.is_vector()).then(|| conv1x1(self.latent[0], low, device)),
            low: parts(low),
            grow: conv1x1(low, 4 * high, device),
            high: parts(high),
            norm: norm(high),
            output: conv3x3(high, self.packed(), 1, device),
        };
        Autoencoder {
            encoder,
            decoder,
            codes: self.codes.map(|codes| normal([codes, self.latent[0]], device)),
            image: self.image,
            latent: self.latent,
            lowest: self.lowest(),
            patch: self.patch,
        }
    }

    /// Names and shapes of all tensors, sorted by name.
    pub fn expected(&self, device: &Device) -> Vec<(String, Vec<usize>)> {
        shapes(&self.init(device), "")
    }

    /// An autoencoder with the weights given.
    ///
    /// # Errors
    /// Sizes that do not fit, and weights that are missing, too many, or of another shape.
    pub fn with_weights(&self, weights: Weights, device: &Device) -> Result<Autoencoder, WeightError> {
        self.validate()?;
        load(self.init(device), weights, "", device)
    }
}

/// A residual convolution: the input plus a 3x3 convolution of its norm's SiLU.
#[derive(Module, Debug)]
struct Part {
    norm: GroupNorm,
    conv: Conv2d,
}

impl Part {
    fn new(channels: usize, groups: usize, device: &Device) -> Self {
        let norm = GroupNormConfig { groups, channels, affine: true }.init(device);
        Self { norm, conv: conv3x3(channels, channels, 1, device) }
    }

    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        convolve_onto(x.clone(), &self.conv, self.norm.silu(x))
    }
}

fn through(parts: &[Part], x: Tensor<4>) -> Tensor<4> {
    parts.iter().fold(x, |x, part| part.forward(x))
}

#[derive(Module, Debug)]
struct Encoder {
    input: Conv2d,
    high: Vec<Part>,
    shrink: Conv2d,
    low: Vec<Part>,
    norm: GroupNorm,
    vector: Option<Linear>,
    map: Option<Conv2d>,
}

#[derive(Module, Debug)]
struct Decoder {
    vector: Option<Linear>,
    map: Option<Conv2d>,
    low: Vec<Part>,
    grow: Conv2d,
    high: Vec<Part>,
    norm: GroupNorm,
    output: Conv2d,
}

/// The autoencoder; made by [`AutoencoderConfig`].
#[derive(Module, Debug)]
pub struct Autoencoder {
    encoder: Option<Encoder>,
    decoder: Decoder,
    codes: Option<Param<Tensor<2>>>,
    #[module(skip)]
    image: [usize; 3],
    #[module(skip)]
    latent: [usize; 3],
    #[module(skip)]
    lowest: [usize; 3],
    patch: usize,
}

/// What the encoder says of images.
// One lives at a time, for a moment.
#[allow(clippy::large_enum_variant)]
pub enum Encoded {
    /// A normal distribution a value: means, and logarithms of the variances (kept within -12 to 4).
    Distribution {
        /// Means, `[batch, channels, height, width]` of a latent.
        mean: Tensor<4>,
        /// Logarithms of the variances, of the same shape.
        log_variance: Tensor<4>,
    },
    /// Latents before quantization, of root mean square 1 at each place.
    Latent(Tensor<4>),
}

impl Autoencoder {
    /// Channels, height and width of an image.
    pub fn image(&self) -> [usize; 3] {
        self.image
    }

    /// Encodes images, pixels in [0, 1]. None when the encoder was left out.
    ///
    /// # Shapes
    /// - `x`: `[batch, channels, height, width]` of an image.
    pub fn encode(&self, x: Tensor<4>) -> Option<Encoded> {
        let encoder = self.encoder.as_ref()?;
        let h = convolve(&encoder.input, space_to_depth(x, self.patch));
        let h = convolve(&encoder.shrink, through(&encoder.high, h));
        let h = encoder.norm.silu(through(&encoder.low, h));
        let [batch, ..] = h.dims();
        let h = match (&encoder.vector, &encoder.map) {
            (Some(linear), _) => {
                let out = linear.forward(h.flatten::<2>(1, 3));
                let [_, n] = out.dims();
                out.reshape([batch, n, 1, 1])
            }
            (None, Some(conv)) => convolve(conv, h),
            (None, None) => h,
        };
        let channels = self.latent[0];
        Some(if self.codes.is_some() {
            Encoded::Latent(unit(h))
        } else {
            Encoded::Distribution {
                mean: h.clone().narrow(1, 0, channels),
                log_variance: h.narrow(1, channels, channels).clamp(-12.0, 4.0),
            }
        })
    }

    /// The nearest codes of latents, place by place, and their numbers; none for a variational autoencoder.
    ///
    /// # Shapes
    /// - `z`: `[batch, channels, height, width]` of a latent
    /// - returns codes of that shape, and one-hot rows `[batch * height * width, codes]`.
    pub fn quantize(&self, z: Tensor<4>) -> Option<(Tensor<4>, Tensor<2>)> {
        let codes = self.codes.as_ref()?.val();
        let [batch, channels, height, width] = z.dims();
        let codes = unit_rows(codes);
        let rows = z.permute([0, 2, 3, 1]).reshape([batch * height * width, channels]);
        let products = multiply(rows, codes.clone().transpose());
        // The largest product of a row by comparison: an index would have to be read or gathered.
        let chosen = products.clone().equal(products.max_dim(1)).float();
        let chosen = chosen.clone() / chosen.sum_dim(1);
        let picked = multiply(chosen.clone(), codes);
        Some((picked.reshape([batch, height, width, channels]).permute([0, 3, 1, 2]), chosen))
    }

    /// Scores of pixels, before the sigmoid that makes them ink between 0 and 1. Nothing is quantized.
    ///
    /// # Shapes
    /// - `z`: `[batch, channels, height, width]` of a latent
    /// - returns `[batch, channels, height, width]` of an image.
    pub fn logits(&self, z: Tensor<4>) -> Tensor<4> {
        let decoder = &self.decoder;
        let [batch, ..] = z.dims();
        let [channels, height, width] = self.lowest;
        let h = match (&decoder.vector, &decoder.map) {
            (Some(linear), _) => {
                project(linear, z.flatten::<2>(1, 3)).reshape([batch, channels, height, width])
            }
            (None, Some(conv)) => convolve(conv, z),
            (None, None) => z,
        };
        let h = depth_to_space(convolve(&decoder.grow, through(&decoder.low, h)), 2);
        let h = decoder.norm.silu(through(&decoder.high, h));
        depth_to_space(convolve(&decoder.output, h), self.patch)
    }

    /// Decodes latents to pixels in [0, 1]; a vector-quantized one takes the nearest codes first.
    ///
    /// # Shapes
    /// As [`logits`](Self::logits).
    pub fn decode(&self, z: Tensor<4>) -> Tensor<4> {
        let z = self.quantize(z.clone()).map_or(z, |(codes, _)| codes);
        sigmoid(self.logits(z))
    }
}

/// Each place's channels scaled to a root mean square of 1.
fn unit(z: Tensor<4>) -> Tensor<4> {
    let size = (z.clone().square().mean_dim(1) + 1e-6).sqrt();
    z / size
}

fn unit_rows(codes: Tensor<2>) -> Tensor<2> {
    let size = (codes.clone().square().mean_dim(1) + 1e-6).sqrt();
    codes / size
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::weights::collect;
    use burn::tensor::Distribution;

    fn config(latent: [usize; 3], codes: Option<usize>) -> AutoencoderConfig {
        AutoencoderConfig {
            image: [1, 28, 28],
            latent,
            patch: 2,
            channels: [8, 16],
            blocks: 1,
            groups: 4,
            codes,
            encoder: true,
        }
    }

    fn images(device: &Device) -> Tensor<4> {
        Tensor::random([3, 1, 28, 28], Distribution::Uniform(0.0, 1.0), device)
    }

    #[test]
    fn a_vector_and_a_map_come_back_as_pixels() {
        let device = Device::flex();
        for latent in [[12, 1, 1], [4, 7, 7]] {
            let config = config(latent, None);
            config.validate().unwrap();
            let network = config.init(&device);
            let Some(Encoded::Distribution { mean, log_variance }) = network.encode(images(&device)) else {
                panic!("a variational autoencoder says a distribution");
            };
            let shape = [3, latent[0], latent[1], latent[2]];
            assert_eq!((mean.dims(), log_variance.dims()), (shape, shape));
            let pixels = network.decode(mean);
            assert_eq!(pixels.dims(), [3, 1, 28, 28]);
            let (low, high) = (pixels.clone().min(), pixels.max());
            assert!(low.into_scalar::<f32>() > 0.0 && high.into_scalar::<f32>() < 1.0);
        }
    }

    #[test]
    fn a_quantized_place_is_the_nearest_code_and_a_code_is_its_own_nearest() {
        let device = Device::flex();
        let config = config([4, 7, 7], Some(10));
        let network = config.init(&device);
        let Some(Encoded::Latent(z)) = network.encode(images(&device)) else { panic!("latents") };
        let size = z.clone().square().mean_dim(1).into_data();
        assert!(size.iter::<f32>().all(|s| (s - 1.0).abs() < 1e-3));
        let (picked, chosen) = network.quantize(z.clone()).unwrap();
        assert_eq!(chosen.clone().sum_dim(1).into_data().iter::<f32>().filter(|s| *s == 1.0).count(), 3 * 49);
        // By hand: no other code is nearer.
        let codes: Vec<f32> =
            unit_rows(network.codes.as_ref().unwrap().val()).into_data().iter::<f32>().collect();
        let (z, q): (Vec<f32>, Vec<f32>) =
            (z.into_data().iter::<f32>().collect(), picked.clone().into_data().iter::<f32>().collect());
        for place in 0..49 {
            let at = |v: &[f32]| -> Vec<f32> { (0..4).map(|c| v[c * 49 + place]).collect() };
            let distance = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f32>();
            let (z, q) = (at(&z), at(&q));
            assert!(codes.chunks(4).all(|code| distance(&z, code) >= distance(&z, &q) - 1e-4));
        }
        let (again, _) = network.quantize(picked.clone()).unwrap();
        assert!((again - picked).abs().max().into_scalar::<f32>() < 1e-5);
    }

    #[test]
    fn a_decoder_alone_decodes_the_same_and_does_not_encode() {
        let device = Device::flex();
        let config = config([12, 1, 1], None);
        let network = config.init(&device);
        let mut weights = collect(&network);
        weights.retain(|name, _| !name.starts_with("encoder."));
        let alone = config.decoder_only().with_weights(weights, &device).unwrap();
        assert!(alone.encode(images(&device)).is_none());
        let z = Tensor::<4>::random([2, 12, 1, 1], Distribution::Normal(0.0, 1.0), &device);
        assert_eq!(alone.decode(z.clone()).into_data(), network.decode(z).into_data());
    }

    #[test]
    fn sizes_that_do_not_fit_name_the_field() {
        let wrong = |change: fn(&mut AutoencoderConfig)| {
            let mut config = config([4, 7, 7], Some(10));
            change(&mut config);
            let ArchitectureError::Field { field, .. } = config.validate().unwrap_err();
            field
        };
        assert_eq!(wrong(|c| c.patch = 3), "patch");
        assert_eq!(wrong(|c| c.latent = [4, 6, 7]), "latent");
        assert_eq!(wrong(|c| c.channels = [0, 8]), "channels");
        assert_eq!(wrong(|c| c.groups = 3), "groups");
        assert_eq!(wrong(|c| c.blocks = 0), "blocks");
        assert_eq!(wrong(|c| c.codes = Some(0)), "codes");
    }

    #[test]
    fn a_configuration_reads_back_and_a_decoder_says_that_it_is_one() {
        let text = serde_json::to_string(&AutoencoderArchitecture::Autoencoder(
            config([12, 1, 1], None).decoder_only(),
        ))
        .unwrap();
        assert!(text.contains(r#""kind":"autoencoder""#) && text.contains(r#""encoder":false"#), "{text}");
        let AutoencoderArchitecture::Autoencoder(again) = serde_json::from_str(&text).unwrap();
        assert_eq!(again, config([12, 1, 1], None).decoder_only());
    }
}
