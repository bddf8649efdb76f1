//! Fits knots to a model: which times of a fine grid to step through, in exactly N steps, so that the solver ends closest
//! to a reference trajectory. Dynamic programming (Pei et al. 2025, arXiv 2503.21774, algorithm 1).
//!
//! z(i, j) is the state after i steps that end at time j of the grid: among all steps from z(i - 1, k) to j the one that
//! lands closest to the reference at j. So the errors that a step inherits count, not only those that it makes. The search
//! is exact for two steps and greedy beyond: a state that is further off now but would end closer is not followed.
//! It tries N times half the grid squared steps.

use crate::Error;

/// The largest grid, in times.
pub const MOST_TIMES: usize = 1000;

/// The knots of so many steps, and how far from the reference they end.
#[derive(Clone, Debug, PartialEq)]
pub struct Fit {
    /// One more than steps, from 0 to 1, strictly increasing.
    pub knots: Vec<f64>,
    /// The error of the final state, as the caller measures it.
    pub error: f64,
}

/// The best knots of 1 to `most` steps, in this order.
///
/// `steps(x, k, to)` takes one step of the solver from the state `x` at `grid[k]` to each of the later times `to` (indices
/// of the grid, ascending). `error(x, j)` says how far a state is from the reference at `grid[j]`; NaN counts as infinitely
/// far.
///
/// # Errors
/// A grid that does not rise strictly from 0 to 1 or is too large; no steps, or more than the grid has intervals; whatever
/// the two functions fail with.
pub fn fit<S: Clone>(
    grid: &[f64],
    start: S,
    most: usize,
    mut steps: impl FnMut(&S, usize, &[usize]) -> Result<Vec<S>, Error>,
    mut error: impl FnMut(&S, usize) -> Result<f64, Error>,
) -> Result<Vec<Fit>, Error> {
    check(grid)?;
    let last = grid.len() - 1;
    if most == 0 || most > last {
        return Err(Error::Steps { got: most, most: last });
    }
    // reached[j]: the state at time j after the steps so far; from[i][j]: the time before j on its way.
    let mut reached: Vec<Option<S>> = vec![None; grid.len()];
    reached[0] = Some(start);
    let mut from: Vec<Vec<usize>> = Vec::with_capacity(most);
    let mut fits = Vec::with_capacity(most);
    for step in 1..=most {
        let mut best: Vec<(f64, Option<S>)> = vec![(f64::INFINITY, None); grid.len()];
        let mut before = vec![usize::MAX; grid.len()];
        for (k, state) in reached.iter().enumerate() {
            let Some(state) = state else { continue };
            // The last number of steps has nowhere to go but the end.
            let first = if step == most { last } else { k + 1 };
            let targets: Vec<usize> = (first.max(k + 1)..=last).collect();
            if targets.is_empty() {
                continue;
            }
            for (j, landed) in targets.iter().zip(steps(state, k, &targets)?) {
                let off = error(&landed, *j)?;
                if off < best[*j].0 || (best[*j].1.is_none() && !off.is_nan()) {
                    best[*j] = (off, Some(landed));
                    before[*j] = k;
                }
            }
        }
        from.push(before);
        fits.push(Fit { knots: way(grid, &from), error: best[last].0 });
        reached = best.into_iter().map(|(_, state)| state).collect();
        // A way that is at the end already cannot go on.
        reached[last] = None;
    }
    if let Some(bad) = fits.iter().find(|fit| !fit.error.is_finite()) {
        let got = format!("{} in {} steps", bad.error, bad.knots.len().saturating_sub(1));
        return Err(Error::Stepping { what: "error of the fit", got, accepts: "a finite error" });
    }
    Ok(fits)
}

fn check(grid: &[f64]) -> Result<(), Error> {
    let refuse = |got: String, accepts| Err(Error::Stepping { what: "grid", got, accepts });
    if !(2..=MOST_TIMES).contains(&grid.len()) {
        return refuse(format!("{} times", grid.len()), "2 to 1000 times");
    }
    let rises = grid.windows(2).all(|t| t[0] < t[1]);
    if !rises || grid[0] != 0.0 || grid[grid.len() - 1] != 1.0 {
        return refuse(format!("{grid:?}"), "times that rise strictly from 0 to 1");
    }
    Ok(())
}

/// The times on the way that ends at the last one, first to last.
fn way(grid: &[f64], from: &[Vec<usize>]) -> Vec<f64> {
    let mut at = grid.len() - 1;
    let mut knots = vec![grid[at]];
    for before in from.iter().rev() {
        match before.get(at) {
            Some(k) if *k < at => {
                at = *k;
                knots.push(grid[at]);
            }
            _ => break,
        }
    }
    knots.reverse();
    knots
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedule::{KnotTable, Schedule};

    fn grid(n: usize) -> Vec<f64> {
        (0..=n).map(|i| i as f64 / n as f64).collect()
    }

    /// x' = lambda (x - c(t)) + c'(t) with the solution c(t) = t^8 from x(0) = 0: it bends late, and what an earlier step
    /// did wrong grows on the way.
    fn velocity(t: f64, x: f64) -> f64 {
        1.5 * (x - t.powi(8)) + 8.0 * t.powi(7)
    }

    fn euler(x: f64, t: f64, to: f64) -> f64 {
        x + (to - t) * velocity(t, x)
    }

    fn fitted(times: &[f64], most: usize) -> Vec<Fit> {
        let steps =
            |x: &f64, k: usize, to: &[usize]| Ok(to.iter().map(|j| euler(*x, times[k], times[*j])).collect());
        fit(times, 0.0, most, steps, |x, j| Ok((x - times[j].powi(8)).abs())).unwrap()
    }

    fn error_of(knots: &[f64]) -> f64 {
        (knots.windows(2).fold(0.0, |x, k| euler(x, k[0], k[1])) - 1.0).abs()
    }

    #[test]
    fn the_knots_are_a_table_and_their_error_is_that_of_a_run_along_them() {
        let fits = fitted(&grid(40), 20);
        assert_eq!(fits.len(), 20);
        for (i, fit) in fits.iter().enumerate() {
            assert!(KnotTable::new([(i + 1, fit.knots.clone())]).is_ok(), "{fit:?}");
            assert!((error_of(&fit.knots) - fit.error).abs() < 1e-12, "{fit:?}");
        }
    }

    #[test]
    fn no_other_two_steps_end_closer() {
        let times = grid(25);
        let best = (1..25).map(|k| error_of(&[0.0, times[k], 1.0])).fold(f64::INFINITY, f64::min);
        assert_eq!(fitted(&times, 2)[1].error, best);
    }

    #[test]
    fn on_a_flow_that_bends_late_the_fitted_knots_beat_even_ones() {
        for (i, fit) in fitted(&grid(60), 16).iter().enumerate().skip(1) {
            let even = Schedule::default().knots(i + 1).unwrap();
            assert!(
                fit.error < 0.75 * error_of(&even),
                "{} steps: {} and {}",
                i + 1,
                fit.error,
                error_of(&even)
            );
        }
    }

    #[test]
    fn what_cannot_be_fitted_is_refused() {
        let stay = |_: &f64, _: usize, to: &[usize]| Ok(vec![0.0; to.len()]);
        for most in [0, 5] {
            let refused = fit(&grid(4), 0.0, most, stay, |_, _| Ok(1.0));
            assert_eq!(refused, Err(Error::Steps { got: most, most: 4 }));
        }
        for times in [vec![], vec![0.0], vec![0.0, 0.5], vec![0.0, 0.5, 0.5, 1.0]] {
            let refused = fit(&times, 0.0, 1, stay, |_, _| Ok(1.0));
            assert!(matches!(refused, Err(Error::Stepping { what: "grid", .. })));
        }
        let broken = fit(&grid(4), 0.0, 2, stay, |_, _| Ok(f64::NAN));
        assert!(matches!(broken, Err(Error::Stepping { what: "error of the fit", .. })));
        let failing = fit(&grid(4), 0.0, 2, |_: &f64, _, _| Err(Error::NotFinite { t: 0.5 }), |_, _| Ok(0.0));
        assert_eq!(failing, Err(Error::NotFinite { t: 0.5 }));
    }
}
