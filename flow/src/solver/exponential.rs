//! What the exponential multistep solvers share: the part of the path's equation that is known exactly.
//!
//! On x_t = a x1 + s x0 the prediction D of the data changes slowly, and x / s = integral of D d(a / s) exactly. So a
//! step from t to t' is x' = (s'/s) x + (a' - a s'/s) D for a constant D, and D is interpolated in
//! lambda = log(a / s). Backwards in time data and noise change places: what is predicted is then the noise, since the
//! data's formula divides by s, which is 0 at t = 1.

use crate::path::Path;
use crate::real;
use crate::state::State;

/// A step from t to t' as an exponential integrator sees it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Exponential {
    /// What remains of the state: s'/s, backwards a'/a.
    pub(super) keep: f64,
    /// The weight of a constant prediction.
    pub(super) gain: f64,
    /// What the integrals of e^lambda over the step are to be multiplied with: s' a / s, backwards a' s / a.
    pub(super) scale: f64,
    /// The step in lambda, positive in both directions of time; infinite at the ends of the path.
    pub(super) length: f64,
}

impl Exponential {
    /// The step from `t` to `to` on this path.
    pub(super) fn step(path: &Path, t: f64, to: f64) -> Self {
        let (mut kept, mut gained) = ((path.s(t), path.s(to)), (path.a(t), path.a(to)));
        if to < t {
            std::mem::swap(&mut kept, &mut gained);
        }
        let keep = kept.1 / kept.0;
        let scale = gained.0 * keep;
        let length = libm::log(gained.1 / gained.0) - libm::log(keep);
        Self { keep, gain: gained.1 - scale, scale, length }
    }

    /// Whether the step is finite in lambda.
    pub(super) fn is_finite(&self) -> bool {
        self.length.is_finite()
    }

    /// The integrals of e^u, e^u u and e^u u^2 from 0 to the step's length.
    pub(super) fn moments(&self) -> [f64; 3] {
        let h = self.length;
        // The closed forms cancel for short steps; twelve terms of the series are exact to rounding below one half.
        if h < 0.5 {
            let moment = |k: i32| {
                let (mut term, mut sum) = (real::pow(h, f64::from(k + 1)), 0.0);
                for n in 0..18 {
                    sum += term / f64::from(n + k + 1);
                    term *= h / f64::from(n + 1);
                }
                sum
            };
            return [moment(0), moment(1), moment(2)];
        }
        let e = real::exp(h);
        [libm::expm1(h), h * e - e + 1.0, e * (h * h - 2.0 * h + 2.0) - 2.0]
    }
}

/// What the velocity at (t, x) predicts: the data, and backwards in time the noise.
pub(super) fn prediction<S: State>(path: &Path, t: f64, backwards: bool, x: &S, v: &S) -> S {
    if backwards { path.x0_estimate(x, v, t) } else { path.x1_estimate(x, v, t) }
}
