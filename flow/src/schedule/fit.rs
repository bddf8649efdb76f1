//! Fits knots to a model: of all ways from t = 0 to t = 1 over a fine grid in exactly N steps, the one whose local
//! errors have the smallest sum, found by dynamic programming (arXiv 2503.21774).
//!
//! The local error of a step is measured by the caller: how far one step of the solver lands from a reference
//! trajectory, averaged over samples. Memory and time are those of a table of all pairs of grid times.

use crate::Error;

/// The largest grid, in times.
pub const MOST_TIMES: usize = 2000;

/// The local error of every step between two times of a grid.
#[derive(Clone, Debug)]
pub struct Defects {
    grid: Vec<f64>,
    /// Row i holds the errors of the steps from time i to times i + 1, i + 2, ...
    errors: Vec<Vec<f64>>,
}

impl Defects {
    /// Asks `cost(i, j)` for the error of the step from `grid[i]` to `grid[j]`, for all i < j. Infinity forbids a step.
    ///
    /// # Errors
    /// A grid that does not rise strictly from 0 to 1 or is too large, an error that is negative or NaN, and whatever
    /// `cost` fails with.
    pub fn new(
        grid: Vec<f64>,
        mut cost: impl FnMut(usize, usize) -> Result<f64, Error>,
    ) -> Result<Self, Error> {
        let refuse = |what, got: String, accepts| Err(Error::Stepping { what, got, accepts });
        if !(2..=MOST_TIMES).contains(&grid.len()) {
            return refuse("grid", format!("{} times", grid.len()), "2 to 2000 times");
        }
        let rises = grid.windows(2).all(|t| t[0] < t[1]);
        if !rises || grid[0] != 0.0 || grid[grid.len() - 1] != 1.0 {
            return refuse("grid", format!("{grid:?}"), "times that rise strictly from 0 to 1");
        }
        let mut errors = Vec::with_capacity(grid.len());
        for i in 0..grid.len() {
            let mut row = Vec::with_capacity(grid.len() - i);
            for j in i + 1..grid.len() {
                let error = cost(i, j)?;
                if !(error >= 0.0) {
                    let got = format!("{error} from t = {} to {}", grid[i], grid[j]);
                    return refuse("local error", got, "a number that is not negative");
                }
                row.push(error);
            }
            errors.push(row);
        }
        Ok(Self { grid, errors })
    }

    /// The times between which steps were measured.
    pub fn grid(&self) -> &[f64] {
        &self.grid
    }

    /// The error of the step from time i to time j > i.
    fn error(&self, i: usize, j: usize) -> f64 {
        self.errors[i][j - i - 1]
    }
}

/// The knots of exactly `steps` steps with the smallest sum of local errors, and that sum.
///
/// # Errors
/// No steps, more than the grid has intervals, or no way that is not forbidden.
pub fn fit(defects: &Defects, steps: usize) -> Result<(Vec<f64>, f64), Error> {
    let n = defects.grid.len();
    if steps == 0 || steps >= n {
        return Err(Error::Steps { got: steps, most: n - 1 });
    }
    // best[j]: the smallest sum that reaches time j in the steps so far; from[k][j]: the time before j on that way.
    let mut best = vec![f64::INFINITY; n];
    best[0] = 0.0;
    let mut from = Vec::with_capacity(steps);
    for _ in 0..steps {
        let mut next = vec![f64::INFINITY; n];
        let mut before = vec![usize::MAX; n];
        for j in 1..n {
            for i in 0..j {
                let sum = best[i] + defects.error(i, j);
                if sum < next[j] {
                    (next[j], before[j]) = (sum, i);
                }
            }
        }
        best = next;
        from.push(before);
    }
    let sum = best[n - 1];
    if !sum.is_finite() {
        let got = format!("no way in {steps} steps");
        return Err(Error::Stepping {
            what: "local error",
            got,
            accepts: "at least one way of finite error",
        });
    }
    let mut at = n - 1;
    let mut knots = vec![1.0];
    for before in from.iter().rev() {
        at = before[at];
        knots.push(defects.grid[at]);
    }
    knots.reverse();
    Ok((knots, sum))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::noise;
    use crate::rand_core::RngCore;
    use crate::schedule::{KnotTable, Schedule};

    fn grid(n: usize) -> Vec<f64> {
        (0..=n).map(|i| i as f64 / n as f64).collect()
    }

    /// The smallest sum over all ways, by trying each.
    fn brute_force(defects: &Defects, from: usize, steps: usize) -> f64 {
        let last = defects.grid.len() - 1;
        if steps == 1 {
            return if from < last { defects.error(from, last) } else { f64::INFINITY };
        }
        (from + 1..last)
            .map(|to| defects.error(from, to) + brute_force(defects, to, steps - 1))
            .fold(f64::INFINITY, f64::min)
    }

    #[test]
    fn no_other_knots_have_a_smaller_sum() {
        let mut rng = noise::rng(1, 0);
        for _ in 0..20 {
            let defects = Defects::new(grid(8), |_, _| Ok((rng.next_u32() % 1000) as f64)).unwrap();
            for steps in 1..=8 {
                let (knots, sum) = fit(&defects, steps).unwrap();
                assert_eq!(sum, brute_force(&defects, 0, steps));
                assert!(KnotTable::new([(steps, knots)]).is_ok());
            }
        }
    }

    #[test]
    fn on_a_flow_that_bends_late_the_fitted_knots_beat_even_ones() {
        // x' = f'(t) with f(t) = t^8: an Euler step from t to t' is off by |f(t') - f(t) - (t' - t) f'(t)|.
        let f = |t: f64| t.powi(8);
        let slope = |t: f64| 8.0 * t.powi(7);
        let off = |a: f64, b: f64| (f(b) - f(a) - (b - a) * slope(a)).abs();
        let times = grid(60);
        let defects = Defects::new(times.clone(), |i, j| Ok(off(times[i], times[j]))).unwrap();
        for steps in [2, 4, 8, 16] {
            let (knots, _) = fit(&defects, steps).unwrap();
            let error = |knots: &[f64]| knots.windows(2).map(|k| off(k[0], k[1])).sum::<f64>();
            let even = Schedule::default().knots(steps).unwrap();
            assert!(error(&knots) < 0.7 * error(&even), "{steps}: {knots:?}");
        }
    }

    #[test]
    fn what_cannot_be_fitted_is_refused() {
        let flat = Defects::new(grid(4), |_, _| Ok(1.0)).unwrap();
        for steps in [0, 5] {
            assert_eq!(fit(&flat, steps), Err(Error::Steps { got: steps, most: 4 }));
        }
        for bad in [f64::NAN, -1.0] {
            assert!(matches!(
                Defects::new(grid(4), |_, _| Ok(bad)),
                Err(Error::Stepping { what: "local error", .. })
            ));
        }
        for times in [vec![], vec![0.0], vec![0.0, 0.5], vec![0.0, 0.5, 0.5, 1.0]] {
            assert!(matches!(Defects::new(times, |_, _| Ok(0.0)), Err(Error::Stepping { what: "grid", .. })));
        }
        let forbidden =
            Defects::new(grid(4), |i, j| Ok(if j - i > 1 { f64::INFINITY } else { 0.0 })).unwrap();
        assert!(fit(&forbidden, 4).is_ok() && fit(&forbidden, 3).is_err());
    }
}
