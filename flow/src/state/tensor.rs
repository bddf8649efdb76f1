//! Burn's tensors as states: samples along axis 0, everything else is one sample's elements.

use super::{Elements, LEAST_SQUARE, Masked, Rows, State};
use crate::Error;
use crate::noise::along_the_path;
use burn::tensor::{Device, Int, Tensor, TensorData};

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

    fn projection(of: &Self, onto: &Self) -> Self {
        let along = inner_products(of, onto);
        let square = inner_products(onto, onto).add_scalar(LEAST_SQUARE);
        scale_rows(onto, along / square)
    }

    fn gaussian(&self, seed: u64, first_image: u64, draw: u64) -> Self {
        let (samples, elements) = rows_and_elements(self);
        let images = first_image..first_image + samples as u64;
        let values = images.flat_map(|image| along_the_path(seed, image, draw, elements)).collect();
        Tensor::from_data(TensorData::new::<f32, _>(values, self.shape()), &self.device())
    }
}

impl<const D: usize> Rows for Tensor<D> {
    fn samples(&self) -> usize {
        rows_and_elements(self).0
    }

    fn select(&self, rows: &[usize]) -> Self {
        self.clone().select(0, indices(rows, &self.device()))
    }

    fn replace(&self, rows: &[usize], values: &Self) -> Self {
        if rows.is_empty() {
            return self.clone();
        }
        // The replacements stand behind the batch, and every row is taken from one of the two.
        let samples = self.samples();
        let mut from: Vec<usize> = (0..samples).collect();
        for (place, row) in rows.iter().enumerate() {
            from[*row] = samples + place;
        }
        let both = Tensor::cat(vec![self.clone(), values.clone()], 0);
        both.select(0, indices(&from, &self.device()))
    }

    fn combine_rows(terms: &[(&[f64], &Self)]) -> Self {
        let mut scaled = terms.iter().map(|(c, x)| match c.first() {
            Some(1.0) if c.iter().all(|c| *c == 1.0) => (*x).clone(),
            Some(first) if c.iter().all(|c| c == first) => (*x).clone().mul_scalar(*first),
            _ => {
                let c: Vec<f32> = c.iter().map(|c| *c as f32).collect();
                let shape = [c.len(), 1];
                scale_rows(x, Tensor::from_data(TensorData::new(c, shape), &x.device()))
            }
        });
        // The contract is at least one term; none has no shape and no device.
        let first = scaled.next().unwrap_or_else(|| unreachable!("at least one term"));
        scaled.fold(first, |sum, x| sum + x)
    }

    async fn error_ratios(err: &Self, y0: &Self, y1: &Self, rtol: f64, atol: f64) -> Result<Vec<f64>, Error> {
        let (samples, elements) = rows_and_elements(err);
        let size = y0.clone().abs().max_pair(y1.clone().abs());
        let ratio = err.clone() / size.mul_scalar(rtol).add_scalar(atol);
        // A maximum may drop a NaN on some devices, and a mean does not: the sum of both states carries one that
        // `max_pair` dropped.
        let poison = (y0.clone() + y1.clone()).mul_scalar(0.0);
        let squares = (ratio.square() + poison).reshape([samples, elements]).mean_dim(1);
        let squares = read(squares, "the error of a step").await?;
        Ok(squares.into_iter().map(f64::sqrt).collect())
    }

    async fn inner(a: &Self, b: &Self) -> Result<Vec<f64>, Error> {
        read(inner_products(a, b), "an inner product").await
    }
}

impl<const D: usize> Masked for Tensor<D> {
    fn masked(mask: &Self, inside: &Self, outside: &Self) -> Self {
        outside.clone().mask_where(mask.clone().not_equal_scalar(0.0), inside.clone())
    }
}

impl<const D: usize> Elements for Tensor<D> {
    fn elements(&self) -> usize {
        self.shape().num_elements() / self.samples().max(1)
    }

    fn with_values(&self, values: &[f64]) -> Self {
        filled(values, self.dims(), self)
    }

    fn with_lists(&self, values: &[f64]) -> Self {
        filled(values, listed::<D>(self.samples(), values.len()), self)
    }

    fn inner_columns(pairs: &[(&Self, &Self)]) -> Self {
        let columns: Vec<Tensor<2>> = pairs.iter().map(|(a, b)| inner_products(a, b)).collect();
        let samples = pairs.first().map_or(0, |(a, _)| a.samples());
        let shape = listed::<D>(samples, samples * columns.len());
        Tensor::cat(columns, 1).reshape(shape)
    }

    async fn values(&self) -> Result<Vec<f64>, Error> {
        let data = self.clone().into_data_async().await;
        let data = data.map_err(|error| Error::Field { reason: format!("reading a state: {error:?}") })?;
        Ok(data.iter::<f64>().collect())
    }
}

/// These values in this shape, on the device of `like`.
fn filled<const D: usize>(values: &[f64], shape: [usize; D], like: &Tensor<D>) -> Tensor<D> {
    let values: Vec<f32> = values.iter().map(|value| *value as f32).collect();
    Tensor::from_data(TensorData::new(values, shape), &like.device())
}

/// The shape of `samples` lists that hold so many values together: values along axis 1. A tensor of rank 1 has one
/// value a sample.
fn listed<const D: usize>(samples: usize, values: usize) -> [usize; D] {
    let mut shape = [1; D];
    shape[0] = samples;
    if D > 1 {
        shape[1] = values / samples.max(1);
    }
    shape
}

async fn read(x: Tensor<2>, what: &str) -> Result<Vec<f64>, Error> {
    let data = x.into_data_async().await;
    let data = data.map_err(|error| Error::Field { reason: format!("reading {what}: {error:?}") })?;
    Ok(data.iter::<f64>().collect())
}

/// The number of samples, and of values in each.
fn rows_and_elements<const D: usize>(x: &Tensor<D>) -> (usize, usize) {
    let samples = x.dims().first().copied().unwrap_or(1);
    (samples, (x.shape().num_elements() / samples.max(1)).max(1))
}

/// `[samples, 1]`: <a, b> of each sample.
fn inner_products<const D: usize>(a: &Tensor<D>, b: &Tensor<D>) -> Tensor<2> {
    let (samples, elements) = rows_and_elements(a);
    (a.clone() * b.clone()).reshape([samples, elements]).sum_dim(1)
}

/// Each sample times its own factor, `[samples, 1]`.
fn scale_rows<const D: usize>(x: &Tensor<D>, factors: Tensor<2>) -> Tensor<D> {
    let (samples, elements) = rows_and_elements(x);
    (x.clone().reshape([samples, elements]) * factors).reshape(x.shape())
}

fn indices(rows: &[usize], device: &Device) -> Tensor<1, Int> {
    let rows: Vec<i32> = rows.iter().map(|row| *row as i32).collect();
    let count = rows.len();
    Tensor::from_data(TensorData::new(rows, [count]), device)
}

#[cfg(all(test, feature = "flex"))]
// Clippy takes a helper of tests for ordinary code.
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::controller::Controller;
    use crate::field::{Field, Tally};
    use crate::integrate::{End, Options, Stepping, integrate};
    use crate::solver::Solver;
    use std::ops::ControlFlow;

    fn tensor(values: &[f32], shape: [usize; 2]) -> Tensor<2> {
        Tensor::from_data(TensorData::new(values.to_vec(), shape), &Device::flex())
    }

    fn ratios(err: &Tensor<2>, y0: &Tensor<2>, y1: &Tensor<2>) -> Vec<f64> {
        pollster::block_on(Rows::error_ratios(err, y0, y1, 0.1, 0.1)).unwrap()
    }

    #[test]
    fn tensors_combine_like_vectors() {
        let (a, b) = (tensor(&[1.0, -2.0], [1, 2]), tensor(&[0.5, 4.0], [1, 2]));
        let sum = State::combine(&[(1.0, &a), (-0.5, &b), (2.0, &a)]);
        assert_eq!(sum.into_data().try_to_vec::<f32>().unwrap(), [2.75, -8.0]);
    }

    #[test]
    fn the_error_ratios_are_those_of_each_sample() {
        let y = tensor(&[0.0; 6], [3, 2]);
        let err = tensor(&[0.0, 0.0, 0.3, 0.4, 0.1, 0.1], [3, 2]);
        // err / atol of the second sample is (3, 4): RMS sqrt(12.5).
        for (ratio, wanted) in ratios(&err, &y, &y).into_iter().zip([0.0, 12.5f64.sqrt(), 1.0]) {
            assert!((ratio - wanted).abs() < 1e-5);
        }
    }

    #[test]
    fn a_nan_or_an_infinity_is_seen_in_its_sample_alone() {
        let fine = tensor(&[1.0, 2.0, 3.0, 4.0], [2, 2]);
        for bad in [f32::NAN, f32::INFINITY] {
            let broken = tensor(&[1.0, bad, 3.0, 4.0], [2, 2]);
            for found in
                [ratios(&broken, &fine, &fine), ratios(&fine, &broken, &fine), ratios(&fine, &fine, &broken)]
            {
                assert!(!found[0].is_finite() && found[1].is_finite());
            }
        }
    }

    #[test]
    fn tensors_are_taken_apart_and_measured_like_batches_in_double_precision() {
        let (a, b) = (
            vec![vec![1.0, 2.0], vec![-3.0, 0.5], vec![0.25, 4.0]],
            vec![vec![0.5, 1.0], vec![2.0, 2.0], vec![1.0, -1.0]],
        );
        let to = |x: &Vec<Vec<f64>>| {
            tensor(&x.concat().iter().map(|v| *v as f32).collect::<Vec<_>>(), [x.len(), 2])
        };
        let back = |x: Tensor<2>| x.into_data().iter::<f64>().collect::<Vec<_>>();
        let close = |x: Tensor<2>, wanted: Vec<Vec<f64>>| {
            let found = back(x);
            assert_eq!(found.len(), wanted.concat().len());
            assert!(
                found.iter().zip(wanted.concat()).all(|(a, b)| (a - b).abs() < 1e-5),
                "{found:?}, {wanted:?}"
            );
        };
        let (ta, tb) = (to(&a), to(&b));
        assert_eq!(Rows::samples(&ta), 3);
        close(Rows::select(&ta, &[2, 0]), a.select(&[2, 0]));
        close(
            Rows::replace(&ta, &[2, 0], &Rows::select(&tb, &[0, 1])),
            a.replace(&[2, 0], &b.select(&[0, 1])),
        );
        close(State::projection(&ta, &tb), State::projection(&a, &b));
        let (c, d): (&[f64], &[f64]) = (&[1.0, 2.0, 3.0], &[0.5, 0.5, 0.5]);
        close(Rows::combine_rows(&[(c, &ta), (d, &tb)]), Rows::combine_rows(&[(c, &a), (d, &b)]));
        close(ta.gaussian(7, 10, 3), a.gaussian(7, 10, 3));
        close(ta.with_values(&b.concat()), b.clone());
        let listed = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0];
        close(ta.with_lists(&listed), a.with_lists(&listed));
        assert_eq!((ta.elements(), a.elements()), (2, 2));
        close(
            Elements::inner_columns(&[(&ta, &tb), (&tb, &tb), (&ta, &ta)]),
            Elements::inner_columns(&[(&a, &b), (&b, &b), (&a, &a)]),
        );
        let mask = vec![vec![1.0, 0.0], vec![0.0, 0.5], vec![-1.0, 0.0]];
        close(Masked::masked(&to(&mask), &ta, &tb), Masked::masked(&mask, &a, &b));
        let inner = pollster::block_on(Rows::inner(&ta, &tb)).unwrap();
        let wanted = pollster::block_on(Rows::inner(&a, &b)).unwrap();
        assert!(inner.iter().zip(wanted).all(|(a, b)| (a - b).abs() < 1e-5));
    }

    /// x' = -c x with another rate for each row of the batch.
    struct Decay<'a>(&'a Tensor<2>, Tally);

    impl Field<Tensor<2>> for Decay<'_> {
        fn velocity(&mut self, _: f64, x: &Tensor<2>) -> Result<Tensor<2>, Error> {
            self.1.add(1);
            Ok(x.clone() * self.0.clone().neg())
        }
        fn velocity_rows(&mut self, _: &[f64], rows: &[usize], x: &Tensor<2>) -> Result<Tensor<2>, Error> {
            self.1.add_rows(rows, 1);
            Ok(x.clone() * Rows::select(self.0, rows).neg())
        }
        fn spent(&self, row: usize) -> usize {
            self.1.of(row)
        }
        fn evaluations(&self) -> usize {
            self.1.most()
        }
    }

    #[test]
    fn on_tensors_each_sample_takes_the_steps_that_it_would_take_alone() {
        let stepping = Stepping::Adaptive {
            t0: 0.0,
            t1: 1.0,
            rtol: 1e-5,
            atol: 1e-5,
            first_step: None,
            controller: Controller::default(),
        };
        let run = |rates: &[f32]| {
            let rates = tensor(rates, [rates.len(), 1]);
            let ones = rates.clone().mul_scalar(0.0).add_scalar(1.0);
            pollster::block_on(integrate(
                &mut Decay(&rates, Tally::default()),
                &Solver::parse("dopri5").unwrap(),
                &stepping,
                ones,
                &Options::default(),
                async |_| ControlFlow::Continue(()),
            ))
            .unwrap()
        };
        let together = run(&[1.0, 8.0]);
        assert_eq!(together.end, End::Finished);
        let x = together.x.clone().into_data().iter::<f64>().collect::<Vec<_>>();
        for (i, rate) in [1.0f32, 8.0].into_iter().enumerate() {
            let alone = run(&[rate]);
            assert_eq!(alone.samples[0], together.samples[i]);
            assert_eq!(alone.evaluations, 2 + 6 * (alone.accepted + alone.rejected));
            assert_eq!(alone.x.into_data().iter::<f64>().next(), Some(x[i]));
            assert!((x[i] - (-f64::from(rate)).exp()).abs() < 2e-5);
        }
        assert!(together.samples[1].evaluations > together.samples[0].evaluations);
    }
}
