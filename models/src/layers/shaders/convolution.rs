//! Convolutions, with their bias and what is added to them. One invocation makes, for several pixels beside one another, four
//! channels where channels come in fours: a weight is read once for all these pixels, a pixel once for all four.

use super::held::{LANES, Primitive, Shader, empty, primitive, rows_of, run, strides, tensor};
use burn::nn::PaddingConfig2d;
use burn::nn::conv::Conv2d;
use burn::tensor::Tensor;

/// Invocations below which a graphics processor would idle: then each makes fewer pixels.
const ENOUGH: usize = 1024;

/// How many pixels an invocation may make.
const EACH: [usize; 4] = [7, 4, 2, 1];

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Convolution {
    /// Channels that come in, and go out.
    channels: [u32; 2],
    /// Rows and columns that come in.
    before: [u32; 2],
    /// Rows and columns that go out.
    after: [u32; 2],
    /// Rows and columns of the kernel.
    kernel: u32,
    stride: u32,
    /// Rows and columns of zeros around the image.
    border: u32,
    /// Of what comes in: how far it is to the next image, channel, row and column.
    strides: [u32; 4],
    /// Channels at once: four, or one.
    lanes: u32,
    /// Pixels of an invocation.
    each: u32,
    bias: bool,
    add: bool,
}

impl Convolution {
    /// Groups of pixels in a row.
    fn across(&self) -> u32 {
        self.after[1].div_ceil(self.each)
    }

    /// Of an image.
    fn invocations(&self) -> u32 {
        self.after[0] * self.across() * (self.channels[1] / self.lanes)
    }
}

impl Shader for Convolution {
    fn text(&self) -> String {
        let Self { channels: [from, to], before: [rows, columns], after: [height, width], .. } = *self;
        let Self { kernel, stride, border, strides: [image, channel, row, column], lanes, each, .. } = *self;
        let (across, quads, count) = (self.across(), to / lanes, self.invocations());
        let kind = if lanes == 4 { "vec4<f32>" } else { "f32" };
        let start = if self.bias { "bias[quad]".to_owned() } else { format!("{kind}(0.0)") };
        // Whether no pixel reads beyond the image's columns.
        let inside = border == 0 && width.is_multiple_of(each);
        let (mut sums, mut sources, mut products, mut results) = Default::default();
        let add_to = |text: &mut String, line: String| *text += &line;
        for p in 0..each {
            add_to(&mut sums, format!("var s{p} = start;\n"));
            add_to(
                &mut sources,
                format!(
                    "let c{p} = i32((left + {p}u) * {stride}u + kc) - {border};
                    let in{p} = c{p} >= 0 && c{p} < {columns};
                    var x{p} = line + u32(clamp(c{p}, 0, {columns} - 1)) * {column}u;\n"
                ),
            );
            let value = if inside { format!("x[x{p}]") } else { format!("select(0.0, x[x{p}], in{p})") };
            add_to(&mut products, format!("s{p} += {value} * w;\nx{p} += {channel}u;\n"));
            let add = if self.add { format!(" + add[to + {p}u * {quads}u]") } else { String::new() };
            let result = format!("y[to + {p}u * {quads}u] = s{p}{add};");
            if width.is_multiple_of(each) {
                add_to(&mut results, format!("{result}\n"));
            } else {
                add_to(&mut results, format!("if left + {p}u < {width}u {{ {result} }}\n"));
            }
        }
        format!(
            "
@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) lane: u32) {{
    let id = workgroup.x * LANES + lane;
    if id < {count}u {{
        let quad = id % {quads}u;
        let place = id / {quads}u;
        let left = place % {across}u * {each}u;
        let top = place / {across}u;
        let image = workgroup.y;
        let start = {start};
        {sums}
        for (var kr = 0u; kr < {kernel}u; kr++) {{
            let r = i32(top * {stride}u + kr) - {border};
            if r >= 0 && r < {rows} {{
                let line = image * {image}u + u32(r) * {row}u;
                for (var kc = 0u; kc < {kernel}u; kc++) {{
                    {sources}
                    var at = (kr * {kernel}u + kc) * {weights}u + quad;
                    for (var i = 0u; i < {from}u; i++) {{
                        let w = weight[at];
                        at += {quads}u;
                        {products}
                    }}
                }}
            }}
        }}
        let to = ((image * {height}u + top) * {width}u + left) * {quads}u + quad;
        {results}
    }}
}}
",
            weights = from * quads,
        )
    }
}

/// A convolution with a square kernel, the same stride both ways and the same border on all sides; then `add`, number by number.
pub(crate) fn convolve(conv: &Conv2d, x: &Tensor<4>, add: Option<&Tensor<4>>) -> Option<Tensor<4>> {
    let (kernel, stride) = (conv.kernel_size[0], conv.stride[0]);
    if conv.groups != 1
        || conv.dilation != [1, 1]
        || conv.kernel_size != [kernel; 2]
        || conv.stride != [stride; 2]
    {
        return None;
    }
    let border = match conv.padding {
        PaddingConfig2d::Valid => 0,
        PaddingConfig2d::Explicit(top, left, bottom, right) if [left, bottom, right] == [top; 3] => top,
        _ => return None,
    };
    let weight = conv.weight.val();
    let ([batch, from, rows, columns], [to, weighed, ..]) = (x.dims(), weight.dims());
    if from != weighed || rows + 2 * border < kernel || columns + 2 * border < kernel {
        return None;
    }
    let after = [rows, columns].map(|extent| (extent + 2 * border - kernel) / stride + 1);
    let x = primitive(x)?;
    // As `arranged` lays them out; a copy otherwise.
    let weight = rows_of(&weight.permute([2, 3, 1, 0]))?;
    let bias = match &conv.bias {
        Some(bias) => Some(rows_of(&bias.val())?),
        None => None,
    };
    let add = match add {
        Some(add) if add.dims() == [batch, to, after[0], after[1]] => {
            Some(rows_of(&add.clone().permute([0, 2, 3, 1]))?)
        }
        Some(_) => return None,
        None => None,
    };
    let lanes = if to.is_multiple_of(4) { 4 } else { 1 };
    let small = |number: usize| u32::try_from(number).ok();
    let shader = |each: usize| {
        Some(Convolution {
            channels: [small(from)?, small(to)?],
            before: [small(rows)?, small(columns)?],
            after: [small(after[0])?, small(after[1])?],
            kernel: small(kernel)?,
            stride: small(stride)?,
            border: small(border)?,
            strides: strides(&x)?,
            lanes,
            each: small(each)?,
            bias: bias.is_some(),
            add: add.is_some(),
        })
    };
    let across = |each: usize| after[1].div_ceil(each);
    let enough =
        |each: &usize| *each == 1 || batch * after[0] * across(*each) * to / lanes as usize >= ENOUGH;
    // What is read and multiplied for every number that comes in, and the waste at the end of a row.
    let each = EACH.into_iter().filter(enough).min_by_key(|each| across(*each) * (each + 2))?;
    let shader = shader(each)?;
    let y = empty(&x, &[batch, after[0], after[1], to]);
    let (buffers, held): (&'static [&'static str], Vec<&Primitive>) = match (&bias, &add, lanes) {
        (None, None, 4) => (&["x", "weight: vec4", "y: vec4"], vec![&x, &weight, &y]),
        (None, None, _) => (&["x", "weight", "y"], vec![&x, &weight, &y]),
        (Some(bias), None, 4) => {
            (&["x", "weight: vec4", "y: vec4", "bias: vec4"], vec![&x, &weight, &y, bias])
        }
        (Some(bias), None, _) => (&["x", "weight", "y", "bias"], vec![&x, &weight, &y, bias]),
        (Some(bias), Some(add), 4) => {
            (&["x", "weight: vec4", "y: vec4", "bias: vec4", "add: vec4"], vec![&x, &weight, &y, bias, add])
        }
        (Some(bias), Some(add), _) => {
            (&["x", "weight", "y", "bias", "add"], vec![&x, &weight, &y, bias, add])
        }
        (None, Some(_), _) => return None,
    };
    let groups = [shader.invocations().div_ceil(LANES) as usize, batch];
    run(shader, groups, buffers, &held)?;
    Some(tensor::<4>(y).permute([0, 3, 1, 2]))
}
