//! What an arrow of a velocity of images means.
//!
//! A pixel's velocity is a number, not a direction: how fast its ink changes. Averaged over blocks, v says where ink is lost
//! (v < 0) and where it is gained (v > 0). Two vector fields follow from it:
//!
//! - `flux`, the least flow of ink that makes this change. It solves the continuity equation v - mean(v) = -div J with
//!   J = -grad p and nothing crossing the border, so p solves Poisson's equation laplace p = v - mean(v). Of all flows
//!   with this divergence it has the least sum of squares (it is the gradient of a potential). The mean is ink that
//!   appears or vanishes everywhere alike.
//! - `gradient`, grad v itself by central differences: uphill from loss to gain, the nearest neighbours only.
//!
//! Both point from loss to gain. Rows count downwards, and so do arrows.

use crate::real;
use std::f64::consts::PI;

/// A field of numbers on rows and columns.
#[derive(Clone, Debug, PartialEq)]
pub struct Grid {
    /// Rows.
    pub rows: usize,
    /// Columns.
    pub columns: usize,
    /// Row after row.
    pub values: Vec<f64>,
}

impl Grid {
    /// An image's means over blocks of `block` x `block` pixels; those at the right and at the bottom may be smaller.
    pub fn averaged(image: &[f32], (height, width): (usize, usize), block: usize) -> Self {
        let (rows, columns) = (height.div_ceil(block), width.div_ceil(block));
        let mean = |row: usize, column: usize| {
            let down = row * block..((row + 1) * block).min(height);
            let across = column * block..((column + 1) * block).min(width);
            let count = (down.len() * across.len()) as f64;
            let cells = down.flat_map(|y| across.clone().map(move |x| y * width + x));
            cells.map(|i| f64::from(image[i])).sum::<f64>() / count
        };
        let values = (0..rows * columns).map(|i| mean(i / columns, i % columns)).collect();
        Self { rows, columns, values }
    }

    fn at(&self, row: usize, column: usize) -> f64 {
        self.values[row * self.columns + column]
    }

    /// The least flow of the ink that makes this change, at every cell as (rightwards, downwards), row after row.
    pub fn flux(&self) -> Vec<(f64, f64)> {
        let slopes = self.potential().slopes(|before, after| match (before, after) {
            // Half of each neighbour's face: a face at the border lets nothing through.
            (Some(b), Some(a)) => (b + a) / 2.0,
            (Some(one), None) | (None, Some(one)) => one / 2.0,
            (None, None) => 0.0,
        });
        slopes.into_iter().map(|(right, down)| (-right, -down)).collect()
    }

    /// The gradient of the change, at every cell as (rightwards, downwards), row after row.
    pub fn gradient(&self) -> Vec<(f64, f64)> {
        self.slopes(|before, after| match (before, after) {
            (Some(b), Some(a)) => (b + a) / 2.0,
            (Some(one), None) | (None, Some(one)) => one,
            (None, None) => 0.0,
        })
    }

    /// For every cell, the differences over its two faces, joined, in both directions; `None` at the border.
    fn slopes(&self, join: fn(Option<f64>, Option<f64>) -> f64) -> Vec<(f64, f64)> {
        let slope = |i: usize| {
            let (row, column) = (i / self.columns, i % self.columns);
            let here = self.at(row, column);
            let left = (column > 0).then(|| here - self.at(row, column - 1));
            let right = (column + 1 < self.columns).then(|| self.at(row, column + 1) - here);
            let up = (row > 0).then(|| here - self.at(row - 1, column));
            let down = (row + 1 < self.rows).then(|| self.at(row + 1, column) - here);
            (join(left, right), join(up, down))
        };
        (0..self.values.len()).map(slope).collect()
    }

    /// p with laplace p = v - mean(v) and no slope at the border, by the cosines that are the Laplacian's eigenvectors.
    fn potential(&self) -> Self {
        let (down, across) = (Cosines::new(self.rows), Cosines::new(self.columns));
        let mut waves = vec![0.0; self.values.len()];
        for (k, wave) in waves.iter_mut().enumerate() {
            let (a, b) = (k / self.columns, k % self.columns);
            let value = down.value(a) + across.value(b);
            // The constant wave is the mean, which no flow inside can change.
            if value != 0.0 {
                let along = |i: usize| down.at(a, i / self.columns) * across.at(b, i % self.columns);
                *wave = self.values.iter().enumerate().map(|(i, v)| v * along(i)).sum::<f64>() / value;
            }
        }
        let at = |i: usize| {
            let (row, column) = (i / self.columns, i % self.columns);
            let along = |k: usize| down.at(k / self.columns, row) * across.at(k % self.columns, column);
            waves.iter().enumerate().map(|(k, wave)| wave * along(k)).sum()
        };
        Self { values: (0..self.values.len()).map(at).collect(), ..*self }
    }
}

/// The eigenvectors of the second difference on n cells between walls: cos(pi k (i + 1/2) / n), of length 1.
struct Cosines {
    n: usize,
    table: Vec<f64>,
}

impl Cosines {
    fn new(n: usize) -> Self {
        let entry = |k: usize, i: usize| {
            let scale = if k == 0 { 1.0 / n as f64 } else { 2.0 / n as f64 };
            libm::sqrt(scale) * real::cos(PI * k as f64 * (i as f64 + 0.5) / n as f64)
        };
        Self { n, table: (0..n * n).map(|i| entry(i / n, i % n)).collect() }
    }

    fn at(&self, k: usize, i: usize) -> f64 {
        self.table[k * self.n + i]
    }

    fn value(&self, k: usize) -> f64 {
        2.0 * real::cos(PI * k as f64 / self.n as f64) - 2.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Arrows = fn(&Grid) -> Vec<(f64, f64)>;
    const ALL: [Arrows; 2] = [Grid::flux, Grid::gradient];

    #[test]
    fn means_are_those_of_the_blocks_also_of_smaller_ones_at_the_edge() {
        let image: Vec<f32> = (0..15).map(|i| i as f32).collect();
        let grid = Grid::averaged(&image, (3, 5), 2);
        assert_eq!((grid.rows, grid.columns), (2, 3));
        assert_eq!(grid.values, [3.0, 5.0, 6.5, 10.5, 12.5, 14.0]);
    }

    #[test]
    fn arrows_point_from_loss_to_gain() {
        // Loss at the left, gain at the right, of a row in the middle of nothing.
        let mut grid = Grid { rows: 5, columns: 9, values: vec![0.0; 45] };
        grid.values[2 * 9 + 2] = -1.0;
        grid.values[2 * 9 + 6] = 1.0;
        for arrows_of in ALL {
            let arrows = arrows_of(&grid);
            for column in [3, 5] {
                let (right, down) = arrows[2 * 9 + column];
                assert!(right > 0.05 && down.abs() < 1e-9, "{column}: {right} {down}");
            }
            // Above and below the gain, arrows point to it.
            assert!(arrows[9 + 6].1 > 0.05 && arrows[3 * 9 + 6].1 < -0.05);
        }
    }

    #[test]
    fn the_flux_makes_exactly_the_change_that_the_field_asks_for() {
        let image = crate::noise::gaussian(3, 0, 42);
        let grid = Grid::averaged(&image, (6, 7), 1);
        let p = grid.potential();
        let mean = grid.values.iter().sum::<f64>() / 42.0;
        for row in 0..6usize {
            for column in 0..7usize {
                // What flows in over the four faces.
                let around = [
                    (row.wrapping_sub(1), column),
                    (row + 1, column),
                    (row, column.wrapping_sub(1)),
                    (row, column + 1),
                ];
                let inflow: f64 = around
                    .iter()
                    .filter(|(r, c)| *r < 6 && *c < 7)
                    .map(|(r, c)| p.at(*r, *c) - p.at(row, column))
                    .sum();
                assert!((inflow - (grid.at(row, column) - mean)).abs() < 1e-9, "{row} {column}");
            }
        }
    }

    #[test]
    fn a_field_that_is_everywhere_the_same_moves_nothing() {
        for arrows_of in ALL {
            let grid = Grid { rows: 4, columns: 4, values: vec![0.7; 16] };
            assert!(arrows_of(&grid).iter().all(|(x, y)| x.abs() < 1e-12 && y.abs() < 1e-12));
        }
    }
}
