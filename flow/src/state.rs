//! What is integrated: anything that can be scaled, added and measured.
//!
//! `Vec<f64>` is one sample, `Vec<Vec<f64>>` a batch of them, and both are always there, so that the mathematics is
//! tested in double precision without a tensor library. The feature `burn` adds Burn's tensors, with samples along axis 0.

use crate::Error;
use std::future::Future;

#[cfg(feature = "burn")]
mod tensor;

/// Something that can be scaled and added.
pub trait State: Clone + 'static {
    /// sum of c_i x_i. There is at least one term, and all terms have one shape.
    fn combine(terms: &[(f64, &Self)]) -> Self;

    /// In each sample the part of `of` that points along `onto`: <of, onto> / (|onto|^2 + 1e-8) onto.
    fn projection(of: &Self, onto: &Self) -> Self;

    /// Standard normal noise of this shape, for draw number `draw` on the way of images `first_image`, ...: one image a
    /// sample. See [`noise::along_the_path`](crate::noise::along_the_path).
    fn gaussian(&self, seed: u64, first_image: u64, draw: u64) -> Self;
}

/// A batch of samples that can be taken apart and measured one by one.
pub trait Rows: State {
    /// How many samples there are.
    fn samples(&self) -> usize;

    /// The samples of these numbers, in this order.
    fn select(&self, rows: &[usize]) -> Self;

    /// The same with the samples of these numbers replaced, in this order, by those of `values`.
    fn replace(&self, rows: &[usize], values: &Self) -> Self;

    /// sum of c_i x_i with coefficients for each sample.
    fn combine_rows(terms: &[(&[f64], &Self)]) -> Self;

    /// For each sample RMS(err / (atol + rtol max(|y0|, |y1|))); NaN or infinity if any of its elements is not finite.
    ///
    /// Asynchronous because in a browser a device can only be read so; fails when the device does.
    fn error_ratios(
        err: &Self,
        y0: &Self,
        y1: &Self,
        rtol: f64,
        atol: f64,
    ) -> impl Future<Output = Result<Vec<f64>, Error>>;

    /// For each sample <a, b>.
    fn inner(a: &Self, b: &Self) -> impl Future<Output = Result<Vec<f64>, Error>>;
}

/// A batch that can be put together from two, value by value.
pub trait Masked: Rows {
    /// The values of `inside` where the mask is not 0, those of `outside` where it is, bit for bit. All three have one shape.
    fn masked(mask: &Self, inside: &Self, outside: &Self) -> Self;
}

/// A batch whose values can be given by the host and read back: what probes and measurements need.
pub trait Elements: Rows {
    /// How many values a sample has.
    fn elements(&self) -> usize;

    /// The same shape with these values, one sample after another.
    fn with_values(&self, values: &[f64]) -> Self;

    /// As many samples, each a list, with these values, one sample after another: the shape of
    /// [`inner_columns`](Self::inner_columns), whatever the number of values.
    fn with_lists(&self, values: &[f64]) -> Self;

    /// For each sample the list of its <a_k, b_k>, one for each pair (a_k, b_k). There is at least one pair.
    fn inner_columns(pairs: &[(&Self, &Self)]) -> Self;

    /// All values, one sample after another.
    fn values(&self) -> impl Future<Output = Result<Vec<f64>, Error>>;
}

/// Added to a squared length that is divided by (Fan et al. 2025, arXiv 2503.18886).
pub(crate) const LEAST_SQUARE: f64 = 1e-8;

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

    fn projection(of: &Self, onto: &Self) -> Self {
        let scale = dot(of, onto) / (dot(onto, onto) + LEAST_SQUARE);
        onto.iter().map(|v| scale * v).collect()
    }

    fn gaussian(&self, seed: u64, first_image: u64, draw: u64) -> Self {
        let values = crate::noise::along_the_path(seed, first_image, draw, self.len());
        values.into_iter().map(f64::from).collect()
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn error_ratio(err: &[f64], y0: &[f64], y1: &[f64], rtol: f64, atol: f64) -> f64 {
    if err.is_empty() {
        return 0.0;
    }
    let squares = err.iter().zip(y0).zip(y1).map(|((e, a), b)| {
        // `f64::max` drops a NaN, and an infinite scale would forgive any error.
        let finite = a.is_finite() && b.is_finite();
        let scale = if finite { atol + rtol * a.abs().max(b.abs()) } else { f64::NAN };
        let ratio = e / scale;
        ratio * ratio
    });
    (squares.sum::<f64>() / err.len() as f64).sqrt()
}

impl Rows for Vec<f64> {
    fn samples(&self) -> usize {
        1
    }

    fn select(&self, _: &[usize]) -> Self {
        self.clone()
    }

    fn replace(&self, rows: &[usize], values: &Self) -> Self {
        if rows.is_empty() { self.clone() } else { values.clone() }
    }

    fn combine_rows(terms: &[(&[f64], &Self)]) -> Self {
        let terms: Vec<_> = terms.iter().map(|(c, x)| (c[0], *x)).collect();
        Self::combine(&terms)
    }

    async fn error_ratios(err: &Self, y0: &Self, y1: &Self, rtol: f64, atol: f64) -> Result<Vec<f64>, Error> {
        Ok(vec![error_ratio(err, y0, y1, rtol, atol)])
    }

    async fn inner(a: &Self, b: &Self) -> Result<Vec<f64>, Error> {
        Ok(vec![dot(a, b)])
    }
}

impl Masked for Vec<f64> {
    fn masked(mask: &Self, inside: &Self, outside: &Self) -> Self {
        assert!(mask.len() == inside.len() && mask.len() == outside.len(), "states of one shape");
        let one =
            |((mask, inside), outside): ((&f64, &f64), &f64)| if *mask != 0.0 { *inside } else { *outside };
        mask.iter().zip(inside).zip(outside).map(one).collect()
    }
}

impl Elements for Vec<f64> {
    fn elements(&self) -> usize {
        self.len()
    }

    fn with_values(&self, values: &[f64]) -> Self {
        values.to_vec()
    }

    fn with_lists(&self, values: &[f64]) -> Self {
        values.to_vec()
    }

    fn inner_columns(pairs: &[(&Self, &Self)]) -> Self {
        pairs.iter().map(|(a, b)| dot(a, b)).collect()
    }

    async fn values(&self) -> Result<Vec<f64>, Error> {
        Ok(self.clone())
    }
}

/// A batch of samples in double precision.
impl State for Vec<Vec<f64>> {
    fn combine(terms: &[(f64, &Self)]) -> Self {
        let samples = terms.first().map_or(0, |(_, x)| x.len());
        let row = |i: usize| terms.iter().map(|(c, x)| (*c, &x[i])).collect::<Vec<_>>();
        (0..samples).map(|i| State::combine(&row(i))).collect()
    }

    fn projection(of: &Self, onto: &Self) -> Self {
        of.iter().zip(onto).map(|(of, onto)| State::projection(of, onto)).collect()
    }

    fn gaussian(&self, seed: u64, first_image: u64, draw: u64) -> Self {
        self.iter().zip(first_image..).map(|(x, image)| x.gaussian(seed, image, draw)).collect()
    }
}

impl Rows for Vec<Vec<f64>> {
    fn samples(&self) -> usize {
        self.len()
    }

    fn select(&self, rows: &[usize]) -> Self {
        rows.iter().map(|row| self[*row].clone()).collect()
    }

    fn replace(&self, rows: &[usize], values: &Self) -> Self {
        let mut replaced = self.clone();
        for (row, value) in rows.iter().zip(values) {
            replaced[*row].clone_from(value);
        }
        replaced
    }

    fn combine_rows(terms: &[(&[f64], &Self)]) -> Self {
        let samples = terms.first().map_or(0, |(_, x)| x.len());
        let row = |i: usize| terms.iter().map(|(c, x)| (c[i], &x[i])).collect::<Vec<_>>();
        (0..samples).map(|i| State::combine(&row(i))).collect()
    }

    async fn error_ratios(err: &Self, y0: &Self, y1: &Self, rtol: f64, atol: f64) -> Result<Vec<f64>, Error> {
        let rows = err.iter().zip(y0).zip(y1);
        Ok(rows.map(|((e, a), b)| error_ratio(e, a, b, rtol, atol)).collect())
    }

    async fn inner(a: &Self, b: &Self) -> Result<Vec<f64>, Error> {
        Ok(a.iter().zip(b).map(|(a, b)| dot(a, b)).collect())
    }
}

impl Masked for Vec<Vec<f64>> {
    fn masked(mask: &Self, inside: &Self, outside: &Self) -> Self {
        assert!(mask.len() == inside.len() && mask.len() == outside.len(), "states of one shape");
        let rows = mask.iter().zip(inside).zip(outside);
        rows.map(|((mask, inside), outside)| Masked::masked(mask, inside, outside)).collect()
    }
}

impl Elements for Vec<Vec<f64>> {
    fn elements(&self) -> usize {
        self.first().map_or(0, Vec::len)
    }

    fn with_values(&self, values: &[f64]) -> Self {
        self.with_lists(values)
    }

    fn with_lists(&self, values: &[f64]) -> Self {
        let each = values.len() / self.len().max(1);
        (0..self.len()).map(|i| values[i * each..(i + 1) * each].to_vec()).collect()
    }

    fn inner_columns(pairs: &[(&Self, &Self)]) -> Self {
        let samples = pairs.first().map_or(0, |(a, _)| a.len());
        (0..samples).map(|i| pairs.iter().map(|(a, b)| dot(&a[i], &b[i])).collect()).collect()
    }

    async fn values(&self) -> Result<Vec<f64>, Error> {
        Ok(self.concat())
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
                let ratio = pollster::block_on(Rows::error_ratios(e, a, b, 0.1, 0.1));
                assert!(ratio.is_ok_and(|ratio| !ratio[0].is_finite()));
            }
        }
    }

    #[test]
    fn the_error_ratio_is_the_rms_of_the_scaled_error() {
        // err / scale = (0.1 / 0.2, 0.3 / 0.3) = (0.5, 1).
        let ratio = pollster::block_on(Rows::error_ratios(
            &vec![0.1, 0.3],
            &vec![1.0, -2.0],
            &vec![-0.5, 1.0],
            0.1,
            0.1,
        ));
        assert!((ratio.unwrap()[0] - (1.25f64 / 2.0).sqrt()).abs() < 1e-15);
    }

    #[test]
    fn a_batch_treats_each_sample_as_one_alone() {
        let batch = vec![vec![1.0, 2.0], vec![-3.0, 0.5], vec![0.0, 4.0]];
        let other = vec![vec![0.5, 1.0], vec![2.0, 2.0], vec![1.0, -1.0]];
        let ratios = pollster::block_on(Rows::error_ratios(&batch, &other, &batch, 0.1, 0.2)).unwrap();
        let inner = pollster::block_on(Rows::inner(&batch, &other)).unwrap();
        let projected = State::projection(&batch, &other);
        let noise = batch.gaussian(7, 10, 3);
        let combined = Rows::combine_rows(&[(&[1.0, 2.0, 3.0], &batch), (&[0.0, 1.0, -1.0], &other)]);
        for i in 0..3 {
            let alone = pollster::block_on(Rows::error_ratios(&batch[i], &other[i], &batch[i], 0.1, 0.2));
            assert_eq!(vec![ratios[i]], alone.unwrap());
            assert_eq!(vec![inner[i]], pollster::block_on(Rows::inner(&batch[i], &other[i])).unwrap());
            assert_eq!(projected[i], State::projection(&batch[i], &other[i]));
            assert_eq!(noise[i], batch[i].gaussian(7, 10 + i as u64, 3));
            let (c, d) = ([1.0, 2.0, 3.0][i], [0.0, 1.0, -1.0][i]);
            assert_eq!(combined[i], State::combine(&[(c, &batch[i]), (d, &other[i])]));
        }
        assert_eq!(batch.select(&[2, 0]), vec![batch[2].clone(), batch[0].clone()]);
        assert_eq!(
            batch.replace(&[2, 0], &other.select(&[0, 1])),
            vec![other[1].clone(), batch[1].clone(), other[0].clone()]
        );
    }
}
