//! Classifier-free guidance: v = v_u + w (v_c - v_u) = w v_c + (1 - w) v_u.
//!
//! Ho and Salimans 2022 (arXiv 2207.12598), with w = 1 as the conditional field itself. At w = 1 and w = 0 one
//! branch alone is evaluated.

use super::{At, Conditional, Rule};
use crate::Error;
use crate::registry::{Entry, ParamSpec};
use crate::state::State;

/// The id, which the family's text form also needs: a bare number means this guidance.
pub(super) const ID: &str = "cfg";
/// The name of the only parameter.
pub(super) const SCALE: &str = "scale";

pub(super) struct Cfg;

impl Rule for Cfg {
    fn entry(&self) -> &'static Entry {
        &Entry {
            id: ID,
            label: "Classifier-free",
            about: "Exaggerates what distinguishes the wanted digit from digits in general.",
            when: "The default form: any scale above 1 makes digits plainer and less varied.",
            formula: "v = v_u + w (v_c - v_u)",
            source: "Ho and Salimans 2022, arXiv 2207.12598",
            params: &[ParamSpec {
                name: SCALE,
                label: "Scale",
                about: "0 ignores the digit, 1 follows it as learned, more exaggerates it.",
                default: 2.0,
                min: 0.0,
                max: 10.0,
                step: 0.1,
            }],
        }
    }

    fn evaluations(&self, values: &[f64]) -> usize {
        cost(values[0])
    }

    fn guided<S: State>(
        &self,
        values: &[f64],
        at: At<'_>,
        x: &S,
        branches: &mut dyn Conditional<S>,
    ) -> Result<S, Error> {
        classifier_free(values[0], at, x, branches)
    }
}

/// v_u + w (v_c - v_u), from as few branches as it needs.
pub(super) fn classifier_free<S: State>(
    w: f64,
    at: At<'_>,
    x: &S,
    branches: &mut dyn Conditional<S>,
) -> Result<S, Error> {
    if w == 1.0 {
        branches.conditional(at, x)
    } else if w == 0.0 {
        branches.unconditional(at, x)
    } else {
        let (conditional, unconditional) = branches.both(at, x)?;
        Ok(S::combine(&[(w, &conditional), (1.0 - w, &unconditional)]))
    }
}

/// What that costs.
pub(super) fn cost(w: f64) -> usize {
    if w == 0.0 || w == 1.0 { 1 } else { 2 }
}

#[cfg(test)]
mod tests {
    use crate::Error;
    use crate::field::Field;
    use crate::guidance::tests::Branches;
    use crate::guidance::{Guidance, Guided};

    #[test]
    fn every_scale_gives_its_velocity_and_its_true_count() {
        // v = 4 + w * 6, and which branches were called.
        for (scale, velocity, calls, evaluations) in [
            (0.0, 4.0, (0, 1, 0), 1),
            (1.0, 10.0, (1, 0, 0), 1),
            (2.0, 16.0, (0, 0, 1), 2),
            (0.5, 7.0, (0, 0, 1), 2),
        ] {
            let guidance = Guidance::cfg(scale).unwrap();
            assert_eq!(guidance.evaluations(), evaluations);
            let mut branches = Branches::default();
            let mut field = Guided::new(guidance, &mut branches);
            assert_eq!(field.velocity(0.5, &vec![0.0, 0.0]).map(|v| v[0]), Ok(velocity));
            assert_eq!(Field::<Vec<f64>>::evaluations(&field), evaluations);
            assert_eq!((branches.conditional, branches.unconditional, branches.both), calls);
        }
    }

    #[test]
    fn a_bare_number_is_the_scale() {
        for (text, printed) in [("2", "2"), ("cfg:scale=3.5", "3.5"), ("cfg", "2"), ("0", "0"), (" 1 ", "1")]
        {
            let guidance: Guidance = text.parse().unwrap();
            assert_eq!(guidance.to_string(), printed);
            assert_eq!(printed.parse::<Guidance>().unwrap(), guidance);
        }
    }

    #[test]
    fn a_scale_out_of_range_is_refused_with_the_range() {
        for got in ["-1", "11", "NaN", "inf"] {
            let error = got.parse::<Guidance>();
            let expected = Error::Parameter {
                id: "cfg".into(),
                parameter: "scale".into(),
                got: got.into(),
                accepts: "a number from 0 to 10".into(),
            };
            assert_eq!(error, Err(expected));
        }
    }
}
