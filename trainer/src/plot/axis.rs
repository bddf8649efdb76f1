//! An axis, linear or logarithmic, with ticks that a reader would choose.

use plotters::coord::ranged1d::{KeyPointHint, NoDefaultFormatting, Ranged};
use std::ops::Range;

/// From a value to a place, and the values to name.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Axis {
    low: f64,
    high: f64,
    log: bool,
    ticks: Vec<f64>,
}

impl Axis {
    /// From `low` to `high` exactly, with about so many ticks.
    pub(super) fn exact(low: f64, high: f64, log: bool, wanted: usize) -> Self {
        let ticks = if log { log_ticks(low, high, wanted) } else { even_ticks(low, high, wanted) };
        Self { low, high, log, ticks }
    }

    /// Around these values, with a little room at both ends. `None` when there are none.
    pub(super) fn around(values: impl Iterator<Item = f64>, log: bool, wanted: usize) -> Option<Self> {
        let (low, high) = values
            .filter(|v| v.is_finite())
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| (low.min(v), high.max(v)));
        if low > high {
            return None;
        }
        if log {
            let room = ((high / low).ln() * 0.04).max(0.02).exp();
            return Some(Self::exact(low / room, high * room, true, wanted));
        }
        let room = if high > low { 0.04 * (high - low) } else { low.abs().max(1.0) * 0.05 };
        // An axis of what cannot be negative does not pretend that it could.
        let bottom = if low >= 0.0 && low - room < 0.0 { 0.0 } else { low - room };
        Some(Self::exact(bottom, high + room, false, wanted))
    }

    /// The same with these ticks.
    pub(super) fn with_ticks(self, ticks: Vec<f64>) -> Self {
        Self { ticks, ..self }
    }

    /// The same from zero on, if it is linear and positive.
    pub(super) fn ticks(&self) -> &[f64] {
        &self.ticks
    }

    /// Where a value lies: 0 at the low end, 1 at the high one.
    pub(super) fn share(&self, value: f64) -> f64 {
        if self.log {
            (value / self.low).ln() / (self.high / self.low).ln()
        } else {
            (value - self.low) / (self.high - self.low)
        }
    }

    pub(super) fn low(&self) -> f64 {
        self.low
    }

    pub(super) fn high(&self) -> f64 {
        self.high
    }
}

impl Ranged for Axis {
    type FormatOption = NoDefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, (from, to): (i32, i32)) -> i32 {
        (f64::from(from) + self.share(*value) * f64::from(to - from)).round() as i32
    }

    fn key_points<Hint: KeyPointHint>(&self, _: Hint) -> Vec<f64> {
        self.ticks.clone()
    }

    fn range(&self) -> Range<f64> {
        self.low..self.high
    }
}

/// Multiples of 1, 2 or 5 times a power of ten.
fn even_ticks(low: f64, high: f64, wanted: usize) -> Vec<f64> {
    let rough = (high - low) / wanted.max(1) as f64;
    let power = 10f64.powf(rough.log10().floor());
    let Some(step) = [1.0, 2.0, 5.0, 10.0].into_iter().map(|m| m * power).find(|s| *s >= rough * 0.999)
    else {
        return vec![low, high];
    };
    let slack = 1e-9 * (high - low);
    let first = ((low - slack) / step).ceil();
    let last = ((high + slack) / step).floor();
    // Written as a product of whole numbers, so that 0.3 is not 0.30000000000000004, nor 0 minus 0.
    (0..=(last - first) as usize).map(|i| round(step * (first + i as f64))).collect()
}

/// Powers of ten, with 2 and 5 or all nine between where there is room.
fn log_ticks(low: f64, high: f64, wanted: usize) -> Vec<f64> {
    let decades = low.log10().floor() as i32..=high.log10().ceil() as i32;
    let of = |digits: &[f64]| -> Vec<f64> {
        let all = decades.clone().flat_map(|d| digits.iter().map(move |m| round(m * 10f64.powi(d))));
        all.filter(|v| (low * 0.9999..=high * 1.0001).contains(v)).collect()
    };
    let sets: [&[f64]; 4] =
        [&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0], &[1.0, 2.0, 3.0, 5.0], &[1.0, 2.0, 5.0], &[1.0]];
    let most = wanted + 2;
    for set in sets {
        let ticks = of(set);
        if ticks.len() >= 3 && ticks.len() <= most {
            return ticks;
        }
    }
    if of(sets[0]).len() < 3 {
        return even_ticks(low, high, wanted);
    }
    let powers = of(&[1.0]);
    let every = powers.len().div_ceil(most);
    powers.into_iter().step_by(every.max(1)).collect()
}

/// Without the last digits of rounding errors.
fn round(value: f64) -> f64 {
    if value == 0.0 {
        return 0.0;
    }
    format!("{value:.9e}").parse().unwrap_or(value)
}

/// A number as a tick names it.
pub(super) fn name(value: f64) -> String {
    let value = round(value);
    if value == 0.0 || (1e-3..1e6).contains(&value.abs()) { value.to_string() } else { format!("{value:e}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_numbers_inside_the_axis() {
        assert_eq!(Axis::exact(0.0, 1.0, false, 5).ticks(), [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]);
        assert_eq!(Axis::exact(-0.13, 0.31, false, 4).ticks(), [0.0, 0.2]);
        assert_eq!(Axis::exact(1e-4, 10.0, true, 5).ticks(), [1e-4, 1e-3, 1e-2, 0.1, 1.0, 10.0]);
        assert_eq!(Axis::exact(3.9, 41.0, true, 5).ticks(), [5.0, 10.0, 20.0, 30.0]);
        let names: Vec<String> = [0.30000000000000004, 1e-5, 2e7, -0.0, 12.5].map(name).to_vec();
        assert_eq!(names, ["0.3", "1e-5", "2e7", "0", "12.5"]);
    }

    #[test]
    fn every_axis_has_ticks_inside_whatever_its_range() {
        for log in [false, true] {
            for (low, high) in [(1.0, 1.0), (0.5, 0.5001), (3.0, 4.0), (1e-7, 1e5), (2.0, 9.0)] {
                let axis = Axis::around([low, high].into_iter(), log, 5).unwrap();
                assert!(!axis.ticks().is_empty() && axis.ticks().len() < 10, "{axis:?}");
                assert!(
                    axis.ticks().iter().all(|t| (-1e-6..=1.0 + 1e-6).contains(&axis.share(*t))),
                    "{axis:?}"
                );
            }
        }
        assert_eq!(Axis::around(std::iter::empty(), false, 5), None);
        assert_eq!(Axis::around([f64::NAN].into_iter(), false, 5), None);
    }

    #[test]
    fn equal_factors_are_equal_lengths_on_a_logarithmic_axis() {
        let axis = Axis::exact(1.0, 100.0, true, 5);
        assert_eq!([1.0, 10.0, 100.0].map(|v| axis.map(&v, (0, 1000))), [0, 500, 1000]);
        assert_eq!(Axis::exact(0.0, 2.0, false, 5).map(&0.5, (1000, 0)), 750);
    }
}
