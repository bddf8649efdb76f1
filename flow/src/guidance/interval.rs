//! Classifier-free guidance in a part of the path only: for t in [lo, hi]; the conditional velocity alone elsewhere.
//!
//! Kynkaanniemi et al. 2024 (arXiv 2404.07724): guidance is harmful among much noise and needless among little.

use super::cfg::{classifier_free, cost};
use super::{At, Conditional, Regime, Rule};
use crate::Error;
use crate::registry::{Entry, ParamSpec};
use crate::state::State;

pub(super) struct Interval;

impl Rule for Interval {
    fn entry(&self) -> &'static Entry {
        &Entry {
            id: "interval",
            label: "In an interval",
            about: "Exaggerates the digit only in the middle of the way, where it is decided.",
            when: "To keep variety at a high scale, and to save evaluations outside the interval.",
            formula: "v = v_u + w (v_c - v_u) for lo <= t <= hi, else v_c",
            source: "Kynkaanniemi et al. 2024, arXiv 2404.07724",
            params: &[
                ParamSpec {
                    name: super::cfg::SCALE,
                    label: "Scale",
                    about: "As in classifier-free guidance, inside the interval.",
                    default: 2.0,
                    min: 0.0,
                    max: 10.0,
                    step: 0.1,
                },
                ParamSpec {
                    name: "lo",
                    label: "From",
                    about: "The time at which guidance begins.",
                    default: 0.2,
                    min: 0.0,
                    max: 1.0,
                    step: 0.05,
                },
                ParamSpec {
                    name: "hi",
                    label: "To",
                    about: "The time at which it ends.",
                    default: 0.8,
                    min: 0.0,
                    max: 1.0,
                    step: 0.05,
                },
            ],
        }
    }

    fn check(&self, values: &[f64]) -> Result<(), Error> {
        if values[1] <= values[2] {
            return Ok(());
        }
        Err(Error::Parameter {
            id: "interval".to_owned(),
            parameter: "lo".to_owned(),
            got: values[1].to_string(),
            accepts: format!("a number from 0 to hi = {}", values[2]),
        })
    }

    fn evaluations(&self, values: &[f64]) -> usize {
        cost(values[0])
    }

    fn regime(&self, values: &[f64], t: f64) -> Regime {
        if t >= values[1] && t <= values[2] { Regime::Guided } else { Regime::Plain }
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

#[cfg(test)]
mod tests {
    use crate::Error;
    use crate::guidance::Guidance;
    use crate::guidance::tests::asked;

    #[test]
    fn it_guides_inside_and_costs_one_evaluation_outside() {
        let text = "interval:scale=2,lo=0.25,hi=0.75";
        for (t, velocity, cost) in [(0.2, 10.0, 1), (0.25, 16.0, 2), (0.75, 16.0, 2), (0.76, 10.0, 1)] {
            let (v, spent) = asked(text, t);
            assert_eq!((v[0], spent), (velocity, cost), "at {t}");
        }
    }

    #[test]
    fn an_interval_that_ends_before_it_begins_is_refused() {
        let refused = "interval:scale=2,lo=0.8,hi=0.2".parse::<Guidance>();
        let Err(Error::Parameter { parameter, got, accepts, .. }) = refused else { panic!("{refused:?}") };
        assert_eq!((parameter.as_str(), got.as_str()), ("lo", "0.8"));
        assert_eq!(accepts, "a number from 0 to hi = 0.2");
    }
}
