//! The parts of a plan that are choices from `flow`'s registries: one way to read, choose and bend all of them, so that
//! a new entry, or a new parameter, is on the page as soon as it is in its registry.

use flow::controller::Controller;
use flow::guidance::Guidance;
use flow::plan::{Budget, SamplePlan};
use flow::registry::{Choice, Entry};
use flow::schedule::Schedule;
use flow::solver::Solver;

/// A part of the plan.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Part {
    /// How a step is made.
    Solver,
    /// Where the steps fall.
    Schedule,
    /// How a tolerance chooses the steps.
    Controller,
    /// How strongly the wanted digit is followed.
    Guidance,
}

impl Part {
    /// The plan's field, which is also the name of its controls.
    pub(crate) fn field(self) -> &'static str {
        match self {
            Self::Solver => "solver",
            Self::Schedule => "schedule",
            Self::Controller => "controller",
            Self::Guidance => "guidance",
        }
    }

    /// The heading.
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::Solver => "Solver",
            Self::Schedule => "Schedule",
            Self::Controller => "Controller",
            Self::Guidance => "Guidance",
        }
    }

    /// What can be chosen, in the registry's order.
    pub(crate) fn entries(self) -> Vec<&'static Entry> {
        let family = match self {
            Self::Solver => Solver::family(),
            Self::Schedule => Schedule::family(),
            Self::Controller => Controller::family(),
            Self::Guidance => Guidance::family(),
        };
        family.entries
    }

    /// What is chosen.
    pub(crate) fn choice(self, plan: &SamplePlan) -> &Choice {
        match self {
            Self::Solver => plan.solver.choice(),
            Self::Schedule => plan.schedule.choice(),
            Self::Controller => plan.controller.choice(),
            Self::Guidance => plan.guidance.choice(),
        }
    }

    /// Chooses an entry, with what belongs to it: a solver that can't choose its own steps takes the usual number of
    /// them instead of a tolerance, and the scale stays when only the form of guidance changes.
    pub(crate) fn choose(self, plan: &mut SamplePlan, id: &str) {
        let scale = plan.guidance.choice().get(SCALE);
        if self.choice(plan).entry().id == id || plan.set(self.field(), id).is_err() {
            return;
        }
        if let (Self::Guidance, Some(scale)) = (self, scale) {
            self.bend(plan, SCALE, scale);
        }
        if !plan.solver.adaptive() && matches!(plan.budget, Budget::Tolerance(_)) {
            plan.budget = SamplePlan::default().budget;
        }
    }

    /// Whether every model can follow an entry from the same noise: no knots that were fitted to one, no weaker model, no noise of
    /// its own.
    pub(crate) fn is_fair(self, id: &str) -> bool {
        match self {
            Self::Solver => Solver::parse(id).is_ok_and(|solver| solver.deterministic()),
            Self::Schedule => Schedule::parse(id).is_ok_and(|schedule| !schedule.fitted()),
            Self::Guidance => Guidance::all().any(|form| form.id() == id && !form.needs_weak_model()),
            Self::Controller => false,
        }
    }

    /// Changes a parameter of what is chosen. Nothing happens when it has no such parameter any more, or its other values
    /// do not allow this one: what a plan holds must read back from the address.
    pub(crate) fn bend(self, plan: &mut SamplePlan, parameter: &str, value: f64) {
        if let Ok(bent) = self.choice(plan).with(parameter, value) {
            // Refused values leave the plan as it was.
            let _ = plan.set(self.field(), &bent.to_string());
        }
    }
}

/// The parameter that all forms of guidance share.
const SCALE: &str = "scale";

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Part; 4] = [Part::Solver, Part::Schedule, Part::Controller, Part::Guidance];

    #[test]
    fn every_entry_of_every_registry_can_be_chosen_and_every_parameter_bent_to_its_ends() {
        for part in ALL {
            for entry in part.entries() {
                let mut plan = SamplePlan::default();
                part.choose(&mut plan, entry.id);
                assert_eq!(part.choice(&plan).entry().id, entry.id);
                for spec in entry.params {
                    for value in [spec.min, spec.max] {
                        let before = part.choice(&plan).clone();
                        part.bend(&mut plan, spec.name, value);
                        let now = part.choice(&plan);
                        assert!(now == &before || now.get(spec.name) == Some(value), "{}", entry.id);
                        assert_eq!(plan.to_string().parse(), Ok(plan.clone()), "{}", entry.id);
                    }
                    // Out of range changes nothing.
                    let at_max = plan.clone();
                    part.bend(&mut plan, spec.name, spec.max + 1e9);
                    assert_eq!(plan, at_max);
                }
                part.bend(&mut plan, "no-such-parameter", 1.0);
                assert_eq!(part.choice(&plan).entry().id, entry.id);
            }
        }
    }

    #[test]
    fn an_interval_can_not_be_turned_over() {
        let mut plan: SamplePlan = "guidance=interval:lo=0.3,hi=0.6".parse().unwrap();
        Part::Guidance.bend(&mut plan, "lo", 0.7);
        assert_eq!(plan.guidance.choice().get("lo"), Some(0.3));
        Part::Guidance.bend(&mut plan, "lo", 0.6);
        assert_eq!(plan.guidance.choice().get("lo"), Some(0.6));
    }

    #[test]
    fn a_tolerance_does_not_survive_a_solver_that_has_no_use_for_it() {
        let mut plan: SamplePlan = "solver=dopri5&tol=0.01".parse().unwrap();
        Part::Solver.choose(&mut plan, "tsit5");
        assert_eq!(plan.budget, Budget::Tolerance(0.01));
        Part::Solver.choose(&mut plan, "heun");
        assert_eq!(plan.budget, SamplePlan::default().budget);
    }

    #[test]
    fn the_scale_stays_when_the_form_of_guidance_changes() {
        let mut plan: SamplePlan = "guidance=3.5".parse().unwrap();
        Part::Guidance.choose(&mut plan, "autoguidance");
        assert_eq!(plan.guidance.to_string(), "autoguidance:scale=3.5");
        Part::Guidance.choose(&mut plan, "cfg");
        assert_eq!(plan.guidance.to_string(), "3.5");
    }

    #[test]
    fn choosing_what_is_chosen_keeps_its_parameters() {
        let mut plan: SamplePlan = "schedule=shift:k=5".parse().unwrap();
        Part::Schedule.choose(&mut plan, "shift");
        assert_eq!(plan.schedule.to_string(), "shift:k=5");
    }
}
