//! Burn's tensors as states: samples along axis 0, everything else is one sample's elements.

use super::State;
use crate::Error;
use burn::tensor::Tensor;

impl<const D: usize> State for Tensor<D> {
    fn combine(terms: &[(f64, &Self)]) -> Self {
        let mut scaled = terms.iter().map(|(c, x)| match c {
            1.0 => (*x).clone(),
            c => (*x).clone().mul_scalar(*c),
        });
        // The contract is at least one term; none has no shape and no device.
        let first = scaled.next().unwrap_or_else(|| unreachable!("at least one term"));
        scaled.fold(first, |sum, x| sum + x)
    }

    async fn error_ratio(err: &Self, y0: &Self, y1: &Self, rtol: f64, atol: f64) -> Result<f64, Error> {
        let samples = err.dims().first().copied().unwrap_or(1);
        let size = y0.clone().abs().max_pair(y1.clone().abs());
        let ratio = err.clone() / size.mul_scalar(rtol).add_scalar(atol);
        // A maximum may drop a NaN on some devices, and a mean does not: the device takes the mean of each sample,
        // the host the maximum over samples. The sum of both states carries a NaN that `max_pair` dropped.
        let elements = (err.shape().num_elements() / samples.max(1)).max(1);
        let poison = (y0.clone() + y1.clone()).mul_scalar(0.0);
        let squares = (ratio.square() + poison).reshape([samples, elements]).mean_dim(1);
        let data = squares
            .into_data_async()
            .await
            .map_err(|error| Error::Field { reason: format!("reading the error of a step: {error:?}") })?;
        let worst = data.iter::<f64>().fold(0.0_f64, |worst, square| {
            if worst.is_nan() || square.is_nan() { f64::NAN } else { square.max(worst) }
        });
        Ok(worst.sqrt())
    }
}

#[cfg(all(test, feature = "flex"))]
// Clippy takes a helper of tests for ordinary code.
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::field::FnField;
    use crate::integrate::{End, Options, Stepping, integrate};
    use crate::solver::Solver;
    use burn::tensor::{Device, TensorData};
    use std::ops::ControlFlow;

    fn tensor(values: &[f32], shape: [usize; 2]) -> Tensor<2> {
        Tensor::from_data(TensorData::new(values.to_vec(), shape), &Device::flex())
    }

    fn ratio(err: &Tensor<2>, y0: &Tensor<2>, y1: &Tensor<2>) -> f64 {
        pollster::block_on(State::error_ratio(err, y0, y1, 0.1, 0.1)).unwrap()
    }

    #[test]
    fn tensors_combine_like_vectors() {
        let (a, b) = (tensor(&[1.0, -2.0], [1, 2]), tensor(&[0.5, 4.0], [1, 2]));
        let sum = State::combine(&[(1.0, &a), (-0.5, &b), (2.0, &a)]);
        assert_eq!(sum.into_data().try_to_vec::<f32>().unwrap(), [2.75, -8.0]);
    }

    #[test]
    fn the_error_ratio_is_that_of_the_worst_sample_and_not_the_batch_s() {
        let y = tensor(&[0.0; 6], [3, 2]);
        let err = tensor(&[0.0, 0.0, 0.3, 0.4, 0.1, 0.1], [3, 2]);
        // err / atol of the second sample is (3, 4): RMS sqrt(12.5).
        assert!((ratio(&err, &y, &y) - 12.5f64.sqrt()).abs() < 1e-5);
    }

    #[test]
    fn a_nan_or_an_infinity_in_any_sample_is_seen() {
        let fine = tensor(&[1.0, 2.0, 3.0, 4.0], [2, 2]);
        for bad in [f32::NAN, f32::INFINITY] {
            let broken = tensor(&[1.0, bad, 3.0, 4.0], [2, 2]);
            assert!(!ratio(&broken, &fine, &fine).is_finite());
            assert!(ratio(&fine, &broken, &fine).is_nan());
            assert!(ratio(&fine, &fine, &broken).is_nan());
        }
    }

    #[test]
    fn adaptive_steps_on_tensors_meet_the_tolerance_in_every_sample() {
        // x' = -c x with c = 1 and 8: the fast sample sets the steps of both.
        let rates = tensor(&[1.0, 8.0], [2, 1]);
        let mut field = FnField::new(|_, x: &Tensor<2>| Ok(x.clone() * rates.clone().neg()));
        let stepping = Stepping::Adaptive { t0: 0.0, t1: 1.0, rtol: 1e-5, atol: 1e-5, first_step: None };
        let outcome = pollster::block_on(integrate(
            &mut field,
            &Solver::parse("dopri5").unwrap(),
            &stepping,
            tensor(&[1.0, 1.0], [2, 1]),
            &Options::default(),
            async |_| ControlFlow::Continue(()),
        ))
        .unwrap();
        assert_eq!(outcome.end, End::Finished);
        assert_eq!(outcome.evaluations, 2 + 6 * (outcome.accepted + outcome.rejected));
        let x = outcome.x.into_data().try_to_vec::<f32>().unwrap();
        assert!((f64::from(x[0]) - (-1.0f64).exp()).abs() < 2e-5);
        assert!((f64::from(x[1]) - (-8.0f64).exp()).abs() < 2e-5);
    }
}
