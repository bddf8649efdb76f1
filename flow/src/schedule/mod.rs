//! Sampling schedules: where the steps fall. Knots t_i = t(i / N), with t_0 = 0 and t_N = 1 exactly, strictly
//! increasing. One schedule a file.

use crate::Error;
use crate::registry::Entry;

pub mod fit;
mod table;

pub use table::KnotTable;

/// The most steps that a schedule gives.
pub const MOST_STEPS: usize = 1_000_000;

/// Knots that rounding or saturation brings closer than this are moved apart: a few units in the last place of 1.
const LEAST_STEP: f64 = 1e-15;

/// What a schedule must know.
trait Rule: Sync {
    fn entry(&self) -> &'static Entry;
    /// t(u) for u in (0, 1): increasing from 0 to 1. The ends are pinned by the caller.
    fn at(&self, values: &[f64], u: f64) -> f64;
    /// Knot i of n, for i from 1 to n - 1.
    fn knot(&self, values: &[f64], i: usize, n: usize) -> f64 {
        self.at(values, i as f64 / n as f64)
    }
    /// Whether the knots come from a table that was fitted to a model, not from a formula.
    fn fitted(&self) -> bool {
        false
    }
}

family! {
    /// A sampling schedule with valid parameters.
    Schedule, "schedule", "schedules", Rule,
    [
        linear::Linear,
        cosine::Cosine,
        polynomial::Polynomial,
        smoothstep::Smoothstep,
        inverse_cubic::InverseCubic,
        inverse_exponential::InverseExponential,
        logit_normal_cdf::LogitNormalCdf,
        logit_normal_quantile::LogitNormalQuantile,
        shift::Shift,
        karras::Karras,
        beta::Beta,
        optimal::Optimal,
    ]
}
choice_text!(Schedule);

impl Default for Schedule {
    fn default() -> Self {
        Self { choice: crate::registry::Choice::defaults(RULES[0].entry()), index: 0 }
    }
}

impl Schedule {
    /// What a plan takes that names no schedule: `inverse-cubic`, whose last step is short.
    ///
    /// A second-order step that looks at its own end asks for the velocity at t = 1, where no noise is left to tell the
    /// direction from; half the noise of the last step then stays in the picture (Karras 2022, Algorithm 1, leaves the
    /// second look of the last step out for that reason). On even steps it is a faint grain, on this schedule nothing.
    pub fn recommended() -> Self {
        let index = RULES.iter().position(|rule| rule.entry().id == "inverse-cubic").unwrap_or(0);
        Self { choice: crate::registry::Choice::defaults(RULES[index].entry()), index }
    }

    /// Whether the knots come from a table that was fitted to a model: such a schedule has no formula.
    pub fn fitted(&self) -> bool {
        self.rule().fitted()
    }

    /// t(u): 0 at or below u = 0, 1 at or above u = 1; NaN between for a [fitted](Self::fitted) schedule.
    pub fn at(&self, u: f64) -> f64 {
        if u >= 1.0 {
            1.0
        } else if u > 0.0 {
            self.rule().at(self.choice.values(), u).clamp(0.0, 1.0)
        } else {
            0.0
        }
    }

    /// The n + 1 knots of n steps: 0 first, 1 last, strictly increasing. A fitted schedule has none without a table.
    pub fn knots(&self, n: usize) -> Result<Vec<f64>, Error> {
        self.knots_in(n, &KnotTable::default())
    }

    /// As [`knots`](Self::knots), with the table that a fitted schedule takes its knots from.
    pub fn knots_in(&self, n: usize, table: &KnotTable) -> Result<Vec<f64>, Error> {
        if n == 0 || n > MOST_STEPS {
            return Err(Error::Steps { got: n, most: MOST_STEPS });
        }
        if self.fitted() {
            let missing = || Error::NotFitted { schedule: self.id(), got: n, fitted: table.counts() };
            return table.get(n).map(<[f64]>::to_vec).ok_or_else(missing);
        }
        let values = self.choice.values();
        let inner = (1..n).map(|i| self.rule().knot(values, i, n).clamp(0.0, 1.0));
        let mut knots: Vec<f64> = std::iter::once(0.0).chain(inner).chain([1.0]).collect();
        // Saturated ends (a normal distribution's far tail) would repeat a knot: up from 0, then down from 1.
        for i in 1..n {
            knots[i] = knots[i].max(knots[i - 1] + LEAST_STEP);
        }
        for i in (1..n).rev() {
            knots[i] = knots[i].min(knots[i + 1] - LEAST_STEP);
        }
        Ok(knots)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every schedule at its defaults and at each corner of its parameters' ranges.
    fn variants() -> Vec<Schedule> {
        let mut found = Vec::new();
        for schedule in Schedule::all().filter(|schedule| !schedule.fitted()) {
            let mut corners = vec![schedule.clone()];
            for spec in schedule.choice().entry().params {
                corners = corners
                    .iter()
                    .flat_map(|s| [spec.min, spec.max].map(|value| s.with(spec.name, value).unwrap()))
                    .collect();
            }
            found.push(schedule);
            found.extend(corners);
        }
        found
    }

    #[test]
    fn knots_start_at_0_end_at_1_and_strictly_increase_at_every_corner_of_the_parameters() {
        for schedule in variants() {
            for n in [1, 2, 3, 10, 1000, 10_000] {
                let knots = schedule.knots(n).unwrap();
                assert_eq!(knots.len(), n + 1);
                assert_eq!((knots[0], knots[n]), (0.0, 1.0), "{schedule} with {n}");
                assert!(knots.windows(2).all(|k| k[0] < k[1]), "{schedule} with {n}");
            }
        }
    }

    #[test]
    fn the_curve_rises_from_0_to_1_and_stays_there_outside() {
        for schedule in variants() {
            let curve: Vec<f64> = (0..=1000).map(|i| schedule.at(f64::from(i) / 1000.0)).collect();
            assert_eq!((curve[0], curve[1000]), (0.0, 1.0));
            assert!(curve.windows(2).all(|g| g[0] <= g[1]), "{schedule}");
            assert_eq!((schedule.at(-1.0), schedule.at(2.0), schedule.at(f64::NAN)), (0.0, 1.0, 0.0));
        }
    }

    #[test]
    fn no_steps_and_absurdly_many_are_refused_by_name() {
        for schedule in Schedule::all() {
            for got in [0, MOST_STEPS + 1, usize::MAX] {
                assert_eq!(schedule.knots(got), Err(Error::Steps { got, most: MOST_STEPS }));
            }
        }
    }

    #[test]
    fn a_fitted_schedule_has_the_knots_of_its_table_and_names_what_was_fitted_otherwise() {
        let optimal = Schedule::parse("optimal").unwrap();
        let fitted: Vec<_> = Schedule::all().filter(Schedule::fitted).collect();
        assert_eq!(fitted, std::slice::from_ref(&optimal));
        let table = KnotTable::new([(2, vec![0.0, 0.7, 1.0]), (3, vec![0.0, 0.2, 0.9, 1.0])]).unwrap();
        assert_eq!(optimal.knots_in(2, &table), Ok(vec![0.0, 0.7, 1.0]));
        let error =
            |got, fitted: &[usize]| Error::NotFitted { schedule: "optimal", got, fitted: fitted.to_vec() };
        assert_eq!(optimal.knots_in(4, &table), Err(error(4, &[2, 3])));
        assert_eq!(optimal.knots(4), Err(error(4, &[])));
        assert!(optimal.at(0.5).is_nan());
    }
}
