//! CFG-Zero*: classifier-free guidance whose unconditional velocity is scaled to fit, and which stands still at first:
//! v = s v_u + w (v_c - s v_u) with s = <v_c, v_u> / |v_u|^2 in each sample, and v = 0 for t below `zero`.
//!
//! Fan et al. 2025 (arXiv 2503.18886), who set the first of many steps to zero; `zero` is that in units of t.

use super::{At, Conditional, Regime, Rule};
use crate::Error;
use crate::registry::{Entry, ParamSpec};
use crate::state::State;

pub(super) struct CfgZeroStar;

impl Rule for CfgZeroStar {
    fn entry(&self) -> &'static Entry {
        &Entry {
            id: "cfg-zero*",
            label: "CFG-Zero*",
            about: "Guidance that first makes the two opinions comparable, and does not trust the very first one.",
            when: "For models that are not trained to the end, at scales above 2.",
            formula: "v = s v_u + w (v_c - s v_u), s = <v_c, v_u> / |v_u|^2; v = 0 for t < zero",
            source: "Fan et al. 2025, arXiv 2503.18886",
            params: &[
                ParamSpec {
                    name: super::cfg::SCALE,
                    label: "Scale",
                    about: "As in classifier-free guidance.",
                    default: 2.0,
                    min: 0.0,
                    max: 10.0,
                    step: 0.1,
                },
                ParamSpec {
                    name: "zero",
                    label: "Still until",
                    about: "Before this time nothing moves; 0 leaves that out.",
                    default: 0.04,
                    min: 0.0,
                    max: 0.5,
                    step: 0.01,
                },
            ],
        }
    }

    fn evaluations(&self, values: &[f64]) -> usize {
        if values[0] == 1.0 { 1 } else { 2 }
    }

    fn regime(&self, values: &[f64], t: f64) -> Regime {
        if t < values[1] { Regime::Still } else { Regime::Guided }
    }

    fn guided<S: State>(
        &self,
        values: &[f64],
        at: At<'_>,
        x: &S,
        branches: &mut dyn Conditional<S>,
    ) -> Result<S, Error> {
        let w = values[0];
        if w == 1.0 {
            return branches.conditional(at, x);
        }
        let (conditional, unconditional) = branches.both(at, x)?;
        let fitted = S::projection(&conditional, &unconditional);
        Ok(S::combine(&[(w, &conditional), (1.0 - w, &fitted)]))
    }
}

#[cfg(test)]
mod tests {
    use crate::guidance::tests::asked;

    #[test]
    fn the_unconditional_velocity_is_scaled_to_fit_and_nothing_moves_at_first() {
        // v_c = (10, 1), v_u = (4, 2): s = 42 / 20 = 2.1, s v_u = (8.4, 4.2), v = 3 v_c - 2 s v_u.
        let (v, spent) = asked("cfg-zero*:scale=3,zero=0.1", 0.5);
        assert!((v[0] - 13.2).abs() < 1e-6 && (v[1] + 5.4).abs() < 1e-6 && spent == 2, "{v:?}");
        assert_eq!(asked("cfg-zero*:scale=3,zero=0.1", 0.05), (vec![0.0, 0.0], 0));
        assert_eq!(asked("cfg-zero*:scale=3,zero=0", 0.0).1, 2);
    }
}
