//! Guidance: how the conditional and the unconditional velocity are put together. One guidance a file.
//!
//! The text form is that of a choice, except that classifier-free guidance is written as its scale alone:
//! `2` is `cfg:scale=2`.

use crate::Error;
use crate::field::Field;
use crate::registry::{Choice, Entry};
use crate::state::State;
use std::fmt;
use std::str::FromStr;

/// A field with two branches, implemented over a network.
pub trait Conditional<S> {
    /// The velocity given the condition: one evaluation.
    fn conditional(&mut self, t: f64, x: &S) -> Result<S, Error>;

    /// The velocity without it: one evaluation.
    fn unconditional(&mut self, t: f64, x: &S) -> Result<S, Error>;

    /// Both, conditional first, as one batch through the network: two evaluations.
    fn both(&mut self, t: f64, x: &S) -> Result<(S, S), Error>;
}

/// What a guidance must know.
trait Rule: Sync {
    fn entry(&self) -> &'static Entry;
    /// The most evaluations that one velocity can cost.
    fn evaluations(&self, values: &[f64]) -> usize;
    /// How strongly the condition is followed.
    fn scale(&self, values: &[f64]) -> f64;
    /// The guided velocity, from as few branches as it needs.
    fn velocity<S: State>(
        &self,
        values: &[f64],
        t: f64,
        x: &S,
        branches: &mut dyn Conditional<S>,
    ) -> Result<S, Error>
    where
        Self: Sized;
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
            /// The guided velocity, from as few branches as it needs.
            pub fn velocity<S: State>(
                &self,
                t: f64,
                x: &S,
                branches: &mut dyn Conditional<S>,
            ) -> Result<S, Error> {
                type Velocity<S> = fn(&[f64], f64, &S, &mut dyn Conditional<S>) -> Result<S, Error>;
                let table: &[Velocity<S>] =
                    &[$(|values, t, x, branches| $module::$Unit.velocity(values, t, x, branches)),+];
                table[self.index](self.choice.values(), t, x, branches)
            }
        }
    };
}

guidances![cfg::Cfg,];
impl Guidance {
    /// Classifier-free guidance of this scale.
    pub fn cfg(scale: f64) -> Result<Self, Error> {
        Self::from_choice_text(cfg::ID)?.with(cfg::SCALE, scale)
    }

    /// How strongly the condition is followed: 0 not at all, 1 as learned, more than 1 exaggerated.
    pub fn scale(&self) -> f64 {
        self.rule().scale(self.choice.values())
    }

    /// The most evaluations that one guided velocity can cost.
    pub fn evaluations(&self) -> usize {
        self.rule().evaluations(self.choice.values())
    }
}

impl FromStr for Guidance {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        match text.trim().parse() {
            Ok(scale) => Self::cfg(scale),
            Err(_) => Self::from_choice_text(text),
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

/// A guided field: a guidance over the two branches of a network. Counts both branches.
pub struct Guided<C> {
    guidance: Guidance,
    branches: Counted<C>,
}

impl<C> Guided<C> {
    /// The field of `branches` under `guidance`.
    pub fn new(guidance: Guidance, branches: C) -> Self {
        Self { guidance, branches: Counted { branches, evaluations: 0 } }
    }
}

impl<S: State, C: Conditional<S>> Field<S> for Guided<C> {
    fn velocity(&mut self, t: f64, x: &S) -> Result<S, Error> {
        self.guidance.velocity(t, x, &mut self.branches)
    }

    fn evaluations(&self) -> usize {
        self.branches.evaluations
    }

    fn evaluations_per_call(&self) -> usize {
        self.guidance.evaluations()
    }
}

/// Counts what the branches cost where they are called, so that no guidance can miscount itself.
struct Counted<C> {
    branches: C,
    evaluations: usize,
}

impl<S, C: Conditional<S>> Conditional<S> for Counted<C> {
    fn conditional(&mut self, t: f64, x: &S) -> Result<S, Error> {
        self.evaluations += 1;
        self.branches.conditional(t, x)
    }

    fn unconditional(&mut self, t: f64, x: &S) -> Result<S, Error> {
        self.evaluations += 1;
        self.branches.unconditional(t, x)
    }

    fn both(&mut self, t: f64, x: &S) -> Result<(S, S), Error> {
        self.evaluations += 2;
        self.branches.both(t, x)
    }
}
