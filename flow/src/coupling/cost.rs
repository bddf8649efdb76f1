//! The cost of pairing: squared distances between all noises and all data, and the mean over a pairing.

/// |x1_i - x0_j|^2 for every pair, row i one datum: `n * n` values from two row-major arrays with `dim` columns.
pub(super) fn squared_distances(x0: &[f32], x1: &[f32], dim: usize) -> Vec<f64> {
    if dim == 0 {
        return Vec::new();
    }
    let squares = |x: &[f32]| x.chunks_exact(dim).map(|row| dot(row, row)).collect::<Vec<f64>>();
    let (s0, s1) = (squares(x0), squares(x1));
    let mut cost = Vec::with_capacity(s0.len() * s1.len());
    for (row, a) in x1.chunks_exact(dim).zip(&s1) {
        for (column, b) in x0.chunks_exact(dim).zip(&s0) {
            // Rounding can leave a tiny negative number where the points are one.
            cost.push((a + b - 2.0 * dot(row, column)).max(0.0));
        }
    }
    cost
}

/// The mean of |x1_i - x0_rows(i)|^2.
pub(super) fn mean_cost(x0: &[f32], x1: &[f32], dim: usize, rows: &[usize]) -> f64 {
    let square = |i: usize, j: usize| -> f64 {
        let pair = x1[i * dim..(i + 1) * dim].iter().zip(&x0[j * dim..(j + 1) * dim]);
        pair.map(|(a, b)| f64::from(a - b) * f64::from(a - b)).sum()
    };
    let sum: f64 = rows.iter().enumerate().map(|(i, j)| square(i, *j)).sum();
    sum / rows.len().max(1) as f64
}

/// In 16 independent sums, which a compiler turns into vector instructions; each sum is short enough for `f32`.
fn dot(a: &[f32], b: &[f32]) -> f64 {
    const LANES: usize = 16;
    let mut sums = [0.0_f32; LANES];
    let (a_parts, b_parts) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let rest: f32 = a_parts.remainder().iter().zip(b_parts.remainder()).map(|(a, b)| a * b).sum();
    for (a, b) in a_parts.zip(b_parts) {
        for lane in 0..LANES {
            sums[lane] += a[lane] * b[lane];
        }
    }
    sums.iter().map(|sum| f64::from(*sum)).sum::<f64>() + f64::from(rest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::noise;

    #[test]
    fn distances_are_those_of_the_definition() {
        let (n, dim) = (5, 37);
        let (x0, x1) = (noise::gaussian(1, 0, n * dim), noise::gaussian(2, 0, n * dim));
        let cost = squared_distances(&x0, &x1, dim);
        for i in 0..n {
            for j in 0..n {
                let (a, b) = (&x1[i * dim..(i + 1) * dim], &x0[j * dim..(j + 1) * dim]);
                let exact: f64 = a.iter().zip(b).map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2)).sum();
                assert!((cost[i * n + j] - exact).abs() < 1e-4 * exact);
            }
        }
        let rows = [4, 3, 2, 1, 0];
        let mean: f64 = rows.iter().enumerate().map(|(i, j)| cost[i * n + j]).sum::<f64>() / 5.0;
        assert!((mean_cost(&x0, &x1, dim, &rows) - mean).abs() < 1e-4 * mean);
    }
}
