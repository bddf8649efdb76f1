//! Tensors that Burn's CPU backend holds, as slices of f32, and back.

use burn::backend::{BackendTypes, Flex};
use burn::tensor::{DType, Device, Tensor, TensorData};
use kernels::Extents;

/// A tensor of Burn's CPU backend.
pub(super) type Primitive = <Flex as BackendTypes>::FloatTensorPrimitive;

/// The CPU backend's own tensor, of 32 bits, without gradients; None if it is anything else.
pub(super) fn primitive<const D: usize>(x: &Tensor<D>) -> Option<Primitive> {
    if !super::used() || x.dtype() != DType::F32 {
        return None;
    }
    x.clone().try_into_primitive::<Flex>().ok()
}

/// A tensor as one slice in row-major order: its own storage where that is in order, else a copy.
pub(super) struct Rows {
    held: Primitive,
}

impl Rows {
    pub(super) fn of<const D: usize>(x: &Tensor<D>) -> Option<Self> {
        let held = primitive(x)?;
        Some(Self { held: if held.as_slice::<f32>().is_some() { held } else { held.to_contiguous() } })
    }

    pub(super) fn slice(&self) -> &[f32] {
        self.held.as_slice().unwrap_or_default()
    }
}

/// Images in channels-last order.
pub(super) struct Images {
    rows: Rows,
    pub(super) extents: Extents,
}

impl Images {
    pub(super) fn of(x: &Tensor<4>) -> Option<Self> {
        let [batch, channels, height, width] = x.dims();
        let rows = Rows::of(&x.clone().permute([0, 2, 3, 1]))?;
        let images = Self { rows, extents: Extents { batch, height, width, channels } };
        (images.slice().len() == images.extents.len() && !images.slice().is_empty()).then_some(images)
    }

    pub(super) fn slice(&self) -> &[f32] {
        self.rows.slice()
    }
}

/// Channels-last numbers as a tensor `[batch, channels, height, width]`.
pub(super) fn images(values: Vec<f32>, extents: Extents, device: &Device) -> Tensor<4> {
    let Extents { batch, height, width, channels } = extents;
    let data = TensorData::new(values, [batch, height, width, channels]);
    Tensor::<4>::from_data(data, device).permute([0, 3, 1, 2])
}
