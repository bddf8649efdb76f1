//! Layer normalization: one workgroup a row.

use super::held::{SUM, Shader, empty, rows_of, run, tensor};
use burn::tensor::Tensor;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct LayerNorm {
    width: u32,
}

impl Shader for LayerNorm {
    fn text(&self) -> String {
        format!(
            "
const WIDTH = {}u;
{}
@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) lane: u32) {{
    let row = workgroup.x * WIDTH;
    var sum = 0.0;
    for (var i = lane; i < WIDTH; i += LANES) {{
        sum += x[row + i];
    }}
    let mean = sum_of(lane, sum) / f32(WIDTH);
    var squares = 0.0;
    for (var i = lane; i < WIDTH; i += LANES) {{
        let d = x[row + i] - mean;
        squares += d * d;
    }}
    let inverse = inverseSqrt(sum_of(lane, squares) / f32(WIDTH) + 1e-6);
    for (var i = lane; i < WIDTH; i += LANES) {{
        y[row + i] = (x[row + i] - mean) * inverse;
    }}
}}
",
            self.width, SUM
        )
    }
}

/// As [`crate::layers::layer_norm`].
pub(crate) fn layer_norm<const D: usize>(x: &Tensor<D>) -> Option<Tensor<D>> {
    let dims = x.dims();
    let x = rows_of(x)?;
    let y = empty(&x, &dims);
    let shader = LayerNorm { width: u32::try_from(dims[D - 1]).ok()? };
    run(shader, [dims[..D - 1].iter().product(), 1], &["x", "y"], &[&x, &y])?;
    Some(tensor(y))
}
