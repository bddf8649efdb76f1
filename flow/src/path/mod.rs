//! Probability paths from noise x0 to data x1: x_t = a(t) x1 + s(t) x0, with the velocity that belongs to them,
//! u_t = a'(t) x1 + s'(t) x0. One path a file.

use crate::registry::Entry;
use crate::state::State;

/// What a path must know: its four coefficients.
trait Rule: Sync {
    fn entry(&self) -> &'static Entry;
    /// a(t), the weight of the data.
    fn a(&self, values: &[f64], t: f64) -> f64;
    /// s(t), the weight of the noise.
    fn s(&self, values: &[f64], t: f64) -> f64;
    /// a'(t).
    fn da(&self, values: &[f64], t: f64) -> f64;
    /// s'(t).
    fn ds(&self, values: &[f64], t: f64) -> f64;
    /// The standard deviation of further noise all along the path.
    fn tube(&self, _values: &[f64]) -> f64 {
        0.0
    }
}

family! {
    /// A probability path with valid parameters.
    Path, "path", "paths", Rule,
    [
        linear::Linear,
        optimal_transport::OptimalTransport,
        gaussian_tube::GaussianTube,
        trigonometric::Trigonometric,
        variance_preserving::VariancePreserving,
    ]
}
choice_text!(Path);

impl Default for Path {
    fn default() -> Self {
        Self { choice: crate::registry::Choice::defaults(RULES[0].entry()), index: 0 }
    }
}

impl Path {
    /// a(t), the weight of the data.
    pub fn a(&self, t: f64) -> f64 {
        self.rule().a(self.choice.values(), t)
    }

    /// s(t), the weight of the noise.
    pub fn s(&self, t: f64) -> f64 {
        self.rule().s(self.choice.values(), t)
    }

    /// a'(t).
    pub fn da(&self, t: f64) -> f64 {
        self.rule().da(self.choice.values(), t)
    }

    /// s'(t).
    pub fn ds(&self, t: f64) -> f64 {
        self.rule().ds(self.choice.values(), t)
    }

    /// The standard deviation of the noise of its own that a training sample gets beside x_t; 0 for most paths.
    pub fn tube(&self) -> f64 {
        self.rule().tube(self.choice.values())
    }

    /// x_t = a(t) x1 + s(t) x0.
    pub fn interpolate<S: State>(&self, x0: &S, x1: &S, t: f64) -> S {
        S::combine(&[(self.a(t), x1), (self.s(t), x0)])
    }

    /// u_t = a'(t) x1 + s'(t) x0, the velocity of this very path: d x_t / dt.
    pub fn velocity<S: State>(&self, x0: &S, x1: &S, t: f64) -> S {
        S::combine(&[(self.da(t), x1), (self.ds(t), x0)])
    }

    /// The data that a state and a velocity point to: x1 = (s v - s' x) / (s a' - s' a), found by solving
    /// x_t and u_t for x1. On the linear path it is x + (1 - t) v.
    pub fn x1_estimate<S: State>(&self, x: &S, v: &S, t: f64) -> S {
        let (a, s, da, ds) = (self.a(t), self.s(t), self.da(t), self.ds(t));
        let determinant = s * da - ds * a;
        S::combine(&[(s / determinant, v), (-ds / determinant, x)])
    }

    /// The noise that a state and a velocity come from: x0 = (a v - a' x) / (a s' - a' s), the other half of the same
    /// two equations. On the linear path it is x - t v.
    pub fn x0_estimate<S: State>(&self, x: &S, v: &S, t: f64) -> S {
        let (a, s, da, ds) = (self.a(t), self.s(t), self.da(t), self.ds(t));
        let determinant = a * ds - da * s;
        S::combine(&[(a / determinant, v), (-da / determinant, x)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every path at its defaults and at the ends of its parameters' ranges.
    fn variants() -> Vec<Path> {
        let mut found = Vec::new();
        for path in Path::all() {
            for spec in path.choice().entry().params {
                found.push(path.with(spec.name, spec.min).unwrap());
                found.push(path.with(spec.name, spec.max).unwrap());
            }
            found.push(path);
        }
        found
    }

    #[test]
    fn every_path_is_finite_at_both_ends_and_leads_from_noise_to_data() {
        for path in variants() {
            for t in [0.0, 1.0] {
                for value in [path.a(t), path.s(t), path.da(t), path.ds(t)] {
                    assert!(value.is_finite(), "{path} at {t}");
                }
            }
            assert!(path.a(0.0).abs() < 1e-2 && (path.s(0.0) - 1.0).abs() < 1e-4, "{path} starts at noise");
            assert!((path.a(1.0) - 1.0).abs() < 1e-12, "{path} ends at data");
        }
    }

    #[test]
    fn every_derivative_agrees_with_central_differences_at_1000_times() {
        let h = 1e-6;
        for path in variants() {
            for i in 0..1000 {
                let t = (i as f64 + 0.5) / 1000.0;
                let da = (path.a(t + h) - path.a(t - h)) / (2.0 * h);
                let ds = (path.s(t + h) - path.s(t - h)) / (2.0 * h);
                assert!((da - path.da(t)).abs() < 1e-6 * (1.0 + da.abs()), "{path}: a'({t})");
                assert!((ds - path.ds(t)).abs() < 1e-6 * (1.0 + ds.abs()), "{path}: s'({t})");
            }
        }
    }

    #[test]
    fn every_target_velocity_belongs_to_its_path() {
        // The frequent mistake: x1 - (1 - sigma_min) x0 beside x_t = (1 - t) x0 + t x1.
        let (x0, x1, h) = (vec![0.3, -1.2, 2.0], vec![1.0, 0.5, -0.7], 1e-6);
        for path in variants() {
            for i in 0..1000 {
                let t = (i as f64 + 0.5) / 1000.0;
                let (before, after) = (path.interpolate(&x0, &x1, t - h), path.interpolate(&x0, &x1, t + h));
                let velocity = path.velocity(&x0, &x1, t);
                for k in 0..3 {
                    let difference = (after[k] - before[k]) / (2.0 * h);
                    // Relative, since s' of the variance-preserving path grows towards t = 1.
                    let scale = 1.0 + velocity[k].abs();
                    assert!((difference - velocity[k]).abs() < 1e-5 * scale, "{path} at {t}");
                }
            }
        }
    }

    #[test]
    fn the_estimates_from_the_true_velocity_are_the_data_and_the_noise() {
        let (x0, x1) = (vec![0.3, -1.2], vec![1.0, 0.5]);
        for path in variants() {
            for t in [0.0, 0.3, 0.9, 1.0] {
                let x = path.interpolate(&x0, &x1, t);
                let v = path.velocity(&x0, &x1, t);
                let (data, noise) = (path.x1_estimate(&x, &v, t), path.x0_estimate(&x, &v, t));
                for k in 0..2 {
                    assert!((data[k] - x1[k]).abs() < 1e-9, "{path} at {t}");
                    assert!((noise[k] - x0[k]).abs() < 1e-9, "{path} at {t}");
                }
            }
        }
    }
}
