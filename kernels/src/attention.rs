//! Attention of few tokens among themselves, head by head.

use wide::f32x4;

use crate::Panels;
use crate::exponential::softmax;

/// softmax(q k^T / sqrt(d)) v (Vaswani 2017, arXiv 1706.03762) of one sequence.
///
/// # Shapes
/// - `query_key_value`: `[tokens, 3 * width]`, queries, keys, values, each the heads' parts in turn
/// - `out`: `[tokens, width]`.
///
/// # Panics
/// If `heads` does not divide the width, or a slice is not as long as it should be.
pub fn attend(query_key_value: &[f32], tokens: usize, heads: usize, out: &mut [f32]) {
    let width = out.len() / tokens;
    assert!(width.is_multiple_of(heads) && query_key_value.len() == 3 * out.len(), "{tokens} {heads}");
    let (row, head) = (3 * width, width / heads);
    let scale = f32x4::splat(1.0 / (head as f32).sqrt());
    let (mut keys, mut values) = (Panels::empty(head, tokens), Panels::empty(tokens, head));
    let (mut scores, mut mixed) = (vec![0.0; tokens * tokens], vec![0.0; tokens * head]);
    for h in 0..heads {
        let at =
            |token: usize, part: usize, i: usize| query_key_value[token * row + part * width + h * head + i];
        keys.fill(|i, token| at(token, 1, i));
        values.fill(|token, i| at(token, 2, i));
        keys.multiply(&query_key_value[h * head..], row, &mut scores, |_, _, sum| sum * scale);
        scores.chunks_exact_mut(tokens).for_each(softmax);
        values.multiply(&scores, tokens, &mut mixed, |_, _, sum| sum);
        for (out, mixed) in out.chunks_exact_mut(width).zip(mixed.chunks_exact(head)) {
            out[h * head..][..head].copy_from_slice(mixed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_token_gets_the_mean_of_the_values_weighted_by_how_its_query_meets_the_keys() {
        let (tokens, heads, head) = (7, 2, 6);
        let width = heads * head;
        let given: Vec<f32> = (0..tokens * 3 * width).map(|i| ((i * 37) % 23) as f32 * 0.2 - 2.0).collect();
        let mut out = vec![f32::NAN; tokens * width];
        attend(&given, tokens, heads, &mut out);
        let at = |token: usize, part: usize, i: usize| f64::from(given[token * 3 * width + part * width + i]);
        for h in 0..heads {
            for t in 0..tokens {
                let score = |u: usize| {
                    let dot: f64 = (0..head).map(|i| at(t, 0, h * head + i) * at(u, 1, h * head + i)).sum();
                    (dot / (head as f64).sqrt()).exp()
                };
                let all: f64 = (0..tokens).map(score).sum();
                for i in 0..head {
                    let want: f64 = (0..tokens).map(|u| score(u) / all * at(u, 2, h * head + i)).sum();
                    assert!((f64::from(out[t * width + h * head + i]) - want).abs() < 1e-5);
                }
            }
        }
    }
}
