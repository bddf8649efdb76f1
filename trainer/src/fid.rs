//! The Fréchet distance between two sets of features, each taken as one Gaussian (Heusel 2017, arXiv 1706.08500).
//!
//! FID = |m1 - m2|² + tr(C1 + C2 - 2 (C1 C2)^(1/2)), with covariances divided by n - 1. The trace of the root is the sum of
//! the roots of the eigenvalues of √C2 C1 √C2, which is symmetric, so nothing complex can come of it.
//!
//! The distance is biased: fewer samples give a larger one. Figures compare only at the same number of samples, with the
//! same extractor and the same reference.

use std::num::NonZero;
use std::thread;

use nalgebra::{DMatrix, DVector, SymmetricEigen};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

/// Rows that are added to statistics at once: enough for a fast matrix product, few enough for the cache.
const BLOCK: usize = 1024;
/// Eigenvalues of a covariance down to minus this share of the largest are rounding, and count as zero.
const NEGATIVE_TOLERANCE: f64 = 1e-9;
/// Steps that an eigendecomposition may take; it needs a few an eigenvalue.
const MAX_ITERATIONS: usize = 100_000;

/// Why there is no distance.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum FidError {
    /// Numbers that are no whole number of rows.
    #[error("{got} numbers are no rows of {width} features")]
    Width {
        /// Numbers given.
        got: usize,
        /// Features of a row.
        width: usize,
    },
    /// A mean or a triangle of another length than the features ask for.
    #[error("the {part} has {got} numbers, {expected} expected")]
    Length {
        /// Which part.
        part: &'static str,
        /// Numbers given.
        got: usize,
        /// Numbers needed.
        expected: usize,
    },
    /// Too few samples for a covariance.
    #[error("{got} samples; a covariance needs 2 or more")]
    TooFew {
        /// Samples given.
        got: usize,
    },
    /// A NaN or an infinity among the features.
    #[error("the features hold a number that is not finite")]
    NotFinite,
    /// Two sets of different features.
    #[error("{got} features against a reference of {expected}")]
    OtherFeatures {
        /// Features of the set.
        got: usize,
        /// Features of the reference.
        expected: usize,
    },
    /// A matrix that is no covariance: an eigenvalue is far below zero.
    #[error("the reference is no covariance: it has the eigenvalue {eigenvalue}")]
    Indefinite {
        /// The lowest eigenvalue.
        eigenvalue: f64,
    },
    /// An eigendecomposition that came to no end.
    #[error("the eigenvalues did not converge")]
    NoConvergence,
    /// A bootstrap of no resamples.
    #[error("{got} resamples; an interval needs 2 or more")]
    Resamples {
        /// Resamples asked for.
        got: usize,
    },
}

/// Mean and covariance of a set of features.
#[derive(Clone, Debug, PartialEq)]
pub struct Statistics {
    count: usize,
    mean: DVector<f64>,
    covariance: DMatrix<f64>,
}

/// Statistics in the making: rows come in parts of any size, and none is kept (Chan, Golub, LeVeque 1979).
#[derive(Clone, Debug)]
pub struct Accumulator {
    count: usize,
    mean: DVector<f64>,
    /// Sum of (x - mean)(x - mean)ᵀ.
    scatter: DMatrix<f64>,
}

/// A distance and how far it would vary with other noises.
#[derive(Clone, Debug, PartialEq)]
pub struct Interval {
    /// The distance.
    pub fid: f64,
    /// Lower end of the 95% interval.
    pub low: f64,
    /// Upper end of the 95% interval.
    pub high: f64,
    /// The distance of each resample, in the order of their numbers: two sets of as many images, measured with the same
    /// seed, were resampled alike, so that their difference can be judged pair by pair.
    pub resamples: Vec<f64>,
}

/// How far apart two distances are that were measured from the same noises.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Difference {
    /// The first distance less the second.
    pub value: f64,
    /// Lower end of its 95% interval.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

impl Interval {
    /// This distance less another, with the interval of the paired bootstrap; none when they were not resampled alike.
    pub fn less(&self, other: &Self) -> Option<Difference> {
        if self.resamples.len() != other.resamples.len() || self.resamples.len() < 2 {
            return None;
        }
        let value = self.fid - other.fid;
        let mut differences: Vec<f64> =
            self.resamples.iter().zip(&other.resamples).map(|(a, b)| a - b).collect();
        differences.sort_by(f64::total_cmp);
        let bias = differences.iter().sum::<f64>() / differences.len() as f64 - value;
        let end = |share| quantile(&differences, share) - bias;
        Some(Difference { value, low: end(0.025), high: end(0.975) })
    }
}

impl Accumulator {
    /// Of rows of `width` features; nothing counted yet.
    #[must_use]
    pub fn new(width: usize) -> Self {
        Self { count: 0, mean: DVector::zeros(width), scatter: DMatrix::zeros(width, width) }
    }

    /// Counts rows: `n x width` numbers, row after row.
    ///
    /// # Errors
    /// Numbers that are no whole rows, or not finite.
    pub fn push(&mut self, rows: &[f64]) -> Result<(), FidError> {
        let width = self.mean.len();
        if width == 0 || !rows.len().is_multiple_of(width) {
            return Err(FidError::Width { got: rows.len(), width });
        }
        if !rows.iter().all(|feature| feature.is_finite()) {
            return Err(FidError::NotFinite);
        }
        for block in rows.chunks(BLOCK * width) {
            self.push_block(block);
        }
        Ok(())
    }

    fn push_block(&mut self, rows: &[f64]) {
        let width = self.mean.len();
        // nalgebra is column-major: a row of features becomes a column.
        let mut block = DMatrix::from_column_slice(width, rows.len() / width, rows);
        let mean = block.column_mean();
        for mut column in block.column_iter_mut() {
            column -= &mean;
        }
        let (old, new) = (self.count as f64, block.ncols() as f64);
        let away = mean - &self.mean;
        self.scatter += &block * block.transpose();
        self.scatter += &away * away.transpose() * (old * new / (old + new));
        self.mean += away * (new / (old + new));
        self.count += block.ncols();
    }

    /// The statistics of what was counted.
    ///
    /// # Errors
    /// Fewer than two rows.
    pub fn finish(self) -> Result<Statistics, FidError> {
        if self.count < 2 {
            return Err(FidError::TooFew { got: self.count });
        }
        let covariance = self.scatter / (self.count - 1) as f64;
        Ok(Statistics { count: self.count, mean: self.mean, covariance })
    }
}

impl Statistics {
    /// Of `n x width` features, row after row.
    ///
    /// # Errors
    /// Numbers that are no whole rows, not finite, or fewer than two rows.
    pub fn of(features: &[f64], width: usize) -> Result<Self, FidError> {
        let mut accumulator = Accumulator::new(width);
        accumulator.push(features)?;
        accumulator.finish()
    }

    /// From stored numbers: `width` means, and the covariance's upper triangle row after row (`width (width + 1) / 2`),
    /// both over `count` samples.
    ///
    /// # Errors
    /// Other lengths, numbers that are not finite, or a count below two.
    pub fn from_upper_triangle(
        mean: Vec<f64>,
        triangle: &[f64],
        count: usize,
        width: usize,
    ) -> Result<Self, FidError> {
        let size = width * (width + 1) / 2;
        for (part, got, expected) in [("mean", mean.len(), width), ("triangle", triangle.len(), size)] {
            if got != expected {
                return Err(FidError::Length { part, got, expected });
            }
        }
        if count < 2 {
            return Err(FidError::TooFew { got: count });
        }
        if !mean.iter().chain(triangle).all(|number| number.is_finite()) {
            return Err(FidError::NotFinite);
        }
        let mut covariance = DMatrix::zeros(width, width);
        let cells = (0..width).flat_map(|row| (row..width).map(move |column| (row, column)));
        for ((row, column), &value) in cells.zip(triangle) {
            covariance[(row, column)] = value;
            covariance[(column, row)] = value;
        }
        Ok(Self { count, mean: DVector::from_vec(mean), covariance })
    }

    /// Samples that were counted.
    #[must_use]
    pub fn count(&self) -> usize {
        self.count
    }

    /// The mean of each feature.
    #[must_use]
    pub fn mean(&self) -> &[f64] {
        self.mean.as_slice()
    }

    /// The covariance's upper triangle, row after row.
    #[must_use]
    pub fn upper_triangle(&self) -> Vec<f64> {
        let width = self.mean.len();
        (0..width)
            .flat_map(|row| (row..width).map(move |column| (row, column)))
            .map(|cell| self.covariance[cell])
            .collect()
    }
}

/// The distance between two sets.
///
/// # Errors
/// Sets of different features, or a reference whose covariance is none.
pub fn frechet(set: &Statistics, reference: &Statistics) -> Result<f64, FidError> {
    Reference::new(reference)?.distance(set)
}

/// The distance of `n x width` generated features, row after row, to the reference, with a bootstrap over the generated
/// set: `resamples` sets of n drawn with replacement, each from its own stream of the seed.
///
/// A resample repeats rows, which makes its distance larger on average, as fewer samples would. The interval is that of the
/// resamples' distances (2.5% to 97.5%) moved back by this bias: how far the distance at this n would come out with other
/// noises. It says nothing of the reference, nor of the distance that infinitely many samples would have.
///
/// # Errors
/// As [`frechet`] and [`Statistics::of`], or fewer than two resamples.
pub fn fid_with_bootstrap(
    features: &[f64],
    reference: &Statistics,
    resamples: usize,
    seed: u64,
) -> Result<Interval, FidError> {
    if resamples < 2 {
        return Err(FidError::Resamples { got: resamples });
    }
    let width = reference.mean.len();
    let root = Reference::new(reference)?;
    let fid = root.distance(&Statistics::of(features, width)?)?;
    let in_order = bootstrap(features, &root, resamples, seed)?;
    let mut distances = in_order.clone();
    distances.sort_by(f64::total_cmp);
    let bias = distances.iter().sum::<f64>() / resamples as f64 - fid;
    let end = |share| (quantile(&distances, share) - bias).max(0.0);
    Ok(Interval { fid, low: end(0.025), high: end(0.975), resamples: in_order })
}

/// The distance of each resample. Which thread makes which does not matter: each has its own random numbers.
fn bootstrap(
    features: &[f64],
    reference: &Reference<'_>,
    resamples: usize,
    seed: u64,
) -> Result<Vec<f64>, FidError> {
    let threads = thread::available_parallelism().map_or(1, NonZero::get).min(resamples);
    thread::scope(|scope| {
        let workers: Vec<_> = (0..threads)
            .map(|first| {
                scope.spawn(move || {
                    (first..resamples)
                        .step_by(threads)
                        .map(|resample| reference.distance(&draw(features, reference, seed, resample)?))
                        .collect::<Result<Vec<f64>, FidError>>()
                })
            })
            .collect();
        let mut distances = vec![0.0; resamples];
        for (first, worker) in workers.into_iter().enumerate() {
            match worker.join() {
                Ok(part) => {
                    distances[first..]
                        .iter_mut()
                        .step_by(threads)
                        .zip(part?)
                        .for_each(|(d, value)| *d = value);
                }
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        Ok(distances)
    })
}

/// The statistics of as many rows as there are, drawn with replacement.
fn draw(
    features: &[f64],
    reference: &Reference<'_>,
    seed: u64,
    resample: usize,
) -> Result<Statistics, FidError> {
    let width = reference.statistics.mean.len();
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(resample as u64);
    let count = features.len() / width;
    let mut accumulator = Accumulator::new(width);
    let mut rows = Vec::with_capacity(BLOCK * width);
    for start in (0..count).step_by(BLOCK) {
        rows.clear();
        for _ in start..count.min(start + BLOCK) {
            // The high half of the product is uniform in 0..count, to one part in 2^64 / count.
            let row = ((u128::from(rng.next_u64()) * count as u128) >> 64) as usize;
            rows.extend_from_slice(&features[row * width..][..width]);
        }
        accumulator.push(&rows)?;
    }
    accumulator.finish()
}

/// The value below which this share of sorted values lies, between neighbours by their distance.
fn quantile(sorted: &[f64], share: f64) -> f64 {
    let at = share * (sorted.len() - 1) as f64;
    let (low, high) = (sorted[at.floor() as usize], sorted[at.ceil() as usize]);
    low + (high - low) * at.fract()
}

/// A reference with the root of its covariance, for many distances to it.
struct Reference<'a> {
    statistics: &'a Statistics,
    root: DMatrix<f64>,
}

impl<'a> Reference<'a> {
    fn new(statistics: &'a Statistics) -> Result<Self, FidError> {
        let SymmetricEigen { eigenvectors, eigenvalues } = eigen(statistics.covariance.clone())?;
        let (lowest, largest) = (eigenvalues.min(), eigenvalues.amax());
        if lowest < -NEGATIVE_TOLERANCE * largest {
            return Err(FidError::Indefinite { eigenvalue: lowest });
        }
        let roots = DMatrix::from_diagonal(&eigenvalues.map(|value| value.max(0.0).sqrt()));
        Ok(Self { statistics, root: &eigenvectors * roots * eigenvectors.transpose() })
    }

    fn distance(&self, set: &Statistics) -> Result<f64, FidError> {
        let (got, expected) = (set.mean.len(), self.statistics.mean.len());
        if got != expected {
            return Err(FidError::OtherFeatures { got, expected });
        }
        let away = (&set.mean - &self.statistics.mean).norm_squared();
        let traces = set.covariance.trace() + self.statistics.covariance.trace();
        let product = &self.root * &set.covariance * &self.root;
        // Rounding makes the product a little asymmetric, and a zero eigenvalue a little negative.
        let product = (&product + product.transpose()) * 0.5;
        let root: f64 = eigen(product)?.eigenvalues.iter().map(|value| value.max(0.0).sqrt()).sum();
        Ok((away + traces - 2.0 * root).max(0.0))
    }
}

fn eigen(matrix: DMatrix<f64>) -> Result<SymmetricEigen<f64, nalgebra::Dyn>, FidError> {
    SymmetricEigen::try_new(matrix, f64::EPSILON, MAX_ITERATIONS).ok_or(FidError::NoConvergence)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Standard normal numbers by Box-Muller, `count x width`.
    fn gaussians(seed: u64, count: usize, width: usize) -> Vec<f64> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut uniform = || ((rng.next_u64() >> 11) as f64 + 0.5) / (1_u64 << 53) as f64;
        (0..count * width)
            .map(|_| (-2.0 * uniform().ln()).sqrt() * (std::f64::consts::TAU * uniform()).cos())
            .collect()
    }

    fn diagonal(mean: &[f64], deviations: &[f64]) -> Statistics {
        let width = mean.len();
        let mut triangle = Vec::new();
        for (row, deviation) in deviations.iter().enumerate() {
            triangle.push(deviation * deviation);
            triangle.resize(triangle.len() + width - row - 1, 0.0);
        }
        Statistics::from_upper_triangle(mean.to_vec(), &triangle, 100, width).unwrap()
    }

    #[test]
    fn the_oracles_distance() {
        let oracle: serde_json::Value =
            serde_json::from_str(include_str!("../tests/fixtures/frechet.json")).unwrap();
        let rows = |name: &str| -> Vec<f64> {
            let rows: Vec<[f64; 4]> = serde_json::from_value(oracle[name].clone()).unwrap();
            rows.concat()
        };
        assert_eq!(oracle["covariance"], "unbiased (n-1)");
        let a = Statistics::of(&rows("a"), 4).unwrap();
        let b = Statistics::of(&rows("b"), 4).unwrap();
        let expected = oracle["distance"].as_f64().unwrap();
        for (set, reference) in [(&a, &b), (&b, &a)] {
            let got = frechet(set, reference).unwrap();
            assert!((got - expected).abs() < 1e-10, "{got} for {expected}");
        }
    }

    #[test]
    fn diagonal_gaussians_have_the_closed_form() {
        // |m1 - m2|² + Σ (s1 - s2)²; a zero deviation is a feature that never changes.
        let a = diagonal(&[1.0, -2.0, 0.5, 0.0], &[1.0, 3.0, 0.1, 0.0]);
        let b = diagonal(&[0.0, 1.0, 0.5, 2.0], &[2.0, 0.5, 0.1, 4.0]);
        let expected = (1.0 + 9.0 + 0.0 + 4.0) + (1.0 + 6.25 + 0.0 + 16.0);
        for (set, reference) in [(&a, &b), (&b, &a)] {
            let got = frechet(set, reference).unwrap();
            assert!((got - expected).abs() < 1e-9, "{got} for {expected}");
        }
        assert!(frechet(&a, &a).unwrap() < 1e-9);
    }

    #[test]
    fn fewer_samples_than_features_still_have_a_distance() {
        let few = gaussians(1, 5, 16);
        let set = Statistics::of(&few, 16).unwrap();
        assert!(frechet(&set, &set).unwrap() < 1e-6);
        let reference = Statistics::of(&gaussians(2, 500, 16), 16).unwrap();
        let (there, back) = (frechet(&set, &reference).unwrap(), frechet(&reference, &set).unwrap());
        assert!((there - back).abs() < 1e-6 * there, "{there} and {back}");
    }

    #[test]
    fn rows_in_parts_are_rows_at_once() {
        // An offset of a million would lose a sum of squares half of its digits.
        let rows: Vec<f64> = gaussians(3, 3000, 3).iter().map(|x| 1e6 + x).collect();
        let whole = Statistics::of(&rows, 3).unwrap();
        let mut accumulator = Accumulator::new(3);
        for part in rows.chunks(3 * 7) {
            accumulator.push(part).unwrap();
        }
        let parts = accumulator.finish().unwrap();
        assert_eq!(parts.count(), 3000);
        for (one, other) in whole.upper_triangle().iter().zip(parts.upper_triangle()) {
            assert!((one - other).abs() < 1e-9, "{one} and {other}");
        }
        // By hand for a set of three: mean 2, variance ((-1)² + 0 + 1²) / 2.
        let three = Statistics::of(&[1.0, 2.0, 3.0], 1).unwrap();
        assert_eq!((three.mean(), three.upper_triangle().as_slice()), (&[2.0][..], &[1.0][..]));
    }

    #[test]
    fn the_stored_triangle_gives_the_statistics_back() {
        let statistics = Statistics::of(&gaussians(4, 50, 5), 5).unwrap();
        let mean = statistics.mean().to_vec();
        let stored = Statistics::from_upper_triangle(mean, &statistics.upper_triangle(), 50, 5).unwrap();
        assert!(frechet(&stored, &statistics).unwrap() < 1e-9);
        assert_eq!(stored.mean(), statistics.mean());
    }

    #[test]
    fn the_interval_holds_the_distance_and_repeats_with_its_seed() {
        let reference = Statistics::of(&gaussians(5, 5000, 4), 4).unwrap();
        let generated: Vec<f64> = gaussians(6, 400, 4).iter().map(|x| 0.3 + 1.2 * x).collect();
        let interval = fid_with_bootstrap(&generated, &reference, 100, 7).unwrap();
        assert!(interval.low < interval.fid && interval.fid < interval.high, "{interval:?}");
        assert_eq!(fid_with_bootstrap(&generated, &reference, 100, 7).unwrap(), interval);
        assert_ne!(fid_with_bootstrap(&generated, &reference, 100, 8).unwrap(), interval);
    }

    #[test]
    fn the_interval_is_as_wide_as_other_noises_make_the_distance_vary() {
        let reference = diagonal(&[0.0; 4], &[1.0; 4]);
        let sample = |seed| gaussians(seed, 400, 4).iter().map(|x| 0.3 + 1.2 * x).collect::<Vec<f64>>();
        let fresh: Vec<f64> = (100..300)
            .map(|seed| frechet(&Statistics::of(&sample(seed), 4).unwrap(), &reference).unwrap())
            .collect();
        let mut covered = 0;
        let intervals: Vec<Interval> = (300..340)
            .map(|seed| fid_with_bootstrap(&sample(seed), &reference, 200, seed).unwrap())
            .collect();
        let center = fresh.iter().sum::<f64>() / fresh.len() as f64;
        for interval in &intervals {
            covered += usize::from(interval.low <= center && center <= interval.high);
        }
        // 95% of 40 is 38; 33 or fewer has a probability below 1%.
        assert!(covered >= 34, "{covered} of 40");
    }

    #[test]
    fn what_is_no_set_of_features_is_refused() {
        assert_eq!(Statistics::of(&[1.0; 5], 2), Err(FidError::Width { got: 5, width: 2 }));
        assert_eq!(Statistics::of(&[1.0; 5], 0), Err(FidError::Width { got: 5, width: 0 }));
        assert_eq!(Statistics::of(&[1.0; 2], 2), Err(FidError::TooFew { got: 1 }));
        assert_eq!(Statistics::of(&[1.0, f64::NAN], 1), Err(FidError::NotFinite));
        let stored = |mean: usize, triangle: &[f64], count| {
            Statistics::from_upper_triangle(vec![0.0; mean], triangle, count, 2)
        };
        assert_eq!(stored(1, &[1.0; 3], 9), Err(FidError::Length { part: "mean", got: 1, expected: 2 }));
        assert_eq!(stored(2, &[1.0; 4], 9), Err(FidError::Length { part: "triangle", got: 4, expected: 3 }));
        assert_eq!(stored(2, &[1.0; 3], 1), Err(FidError::TooFew { got: 1 }));
        assert_eq!(stored(2, &[f64::INFINITY; 3], 9), Err(FidError::NotFinite));
        let good = diagonal(&[0.0; 2], &[1.0; 2]);
        let indefinite = stored(2, &[1.0, 2.0, 1.0], 9).unwrap();
        assert!(
            matches!(frechet(&good, &indefinite), Err(FidError::Indefinite { eigenvalue }) if (eigenvalue + 1.0).abs() < 1e-12)
        );
        let wide = diagonal(&[0.0; 3], &[1.0; 3]);
        assert_eq!(frechet(&wide, &good), Err(FidError::OtherFeatures { got: 3, expected: 2 }));
        assert_eq!(fid_with_bootstrap(&[0.0; 8], &good, 1, 0), Err(FidError::Resamples { got: 1 }));
    }
}
