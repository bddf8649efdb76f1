//! Solvers: one step from t to t + h along a velocity field. One solver a file.
//!
//! A solver knows neither the schedule nor the loop; [`integrate`](crate::integrate::integrate) drives it through
//! a [`Stepper`].

use crate::Error;
use crate::field::Field;
use crate::registry::{Choice, Entry};
use crate::state::State;

mod runge_kutta;
mod tableau;

pub use tableau::{Embedded, Tableau};

/// What a solver must know.
trait Method: Sync {
    fn entry(&self) -> &'static Entry;
    /// The order of convergence.
    fn order(&self) -> usize;
    /// How often `steps` fixed steps evaluate the velocity.
    fn evaluations(&self, steps: usize) -> usize;
    /// The tableau, if it is a Runge-Kutta method.
    fn tableau(&self) -> Option<&'static Tableau>;
    /// A fresh stepper, which estimates the error of each step if asked to and able to.
    fn stepper<S: State>(&self, estimate: bool) -> Box<dyn Stepper<S>>
    where
        Self: Sized;
}

/// A step proposed: the state it leads to, and how far off it may be.
pub struct Step<S> {
    /// The state at t + h.
    pub x: S,
    /// The estimated error of that state, from a method that has one when it was asked for.
    pub error: Option<S>,
}

/// A solver at work: it may remember velocities between steps.
pub trait Stepper<S: State> {
    /// Hands over the velocity at the start, so that it is not evaluated again.
    fn begin(&mut self, velocity: S);

    /// How often the next `step` will call the field.
    fn calls(&self) -> usize;

    /// Proposes a step from (t, x) to t + h; h is negative when going back. Called again from the same (t, x)
    /// with a smaller h if the proposal was not accepted.
    fn step(&mut self, field: &mut dyn Field<S>, t: f64, h: f64, x: &S) -> Result<Step<S>, Error>;

    /// The step proposed last was taken.
    fn accept(&mut self);
}

/// The family, with a table of stepper factories in the order of its entries.
macro_rules! solvers {
    ($($module:ident :: $Unit:ident),+ $(,)?) => {
        family! {
            /// A solver with valid parameters.
            Solver, "solver", "solvers", Method,
            [$($module::$Unit),+]
        }

        impl Solver {
            /// A fresh stepper. With `estimate`, an adaptive solver estimates the error of each step.
            pub fn stepper<S: State>(&self, estimate: bool) -> Box<dyn Stepper<S>> {
                let factories: &[fn(bool) -> Box<dyn Stepper<S>>] =
                    &[$(|estimate| $module::$Unit.stepper::<S>(estimate)),+];
                factories[self.index](estimate)
            }
        }
    };
}

solvers![euler::Euler, midpoint::Midpoint, heun::Heun, rk4::Rk4, dopri5::Dopri5,];
choice_text!(Solver);

impl Solver {
    /// The order of convergence: halving the step divides the error by 2^order.
    pub fn order(&self) -> usize {
        self.rule().order()
    }

    /// Evaluations of the velocity a step, in the long run.
    pub fn evaluations_per_step(&self) -> usize {
        // A multistep method pays more for its first step: the difference of two counts leaves that out.
        self.rule().evaluations(101) - self.rule().evaluations(100)
    }

    /// Evaluations of the velocity in `steps` fixed steps, without guidance's second branch.
    pub fn evaluations(&self, steps: usize) -> usize {
        self.rule().evaluations(steps)
    }

    /// Whether it can choose its own steps for a tolerance.
    pub fn adaptive(&self) -> bool {
        self.error_order().is_some()
    }

    /// The tableau, if it is a Runge-Kutta method.
    pub fn tableau(&self) -> Option<&'static Tableau> {
        self.rule().tableau()
    }

    /// The order of the embedded solution, if there is one.
    pub fn error_order(&self) -> Option<usize> {
        Some(self.tableau()?.embedded.as_ref()?.order)
    }

    /// The ids of the solvers that can choose their own steps.
    pub fn adaptive_ids() -> Vec<&'static str> {
        Self::all().filter(Self::adaptive).map(|solver| solver.id()).collect()
    }

    pub(crate) fn heun() -> Self {
        let index = RULES.iter().position(|rule| rule.entry().id == heun::ID).unwrap_or(0);
        Self { choice: Choice::defaults(RULES[index].entry()), index }
    }
}

#[cfg(test)]
mod tests;
