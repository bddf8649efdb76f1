//! The channels of two images, one's after the other's.

use super::held::{LANES, Shader, empty, primitive, run, strides, tensor};
use burn::tensor::Tensor;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Join {
    channels: [u32; 2],
    extents: [u32; 2],
    /// How far it is to the next image, channel, row and column, in each.
    strides: [[u32; 4]; 2],
}

impl Shader for Join {
    fn text(&self) -> String {
        let Self { channels: [first, second], extents: [height, width], strides } = *self;
        let all = first + second;
        let (across, count) = (width * all, height * width * all);
        let [one, other] = strides.map(|[image, channel, row, column]| {
            format!("image * {image}u + top * {row}u + left * {column}u + {channel}u *")
        });
        format!(
            "
@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) lane: u32) {{
    let within = workgroup.x * LANES + lane;
    if within < {count}u {{
        let c = within % {all}u;
        let left = within / {all}u % {width}u;
        let top = within / {across}u;
        let image = workgroup.y;
        let at = image * {count}u + within;
        if c < {first}u {{
            y[at] = a[{one} c];
        }} else {{
            y[at] = b[{other} (c - {first}u)];
        }}
    }}
}}
"
        )
    }
}

/// As [`crate::layers::join`].
pub(crate) fn join(a: &Tensor<4>, b: &Tensor<4>) -> Option<Tensor<4>> {
    let ([batch, first, height, width], [_, second, ..]) = (a.dims(), b.dims());
    if b.dims() != [batch, second, height, width] {
        return None;
    }
    let (a, b) = (primitive(a)?, primitive(b)?);
    let small = |number: usize| u32::try_from(number).ok();
    let dims = [batch, height, width, first + second];
    let count = height * width * (first + second);
    small(batch * count)?;
    let shader = Join {
        channels: [small(first)?, small(second)?],
        extents: [small(height)?, small(width)?],
        strides: [strides(&a)?, strides(&b)?],
    };
    let y = empty(&a, &dims);
    run(shader, [count.div_ceil(LANES as usize), batch], &["a", "b", "y"], &[&a, &b, &y])?;
    Some(tensor::<4>(y).permute([0, 3, 1, 2]))
}
