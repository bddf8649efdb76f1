//! Sinusoidal embedding of time (Vaswani 2017), with t scaled by 1,000 first.
//!
//! On t in [0, 1] the usual frequencies down to 1/10,000 would be nearly constant.

use burn::tensor::{Device, Tensor, TensorData};

const TIME_SCALE: f32 = 1000.0;
const MAX_PERIOD: f32 = 10_000.0;

/// Embeds times that the host knows, on the host: a shading language's sine may be off by 5e-4, and by any amount for
/// angles as large as these (WGSL, section 15.7.4), which is enough to fail a comparison with another device.
///
/// # Shapes
/// - `times`: `[batch]`, in [0, 1]
/// - returns `[batch, width]`; the values of [`sinusoidal`].
pub fn sinusoidal_of(times: &[f32], width: usize, device: &Device) -> Tensor<2> {
    let frequencies = frequencies(width);
    let mut values: Vec<f32> = Vec::with_capacity(times.len() * width);
    for (i, &t) in times.iter().enumerate() {
        // A batch mostly has one time.
        if i > 0 && t == times[i - 1] {
            values.extend_from_within((i - 1) * width..i * width);
            continue;
        }
        let angles = || frequencies.iter().map(|f| f64::from(t * f));
        values.extend(angles().map(|angle| angle.cos() as f32));
        values.extend(angles().map(|angle| angle.sin() as f32));
    }
    Tensor::from_data(TensorData::new(values, [times.len(), width]), device)
}

fn frequencies(width: usize) -> Vec<f32> {
    let half = width / 2;
    (0..half).map(|i| TIME_SCALE * (-(MAX_PERIOD.ln()) * i as f32 / half as f32).exp()).collect()
}

/// Embeds times on their device, for training.
///
/// # Shapes
/// - `t`: `[batch]`, in [0, 1]
/// - returns `[batch, width]`; `width` is even; cosines first, then sines.
pub fn sinusoidal(t: Tensor<1>, width: usize) -> Tensor<2> {
    let device: Device = t.device();
    let half = width / 2;
    let frequencies = Tensor::<2>::from_data(TensorData::new(frequencies(width), [1, half]), &device);
    let angles = t.unsqueeze_dim::<2>(1) * frequencies;
    Tensor::cat(vec![angles.clone().cos(), angles.sin()], 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_embeds_as_the_device_does() {
        let device = Device::flex();
        let times = [0.0_f32, 0.3, 0.3, 0.97, 1.0];
        let on_device = sinusoidal(Tensor::from_floats(times, &device), 32).into_data();
        let on_host = sinusoidal_of(&times, 32, &device).into_data();
        let worst = on_device
            .iter::<f32>()
            .zip(on_host.iter::<f32>())
            .fold(0.0_f32, |worst, (a, b)| worst.max((a - b).abs()));
        assert!(worst < 1e-6, "{worst}");
    }

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
