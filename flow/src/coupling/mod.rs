//! Couplings of a mini-batch: which noise goes with which data. One coupling a file.

use crate::Error;
use crate::rand_core::RngCore;
use crate::registry::Entry;

mod cost;
mod pool;

pub use pool::Pool;

/// What a coupling must know. Shapes are checked before it is asked.
trait Rule: Sync {
    fn entry(&self) -> &'static Entry;
    /// Whether every row of noise is used exactly once.
    fn permutes(&self) -> bool;
    /// For each row of `x1` the row of `x0` that goes with it.
    fn pair(
        &self,
        values: &[f64],
        x0: &[f32],
        x1: &[f32],
        dim: usize,
        labels: &[usize],
        rng: &mut dyn RngCore,
    ) -> Found;
}

/// What a rule found.
struct Found {
    rows: Vec<usize>,
    /// How far a marginal is off at most, from a rule that iterates towards them.
    marginal_error: Option<f64>,
}

impl Found {
    fn rows(rows: Vec<usize>) -> Self {
        Self { rows, marginal_error: None }
    }
}

family! {
    /// A coupling with valid parameters.
    Coupling, "coupling", "couplings", Rule,
    [
        independent::Independent,
        exact::Exact,
        sinkhorn::Sinkhorn,
        class_aware::ClassAware,
    ]
}
choice_text!(Coupling);

/// Which noise goes with which data, and what that is worth.
#[derive(Clone, Debug, PartialEq)]
pub struct Pairing {
    /// For each row of data its row of noise.
    pub rows: Vec<usize>,
    /// The mean of |x0 - x1|^2 over the pairs.
    pub mean_cost: f64,
    /// The same with each datum's own row of noise.
    pub mean_cost_before: f64,
    /// How far a marginal of the plan is off at most, as a part of itself; none where there is no plan to iterate.
    pub marginal_error: Option<f64>,
}

impl Pairing {
    /// The marginals count as met within this part of themselves.
    pub const TOLERANCE: f64 = 1e-3;

    /// Whether an iteration met its marginals before it ran out of rounds.
    pub fn converged(&self) -> bool {
        self.marginal_error.is_none_or(|error| error < Self::TOLERANCE)
    }
}

impl Coupling {
    /// For each row of data `x1` the row of noise `x0` that goes with it, so that data keep their labels.
    /// Both are row-major with `dim` columns; there is one label a row of data.
    ///
    /// # Errors
    /// Arrays that are not so long, and values that are not finite.
    pub fn pair<R: RngCore>(
        &self,
        x0: &[f32],
        x1: &[f32],
        dim: usize,
        labels: &[usize],
        rng: &mut R,
    ) -> Result<Pairing, Error> {
        check(x0, x1, dim, labels.len())?;
        let found = self.rule().pair(self.choice.values(), x0, x1, dim, labels, rng);
        let own: Vec<usize> = (0..labels.len()).collect();
        Ok(Pairing {
            mean_cost: cost::mean_cost(x0, x1, dim, &found.rows),
            mean_cost_before: cost::mean_cost(x0, x1, dim, &own),
            rows: found.rows,
            marginal_error: found.marginal_error,
        })
    }

    /// Whether every row of noise is used exactly once.
    pub fn permutes(&self) -> bool {
        self.rule().permutes()
    }
}

/// Both arrays have `rows` rows of `dim` finite values.
fn check(x0: &[f32], x1: &[f32], dim: usize, rows: usize) -> Result<(), Error> {
    for (what, x) in [("x0", x0), ("x1", x1)] {
        if rows.checked_mul(dim) != Some(x.len()) || dim == 0 {
            let got = format!("{} values for {rows} rows of {dim}", x.len());
            return Err(Error::Pairing {
                what,
                got,
                accepts: "as many rows as there are labels, of at least one column",
            });
        }
        if let Some(value) = x.iter().find(|value| !value.is_finite()) {
            return Err(Error::Pairing { what, got: value.to_string(), accepts: "finite values" });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::noise;

    #[test]
    fn every_row_of_data_gets_a_row_of_noise_that_exists_and_a_permutation_uses_each_once() {
        for n in [0, 1, 2, 30] {
            let dim = 3;
            let x0 = noise::gaussian(1, 0, n * dim);
            let x1 = noise::gaussian(2, 0, n * dim);
            let labels: Vec<usize> = (0..n).map(|i| i % 10).collect();
            for coupling in Coupling::all() {
                let pairs = coupling.pair(&x0, &x1, dim, &labels, &mut noise::rng(3, 0)).unwrap();
                assert_eq!(pairs.rows.len(), n, "{coupling}");
                assert!(pairs.rows.iter().all(|row| *row < n), "{coupling}");
                if coupling.permutes() {
                    let mut sorted = pairs.rows.clone();
                    sorted.sort_unstable();
                    assert_eq!(sorted, (0..n).collect::<Vec<_>>(), "{coupling}");
                    assert!(pairs.mean_cost <= pairs.mean_cost_before + 1e-9, "{coupling} never costs more");
                }
                let again = coupling.pair(&x0, &x1, dim, &labels, &mut noise::rng(3, 0)).unwrap();
                assert_eq!(again, pairs, "{coupling}: the same generator gives the same pairs");
            }
        }
    }

    #[test]
    fn what_does_not_fit_or_is_not_finite_is_refused_by_name() {
        let fine = [0.0, 1.0, 2.0, 3.0];
        let refused = |x0: &[f32], x1: &[f32], dim: usize, rows: usize| {
            for coupling in Coupling::all() {
                match coupling.pair(x0, x1, dim, &vec![0; rows], &mut noise::rng(0, 0)) {
                    Err(Error::Pairing { what, .. }) if what == "x0" || what == "x1" => {}
                    other => panic!("{coupling}: {other:?}"),
                }
            }
        };
        refused(&fine, &fine, 2, 3);
        refused(&fine, &fine[..3], 2, 2);
        refused(&fine, &fine, 0, 4);
        refused(&[f32::NAN, 0.0, 0.0, 0.0], &fine, 2, 2);
        refused(&fine, &[f32::INFINITY, 0.0, 0.0, 0.0], 2, 2);
    }
}
