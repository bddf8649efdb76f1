//! Autoguidance: v = v_weak + w (v_strong - v_weak), away from what a smaller or less trained model does wrong.
//!
//! Karras et al. 2024 (arXiv 2406.02507). Both models are conditional; the weak one is given beside the strong one.

use super::{At, Conditional, Rule};
use crate::Error;
use crate::registry::{Entry, ParamSpec};
use crate::state::State;

pub(super) struct Autoguidance;

impl Rule for Autoguidance {
    fn entry(&self) -> &'static Entry {
        &Entry {
            id: "autoguidance",
            label: "Autoguidance",
            about: "Steers away from the mistakes of a weaker model, which leaves more variety than classifier-free guidance.",
            when: "When there is a smaller or earlier model of the same data to steer away from.",
            formula: "v = v_weak + w (v_strong - v_weak)",
            source: "Karras et al. 2024, arXiv 2406.02507",
            params: &[ParamSpec {
                name: super::cfg::SCALE,
                label: "Scale",
                about: "1 is the strong model alone, more steers away from the weak one.",
                default: 2.0,
                min: 0.0,
                max: 10.0,
                step: 0.1,
            }],
        }
    }

    fn evaluations(&self, values: &[f64]) -> usize {
        super::cfg::cost(values[0])
    }

    fn needs_weak_model(&self) -> bool {
        true
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
        let weak = branches.weak(at, x)?;
        if w == 0.0 {
            return Ok(weak);
        }
        let strong = branches.conditional(at, x)?;
        Ok(S::combine(&[(w, &strong), (1.0 - w, &weak)]))
    }
}

#[cfg(test)]
mod tests {
    use crate::Error;
    use crate::field::{Field, FnField};
    use crate::guidance::tests::asked;
    use crate::guidance::{At, Conditional, Guided};

    #[test]
    fn it_goes_away_from_the_weak_model() {
        // v_c = (10, 1), v_weak = (6, 0): v = 3 v_c - 2 v_weak.
        assert_eq!(asked("autoguidance:scale=3", 0.5), (vec![18.0, 3.0], 2));
        assert_eq!(asked("autoguidance:scale=0", 0.5), (vec![6.0, 0.0], 1));
    }

    #[test]
    fn without_a_weak_model_it_says_so() {
        struct Alone;
        impl Conditional<Vec<f64>> for Alone {
            fn conditional(&mut self, _: At<'_>, x: &Vec<f64>) -> Result<Vec<f64>, Error> {
                FnField::new(|_, x: &Vec<f64>| Ok(x.clone())).velocity(0.0, x)
            }
            fn unconditional(&mut self, at: At<'_>, x: &Vec<f64>) -> Result<Vec<f64>, Error> {
                self.conditional(at, x)
            }
            fn both(&mut self, at: At<'_>, x: &Vec<f64>) -> Result<(Vec<f64>, Vec<f64>), Error> {
                Ok((self.conditional(at, x)?, self.conditional(at, x)?))
            }
        }
        let mut field = Guided::new("autoguidance".parse().unwrap(), Alone);
        let Err(Error::Field { reason }) = field.velocity(0.5, &vec![1.0]) else { panic!("no second model") };
        assert!(reason.contains("second, weaker model"), "{reason}");
    }
}
