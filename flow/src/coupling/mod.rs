//! Couplings of a mini-batch: which noise goes with which data. One coupling a file.

use crate::rand_core::RngCore;
use crate::registry::Entry;

/// What a coupling must know.
trait Rule: Sync {
    fn entry(&self) -> &'static Entry;
    /// For each row of `x1` the row of `x0` that goes with it.
    fn pair(
        &self,
        values: &[f64],
        x0: &[f32],
        x1: &[f32],
        dim: usize,
        labels: &[usize],
        rng: &mut dyn RngCore,
    ) -> Vec<usize>;
}

family! {
    /// A coupling with valid parameters.
    Coupling, "coupling", "couplings", Rule,
    [
        independent::Independent,
    ]
}
choice_text!(Coupling);

impl Coupling {
    /// For each row of data `x1` the row of noise `x0` that goes with it, so that data keep their labels.
    /// Both are row-major with `dim` columns; there is one label per row of data.
    pub fn pair<R: RngCore>(
        &self,
        x0: &[f32],
        x1: &[f32],
        dim: usize,
        labels: &[usize],
        rng: &mut R,
    ) -> Vec<usize> {
        self.rule().pair(self.choice.values(), x0, x1, dim, labels, rng)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::noise;

    #[test]
    fn every_row_of_data_gets_a_row_of_noise_that_exists() {
        let (n, dim) = (12, 3);
        let x0 = noise::gaussian(1, 0, n * dim);
        let x1 = noise::gaussian(2, 0, n * dim);
        let labels: Vec<usize> = (0..n).map(|i| i % 10).collect();
        for coupling in Coupling::all() {
            let pairs = coupling.pair(&x0, &x1, dim, &labels, &mut noise::rng(3, 0));
            assert_eq!(pairs.len(), n, "{coupling}");
            assert!(pairs.iter().all(|row| *row < n), "{coupling}");
        }
    }
}
