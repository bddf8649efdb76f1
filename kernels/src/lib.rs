//! The few loops in which the CPU worker spends its time, on slices of f32: convolutions (3x3 by Winograd's minimal
//! filtering), products of matrices, group normalization with what follows it, attention, SiLU.
//!
//! Images are in channels-last order, `[batch, height, width, channels]`, so that every loop runs over whole vectors
//! of channels. All functions are pure and single-threaded, and take sizes they were built for: a slice of another
//! length than its sizes say is a mistake of the caller's and panics.
//!
//! Nothing here knows Burn; `models` calls it for tensors that Burn's CPU backend holds.

mod attention;
mod convolution;
mod exponential;
mod normalization;
mod panels;
mod winograd;

pub use attention::attend;
pub use convolution::{Convolution, Kernel};
pub use exponential::{silu, softmax};
pub use normalization::{Affine, Norm, normalize};
pub use panels::Panels;

/// The product of the rows of `a` with a matrix, and `bias` added to each row.
///
/// # Panics
/// If `a`, `bias` and `out` have not the lengths that the matrix asks for.
pub fn multiply(a: &[f32], matrix: &Panels, bias: Option<&[f32]>, out: &mut [f32]) {
    assert!(a.len() * matrix.columns() == out.len() * matrix.rows(), "{} {}", a.len(), out.len());
    if let Some(bias) = bias {
        assert_eq!(bias.len(), matrix.columns());
        // A panel's last columns may be beyond the bias's end.
        let padded: Vec<f32> = bias.iter().copied().chain([0.0; 4]).collect();
        matrix.multiply(a, matrix.rows(), out, |_, column, sum| {
            sum + wide::f32x4::new(std::array::from_fn(|i| padded[column + i]))
        });
    } else {
        matrix.multiply(a, matrix.rows(), out, |_, _, sum| sum);
    }
}

/// Extents of a batch of images in channels-last order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extents {
    /// Images.
    pub batch: usize,
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
    /// Channels.
    pub channels: usize,
}

impl Extents {
    /// Numbers in one image.
    pub fn image(&self) -> usize {
        self.height * self.width * self.channels
    }

    /// Numbers in the batch.
    pub fn len(&self) -> usize {
        self.batch * self.image()
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
