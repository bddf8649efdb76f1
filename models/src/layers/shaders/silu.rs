//! SiLU of every number.

use super::held::{LANES, Primitive, Shader, primitive, run, tensor};
use burn::tensor::Tensor;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Silu {
    count: u32,
}

impl Shader for Silu {
    fn text(&self) -> String {
        format!(
            "
const COUNT = {}u;

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) lane: u32) {{
    let at = workgroup.x * LANES + lane;
    if at < COUNT {{
        y[at] = x[at] / (1.0 + exp(min(-x[at], 80.0)));
    }}
}}
",
            self.count
        )
    }
}

/// x / (1 + e^-x) of every number.
pub(crate) fn silu<const D: usize>(x: &Tensor<D>) -> Option<Tensor<D>> {
    let x = primitive(x)?;
    let count = x.meta.shape().num_elements();
    // Whatever the order of its numbers, there is nothing between them.
    if x.handle.size_in_used() != (count * size_of::<f32>()) as u64 {
        return None;
    }
    let handle = x.client.empty(count * size_of::<f32>());
    let y = Primitive::new(x.client.clone(), handle, (*x.meta).clone(), x.device.clone(), x.dtype);
    let groups = [count.div_ceil(LANES as usize), 1];
    run(Silu { count: u32::try_from(count).ok()? }, groups, &["x", "y"], &[&x, &y])?;
    Some(tensor(y))
}
