//! Sinusoidal embedding of time (Vaswani 2017), with t scaled by 1,000 first.
//!
//! On t in [0, 1] the usual frequencies down to 1/10,000 would be nearly constant.

use burn::tensor::{Device, Tensor, TensorData};

const TIME_SCALE: f32 = 1000.0;
const MAX_PERIOD: f32 = 10_000.0;

/// Embeds times.
///
/// # Shapes
/// - `t`: `[batch]`, in [0, 1]
/// - returns `[batch, width]`; `width` is even; cosines first, then sines.
pub fn sinusoidal(t: Tensor<1>, width: usize) -> Tensor<2> {
    let device: Device = t.device();
    let half = width / 2;
    let frequencies: Vec<f32> =
        (0..half).map(|i| TIME_SCALE * (-(MAX_PERIOD.ln()) * i as f32 / half as f32).exp()).collect();
    let frequencies = Tensor::<2>::from_data(TensorData::new(frequencies, [1, half]), &device);
    let angles = t.unsqueeze_dim::<2>(1) * frequencies;
    Tensor::cat(vec![angles.clone().cos(), angles.sin()], 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearby_times_differ_clearly() {
        let device = Device::flex();
        let e = sinusoidal(Tensor::from_floats([0.5, 0.51], &device), 64);
        assert_eq!(e.dims(), [2, 64]);
        let rows = e.into_data().try_to_vec::<f32>().unwrap();
        let distance: f32 = (0..64).map(|i| (rows[i] - rows[64 + i]).powi(2)).sum::<f32>().sqrt();
        assert!(distance > 1.0, "{distance}");
    }
}
