//! The learning rate: a linear rise, then half a cosine (Loshchilov and Hutter 2017).

use crate::recipe::TrainRecipe;
use std::f64::consts::PI;

/// The rate of a step, 0 to steps - 1.
pub fn learning_rate(plan: &TrainRecipe, step: u64) -> f64 {
    if step < plan.warmup_steps {
        return plan.learning_rate * (step + 1) as f64 / plan.warmup_steps as f64;
    }
    let span = (plan.steps - plan.warmup_steps).max(2) - 1;
    let u = ((step - plan.warmup_steps) as f64 / span as f64).min(1.0);
    let (high, low) = (plan.learning_rate, plan.final_learning_rate);
    low + (high - low) * (1.0 + (PI * u).cos()) / 2.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_rises_to_the_peak_and_falls_to_the_end() {
        let text = include_str!("../../../recipes/mnist-unet.toml");
        let mut plan = crate::recipe::Recipe::parse(text, "test", &[]).unwrap().train;
        (plan.steps, plan.learning_rate, plan.warmup_steps) = (1000, 1e-3, 100);
        plan.final_learning_rate = 1e-5;
        assert!((learning_rate(&plan, 0) - 1e-5).abs() < 1e-12);
        assert!((learning_rate(&plan, 99) - 1e-3).abs() < 1e-12);
        assert!((learning_rate(&plan, 100) - 1e-3).abs() < 1e-12);
        assert!((learning_rate(&plan, 999) - 1e-5).abs() < 1e-12);
        for step in 100..999 {
            assert!(learning_rate(&plan, step + 1) < learning_rate(&plan, step));
        }
    }
}
