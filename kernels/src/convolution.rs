//! Convolutions of channels-last images, prepared once from their weights: 1x1, and 3x3 with a border of zeros at
//! stride 1 (by Winograd's minimal filtering) or more.

use std::cell::RefCell;

use wide::f32x4;

use crate::winograd::Winograd;
use crate::{Extents, Panels};

/// What a convolution sees at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kernel {
    /// One pixel.
    One,
    /// Three by three pixels around every `stride`-th, zeros beyond the border.
    Three {
        /// Pixels from one to the next.
        stride: usize,
    },
}

impl Kernel {
    fn taps(self) -> usize {
        match self {
            Self::One => 1,
            Self::Three { .. } => 9,
        }
    }
}

/// A convolution whose weights are laid out for its loop.
#[derive(Debug)]
pub struct Convolution {
    kernel: Kernel,
    from: usize,
    to: usize,
    way: Way,
}

#[derive(Debug)]
enum Way {
    /// Each output pixel's inputs in a row, times the weights.
    Product(Panels),
    Winograd(Winograd),
}

thread_local! {
    /// Inputs in rows; kept, so that a step allocates little.
    static ROWS: RefCell<Vec<f32>> = const { RefCell::new(Vec::new()) };
}

impl Convolution {
    /// Prepares `weights`, `[to, from, rows, columns]`.
    ///
    /// # Panics
    /// If `to` is no multiple of 4, or the weights have not the length that they should.
    pub fn new(kernel: Kernel, from: usize, to: usize, weights: &[f32]) -> Self {
        let taps = kernel.taps();
        assert!(to.is_multiple_of(4) && weights.len() == to * from * taps, "{kernel:?} {from} {to}");
        let way = if kernel == (Kernel::Three { stride: 1 }) && from.is_multiple_of(4) {
            Way::Winograd(Winograd::new(from, to, weights))
        } else {
            let at = |row: usize, column: usize| weights[(column * from + row % from) * taps + row / from];
            Way::Product(Panels::new(taps * from, to, at))
        };
        Self { kernel, from, to, way }
    }

    /// The extents of what comes out for images of these.
    pub fn extents(&self, x: Extents) -> Extents {
        let stride = if let Kernel::Three { stride } = self.kernel { stride } else { 1 };
        Extents { height: x.height.div_ceil(stride), width: x.width.div_ceil(stride), channels: self.to, ..x }
    }

    /// Applies it to `x`; `bias` is added to every pixel that comes out, and `add` number by number.
    ///
    /// # Panics
    /// If a slice is not as long as its extents say, or the channels are other ones.
    pub fn apply(
        &self,
        x: &[f32],
        extents: Extents,
        bias: Option<&[f32]>,
        add: Option<&[f32]>,
        out: &mut [f32],
    ) {
        let after = self.extents(extents);
        let zeros = if bias.is_none() { vec![0.0; self.to] } else { Vec::new() };
        let bias = bias.unwrap_or(&zeros);
        assert_eq!(bias.len(), self.to, "{after:?}");
        assert!(x.len() == extents.len() && extents.channels == self.from, "{extents:?}");
        assert!(out.len() == after.len() && add.is_none_or(|add| add.len() == out.len()), "{after:?}");
        match &self.way {
            Way::Winograd(winograd) => winograd.apply(x, extents, bias, add, out),
            Way::Product(panels) => {
                let bias = |column: usize| f32x4::new(std::array::from_fn(|i| bias[column + i]));
                let product = |rows: &[f32], out: &mut [f32]| match add {
                    Some(add) => {
                        panels.multiply(rows, self.from * self.kernel.taps(), out, |row, column, sum| {
                            let add = &add[row * self.to + column..][..4];
                            sum + bias(column) + f32x4::new([add[0], add[1], add[2], add[3]])
                        })
                    }
                    None => panels.multiply(rows, self.from * self.kernel.taps(), out, |_, column, sum| {
                        sum + bias(column)
                    }),
                };
                let Kernel::Three { stride } = self.kernel else { return product(x, out) };
                ROWS.with_borrow_mut(|rows| {
                    rows.clear();
                    gather(x, extents, stride, rows);
                    product(rows, out);
                });
            }
        }
    }
}

/// For each output pixel the nine pixels around it, one after the other.
fn gather(x: &[f32], extents: Extents, stride: usize, rows: &mut Vec<f32>) {
    let Extents { height, width, channels, .. } = extents;
    for image in x.chunks_exact(extents.image()) {
        for y in (0..height).step_by(stride) {
            for x in (0..width).step_by(stride) {
                for (dy, dx) in (0..9).map(|tap| (tap / 3, tap % 3)) {
                    let (y, x) = (y + dy, x + dx);
                    if (1..=height).contains(&y) && (1..=width).contains(&x) {
                        let at = ((y - 1) * width + x - 1) * channels;
                        rows.extend_from_slice(&image[at..at + channels]);
                    } else {
                        rows.resize(rows.len() + channels, 0.0);
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(count: usize, seed: usize) -> Vec<f32> {
        (0..count).map(|i| ((i * 7919 + seed * 104_729) % 1009) as f32 / 504.5 - 1.0).collect()
    }

    /// By the definition, in f64.
    fn exact(kernel: Kernel, x: &[f32], e: Extents, to: usize, w: &[f32], bias: &[f32]) -> Vec<f64> {
        let (stride, side) = match kernel {
            Kernel::One => (1, 1),
            Kernel::Three { stride } => (stride, 3),
        };
        let mut out = Vec::new();
        for image in 0..e.batch {
            for y in (0..e.height).step_by(stride) {
                for column in (0..e.width).step_by(stride) {
                    for (o, bias) in bias.iter().enumerate().take(to) {
                        let mut sum = f64::from(*bias);
                        for (dy, dx) in (0..side * side).map(|tap| (tap / side, tap % side)) {
                            let (y, column) = (y + dy, column + dx);
                            let border = side / 2;
                            if y < border || column < border {
                                continue;
                            }
                            let (y, column) = (y - border, column - border);
                            if y >= e.height || column >= e.width {
                                continue;
                            }
                            for c in 0..e.channels {
                                let at = ((image * e.height + y) * e.width + column) * e.channels + c;
                                let tap = (o * e.channels + c) * side * side + dy * side + dx;
                                sum += f64::from(x[at]) * f64::from(w[tap]);
                            }
                        }
                        out.push(sum);
                    }
                }
            }
        }
        out
    }

    #[test]
    fn every_kernel_is_the_convolution_of_its_definition() {
        for (kernel, taps) in
            [(Kernel::One, 1), (Kernel::Three { stride: 1 }, 9), (Kernel::Three { stride: 2 }, 9)]
        {
            for (height, width, from, to) in
                [(14, 14, 8, 12), (7, 7, 16, 8), (5, 9, 4, 4), (1, 1, 4, 8), (8, 6, 3, 4)]
            {
                for batch in [1, 3, 18] {
                    let e = Extents { batch, height, width, channels: from };
                    let (x, w) = (numbers(e.len(), 1), numbers(to * from * taps, 2));
                    let bias = numbers(to, 3);
                    let convolution = Convolution::new(kernel, from, to, &w);
                    let wanted = exact(kernel, &x, e, to, &w, &bias);
                    let add = numbers(wanted.len(), 4);
                    let (mut plain, mut added) = (vec![f32::NAN; wanted.len()], vec![f32::NAN; wanted.len()]);
                    convolution.apply(&x, e, Some(&bias), None, &mut plain);
                    convolution.apply(&x, e, Some(&bias), Some(&add), &mut added);
                    for (i, want) in wanted.iter().enumerate() {
                        let off = (f64::from(plain[i]) - want).abs();
                        assert!(off < 1e-4, "{kernel:?} {e:?} {to}: {i} is off by {off}");
                        let off = (f64::from(added[i]) - want - f64::from(add[i])).abs();
                        assert!(off < 1e-4, "{kernel:?} {e:?} {to}: {i}, added, is off by {off}");
                    }
                }
            }
        }
    }
}
