//! What kind of method a solver is: how a reader finds one among many. Derived from what the methods declare, never
//! declared again.

use super::Solver;

/// A kind of solver. Every solver is of exactly one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Each step begins anew from where the last one arrived.
    OneStep,
    /// Each step also uses what was seen in the steps before.
    Multistep,
    /// It estimates its own error, so that it can choose its own steps.
    Adaptive,
    /// It adds noise on the way.
    Stochastic,
}

impl Kind {
    /// All kinds, in the order in which to show them.
    pub const ALL: [Self; 4] = [Self::OneStep, Self::Multistep, Self::Adaptive, Self::Stochastic];

    /// The heading over its solvers.
    pub fn label(self) -> &'static str {
        match self {
            Self::OneStep => "Each step by itself",
            Self::Multistep => "Remember earlier steps",
            Self::Adaptive => "Can choose their own steps",
            Self::Stochastic => "Add noise on the way",
        }
    }
}

impl Solver {
    /// Whether it remembers what it saw in earlier steps: without that, no method has an order above the number of its
    /// evaluations a step (Butcher 1964).
    pub fn multistep(&self) -> bool {
        self.order() > self.evaluations_per_step()
    }

    /// What kind of method it is.
    pub fn kind(&self) -> Kind {
        if self.stochastic() {
            Kind::Stochastic
        } else if self.adaptive() {
            Kind::Adaptive
        } else if self.multistep() {
            Kind::Multistep
        } else {
            Kind::OneStep
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_runge_kutta_method_remembers_nothing_and_every_kind_has_its_solvers() {
        for solver in Solver::all() {
            assert!(!(solver.tableau().is_some() && solver.multistep()), "{solver}");
        }
        let of = |kind: Kind| Solver::all().filter(|s| s.kind() == kind).map(|s| s.id()).collect::<Vec<_>>();
        assert_eq!(of(Kind::Adaptive), Solver::adaptive_ids());
        assert_eq!(of(Kind::Multistep), ["adams-bashforth-2", "dpm-solver++-2m", "unipc-2"]);
        assert_eq!(of(Kind::Stochastic), ["sde-euler"]);
        assert_eq!(Kind::ALL.map(|kind| of(kind).len()).iter().sum::<usize>(), Solver::all().count());
    }
}
