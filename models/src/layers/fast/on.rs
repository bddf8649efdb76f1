//! The layers by the loops of `kernels`.

use super::held::{Images, Primitive, Rows, images, primitive};
use super::prepared::prepared;
use crate::layers::GroupNorm;
use burn::module::Param;
use burn::nn::conv::Conv2d;
use burn::nn::{Linear, PaddingConfig2d};
use burn::tensor::{Tensor, TensorData};
use kernels::{Affine, Convolution, Extents, Kernel, Norm, Panels};

/// A 1x1 or bordered 3x3 convolution, with what is to be added to its output.
pub(crate) fn convolve(conv: &Conv2d, x: &Tensor<4>, add: Option<&Tensor<4>>) -> Option<Tensor<4>> {
    let kernel = kernel(conv)?;
    let x_images = Images::of(x)?;
    let add = match add {
        Some(add) => Some(Images::of(add)?),
        None => None,
    };
    let [to, from, ..] = conv.weight.val().dims();
    if !to.is_multiple_of(4) || from != x_images.extents.channels {
        return None;
    }
    let bias = slice_of(conv.bias.as_ref())?;
    let made = prepared(&primitive(&conv.weight.val())?, |weights| {
        Some(Convolution::new(kernel, from, to, weights))
    })?;
    let after = made.extents(x_images.extents);
    if add.as_ref().is_some_and(|add| add.extents != after) {
        return None;
    }
    let mut out = vec![0.0; after.len()];
    let (bias, add) = (bias.as_ref().map(Rows::slice), add.as_ref().map(Images::slice));
    made.apply(x_images.slice(), x_images.extents, bias, add, &mut out);
    Some(images(out, after, &x.device()))
}

/// The kernel, if it is one of those that there are loops for.
fn kernel(conv: &Conv2d) -> Option<Kernel> {
    if conv.groups != 1 || conv.dilation != [1, 1] || conv.stride[0] != conv.stride[1] {
        return None;
    }
    match (conv.kernel_size, &conv.padding) {
        ([1, 1], PaddingConfig2d::Valid) if conv.stride == [1, 1] => Some(Kernel::One),
        ([3, 3], PaddingConfig2d::Explicit(1, 1, 1, 1)) => Some(Kernel::Three { stride: conv.stride[0] }),
        _ => None,
    }
}

/// The numbers of a vector that may be absent; None if it is there and not held by the CPU backend.
fn slice_of(vector: Option<&Param<Tensor<1>>>) -> Option<Option<Rows>> {
    match vector {
        Some(vector) => Rows::of(&vector.val()).map(Some),
        None => Some(None),
    }
}

/// A group normalization, then its own or an image's scales and shifts, then SiLU if asked.
pub(crate) fn normalize(
    norm: &GroupNorm,
    x: &Tensor<4>,
    modulation: Option<&Tensor<2>>,
    silu: bool,
) -> Option<Tensor<4>> {
    let x_images = Images::of(x)?;
    let extents = x_images.extents;
    let channels = extents.channels;
    if !channels.is_multiple_of(4) {
        return None;
    }
    let (scale, shift) = (slice_of(norm.gamma.as_ref())?, slice_of(norm.beta.as_ref())?);
    let (ones, zeros) = (vec![1.0; channels], vec![0.0; channels]);
    let own = match modulation {
        Some(own) if norm.gamma.is_none() && own.dims() == [extents.batch, 2 * channels] => {
            Some(strided(own)?)
        }
        Some(_) => return None,
        None => None,
    };
    let affine = match &own {
        Some((held, from, stride)) => {
            Affine::Own { both: held.storage::<f32>().get(*from..)?, stride: *stride }
        }
        None => Affine::Shared {
            scale: scale.as_ref().map_or(&ones, |rows| rows.slice()),
            shift: shift.as_ref().map_or(&zeros, |rows| rows.slice()),
        },
    };
    let mut out = vec![0.0; extents.len()];
    let norm = Norm { groups: norm.groups(), affine, silu };
    kernels::normalize(x_images.slice(), extents, norm, &mut out);
    Some(images(out, extents, &x.device()))
}

/// Rows of numbers side by side: what holds them, where the first begins, and how far it is from one to the next.
fn strided(x: &Tensor<2>) -> Option<(Primitive, usize, usize)> {
    let mut held = primitive(x)?;
    if held.layout().strides().get(1) != Some(&1) {
        held = held.to_contiguous();
    }
    let (from, stride) =
        (held.layout().start_offset(), usize::try_from(*held.layout().strides().first()?).ok()?);
    Some((held, from, stride))
}

/// As [`crate::layers::attend`].
pub(crate) fn attend(query_key_value: &Tensor<3>, heads: usize) -> Option<Tensor<3>> {
    let given = Rows::of(query_key_value)?;
    let [batch, tokens, three] = query_key_value.dims();
    let width = three / 3;
    if batch * tokens * width == 0 || !width.is_multiple_of(heads) {
        return None;
    }
    let mut out = vec![0.0; batch * tokens * width];
    for (given, out) in given.slice().chunks_exact(tokens * three).zip(out.chunks_exact_mut(tokens * width)) {
        kernels::attend(given, tokens, heads, out);
    }
    Some(Tensor::from_data(TensorData::new(out, [batch, tokens, width]), &query_key_value.device()))
}

/// A linear layer.
pub(crate) fn project<const D: usize>(linear: &Linear, x: &Tensor<D>) -> Option<Tensor<D>> {
    let given = Rows::of(x)?;
    let [from, to] = linear.weight.val().dims();
    let mut dims = x.dims();
    if dims[D - 1] != from || given.slice().is_empty() {
        return None;
    }
    let bias = slice_of(linear.bias.as_ref())?;
    let made = prepared(&primitive(&linear.weight.val())?, |weights| {
        Some(Panels::new(from, to, |row, column| weights[row * to + column]))
    })?;
    dims[D - 1] = to;
    let mut out = vec![0.0; dims.iter().product()];
    kernels::multiply(given.slice(), &made, bias.as_ref().map(Rows::slice), &mut out);
    Some(Tensor::from_data(TensorData::new(out, dims), &x.device()))
}

/// SiLU of every number.
pub(crate) fn silu<const D: usize>(x: &Tensor<D>) -> Option<Tensor<D>> {
    let mut out = Rows::of(x)?.slice().to_vec();
    kernels::silu(&mut out);
    Some(Tensor::from_data(TensorData::new(out, x.dims()), &x.device()))
}

/// The channels of `a`, then those of `b`.
pub(crate) fn join(a: &Tensor<4>, b: &Tensor<4>) -> Option<Tensor<4>> {
    let (first, second) = (Images::of(a)?, Images::of(b)?);
    let (from, also) = (first.extents.channels, second.extents.channels);
    let after = Extents { channels: from + also, ..first.extents };
    if (Extents { channels: from, ..second.extents }) != first.extents {
        return None;
    }
    let mut out = Vec::with_capacity(after.len());
    for (a, b) in first.slice().chunks_exact(from).zip(second.slice().chunks_exact(also)) {
        out.extend_from_slice(a);
        out.extend_from_slice(b);
    }
    Some(images(out, after, &a.device()))
}

/// As [`crate::layers::depth_to_space`].
pub(crate) fn depth_to_space(x: &Tensor<4>, factor: usize) -> Option<Tensor<4>> {
    let given = Images::of(x)?;
    let Extents { batch, height, width, channels } = given.extents;
    let to = channels / (factor * factor);
    let after = Extents { batch, height: height * factor, width: width * factor, channels: to };
    let mut out = vec![0.0; after.len()];
    for (pixel, values) in given.slice().chunks_exact(channels).enumerate() {
        let (image, y, x) = (pixel / (height * width), pixel / width % height, pixel % width);
        for dy in 0..factor {
            let row = (image * after.height + y * factor + dy) * after.width + x * factor;
            for (dx, place) in out[row * to..(row + factor) * to].chunks_exact_mut(to).enumerate() {
                for (c, value) in place.iter_mut().enumerate() {
                    *value = values[(c * factor + dy) * factor + dx];
                }
            }
        }
    }
    Some(images(out, after, &x.device()))
}

/// Pixels as tokens, `[batch, height * width, channels]`.
pub(crate) fn tokens(x: &Tensor<4>) -> Option<Tensor<3>> {
    Images::of(x)?;
    let [batch, channels, height, width] = x.dims();
    Some(x.clone().permute([0, 2, 3, 1]).reshape([batch, height * width, channels]))
}

/// Images plus tokens, pixel by pixel.
pub(crate) fn add_tokens(x: &Tensor<4>, tokens: &Tensor<3>) -> Option<Tensor<4>> {
    let (given, also) = (Images::of(x)?, Rows::of(tokens)?);
    let out: Vec<f32> = given.slice().iter().zip(also.slice()).map(|(a, b)| a + b).collect();
    (out.len() == given.extents.len()).then(|| images(out, given.extents, &x.device()))
}
