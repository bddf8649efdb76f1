//! Products of rows with a matrix. One invocation makes an output, or four below one another where rows are many, so that
//! a weight is read once for all four.

use super::held::{LANES, Primitive, Shader, empty, rows_of, run, tensor};
use burn::nn::Linear;
use burn::tensor::Tensor;

/// Fewer rows than these would leave invocations idle if one made four outputs.
const MANY_ROWS: usize = 256;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Product {
    from: u32,
    to: u32,
    bias: bool,
    /// Rows that an invocation makes.
    each: u32,
}

impl Shader for Product {
    fn text(&self) -> String {
        let Self { from, to, bias, each } = *self;
        let start = if bias { "bias[column]" } else { "0.0" };
        format!(
            "
const FROM = {from}u;
const TO = {to}u;
const EACH = {each}u;

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) lane: u32) {{
    let column = workgroup.x * LANES + lane;
    let first = workgroup.y * EACH;
    if column < TO {{
        var sums: array<f32, EACH>;
        for (var row = 0u; row < EACH; row++) {{
            sums[row] = {start};
        }}
        for (var i = 0u; i < FROM; i++) {{
            let w = weight[i * TO + column];
            for (var row = 0u; row < EACH; row++) {{
                sums[row] += x[(first + row) * FROM + i] * w;
            }}
        }}
        for (var row = 0u; row < EACH; row++) {{
            y[(first + row) * TO + column] = sums[row];
        }}
    }}
}}
"
        )
    }
}

fn product<const D: usize>(x: &Tensor<D>, weight: &Tensor<2>, bias: Option<&Tensor<1>>) -> Option<Tensor<D>> {
    let mut dims = x.dims();
    let rows: usize = dims[..D - 1].iter().product();
    let [from, to] = weight.dims();
    if dims[D - 1] != from {
        return None;
    }
    dims[D - 1] = to;
    let (x, weight) = (rows_of(x)?, rows_of(weight)?);
    let bias = match bias {
        Some(bias) => Some(rows_of(bias)?),
        None => None,
    };
    let each = if rows >= MANY_ROWS && rows.is_multiple_of(4) { 4 } else { 1 };
    let y = empty(&x, &dims);
    let shader = Product {
        from: u32::try_from(from).ok()?,
        to: u32::try_from(to).ok()?,
        bias: bias.is_some(),
        each: u32::try_from(each).ok()?,
    };
    let (buffers, held): (&'static [&'static str], Vec<&Primitive>) = match &bias {
        Some(bias) => (&["x", "weight", "y", "bias"], vec![&x, &weight, &y, bias]),
        None => (&["x", "weight", "y"], vec![&x, &weight, &y]),
    };
    run(shader, [to.div_ceil(LANES as usize), rows / each], buffers, &held)?;
    Some(tensor(y))
}

/// A linear layer.
pub(crate) fn project<const D: usize>(linear: &Linear, x: &Tensor<D>) -> Option<Tensor<D>> {
    product(x, &linear.weight.val(), linear.bias.as_ref().map(|bias| bias.val()).as_ref())
}

/// The product of two matrices.
pub(crate) fn multiply(a: &Tensor<2>, b: &Tensor<2>) -> Option<Tensor<2>> {
    product(a, b, None)
}
