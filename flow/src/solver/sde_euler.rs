//! Euler-Maruyama on a stochastic equation with the same marginals as the flow: dx = (v + w score) dt + sqrt(2 w) dW with
//! w = noise * s(t) and score = -x0_hat / s, so that the drift is v - noise * x0_hat, finite at both ends.
//!
//! Ma et al. 2024 (SiT, arXiv 2401.08740), section 2.4, with their w = sigma; Albergo et al. 2023 (arXiv 2303.08797). A
//! step that ends where no noise is left (s = 0, t = 1) adds none and is Euler's. The noise of image i at step k depends
//! on the seed, i and k alone. Of first order in law; a single path does not converge to the flow's.

use super::{Method, Setting, Stepper};
use crate::Error;
use crate::field::Field;
use crate::integrate::Options;
use crate::registry::{Entry, ParamSpec};
use crate::state::State;

/// Below this the path has no noise left that could be kept up.
const NO_NOISE: f64 = 1e-9;

pub(super) struct SdeEuler;

impl Method for SdeEuler {
    fn entry(&self) -> &'static Entry {
        &Entry {
            id: "sde-euler",
            label: "Euler-Maruyama",
            about: "Shakes the picture a little at every step; the same seed still gives the same digits.",
            when: "With many steps: fresh noise washes out earlier errors, at the price of slower convergence.",
            formula: "x + h (v - noise x0_hat) + sqrt(2 noise s h) z",
            source: "Ma et al. 2024, arXiv 2401.08740",
            params: &[ParamSpec {
                name: "noise",
                label: "Shaking",
                about: "0 is Euler's method without any, 1 what the theory calls even.",
                default: 1.0,
                min: 0.0,
                max: 2.0,
                step: 0.1,
            }],
        }
    }

    fn order(&self) -> usize {
        1
    }

    fn evaluations(&self, steps: usize) -> usize {
        steps
    }

    fn stochastic(&self) -> bool {
        true
    }

    fn stepper<S: State>(&self, setting: Setting<'_>) -> Box<dyn Stepper<S>> {
        Box::new(EulerMaruyama { options: setting.options.clone(), noise: setting.values[0], taken: 0 })
    }
}

struct EulerMaruyama {
    options: Options,
    noise: f64,
    taken: u64,
}

impl<S: State> Stepper<S> for EulerMaruyama {
    fn calls(&self) -> usize {
        1
    }

    fn step(&mut self, field: &mut dyn Field<S>, t: f64, h: f64, x: &S) -> Result<S, Error> {
        let v = field.velocity(t, x)?;
        let Options { path, seed, first_image, .. } = &self.options;
        if self.noise == 0.0 || path.s(t + h).abs() < NO_NOISE {
            return Ok(S::combine(&[(1.0, x), (h, &v)]));
        }
        let x0 = path.x0_estimate(x, &v, t);
        let z = x.gaussian(*seed, *first_image, self.taken);
        let spread = libm::sqrt(2.0 * self.noise * path.s(t) * h.abs());
        let drift = -self.noise * h.abs();
        Ok(S::combine(&[(1.0, x), (h, &v), (drift, &x0), (spread, &z)]))
    }

    fn accept(&mut self) {
        self.taken += 1;
    }
}
