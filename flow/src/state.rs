//! What is integrated: anything that can be scaled, added and measured.
//!
//! `Vec<f64>` is one sample and always there, so that the mathematics is tested in double precision without a
//! tensor library. The feature `burn` adds Burn's tensors, with samples along axis 0.

use crate::Error;
use std::future::Future;

#[cfg(feature = "burn")]
mod tensor;

/// A state of the flow: one sample, or a batch of samples.
pub trait State: Clone + 'static {
    /// sum of c_i x_i. There is at least one term, and all terms have one shape.
    fn combine(terms: &[(f64, &Self)]) -> Self;

    /// The largest over the samples of RMS(err / (atol + rtol max(|y0|, |y1|))); NaN or infinity if any element
    /// is not finite. A step at which this is at most 1 is good enough for every sample of the batch: the
    /// samples share their steps, and the hardest one sets them.
    ///
    /// Asynchronous because in a browser a device can only be read so; fails when the device does.
    fn error_ratio(
        err: &Self,
        y0: &Self,
        y1: &Self,
        rtol: f64,
        atol: f64,
    ) -> impl Future<Output = Result<f64, Error>>;
}

/// One sample in double precision.
impl State for Vec<f64> {
    fn combine(terms: &[(f64, &Self)]) -> Self {
        let length = terms.first().map_or(0, |(_, x)| x.len());
        let mut sum = vec![0.0; length];
        for (c, x) in terms {
            assert_eq!(x.len(), length, "states of one shape");
            for (s, v) in sum.iter_mut().zip(x.iter()) {
                *s += c * v;
            }
        }
        sum
    }

    async fn error_ratio(err: &Self, y0: &Self, y1: &Self, rtol: f64, atol: f64) -> Result<f64, Error> {
        if err.is_empty() {
            return Ok(0.0);
        }
        let squares = err.iter().zip(y0).zip(y1).map(|((e, a), b)| {
            // `f64::max` drops a NaN, and an infinite scale would forgive any error.
            let finite = a.is_finite() && b.is_finite();
            let scale = if finite { atol + rtol * a.abs().max(b.abs()) } else { f64::NAN };
            let ratio = e / scale;
            ratio * ratio
        });
        Ok((squares.sum::<f64>() / err.len() as f64).sqrt())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nan_or_an_infinity_anywhere_is_seen() {
        let fine = vec![1.0, 2.0];
        for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            let broken = vec![1.0, bad];
            for (e, a, b) in [(&broken, &fine, &fine), (&fine, &broken, &fine), (&fine, &fine, &broken)] {
                let ratio = pollster::block_on(State::error_ratio(e, a, b, 0.1, 0.1));
                assert!(ratio.is_ok_and(|ratio| !ratio.is_finite()));
            }
        }
    }

    #[test]
    fn the_error_ratio_is_the_rms_of_the_scaled_error() {
        // err / scale = (0.1 / 0.2, 0.3 / 0.3) = (0.5, 1).
        let ratio = pollster::block_on(State::error_ratio(
            &vec![0.1, 0.3],
            &vec![1.0, -2.0],
            &vec![-0.5, 1.0],
            0.1,
            0.1,
        ));
        assert!((ratio.unwrap() - (1.25f64 / 2.0).sqrt()).abs() < 1e-15);
    }
}
