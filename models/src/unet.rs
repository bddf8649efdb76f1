//! The class-conditional U-Net (Ronneberger 2015; Ho 2020; Dhariwal and Nichol 2021), sized by its configuration: of
//! residual blocks, or of plain ones for comparison.
//!
//! space-to-depth -> 3x3 convolution -> per level: residual blocks, then a strided convolution -> attention at the
//! lowest level -> per level upwards: 1x1 convolution and depth-to-space, the level's skip concatenated, residual
//! blocks -> GroupNorm and SiLU (a plain block ends in one), 3x3 convolution (starts at zero) -> depth-to-space.
//!
//! One linear layer makes the scales and shifts of all blocks at once from silu(time embedding + class embedding).

use crate::architecture::{ArchitectureError, NetworkConfig, fault, in_range};
use crate::layers::{
    Attention, AttentionConfig, BlockKind, GroupNorm, GroupNormConfig, Residual, ResidualConfig, Start,
    conv1x1, conv3x3, conv3x3_zero, convolve, depth_to_space, embedding_from, join, linear, project, silu,
    space_to_depth,
};
use crate::network::VelocityNetwork;
use burn::module::Module;
use burn::nn::conv::Conv2d;
use burn::nn::{Embedding, Linear};
use burn::tensor::{Device, Int, Tensor};
use serde::{Deserialize, Serialize};

/// Configuration of a [`UNet`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UNetConfig {
    /// Channels, height and width of an image.
    #[serde(default = "mnist_image")]
    pub image: [usize; 3],
    /// Number of classes; the null class of classifier-free guidance is one more.
    #[serde(default = "ten")]
    pub classes: usize,
    /// Space-to-depth factor at the input.
    pub patch: usize,
    /// Channels of each level, finest first; each level halves height and width.
    pub channels: Vec<usize>,
    /// Residual blocks of each level on the way down.
    pub blocks: usize,
    /// Residual blocks of each level on the way up.
    pub up_blocks: usize,
    /// Residual blocks after the attention of the lowest level.
    pub middle_blocks: usize,
    /// Width of the time and class embedding; even.
    pub embedding: usize,
    /// Groups of every normalization; divides all channels.
    pub groups: usize,
    /// Heads of the self-attention at the lowest level; 0 for none.
    pub attention_heads: usize,
    /// What the blocks are made of.
    #[serde(default, skip_serializing_if = "BlockKind::is_default")]
    pub block: BlockKind,
}

pub(crate) fn mnist_image() -> [usize; 3] {
    [1, 28, 28]
}

pub(crate) fn ten() -> usize {
    10
}

/// What the parts of the network are, in the order in which they run; both `init` and the cost read it.
struct Plan {
    down: Vec<Vec<ResidualConfig>>,
    middle: Vec<ResidualConfig>,
    up: Vec<Vec<ResidualConfig>>,
}

impl UNetConfig {
    fn lowest_channels(&self) -> usize {
        self.channels[self.channels.len() - 1]
    }

    fn packed_channels(&self) -> usize {
        self.image[0] * self.patch * self.patch
    }

    fn block(&self, from: usize, to: usize) -> ResidualConfig {
        ResidualConfig { from, to, groups: self.groups, kind: self.block }
    }

    fn plan(&self) -> Plan {
        let lowest = self.lowest_channels();
        let down = self.channels.iter().map(|&c| vec![self.block(c, c); self.blocks]).collect();
        let middle = vec![self.block(lowest, lowest); self.middle_blocks];
        let up = self.channels[..self.channels.len() - 1]
            .iter()
            .rev()
            .map(|&c| (0..self.up_blocks).map(|i| self.block(if i == 0 { 2 * c } else { c }, c)).collect())
            .collect();
        Plan { down, middle, up }
    }

    fn attention(&self) -> Option<AttentionConfig> {
        let channels = self.lowest_channels();
        (self.attention_heads > 0).then_some(AttentionConfig {
            channels,
            heads: self.attention_heads,
            groups: self.groups,
        })
    }
}

impl NetworkConfig for UNetConfig {
    type Network = UNet;

    fn validate(&self) -> Result<(), ArchitectureError> {
        if !self.image.iter().all(|&n| in_range(n, 512)) {
            return fault("image", format!("{:?}", self.image), "three numbers from 1 to 512".into());
        }
        if !in_range(self.classes, 1000) {
            return fault("classes", self.classes.to_string(), "1 to 1000".into());
        }
        if !in_range(self.channels.len(), 6) || !self.channels.iter().all(|&c| in_range(c, 2048)) {
            return fault("channels", format!("{:?}", self.channels), "1 to 6 numbers from 1 to 2048".into());
        }
        let divisor = self.patch.max(1) << (self.channels.len() - 1);
        if !in_range(self.patch, 16) || self.image[1..].iter().any(|side| !side.is_multiple_of(divisor)) {
            let accepts = "1 to 16, so that patch * 2^(levels - 1) divides the image's height and width";
            return fault("patch", self.patch.to_string(), accepts.into());
        }
        if !in_range(self.blocks, 16) {
            return fault("blocks", self.blocks.to_string(), "1 to 16".into());
        }
        if !in_range(self.up_blocks, 16) {
            return fault("up_blocks", self.up_blocks.to_string(), "1 to 16".into());
        }
        if self.middle_blocks > 16 {
            return fault("middle_blocks", self.middle_blocks.to_string(), "0 to 16".into());
        }
        if !in_range(self.embedding, 4096) || !self.embedding.is_multiple_of(2) {
            return fault("embedding", self.embedding.to_string(), "an even number from 2 to 4096".into());
        }
        if self.groups == 0 || self.channels.iter().any(|c| !c.is_multiple_of(self.groups)) {
            let accepts = format!("a divisor of all channels {:?}", self.channels);
            return fault("groups", self.groups.to_string(), accepts);
        }
        let lowest = self.lowest_channels();
        if self.attention_heads != 0 && !lowest.is_multiple_of(self.attention_heads) {
            let accepts = format!("0, or a divisor of the lowest level's {lowest} channels");
            return fault("attention_heads", self.attention_heads.to_string(), accepts);
        }
        Ok(())
    }

    fn image(&self) -> [usize; 3] {
        self.image
    }

    fn classes(&self) -> usize {
        self.classes
    }

    fn multiply_adds(&self) -> u64 {
        let plan = self.plan();
        let size = |level: usize| {
            let shrink = self.patch << level;
            (self.image[1] / shrink, self.image[2] / shrink)
        };
        let pixels = |level: usize| (size(level).0 * size(level).1) as u64;
        let channels = |level: usize| self.channels[level] as u64;
        let packed = self.packed_channels() as u64;
        let mut total = 2 * pixels(0) * 9 * packed * channels(0);
        let mut modulated = 0;
        let mut blocks = |level: usize, list: &[ResidualConfig]| -> u64 {
            modulated += list.iter().map(|b| 2 * b.to as u64).sum::<u64>();
            list.iter().map(|b| b.multiply_adds(size(level).0, size(level).1)).sum()
        };
        let last = self.channels.len() - 1;
        for (level, list) in plan.down.iter().enumerate() {
            total += blocks(level, list);
        }
        total += blocks(last, &plan.middle);
        for (i, list) in plan.up.iter().enumerate() {
            total += blocks(last - 1 - i, list);
        }
        for level in 1..=last {
            total += pixels(level) * 9 * channels(level - 1) * channels(level);
            total += pixels(level) * channels(level) * 4 * channels(level - 1);
        }
        if let Some(attention) = self.attention() {
            total += attention.multiply_adds(size(last).0, size(last).1);
        }
        let e = self.embedding as u64;
        total + 2 * e * e + e * modulated
    }

    fn init(&self, device: &Device) -> UNet {
        let plan = self.plan();
        let make = |list: &Vec<ResidualConfig>| list.iter().map(|b| b.init(device)).collect::<Vec<_>>();
        let modulation_widths: Vec<usize> =
            plan.down.iter().chain([&plan.middle]).chain(&plan.up).flatten().map(|b| 2 * b.to).collect();
        let first = self.channels[0];
        let packed = self.packed_channels();
        let pairs = || self.channels.windows(2);
        let e = self.embedding;
        UNet {
            time1: linear(e, e, device),
            time2: linear(e, e, device),
            class: embedding_from(Start::Usual, self.classes + 1, e, device),
            modulation: linear(e, modulation_widths.iter().sum(), device),
            input: conv3x3(packed, first, 1, device),
            down: plan.down.iter().map(make).map(Level::new).collect(),
            shrink: pairs().map(|p| conv3x3(p[0], p[1], 2, device)).collect(),
            attention: self.attention().map(|a| a.init(device)),
            middle: make(&plan.middle),
            grow: pairs().rev().map(|p| conv1x1(p[1], 4 * p[0], device)).collect(),
            up: plan.up.iter().map(make).map(Level::new).collect(),
            norm: (self.block == BlockKind::Residual)
                .then(|| GroupNormConfig { groups: self.groups, channels: first, affine: true }.init(device)),
            output: conv3x3_zero(first, packed, device),
            modulation_widths,
            embedding: e,
            patch: self.patch,
        }
    }
}

/// The residual blocks of one level.
#[derive(Module, Debug)]
struct Level {
    blocks: Vec<Residual>,
}

impl Level {
    fn new(blocks: Vec<Residual>) -> Self {
        Self { blocks }
    }
}

/// The network; made by [`UNetConfig::init`].
#[derive(Module, Debug)]
pub struct UNet {
    time1: Linear,
    time2: Linear,
    class: Embedding,
    modulation: Linear,
    input: Conv2d,
    down: Vec<Level>,
    shrink: Vec<Conv2d>,
    attention: Option<Attention>,
    middle: Vec<Residual>,
    grow: Vec<Conv2d>,
    up: Vec<Level>,
    norm: Option<GroupNorm>,
    output: Conv2d,
    #[module(skip)]
    modulation_widths: Vec<usize>,
    embedding: usize,
    patch: usize,
}

impl VelocityNetwork for UNet {
    fn embedding(&self) -> usize {
        self.embedding
    }

    fn forward_embedded(&self, x: Tensor<4>, time: Tensor<2>, class: Tensor<1, Int>) -> Tensor<4> {
        let [batch, _] = time.dims();
        // Where the weights are cast to 16 bits, the work follows them; the answer is as exact as the question.
        let (given, computing) = (x.dtype(), self.input.weight.dtype());
        let (x, time) = (x.cast(computing), time.cast(computing));
        let time = project(&self.time2, silu(project(&self.time1, time)));
        let class = self.class.forward(class.reshape([batch, 1])).reshape([batch, self.embedding]);
        let modulations = project(&self.modulation, silu(time + class));
        let mut modulations = Modulations { all: modulations, widths: self.modulation_widths.iter(), at: 0 };

        let mut h = convolve(&self.input, space_to_depth(x, self.patch));
        let mut skips = Vec::with_capacity(self.shrink.len());
        for (i, level) in self.down.iter().enumerate() {
            h = modulations.apply(&level.blocks, h);
            if let Some(shrink) = self.shrink.get(i) {
                skips.push(h.clone());
                h = convolve(shrink, h);
            }
        }
        if let Some(attention) = &self.attention {
            h = attention.forward(h);
        }
        h = modulations.apply(&self.middle, h);
        for (grow, level) in self.grow.iter().zip(&self.up) {
            h = depth_to_space(convolve(grow, h), 2);
            if let Some(skip) = skips.pop() {
                h = join(h, skip);
            }
            h = modulations.apply(&level.blocks, h);
        }
        if let Some(norm) = &self.norm {
            h = norm.silu(h);
        }
        depth_to_space(convolve(&self.output, h), self.patch).cast(given)
    }
}

/// Hands each block, in order, its part of the one modulation vector.
struct Modulations<'a> {
    all: Tensor<2>,
    widths: std::slice::Iter<'a, usize>,
    at: usize,
}

impl Modulations<'_> {
    fn apply(&mut self, blocks: &[Residual], mut h: Tensor<4>) -> Tensor<4> {
        for block in blocks {
            let width = self.widths.next().copied().unwrap_or(0);
            h = block.forward(h, self.all.clone().narrow(1, self.at, width));
            self.at += width;
        }
        h
    }
}
