//! Attention: one invocation a query and head, which weighs the values while it goes over the keys.

use super::held::{LANES, Shader, empty, rows_of, run, tensor};
use burn::tensor::Tensor;

/// The widest head: its sums are held by an invocation.
const WIDEST_HEAD: usize = 256;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Attend {
    tokens: u32,
    heads: u32,
    head: u32,
}

impl Shader for Attend {
    fn text(&self) -> String {
        let Self { tokens, heads, head } = *self;
        let scale = 1.0 / f64::from(head).sqrt();
        format!(
            "
const TOKENS = {tokens}u;
const HEADS = {heads}u;
const HEAD = {head}u;
const WIDTH = HEADS * HEAD;

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) lane: u32) {{
    let at = workgroup.x * LANES + lane;
    let image = workgroup.y;
    if at < TOKENS * HEADS {{
        let token = at / HEADS;
        let column = at % HEADS * HEAD;
        let rows = image * TOKENS;
        let query = (rows + token) * 3u * WIDTH + column;
        // Sums relative to the largest score so far.
        var largest = -3.0e38;
        var total = 0.0;
        var sums: array<f32, HEAD>;
        for (var i = 0u; i < HEAD; i++) {{
            sums[i] = 0.0;
        }}
        for (var other = 0u; other < TOKENS; other++) {{
            let key = (rows + other) * 3u * WIDTH + WIDTH + column;
            var score = 0.0;
            for (var i = 0u; i < HEAD; i++) {{
                score += x[query + i] * x[key + i];
            }}
            score *= {scale:?};
            let before = largest;
            largest = max(largest, score);
            let fade = exp(before - largest);
            let weight = exp(score - largest);
            total = total * fade + weight;
            for (var i = 0u; i < HEAD; i++) {{
                sums[i] = sums[i] * fade + weight * x[key + WIDTH + i];
            }}
        }}
        for (var i = 0u; i < HEAD; i++) {{
            y[(rows + token) * WIDTH + column + i] = sums[i] / total;
        }}
    }}
}}
"
        )
    }
}

/// As [`crate::layers::attend`].
pub(crate) fn attend(query_key_value: &Tensor<3>, heads: usize) -> Option<Tensor<3>> {
    let [batch, tokens, three] = query_key_value.dims();
    let width = three / 3;
    let x = rows_of(query_key_value)?;
    if !width.is_multiple_of(heads) || width / heads > WIDEST_HEAD {
        return None;
    }
    let y = empty(&x, &[batch, tokens, width]);
    let shader = Attend {
        tokens: u32::try_from(tokens).ok()?,
        heads: u32::try_from(heads).ok()?,
        head: u32::try_from(width / heads).ok()?,
    };
    run(shader, [(tokens * heads).div_ceil(LANES as usize), batch], &["x", "y"], &[&x, &y])?;
    Some(tensor(y))
}
