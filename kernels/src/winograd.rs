//! 3x3 convolutions by minimal filtering, F(4x4, 3x3) (Lavin and Gray 2016, arXiv 1509.09308): a tile of 4 x 4 outputs
//! takes 36 products a pair of channels where the definition takes 144.
//!
//! Y = A^T [ (G w G^T) * (B^T d B) ] A, d the 6 x 6 inputs of a tile, summed over the input's channels; the sums over
//! channels are 36 products of matrices. Both transforms run over vectors of four channels.

use std::cell::RefCell;

use wide::f32x4;

use crate::{Extents, Panels};

/// Side of a tile's outputs.
const TILE: usize = 4;

/// Side of a tile's inputs, and of its transforms.
const SIDE: usize = TILE + 2;

/// Products a tile and pair of channels.
const POINTS: usize = SIDE * SIDE;

/// Numbers of transformed inputs and sums that are worked on at once; about what stays in a core's cache.
const AT_ONCE: usize = 64 * 1024;

thread_local! {
    /// Transformed inputs, and sums; kept, so that a step allocates nothing.
    static SCRATCH: RefCell<[Vec<f32>; 2]> = const { RefCell::new([Vec::new(), Vec::new()]) };
}

/// Transformed weights of a 3x3 convolution at stride 1.
#[derive(Debug)]
pub(crate) struct Winograd {
    from: usize,
    to: usize,
    points: Vec<Panels>,
}

/// G of the transformed weights.
const G: [[f32; 3]; SIDE] = [
    [1.0 / 4.0, 0.0, 0.0],
    [-1.0 / 6.0, -1.0 / 6.0, -1.0 / 6.0],
    [-1.0 / 6.0, 1.0 / 6.0, -1.0 / 6.0],
    [1.0 / 24.0, 1.0 / 12.0, 1.0 / 6.0],
    [1.0 / 24.0, -1.0 / 12.0, 1.0 / 6.0],
    [0.0, 0.0, 1.0],
];

impl Winograd {
    /// Transforms `weights`, `[to, from, 3, 3]`.
    pub(crate) fn new(from: usize, to: usize, weights: &[f32]) -> Self {
        let mut points: Vec<Panels> = (0..POINTS).map(|_| Panels::empty(from, to)).collect();
        for (point, panels) in points.iter_mut().enumerate() {
            let (row, column) = (G[point / SIDE], G[point % SIDE]);
            panels.fill(|c, o| {
                let taps = &weights[(o * from + c) * 9..][..9];
                (0..9).map(|tap| row[tap / 3] * column[tap % 3] * taps[tap]).sum()
            });
        }
        Self { from, to, points }
    }

    /// Applies it; see [`crate::Convolution::apply`].
    pub(crate) fn apply(
        &self,
        x: &[f32],
        extents: Extents,
        bias: &[f32],
        add: Option<&[f32]>,
        out: &mut [f32],
    ) {
        let tiles = extents.height.div_ceil(TILE) * extents.width.div_ceil(TILE);
        let images = (AT_ONCE / (tiles * POINTS * (self.from + self.to))).max(1);
        let after = Extents { channels: self.to, ..extents };
        SCRATCH.with_borrow_mut(|[inputs, sums]| {
            let parts = x.chunks(images * extents.image()).zip(out.chunks_mut(images * after.image()));
            for (part, (x, out)) in parts.enumerate() {
                let rows = x.len() / extents.image() * tiles;
                grow(inputs, POINTS * rows * self.from);
                grow(sums, POINTS * rows * self.to);
                let (inputs, sums) =
                    (&mut inputs[..POINTS * rows * self.from], &mut sums[..POINTS * rows * self.to]);
                transform_inputs(x, extents, inputs);
                let each = inputs.chunks_exact(rows * self.from).zip(sums.chunks_exact_mut(rows * self.to));
                for (panels, (inputs, sums)) in self.points.iter().zip(each) {
                    panels.multiply(inputs, self.from, sums, |_, _, sum| sum);
                }
                let add = add.map(|add| &add[part * images * after.image()..][..out.len()]);
                transform_sums(sums, after, bias, add, out);
            }
        });
    }
}

fn grow(scratch: &mut Vec<f32>, length: usize) {
    if scratch.len() < length {
        scratch.resize(length, 0.0);
    }
}

/// Row and column of each tile's first output.
fn corners(extents: Extents) -> impl Iterator<Item = (usize, usize)> {
    let columns = extents.width.div_ceil(TILE);
    (0..extents.height.div_ceil(TILE) * columns)
        .map(move |tile| (tile / columns * TILE, tile % columns * TILE))
}

/// B^T d B of every tile: `[points, images * tiles, channels]`.
fn transform_inputs(x: &[f32], extents: Extents, out: &mut [f32]) {
    let Extents { height, width, channels, .. } = extents;
    let plane = out.len() / POINTS;
    let tiles =
        x.chunks_exact(extents.image()).flat_map(|image| corners(extents).map(move |corner| (image, corner)));
    for (tile, (image, (top, left))) in tiles.enumerate() {
        for c in (0..channels).step_by(4) {
            let mut d = [[f32x4::ZERO; SIDE]; SIDE];
            for (i, row) in d.iter_mut().enumerate() {
                let y = top + i;
                if y == 0 || y > height {
                    continue;
                }
                for (j, value) in row.iter_mut().enumerate() {
                    let column = left + j;
                    if column != 0 && column <= width {
                        *value = load(image, ((y - 1) * width + column - 1) * channels + c);
                    }
                }
            }
            let mut half = [[f32x4::ZERO; SIDE]; SIDE];
            for j in 0..SIDE {
                let column = into_points([d[0][j], d[1][j], d[2][j], d[3][j], d[4][j], d[5][j]]);
                for (half, value) in half.iter_mut().zip(column) {
                    half[j] = value;
                }
            }
            for (i, half) in half.into_iter().enumerate() {
                for (j, value) in into_points(half).into_iter().enumerate() {
                    let at = (i * SIDE + j) * plane + tile * channels + c;
                    out[at..at + 4].copy_from_slice(&value.to_array());
                }
            }
        }
    }
}

/// A^T m A of every tile, with the bias and what is to be added.
fn transform_sums(sums: &[f32], extents: Extents, bias: &[f32], add: Option<&[f32]>, out: &mut [f32]) {
    let Extents { height, width, channels, .. } = extents;
    let plane = sums.len() / POINTS;
    let images = out.len() / extents.image();
    let tiles = (0..images).flat_map(|image| corners(extents).map(move |corner| (image, corner)));
    for (tile, (image, (top, left))) in tiles.enumerate() {
        for c in (0..channels).step_by(4) {
            let bias = load(bias, c);
            let mut half = [[f32x4::ZERO; SIDE]; TILE];
            for j in 0..SIDE {
                let column = out_of_points(std::array::from_fn(|i| {
                    load(sums, (i * SIDE + j) * plane + tile * channels + c)
                }));
                for (half, value) in half.iter_mut().zip(column) {
                    half[j] = value;
                }
            }
            for (y, half) in (top..height).zip(half) {
                for (x, value) in (left..width).zip(out_of_points(half)) {
                    let at = image * extents.image() + (y * width + x) * channels + c;
                    let value = value + bias + add.map_or(f32x4::ZERO, |add| load(add, at));
                    out[at..at + 4].copy_from_slice(&value.to_array());
                }
            }
        }
    }
}

#[inline(always)]
fn load(from: &[f32], at: usize) -> f32x4 {
    let four = &from[at..at + 4];
    f32x4::new([four[0], four[1], four[2], four[3]])
}

/// B^T of six inputs.
#[inline(always)]
fn into_points(d: [f32x4; SIDE]) -> [f32x4; SIDE] {
    let (two, four, five) = (f32x4::splat(2.0), f32x4::splat(4.0), f32x4::splat(5.0));
    let (even, odd) = (d[4] - four * d[2], d[3] - four * d[1]);
    let (second, third) = (d[4] - d[2], two * (d[3] - d[1]));
    [
        four * d[0] - five * d[2] + d[4],
        even + odd,
        even - odd,
        second + third,
        second - third,
        four * d[1] - five * d[3] + d[5],
    ]
}

/// A^T of six sums.
#[inline(always)]
fn out_of_points(m: [f32x4; SIDE]) -> [f32x4; TILE] {
    let (plus, minus) = (m[1] + m[2], m[1] - m[2]);
    let (wide, far) = (m[3] + m[4], m[3] - m[4]);
    [
        m[0] + plus + wide,
        minus + f32x4::splat(2.0) * far,
        plus + f32x4::splat(4.0) * wide,
        minus + f32x4::splat(8.0) * far + m[5],
    ]
}
