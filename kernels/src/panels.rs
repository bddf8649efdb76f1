//! Products with a matrix that is known ahead, kept in panels of eight columns.
//!
//! A panel holds its columns row by row, so that the inner loop reads it from beginning to end; four rows of the other
//! matrix go through it at once, their sums staying in registers.

use wide::f32x4;

/// Columns of a panel.
pub(crate) const PANEL: usize = 8;

/// Rows that go through a panel at once.
const ROWS: usize = 4;

/// A matrix in panels; columns beyond the last are zeros.
#[derive(Clone, Debug)]
pub struct Panels {
    data: Vec<f32>,
    rows: usize,
    columns: usize,
}

impl Panels {
    /// A matrix of `rows` x `columns` whose entry is `at(row, column)`.
    pub fn new(rows: usize, columns: usize, at: impl Fn(usize, usize) -> f32) -> Self {
        let mut panels = Self::empty(rows, columns);
        panels.fill(at);
        panels
    }

    /// A matrix of zeros.
    pub fn empty(rows: usize, columns: usize) -> Self {
        Self { data: vec![0.0; columns.div_ceil(PANEL) * rows * PANEL], rows, columns }
    }

    /// Sets every entry.
    pub fn fill(&mut self, at: impl Fn(usize, usize) -> f32) {
        for (p, panel) in self.data.chunks_exact_mut(self.rows * PANEL).enumerate() {
            for (row, entries) in panel.chunks_exact_mut(PANEL).enumerate() {
                for (i, entry) in entries.iter_mut().enumerate() {
                    let column = p * PANEL + i;
                    *entry = if column < self.columns { at(row, column) } else { 0.0 };
                }
            }
        }
    }

    /// Rows of the matrix.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Columns of the matrix.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// The product of `a`, whose rows begin every `stride` numbers, with this matrix, into the rows of `out`, of
    /// `columns` numbers each; `finish(row, column, sum)` turns four sums that begin at a column into what is stored.
    ///
    /// # Panics
    /// If `a` is too short for the rows that `out` has.
    #[inline(always)]
    pub(crate) fn multiply(
        &self,
        a: &[f32],
        stride: usize,
        out: &mut [f32],
        finish: impl Fn(usize, usize, f32x4) -> f32x4,
    ) {
        let (depth, columns) = (self.rows, self.columns);
        let count = out.len() / columns;
        for (p, panel) in self.data.chunks_exact(depth * PANEL).enumerate() {
            let column = p * PANEL;
            let mut store = |row: usize, sums: [f32x4; 2]| {
                let out = &mut out[row * columns..][..columns];
                for (half, sum) in sums.into_iter().enumerate() {
                    let from = column + 4 * half;
                    if from >= columns {
                        break;
                    }
                    let done = finish(row, from, sum).to_array();
                    if let Some(whole) = out.get_mut(from..from + 4) {
                        whole.copy_from_slice(&done);
                    } else {
                        let rest = columns - from;
                        out[from..].copy_from_slice(&done[..rest]);
                    }
                }
            };
            let mut row = 0;
            while row + ROWS <= count {
                let sums = tile::<ROWS>(&a[row * stride..], stride, panel, depth);
                for (i, sums) in sums.into_iter().enumerate() {
                    store(row + i, sums);
                }
                row += ROWS;
            }
            let rest = &a[(row * stride).min(a.len())..];
            match count - row {
                3 => tile::<3>(rest, stride, panel, depth)
                    .into_iter()
                    .enumerate()
                    .for_each(|(i, s)| store(row + i, s)),
                2 => tile::<2>(rest, stride, panel, depth)
                    .into_iter()
                    .enumerate()
                    .for_each(|(i, s)| store(row + i, s)),
                1 => tile::<1>(rest, stride, panel, depth)
                    .into_iter()
                    .enumerate()
                    .for_each(|(i, s)| store(row + i, s)),
                _ => {}
            }
        }
    }
}

/// Eight sums for each of `M` rows.
#[inline(always)]
fn tile<const M: usize>(a: &[f32], stride: usize, panel: &[f32], depth: usize) -> [[f32x4; 2]; M] {
    let rows: [&[f32]; M] = std::array::from_fn(|i| &a[i * stride..][..depth]);
    let mut sums = [[f32x4::ZERO; 2]; M];
    let (entries, _) = panel.as_chunks::<PANEL>();
    for (k, entries) in entries.iter().enumerate().take(depth) {
        let [a, b, c, d, e, f, g, h] = *entries;
        let (low, high) = (f32x4::new([a, b, c, d]), f32x4::new([e, f, g, h]));
        for i in 0..M {
            let x = f32x4::splat(rows[i][k]);
            sums[i][0] += x * low;
            sums[i][1] += x * high;
        }
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_product_is_the_sum_of_products_for_every_remainder_of_rows_and_columns() {
        for rows in 1..=9 {
            for columns in [1, 3, 4, 7, 8, 13, 16] {
                let depth = 5;
                let a: Vec<f32> = (0..rows * depth).map(|i| (i * 7 % 11) as f32 - 5.0).collect();
                let b = |r: usize, c: usize| ((r * 3 + c * 5) % 7) as f32 - 3.0;
                let mut out = vec![f32::NAN; rows * columns];
                Panels::new(depth, columns, b).multiply(&a, depth, &mut out, |_, _, sum| sum);
                for r in 0..rows {
                    for c in 0..columns {
                        let want: f32 = (0..depth).map(|k| a[r * depth + k] * b(k, c)).sum();
                        assert_eq!(out[r * columns + c], want, "{rows} {columns}: {r} {c}");
                    }
                }
            }
        }
    }
}
