//! How parameters begin: as Burn's configurations say, to be trained; or, with the feature `blank`, at zero, to be
//! replaced by weights from a file. A program that only loads needs no random numbers, and carries none.

use burn::module::Param;
use burn::nn::conv::Conv2d;
use burn::nn::{Embedding, Linear};
use burn::tensor::{Device, Tensor};

#[cfg(not(feature = "blank"))]
pub(crate) use trained::*;
#[cfg(feature = "blank")]
pub(crate) use zeros::*;

/// What a layer's weights begin as, if not as Burn has them.
#[derive(Clone, Copy)]
pub(crate) enum Start {
    /// As Burn has them.
    Usual,
    /// Zeros: a branch that starts as nothing.
    Zero,
    /// Uniform, by Glorot's width.
    Xavier,
    /// Normal, of this deviation.
    #[cfg_attr(feature = "blank", expect(dead_code, reason = "nothing is drawn"))]
    Normal(f64),
}

/// A linear layer that begins as usual.
pub(crate) fn linear(from: usize, to: usize, device: &Device) -> Linear {
    linear_from(Start::Usual, from, to, device)
}

#[cfg(not(feature = "blank"))]
mod trained {
    use super::*;
    use burn::module::Initializer;
    use burn::nn::conv::Conv2dConfig;
    use burn::nn::{EmbeddingConfig, LinearConfig, PaddingConfig2d};

    fn initializer(start: Start) -> Option<Initializer> {
        match start {
            Start::Usual => None,
            Start::Zero => Some(Initializer::Zeros),
            Start::Xavier => Some(Initializer::XavierUniform { gain: 1.0 }),
            Start::Normal(std) => Some(Initializer::Normal { mean: 0.0, std }),
        }
    }

    pub(crate) fn linear_from(start: Start, from: usize, to: usize, device: &Device) -> Linear {
        let config = LinearConfig::new(from, to);
        match initializer(start) {
            Some(initializer) => config.with_initializer(initializer),
            None => config,
        }
        .init(device)
    }

    pub(crate) fn embedding_from(start: Start, count: usize, width: usize, device: &Device) -> Embedding {
        let config = EmbeddingConfig::new(count, width);
        match initializer(start) {
            Some(initializer) => config.with_initializer(initializer),
            None => config,
        }
        .init(device)
    }

    /// A convolution of `side` x `side`, odd, that keeps height and width (or divides them by `stride`).
    pub(crate) fn conv_from(
        start: Start,
        [from, to]: [usize; 2],
        side: usize,
        stride: usize,
        device: &Device,
    ) -> Conv2d {
        let mut config = Conv2dConfig::new([from, to], [side, side]).with_stride([stride, stride]);
        if side > 1 {
            let border = side / 2;
            config = config.with_padding(PaddingConfig2d::Explicit(border, border, border, border));
        }
        match initializer(start) {
            Some(initializer) => config.with_initializer(initializer),
            None => config,
        }
        .init(device)
    }

    pub(crate) fn ones(count: usize, device: &Device) -> Param<Tensor<1>> {
        Initializer::Ones.init([count], device)
    }

    pub(crate) fn zeros(count: usize, device: &Device) -> Param<Tensor<1>> {
        Initializer::Zeros.init([count], device)
    }

    pub(crate) fn normal(shape: [usize; 2], device: &Device) -> Param<Tensor<2>> {
        Initializer::Normal { mean: 0.0, std: 1.0 }.init(shape, device)
    }
}

#[cfg(feature = "blank")]
mod zeros {
    use super::*;
    use burn::nn::PaddingConfig2d;

    fn blank<const D: usize>(shape: [usize; D], device: &Device) -> Param<Tensor<D>> {
        Param::from_tensor(Tensor::zeros(shape, device))
    }

    pub(crate) fn linear_from(_: Start, from: usize, to: usize, device: &Device) -> Linear {
        Linear { weight: blank([from, to], device), bias: Some(blank([to], device)) }
    }

    pub(crate) fn embedding_from(_: Start, count: usize, width: usize, device: &Device) -> Embedding {
        Embedding { weight: blank([count, width], device) }
    }

    pub(crate) fn conv_from(
        _: Start,
        [from, to]: [usize; 2],
        side: usize,
        stride: usize,
        device: &Device,
    ) -> Conv2d {
        let border = side / 2;
        let padding = match border {
            0 => PaddingConfig2d::Valid,
            _ => PaddingConfig2d::Explicit(border, border, border, border),
        };
        Conv2d {
            weight: blank([to, from, side, side], device),
            bias: Some(blank([to], device)),
            stride: [stride, stride],
            kernel_size: [side, side],
            dilation: [1, 1],
            groups: 1,
            padding,
        }
    }

    pub(crate) fn ones(count: usize, device: &Device) -> Param<Tensor<1>> {
        blank([count], device)
    }

    pub(crate) fn zeros(count: usize, device: &Device) -> Param<Tensor<1>> {
        blank([count], device)
    }

    pub(crate) fn normal(shape: [usize; 2], device: &Device) -> Param<Tensor<2>> {
        blank(shape, device)
    }
}
