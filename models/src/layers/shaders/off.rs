//! Without the feature `shaders`: no layer has another way.

use crate::layers::GroupNorm;
use burn::nn::Linear;
use burn::nn::conv::Conv2d;
use burn::tensor::Tensor;

pub(crate) fn normalize(_: &GroupNorm, _: &Tensor<4>, _: Option<&Tensor<2>>, _: bool) -> Option<Tensor<4>> {
    None
}

pub(crate) fn convolve(_: &Conv2d, _: &Tensor<4>, _: Option<&Tensor<4>>) -> Option<Tensor<4>> {
    None
}

pub(crate) fn project<const D: usize>(_: &Linear, _: &Tensor<D>) -> Option<Tensor<D>> {
    None
}

pub(crate) fn multiply(_: &Tensor<2>, _: &Tensor<2>) -> Option<Tensor<2>> {
    None
}

pub(crate) fn silu<const D: usize>(_: &Tensor<D>) -> Option<Tensor<D>> {
    None
}

pub(crate) fn attend(_: &Tensor<3>, _: usize) -> Option<Tensor<3>> {
    None
}

pub(crate) fn layer_norm<const D: usize>(_: &Tensor<D>) -> Option<Tensor<D>> {
    None
}

pub(crate) fn arranged<const D: usize>(weights: Tensor<D>) -> Tensor<D> {
    weights
}

pub(crate) fn space_to_depth(_: &Tensor<4>, _: usize) -> Option<Tensor<4>> {
    None
}

pub(crate) fn depth_to_space(_: &Tensor<4>, _: usize) -> Option<Tensor<4>> {
    None
}

pub(crate) fn join(_: &Tensor<4>, _: &Tensor<4>) -> Option<Tensor<4>> {
    None
}

pub(crate) fn tokens(_: &Tensor<4>) -> Option<Tensor<3>> {
    None
}

pub(crate) fn add_tokens(_: &Tensor<4>, _: &Tensor<3>) -> Option<Tensor<4>> {
    None
}
