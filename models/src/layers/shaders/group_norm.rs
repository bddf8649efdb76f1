//! Group normalization, then scales and shifts, then SiLU: one workgroup an image and group.

use super::held::{Primitive, SUM, Shader, empty, in_rows, primitive, run, strides, tensor};
use crate::layers::GroupNorm;
use burn::module::Param;
use burn::tensor::Tensor;

/// What a channel is scaled and shifted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Affine {
    Nothing,
    /// The layer's own scales and shifts.
    Shared,
    /// An image's own: scales, each one less than it counts, then shifts; so far from one image's to the next.
    Own {
        stride: u32,
    },
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Norm {
    channels: u32,
    groups: u32,
    pixels: u32,
    width: u32,
    /// Of the images: how far it is to the next image, channel, row and column.
    strides: [u32; 4],
    affine: Affine,
    silu: bool,
}

impl Shader for Norm {
    fn text(&self) -> String {
        let Self { channels, groups, pixels, width, strides: [image, channel, row, column], .. } = *self;
        let affine = match self.affine {
            Affine::Nothing => String::new(),
            Affine::Shared => "y = y * scale[c] + shift[c];".to_owned(),
            Affine::Own { stride } => format!(
                "y = y * (1.0 + own[image * {stride}u + c]) + own[image * {stride}u + {channels}u + c];"
            ),
        };
        let silu = if self.silu { "y = y / (1.0 + exp(min(-y, 80.0)));" } else { "" };
        let (inner, span) = (channels / groups, channels / groups * pixels);
        format!(
            "
const INNER = {inner}u;
const SPAN = {span}u;

{SUM}
fn at(image: u32, c: u32, p: u32) -> u32 {{
    return image * {image}u + c * {channel}u + p / {width}u * {row}u + p % {width}u * {column}u;
}}

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) lane: u32) {{
    let first = workgroup.x * INNER;
    let image = workgroup.y;
    var sum = 0.0;
    for (var i = lane; i < SPAN; i += LANES) {{
        sum += x[at(image, first + i % INNER, i / INNER)];
    }}
    let mean = sum_of(lane, sum) / f32(SPAN);
    var squares = 0.0;
    for (var i = lane; i < SPAN; i += LANES) {{
        let d = x[at(image, first + i % INNER, i / INNER)] - mean;
        squares += d * d;
    }}
    let inverse = inverseSqrt(sum_of(lane, squares) / f32(SPAN) + 1e-5);
    for (var i = lane; i < SPAN; i += LANES) {{
        let c = first + i % INNER;
        let p = i / INNER;
        var y = (x[at(image, c, p)] - mean) * inverse;
        {affine}
        {silu}
        out[(image * {pixels}u + p) * {channels}u + c] = y;
    }}
}}
"
        )
    }
}

/// A group normalization, then its own or an image's scales and shifts, then SiLU if asked.
pub(crate) fn normalize(
    norm: &GroupNorm,
    x: &Tensor<4>,
    modulation: Option<&Tensor<2>>,
    silu: bool,
) -> Option<Tensor<4>> {
    let [batch, channels, height, width] = x.dims();
    let x = primitive(x)?;
    let vector = |vector: Option<&Param<Tensor<1>>>| vector.and_then(|vector| primitive(&vector.val()));
    let (scale, shift) = (vector(norm.gamma.as_ref()), vector(norm.beta.as_ref()));
    let own = match modulation {
        Some(own) if own.dims() == [batch, 2 * channels] => Some(primitive(own)?),
        Some(_) => return None,
        None => None,
    };
    let affine = match (&norm.gamma, &own) {
        (None, None) => Affine::Nothing,
        (Some(_), None) => Affine::Shared,
        (None, Some(own)) => match strides(own)? {
            [stride, 1] => Affine::Own { stride },
            _ => return None,
        },
        (Some(_), Some(_)) => return None,
    };
    let shader = Norm {
        channels: u32::try_from(channels).ok()?,
        groups: u32::try_from(norm.groups()).ok()?,
        pixels: u32::try_from(height * width).ok()?,
        width: u32::try_from(width).ok()?,
        strides: strides(&x)?,
        affine,
        silu,
    };
    let out = empty(&x, &[batch, height, width, channels]);
    let (buffers, held): (&'static [&'static str], Vec<&Primitive>) = match (affine, &scale, &shift, &own) {
        (Affine::Nothing, ..) => (&["x", "out"], vec![&x, &out]),
        (Affine::Shared, Some(scale), Some(shift), _) if in_rows(scale) && in_rows(shift) => {
            (&["x", "out", "scale", "shift"], vec![&x, &out, scale, shift])
        }
        (Affine::Own { .. }, _, _, Some(own)) => (&["x", "out", "own"], vec![&x, &out, own]),
        _ => return None,
    };
    run(shader, [norm.groups(), batch], buffers, &held)?;
    Some(tensor::<4>(out).permute([0, 3, 1, 2]))
}
