//! Rearrangements that keep images in channels-last order, so that no layer has to turn what another one made.

use super::held::primitive;
use burn::tensor::Tensor;

/// Convolution weights in the order in which the convolution's shader reads them (kernel, then channels that come in, then those that
/// go out); other tensors as they are.
pub(crate) fn arranged<const D: usize>(weights: Tensor<D>) -> Tensor<D> {
    if D != 4 || primitive(&weights).is_none() {
        return weights;
    }
    let axes = |order: [usize; 4]| -> [usize; D] { std::array::from_fn(|axis| order[axis]) };
    let read = weights.permute(axes([2, 3, 1, 0]));
    let dims = read.dims();
    // Two reshapes, as in `rows_of`.
    read.reshape([dims.iter().product::<usize>()]).reshape(dims).permute(axes([3, 2, 0, 1]))
}

/// As [`crate::layers::space_to_depth`].
pub(crate) fn space_to_depth(x: &Tensor<4>, factor: usize) -> Option<Tensor<4>> {
    primitive(x)?;
    let [batch, channels, height, width] = x.dims();
    let (h, w) = (height / factor, width / factor);
    let blocks = x.clone().reshape([batch, channels, h, factor, w, factor]).permute([0, 2, 4, 1, 3, 5]);
    Some(blocks.reshape([batch, h, w, channels * factor * factor]).permute([0, 3, 1, 2]))
}

/// As [`crate::layers::depth_to_space`].
pub(crate) fn depth_to_space(x: &Tensor<4>, factor: usize) -> Option<Tensor<4>> {
    primitive(x)?;
    let [batch, channels, height, width] = x.dims();
    let c = channels / (factor * factor);
    let pixels = x.clone().permute([0, 2, 3, 1]).reshape([batch, height, width, c, factor, factor]);
    let rows = pixels.permute([0, 1, 4, 2, 5, 3]);
    Some(rows.reshape([batch, height * factor, width * factor, c]).permute([0, 3, 1, 2]))
}

/// Pixels as tokens: `[batch, height * width, channels]`.
pub(crate) fn tokens(x: &Tensor<4>) -> Option<Tensor<3>> {
    primitive(x)?;
    let [batch, channels, height, width] = x.dims();
    Some(x.clone().permute([0, 2, 3, 1]).reshape([batch, height * width, channels]))
}

/// Images and tokens of their pixels, summed.
pub(crate) fn add_tokens(x: &Tensor<4>, tokens: &Tensor<3>) -> Option<Tensor<4>> {
    primitive(x)?;
    let [batch, channels, height, width] = x.dims();
    let images = tokens.clone().reshape([batch, height, width, channels]).permute([0, 3, 1, 2]);
    Some(x.clone() + images)
}
