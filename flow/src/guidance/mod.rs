//! Guidance: how the conditional and the unconditional velocity are put together. One guidance a file.
//!
//! The text form is that of a choice, except that classifier-free guidance is written as its scale alone:
//! `2` is `cfg:scale=2`.

use crate::Error;
use crate::field::{Field, Tally};
use crate::number;
use crate::registry::{Choice, Entry};
use crate::state::{Rows, State};
use std::fmt;
use std::str::FromStr;

/// When a field is asked, and for which samples.
#[derive(Clone, Copy, Debug)]
pub enum At<'a> {
    /// The whole batch at one time.
    All(f64),
    /// Sample i of the state is sample `rows[i]` of the batch, at `times[i]`.
    Rows {
        /// The time of each.
        times: &'a [f64],
        /// Its number in the batch.
        rows: &'a [usize],
    },
}

/// A field with branches, implemented over a network.
pub trait Conditional<S> {
    /// The velocity given the condition: one evaluation.
    fn conditional(&mut self, at: At<'_>, x: &S) -> Result<S, Error>;

    /// The velocity without it: one evaluation.
    fn unconditional(&mut self, at: At<'_>, x: &S) -> Result<S, Error>;

    /// Both, conditional first, as one batch through the network: two evaluations.
    fn both(&mut self, at: At<'_>, x: &S) -> Result<(S, S), Error>;

    /// The conditional velocity of a second, weaker model: one evaluation.
    ///
    /// # Errors
    /// Where there is none, which is the rule.
    fn weak(&mut self, _at: At<'_>, _x: &S) -> Result<S, Error> {
        Err(Error::Field {
            reason: "this guidance needs a second, weaker model, and there is none".to_owned(),
        })
    }
}

/// What a guidance must know.
trait Rule: Sync {
    fn entry(&self) -> &'static Entry;
    /// Whether the values go together.
    fn check(&self, _values: &[f64]) -> Result<(), Error> {
        Ok(())
    }
    /// The most evaluations that one velocity can cost a sample.
    fn evaluations(&self, values: &[f64]) -> usize;
    /// How strongly the condition is followed.
    fn scale(&self, values: &[f64]) -> f64 {
        values[0]
    }
    /// Whether a second, weaker model is needed.
    fn needs_weak_model(&self) -> bool {
        false
    }
    /// How to go about time t: samples for which it is the same are guided together.
    fn regime(&self, _values: &[f64], _t: f64) -> Regime {
        Regime::Guided
    }
    /// The guided velocity in the regime `Guided`, from as few branches as it needs.
    fn guided<S: State>(
        &self,
        values: &[f64],
        at: At<'_>,
        x: &S,
        branches: &mut dyn Conditional<S>,
    ) -> Result<S, Error>
    where
        Self: Sized;
}

/// What a guidance does at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Regime {
    /// Its formula.
    Guided,
    /// Nothing: the conditional velocity alone.
    Plain,
    /// No motion: a velocity of zero, without asking the network.
    Still,
}

/// The family, with a table of its velocities in the order of its entries.
macro_rules! guidances {
    ($($module:ident :: $Unit:ident),+ $(,)?) => {
        family! {
            /// A guidance with valid parameters.
            Guidance, "guidance", "guidance", Rule,
            [$($module::$Unit),+]
        }

        impl Guidance {
            fn guided<S: State>(
                &self,
                at: At<'_>,
                x: &S,
                branches: &mut dyn Conditional<S>,
            ) -> Result<S, Error> {
                type Velocity<S> = fn(&[f64], At<'_>, &S, &mut dyn Conditional<S>) -> Result<S, Error>;
                let table: &[Velocity<S>] =
                    &[$(|values, at, x, branches| $module::$Unit.guided(values, at, x, branches)),+];
                table[self.index](self.choice.values(), at, x, branches)
            }
        }
    };
}

guidances![cfg::Cfg, interval::Interval, cfg_zero_star::CfgZeroStar, autoguidance::Autoguidance,];

impl Guidance {
    /// Classifier-free guidance of this scale.
    pub fn cfg(scale: f64) -> Result<Self, Error> {
        Self::from_choice_text(cfg::ID)?.with(cfg::SCALE, scale)
    }

    /// The guided velocity, from as few branches as it needs. Samples at times of their own may be in different regimes
    /// (inside an interval or outside), and each pays for its own only.
    pub fn velocity<S: Rows>(
        &self,
        at: At<'_>,
        x: &S,
        branches: &mut dyn Conditional<S>,
    ) -> Result<S, Error> {
        let regime = |t: f64| self.rule().regime(self.choice.values(), t);
        let (times, rows) = match at {
            At::All(t) => return self.in_regime(regime(t), at, x, branches),
            At::Rows { times, rows } => (times, rows),
        };
        let regimes: Vec<Regime> = times.iter().map(|t| regime(*t)).collect();
        if regimes.windows(2).all(|pair| pair[0] == pair[1]) {
            return match regimes.first() {
                Some(regime) => self.in_regime(*regime, at, x, branches),
                None => Ok(x.clone()),
            };
        }
        let mut velocity = x.clone();
        for regime in [Regime::Guided, Regime::Plain, Regime::Still] {
            let part: Vec<usize> = (0..rows.len()).filter(|i| regimes[*i] == regime).collect();
            if part.is_empty() {
                continue;
            }
            let times: Vec<f64> = part.iter().map(|i| times[*i]).collect();
            let rows: Vec<usize> = part.iter().map(|i| rows[*i]).collect();
            let at = At::Rows { times: &times, rows: &rows };
            velocity = velocity.replace(&part, &self.in_regime(regime, at, &x.select(&part), branches)?);
        }
        Ok(velocity)
    }

    fn in_regime<S: State>(
        &self,
        regime: Regime,
        at: At<'_>,
        x: &S,
        branches: &mut dyn Conditional<S>,
    ) -> Result<S, Error> {
        match regime {
            Regime::Guided => self.guided(at, x, branches),
            Regime::Plain => branches.conditional(at, x),
            Regime::Still => Ok(S::combine(&[(0.0, x)])),
        }
    }

    /// Whether it needs a second, weaker model.
    pub fn needs_weak_model(&self) -> bool {
        self.rule().needs_weak_model()
    }

    /// How strongly the condition is followed: 0 not at all, 1 as learned, more than 1 exaggerated.
    pub fn scale(&self) -> f64 {
        self.rule().scale(self.choice.values())
    }

    /// The most evaluations that one guided velocity can cost a sample.
    pub fn evaluations(&self) -> usize {
        self.rule().evaluations(self.choice.values())
    }
}

impl FromStr for Guidance {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        match number::parse(text.trim()) {
            Some(scale) => Self::cfg(scale),
            None => {
                let guidance = Self::from_choice_text(text)?;
                guidance.rule().check(guidance.choice.values())?;
                Ok(guidance)
            }
        }
    }
}

impl fmt::Display for Guidance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.id() {
            cfg::ID => self.scale().fmt(f),
            _ => self.choice.fmt(f),
        }
    }
}

impl Default for Guidance {
    fn default() -> Self {
        Self { choice: Choice::defaults(RULES[0].entry()), index: 0 }
    }
}

/// A guided field: a guidance over the branches of a network. Counts every branch.
pub struct Guided<C> {
    guidance: Guidance,
    branches: Counted<C>,
}

impl<C> Guided<C> {
    /// The field of `branches` under `guidance`.
    pub fn new(guidance: Guidance, branches: C) -> Self {
        Self { guidance, branches: Counted { branches, tally: Tally::default() } }
    }
}

impl<S: Rows, C: Conditional<S>> Field<S> for Guided<C> {
    fn velocity(&mut self, t: f64, x: &S) -> Result<S, Error> {
        self.guidance.velocity(At::All(t), x, &mut self.branches)
    }

    fn velocity_rows(&mut self, times: &[f64], rows: &[usize], x: &S) -> Result<S, Error> {
        self.guidance.velocity(At::Rows { times, rows }, x, &mut self.branches)
    }

    fn spent(&self, row: usize) -> usize {
        self.branches.tally.of(row)
    }

    fn evaluations(&self) -> usize {
        self.branches.tally.most()
    }

    fn evaluations_per_call(&self) -> usize {
        self.guidance.evaluations()
    }
}

/// Counts what the branches cost where they are called, so that no guidance can miscount itself.
struct Counted<C> {
    branches: C,
    tally: Tally,
}

impl<C> Counted<C> {
    fn count(&mut self, at: At<'_>, evaluations: usize) {
        match at {
            At::All(_) => self.tally.add(evaluations),
            At::Rows { rows, .. } => self.tally.add_rows(rows, evaluations),
        }
    }
}

impl<S, C: Conditional<S>> Conditional<S> for Counted<C> {
    fn conditional(&mut self, at: At<'_>, x: &S) -> Result<S, Error> {
        self.count(at, 1);
        self.branches.conditional(at, x)
    }

    fn unconditional(&mut self, at: At<'_>, x: &S) -> Result<S, Error> {
        self.count(at, 1);
        self.branches.unconditional(at, x)
    }

    fn both(&mut self, at: At<'_>, x: &S) -> Result<(S, S), Error> {
        self.count(at, 2);
        self.branches.both(at, x)
    }

    fn weak(&mut self, at: At<'_>, x: &S) -> Result<S, Error> {
        self.count(at, 1);
        self.branches.weak(at, x)
    }
}

#[cfg(test)]
mod tests;
