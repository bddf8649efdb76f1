//! Tensors that WGPU holds, and shaders over them.

use burn::backend::BackendTypes;
use burn::cubecl::CubeCount;
use burn::cubecl::prelude::{CubeDim, KernelId};
use burn::cubecl::server::KernelArguments;
use burn::tensor::{DType, Tensor};
use burn_wgpu::{KernelSource, SourceKernel, SourceTemplate, Wgpu};
use std::fmt::Debug;
use std::hash::Hash;

/// A tensor of the backend.
pub(super) type Primitive = <Wgpu as BackendTypes>::FloatTensorPrimitive;

/// Invocations of a workgroup: what every WebGPU device has.
pub(super) const LANES: u32 = 64;

/// The most workgroups along an axis: what every WebGPU device has.
const MOST_GROUPS: usize = 65_535;

/// The backend's own tensor, of 32 bits, without gradients, on a device that takes WGSL; None if it is anything else.
pub(super) fn primitive<const D: usize>(x: &Tensor<D>) -> Option<Primitive> {
    if x.dtype() != DType::F32 {
        return None;
    }
    let held = x.clone().try_into_primitive::<Wgpu>().ok()?;
    (held.client.name() == "wgpu<wgsl>" && !held.meta.is_tiled() && held.qparams.is_none()).then_some(held)
}

/// The tensor again.
pub(super) fn tensor<const D: usize>(held: Primitive) -> Tensor<D> {
    Tensor::from_primitive::<Wgpu>(held)
}

/// How far it is from one index to the next, axis by axis.
pub(super) fn strides<const D: usize>(held: &Primitive) -> Option<[u32; D]> {
    let strides: Vec<u32> =
        held.meta.strides().iter().map(|&stride| u32::try_from(stride).ok()).collect::<Option<_>>()?;
    strides.try_into().ok()
}

/// Whether its numbers lie in row-major order without gaps.
pub(super) fn in_rows(held: &Primitive) -> bool {
    let mut next = 1;
    held.meta.shape().iter().zip(held.meta.strides().iter()).rev().all(|(&extent, &stride)| {
        let fits = extent == 1 || stride == next;
        next *= extent;
        fits
    })
}

/// As [`primitive`], in rows: a copy where its numbers lie otherwise.
pub(super) fn rows_of<const D: usize>(x: &Tensor<D>) -> Option<Primitive> {
    let held = primitive(x)?;
    if in_rows(&held) {
        return Some(held);
    }
    // Two reshapes: numbers that are not in rows are copied into rows by the first.
    let copied = x.clone().reshape([x.shape().num_elements()]).reshape(x.dims());
    primitive(&copied).filter(in_rows)
}

/// A tensor of rank 1 or more without numbers in it yet, in row-major order.
pub(super) fn empty(like: &Primitive, dims: &[usize]) -> Primitive {
    let handle = like.client.empty(dims.iter().product::<usize>() * size_of::<f32>());
    Primitive::new_contiguous(like.client.clone(), like.device.clone(), dims.into(), handle, DType::F32)
}

/// A shader: its text follows from its own fields, by which the compiled one is found again.
pub(super) trait Shader: Clone + Debug + Eq + Hash + Send + Sync + 'static {
    /// WGSL after the buffers' declarations, with the entry point `main` of [`LANES`] invocations.
    fn text(&self) -> String;
}

/// WGSL: the sum of a workgroup's values, for each of its invocations. [`LANES`] is a power of two.
pub(super) const SUM: &str = "
var<workgroup> sums: array<f32, LANES>;

fn sum_of(lane: u32, value: f32) -> f32 {
    sums[lane] = value;
    workgroupBarrier();
    for (var reach = LANES / 2u; reach > 0u; reach /= 2u) {
        if lane < reach {
            sums[lane] += sums[lane + reach];
        }
        workgroupBarrier();
    }
    let sum = sums[0];
    workgroupBarrier();
    return sum;
}
";

struct Source<S> {
    shader: S,
    buffers: &'static [&'static str],
}

impl<S: Shader> KernelSource for Source<S> {
    fn source(&self) -> SourceTemplate {
        let mut text = String::new();
        for (binding, name) in self.buffers.iter().enumerate() {
            let (name, kind) = name.strip_suffix(": vec4").map_or((*name, "f32"), |name| (name, "vec4<f32>"));
            // Natively several tensors may lie in one buffer, which may not be bound for reading and for writing at once.
            text +=
                &format!("@group(0) @binding({binding}) var<storage, read_write> {name}: array<{kind}>;\n");
        }
        SourceTemplate::new(format!("{text}const LANES = {LANES}u;\n{}", self.shader.text()))
    }

    fn id(&self) -> KernelId {
        KernelId::new::<Self>().info((self.shader.clone(), self.buffers))
    }

    fn lang(&self) -> &'static str {
        "wgsl"
    }
}

/// Runs a shader over these buffers, named in their order (`NAME: vec4` where they are read by fours), in so many workgroups along
/// two axes; whether it could be. No buffer may be given twice, since WebGPU binds none twice for writing.
pub(super) fn run<S: Shader>(
    shader: S,
    groups: [usize; 2],
    buffers: &'static [&'static str],
    held: &[&Primitive],
) -> Option<()> {
    let (Some(first), true) = (held.first(), groups.iter().all(|count| (1..=MOST_GROUPS).contains(count)))
    else {
        return None;
    };
    let bindings = held.iter().map(|held| held.handle.clone().binding()).collect();
    let count = CubeCount::Static(u32::try_from(groups[0]).ok()?, u32::try_from(groups[1]).ok()?, 1);
    let kernel = SourceKernel::new(Source { shader, buffers }, CubeDim::new_1d(LANES));
    first.client.launch(Box::new(kernel), count, KernelArguments::new().with_buffers(bindings));
    Some(())
}
