//! Solvers: one step from t to t + h along a velocity field. One solver a file.
//!
//! A solver knows neither the schedule nor the loop; [`integrate`](crate::integrate::integrate) drives it through
//! a [`Stepper`].

use crate::Error;
use crate::field::Field;
use crate::integrate::Options;
use crate::registry::{Choice, Entry};
use crate::state::State;

mod exponential;
mod kind;
mod runge_kutta;
mod tableau;

pub use kind::Kind;
pub use tableau::{Embedded, Tableau};

/// What a fresh stepper is made from.
#[derive(Clone, Copy)]
struct Setting<'a> {
    /// The values of the solver's parameters.
    values: &'a [f64],
    /// The run's options.
    options: &'a Options,
}

/// What a solver must know.
trait Method: Sync {
    fn entry(&self) -> &'static Entry;
    /// The order of convergence.
    fn order(&self) -> usize;
    /// How often `steps` fixed steps evaluate the velocity.
    fn evaluations(&self, steps: usize) -> usize;
    /// The tableau, if it is a Runge-Kutta method.
    fn tableau(&self) -> Option<&'static Tableau> {
        None
    }
    /// Whether it adds noise on the way.
    fn stochastic(&self) -> bool {
        false
    }
    /// A fresh stepper.
    fn stepper<S: State>(&self, setting: Setting<'_>) -> Box<dyn Stepper<S>>
    where
        Self: Sized;
}

/// A solver at work on fixed steps: it may remember what it saw between steps.
pub trait Stepper<S: State> {
    /// How often the next `step` will call the field.
    fn calls(&self) -> usize;

    /// The state after a step from (t, x) to t + h; h is negative when going back.
    fn step(&mut self, field: &mut dyn Field<S>, t: f64, h: f64, x: &S) -> Result<S, Error>;

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
            /// A fresh stepper for fixed steps.
            pub fn stepper<S: State>(&self, options: &Options) -> Box<dyn Stepper<S>> {
                type Factory<S> = fn(Setting<'_>) -> Box<dyn Stepper<S>>;
                let factories: &[Factory<S>] = &[$(|setting| $module::$Unit.stepper::<S>(setting)),+];
                factories[self.index](Setting { values: self.choice.values(), options })
            }
        }
    };
}

solvers![
    euler::Euler,
    midpoint::Midpoint,
    heun::Heun,
    ralston::Ralston,
    adams_bashforth_2::AdamsBashforth2,
    dpm_solver_2m::DpmSolver2M,
    unipc_2::UniPc2,
    heun3::Heun3,
    bosh3::Bosh3,
    rk4::Rk4,
    rk4_38::Rk438,
    dopri5::Dopri5,
    tsit5::Tsit5,
    sde_euler::SdeEuler,
];
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

    /// Whether it adds noise on the way; the noise is part of the seed's.
    pub fn stochastic(&self) -> bool {
        self.rule().stochastic()
    }

    /// Whether it follows the flow itself: no noise is added on the way, or its level is set to 0.
    pub fn deterministic(&self) -> bool {
        !self.stochastic() || self.choice.get("noise") == Some(0.0)
    }

    /// Refuses a solver that adds noise where `what` is asked for.
    pub(crate) fn require_deterministic(&self, what: &'static str) -> Result<(), Error> {
        if self.deterministic() {
            return Ok(());
        }
        let accepted = Self::all().filter(Self::deterministic).map(|solver| solver.id()).collect();
        Err(Error::Stochastic { solver: self.to_string(), what, accepted })
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
