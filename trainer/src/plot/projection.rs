//! From images to a plane: two directions in the space of pixels, and how far each image lies along them.
//!
//! `pca`: the two directions along which noises and final images together vary most (Pearson 1901), found in the space of
//! the samples, which is smaller than that of the pixels. `random`: two fixed directions, drawn once and made orthogonal;
//! they favour nothing, and what looks straight there is no artefact of the choice. Both are linear, so a straight path
//! stays straight.

use super::PlotError;
use nalgebra::{DMatrix, DVector, SymmetricEigen};

/// The seed of the fixed directions.
const SEED: u64 = 0x7072_6f6a;
/// Steps that an eigendecomposition may take; it needs a few an eigenvalue.
const MAX_ITERATIONS: usize = 100_000;

/// How to find the two directions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Projection {
    /// Along which noises and final images vary most
    Pca,
    /// Drawn once: favour nothing
    Random,
}

/// A plane in the space of images.
#[derive(Clone, Debug)]
pub(super) struct Plane2 {
    origin: DVector<f64>,
    directions: [DVector<f64>; 2],
    /// The share of the variance that each direction has.
    pub(super) shares: [f64; 2],
}

impl Plane2 {
    /// The plane for these images, all of one size.
    pub(super) fn new(projection: Projection, images: &[&[f32]]) -> Result<Self, PlotError> {
        let size = images.first().map_or(0, |image| image.len());
        if images.len() < 3 || size < 2 {
            return Err(PlotError::Nothing {
                what: format!("a plane needs two images, not {}", images.len() / 2),
            });
        }
        let columns: Vec<f64> = images.iter().flat_map(|image| image.iter().map(|v| f64::from(*v))).collect();
        let mut rows = DMatrix::from_column_slice(size, images.len(), &columns);
        let origin = rows.column_mean();
        for mut column in rows.column_iter_mut() {
            column -= &origin;
        }
        let directions = match projection {
            Projection::Pca => principal(&rows)?,
            Projection::Random => random(size),
        };
        let whole = rows.norm_squared();
        let shares = [0, 1].map(|i: usize| rows.tr_mul(&directions[i]).norm_squared() / whole);
        Ok(Self { origin, directions, shares })
    }

    /// The same, turned so that most of these pairs go rightwards.
    pub(super) fn facing<'a>(mut self, pairs: impl Iterator<Item = (&'a [f32], &'a [f32])>) -> Self {
        let rightwards: f64 = pairs.map(|(from, to)| self.place(to).0 - self.place(from).0).sum();
        if rightwards < 0.0 {
            self.directions[0].neg_mut();
        }
        self
    }

    /// Where an image lies.
    pub(super) fn place(&self, image: &[f32]) -> (f64, f64) {
        let away = DVector::from_iterator(image.len(), image.iter().map(|v| f64::from(*v))) - &self.origin;
        (away.dot(&self.directions[0]), away.dot(&self.directions[1]))
    }
}

/// The two leading directions of centred columns.
fn principal(columns: &DMatrix<f64>) -> Result<[DVector<f64>; 2], PlotError> {
    let gram = columns.tr_mul(columns);
    let eigen = SymmetricEigen::try_new(gram, 1e-12, MAX_ITERATIONS).ok_or_else(|| PlotError::Drawing {
        reason: "the principal directions did not converge".to_owned(),
    })?;
    let mut order: Vec<usize> = (0..eigen.eigenvalues.len()).collect();
    order.sort_by(|a, b| eigen.eigenvalues[*b].total_cmp(&eigen.eigenvalues[*a]));
    let direction = |rank: usize| {
        let direction = columns * eigen.eigenvectors.column(order[rank]);
        let norm = direction.norm();
        if norm.is_nan() || norm < 1e-9 {
            return Err(PlotError::Nothing {
                what: "the images do not differ enough for a plane".to_owned(),
            });
        }
        // An eigenvector has no sign of its own; one is fixed so that a figure can be made again.
        let sign = direction[direction.iamax()].signum();
        Ok(direction * (sign / norm))
    };
    Ok([direction(0)?, direction(1)?])
}

fn random(size: usize) -> [DVector<f64>; 2] {
    let draw = |image| {
        let values = flow::noise::gaussian(SEED, image, size);
        DVector::from_iterator(size, values.into_iter().map(f64::from)).normalize()
    };
    let first = draw(0);
    let second = draw(1);
    let second = (&second - &first * first.dot(&second)).normalize();
    [first, second]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_directions_are_found_with_their_shares() {
        // Along (3, 4)/5 with variance 100, along (4, -3)/5 with variance 1, nothing along the third.
        let images: Vec<Vec<f32>> = [(-10.0, 0.0), (10.0, 0.0), (0.0, 1.0), (0.0, -1.0f32)]
            .iter()
            .map(|(a, b)| vec![0.6 * a + 0.8 * b + 1.0, 0.8 * a - 0.6 * b + 2.0, 5.0])
            .collect();
        let images: Vec<&[f32]> = images.iter().map(Vec::as_slice).collect();
        let plane = Plane2::new(Projection::Pca, &images).unwrap();
        let places: Vec<_> = images.iter().map(|image| plane.place(image)).collect();
        for (place, expected) in places.iter().zip([(-10.0, 0.0), (10.0, 0.0), (0.0, 1.0), (0.0, -1.0)]) {
            assert!((place.0 - expected.0).abs() < 1e-5 && (place.1 - expected.1).abs() < 1e-5, "{place:?}");
        }
        assert!(
            (plane.shares[0] - 200.0 / 202.0).abs() < 1e-6 && (plane.shares[1] - 2.0 / 202.0).abs() < 1e-6
        );
    }

    #[test]
    fn a_projection_keeps_straight_lines_straight_and_lengths_from_growing() {
        let images: Vec<Vec<f32>> = (0..6).map(|i| flow::noise::gaussian(1, i, 50)).collect();
        let all: Vec<&[f32]> = images.iter().map(Vec::as_slice).collect();
        for projection in [Projection::Pca, Projection::Random] {
            let plane = Plane2::new(projection, &all).unwrap();
            let middle: Vec<f32> = images[0].iter().zip(&images[1]).map(|(a, b)| (a + b) / 2.0).collect();
            let (a, b, m) = (plane.place(&images[0]), plane.place(&images[1]), plane.place(&middle));
            assert!((m.0 - (a.0 + b.0) / 2.0).abs() < 1e-5 && (m.1 - (a.1 + b.1) / 2.0).abs() < 1e-5);
            let apart =
                images[0].iter().zip(&images[1]).map(|(a, b)| f64::from(a - b).powi(2)).sum::<f64>().sqrt();
            assert!((a.0 - b.0).hypot(a.1 - b.1) <= apart + 1e-6);
            assert!(plane.directions[0].dot(&plane.directions[1]).abs() < 1e-6);
        }
    }

    #[test]
    fn a_plane_is_turned_so_that_paths_go_rightwards() {
        let images: Vec<Vec<f32>> = (0..6).map(|i| flow::noise::gaussian(1, i, 50)).collect();
        let all: Vec<&[f32]> = images.iter().map(Vec::as_slice).collect();
        for (from, to) in [(0, 1), (1, 0)] {
            let plane =
                Plane2::new(Projection::Pca, &all).unwrap().facing(std::iter::once((all[from], all[to])));
            assert!(plane.place(all[to]).0 > plane.place(all[from]).0);
        }
    }

    #[test]
    fn images_that_span_no_plane_are_refused() {
        let same: Vec<&[f32]> = vec![&[1.0, 2.0, 3.0]; 4];
        assert!(matches!(Plane2::new(Projection::Pca, &same), Err(PlotError::Nothing { .. })));
        assert!(matches!(Plane2::new(Projection::Random, &same[..2]), Err(PlotError::Nothing { .. })));
    }
}
