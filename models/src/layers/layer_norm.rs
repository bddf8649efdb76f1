//! Layer normalization without a learned scale and shift (Ba 2016, arXiv 1607.06450): the conditioning brings those.

use super::shaders;
use burn::tensor::{DType, Tensor};

/// Normalizes the last dimension to mean zero and variance one (plus 1e-6).
///
/// # Shapes
/// - `x`: any, returned with the same shape.
pub fn layer_norm<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    if let Some(y) = shaders::layer_norm(&x) {
        return y;
    }
    // Sums want more than 16 bits.
    let given = x.dtype();
    let wide = if matches!(given, DType::BF16 | DType::F16) { DType::F32 } else { given };
    let x = x.cast(wide);
    let x = x.clone() - x.mean_dim(D - 1);
    let deviation = (x.clone().square().mean_dim(D - 1) + 1e-6).sqrt();
    (x / deviation).cast(given)
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Device;

    #[test]
    fn a_row_has_mean_zero_and_variance_one() {
        let x = Tensor::<2>::from_floats([[1.0, 2.0, 6.0], [5.0, 5.0, 5.0]], &Device::flex());
        let rows = layer_norm(x).into_data().try_to_vec::<f32>().unwrap();
        let mean: f32 = rows[..3].iter().sum::<f32>() / 3.0;
        let variance: f32 = rows[..3].iter().map(|v| v * v).sum::<f32>() / 3.0;
        assert!(mean.abs() < 1e-6 && (variance - 1.0).abs() < 1e-5, "{rows:?}");
        assert!(rows[3..].iter().all(|v| v.abs() < 1e-6), "{rows:?}");
    }
}
