//! Step-size controllers: how the error of a step decides the length of the next. One controller a file.
//!
//! The loop clamps the factor to [0.2, 10] and never lets a step grow right after a rejection.

use crate::registry::Entry;

/// What a controller must know.
trait Rule: Sync {
    fn entry(&self) -> &'static Entry;
    /// The factor from this step's error ratio, the ratio of the last accepted step, and the order q of the estimate.
    fn factor(&self, values: &[f64], ratio: f64, before: f64, order: usize) -> f64;
}

family! {
    /// A controller with valid parameters.
    Controller, "controller", "controllers", Rule,
    [
        integral::Integral,
        pi::Pi,
    ]
}
choice_text!(Controller);

impl Default for Controller {
    fn default() -> Self {
        Self { choice: crate::registry::Choice::defaults(RULES[0].entry()), index: 0 }
    }
}

impl Controller {
    /// By how much the next step is longer than one whose error ratio was `ratio` (at most 1 is accepted) and whose
    /// accepted predecessor's was `before`, under an error estimate of order `order`. Not clamped; a ratio of 0 gives
    /// infinity.
    pub fn factor(&self, ratio: f64, before: f64, order: usize) -> f64 {
        self.rule().factor(self.choice.values(), ratio, before, order)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_smaller_error_never_gives_a_shorter_step_and_a_rejected_one_always_does() {
        for controller in Controller::all() {
            for order in [2, 4] {
                for before in [1e-4, 0.1, 1.0] {
                    let factors: Vec<f64> = [1e-6, 1e-3, 0.5, 1.0, 2.0, 100.0]
                        .map(|ratio| controller.factor(ratio, before, order))
                        .to_vec();
                    assert!(factors.is_sorted_by(|a, b| a > b), "{controller}: {factors:?}");
                    assert!(factors[4] < 1.0, "{controller}");
                }
                // In the long run, at a steady error of 1, both keep the step but for the safety factor.
                assert!((controller.factor(1.0, 1.0, order) - 0.9).abs() < 1e-15);
            }
        }
    }
}
