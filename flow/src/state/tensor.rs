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
