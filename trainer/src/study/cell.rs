//! One cell of a study: a model under a plan that spends a given number of evaluations, or a tolerance.

use super::recipe::{Part, Selection, StudyRecipe};
use flow::guidance::Guidance;
use flow::plan::{Budget, STEPS, SamplePlan};
use flow::schedule::{KnotTable, Schedule};
use flow::solver::Solver;
use std::path::PathBuf;

/// What a cell may spend.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Allowance {
    /// At most so many evaluations an image.
    Evaluations(usize),
    /// As many as this tolerance takes.
    Tolerance(f64),
}

/// A cell, before it is known whether its model can do it.
#[derive(Clone, Debug)]
pub struct Cell {
    /// Number of its part.
    pub part: usize,
    /// Where its model is.
    pub model: PathBuf,
    /// Where the weaker model is, for a guidance that needs one.
    pub weak: Option<PathBuf>,
    /// Images to judge it by.
    pub images: usize,
    /// What it may spend.
    pub allowance: Allowance,
    /// Its plan, but for the number of steps that the allowance buys.
    pub plan: SamplePlan,
}

/// All cells of a recipe that was checked, in its order.
///
/// # Errors
/// A text that its registry refuses.
pub fn cells(recipe: &StudyRecipe) -> anyhow::Result<Vec<Cell>> {
    let mut found = Vec::new();
    for (number, part) in recipe.parts.iter().enumerate() {
        let (solvers, schedules, guidances) = (part.solvers()?, part.schedules()?, part.guidances()?);
        for model in &part.models {
            for guidance in &guidances {
                for solver in &solvers {
                    let cell = |schedule: &Schedule, allowance| Cell {
                        part: number,
                        model: model.clone(),
                        weak: part.weak.clone().filter(|_| guidance.needs_weak_model()),
                        images: part.images.unwrap_or(recipe.images),
                        allowance,
                        plan: plan(recipe, solver, schedule, guidance),
                    };
                    for schedule in &schedules {
                        found.extend(
                            part.evaluations.iter().map(|n| cell(schedule, Allowance::Evaluations(*n))),
                        );
                    }
                    // A tolerance chooses its own steps, whatever the schedule.
                    let even = Schedule::default();
                    found.extend(tolerances(part).map(|tol| cell(&even, Allowance::Tolerance(tol))));
                }
            }
        }
    }
    Ok(found)
}

fn tolerances(part: &Part) -> impl Iterator<Item = f64> {
    part.tolerances.iter().copied()
}

fn plan(recipe: &StudyRecipe, solver: &Solver, schedule: &Schedule, guidance: &Guidance) -> SamplePlan {
    SamplePlan {
        solver: solver.clone(),
        schedule: schedule.clone(),
        guidance: guidance.clone(),
        seed: recipe.seed,
        ..SamplePlan::default()
    }
}

impl Cell {
    /// The plan with the most steps that the allowance buys, for a model with these fitted knots; or why there is none.
    pub fn settled(&self, knots: &KnotTable) -> Result<SamplePlan, String> {
        let mut plan = self.plan.clone();
        let most = match self.allowance {
            Allowance::Tolerance(tolerance) => {
                plan.budget = Budget::Tolerance(tolerance);
                return plan.stepping(knots).map(|_| plan).map_err(|error| error.to_string());
            }
            Allowance::Evaluations(most) => most,
        };
        // A fitted schedule lacks some counts, so the steps are counted on even ones first.
        let counted = |steps: usize| {
            let mut probe = SamplePlan { budget: Budget::Steps(steps), ..plan.clone() };
            if probe.schedule.fitted() {
                probe.schedule = Schedule::default();
            }
            probe.expected_evaluations(knots).unwrap_or(usize::MAX)
        };
        let steps = STEPS.take_while(|steps| counted(*steps) <= most).last().ok_or_else(|| {
            format!(
                "{} with guidance {} takes {} evaluations for one step",
                plan.solver,
                plan.guidance,
                counted(1)
            )
        })?;
        plan.budget = Budget::Steps(steps);
        plan.stepping(knots).map(|_| plan).map_err(|error| error.to_string())
    }

    /// Whether it has the values of a selection in its printed form, on a model of this name.
    pub fn fits(&self, model: &str, selection: &Selection) -> bool {
        let is = |asked: &Option<String>, got: String| asked.as_ref().is_none_or(|text| *text == got);
        is(&selection.model, model.to_owned())
            && is(&selection.solver, self.plan.solver.to_string())
            && is(&selection.schedule, self.plan.schedule.to_string())
            && is(&selection.guidance, self.plan.guidance.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cell(solver: &str, schedule: &str, guidance: &str, allowance: Allowance) -> Cell {
        Cell {
            part: 0,
            model: PathBuf::new(),
            weak: None,
            images: 100,
            allowance,
            plan: format!("solver={solver}&schedule={schedule}&guidance={guidance}").parse().unwrap(),
        }
    }

    #[test]
    fn a_number_of_evaluations_buys_the_most_steps_that_fit() {
        let none = KnotTable::default();
        for (solver, guidance, most, steps) in [
            ("euler", "1", 10, 10),
            ("euler", "2", 10, 5),
            ("heun", "1", 10, 5),
            ("heun", "1", 11, 5),
            ("heun", "2", 10, 2),
            ("rk4", "1", 10, 2),
            // The first step of a multistep method may cost one more.
            ("adams-bashforth-2", "1", 10, 9),
        ] {
            let plan = cell(solver, "linear", guidance, Allowance::Evaluations(most)).settled(&none).unwrap();
            assert_eq!(plan.budget, Budget::Steps(steps), "{solver} with guidance {guidance}");
            assert!(plan.expected_evaluations(&none).is_some_and(|n| n <= most));
        }
    }

    #[test]
    fn an_impossible_cell_says_why() {
        let none = KnotTable::default();
        let why = |cell: Cell| cell.settled(&none).unwrap_err();
        assert!(
            why(cell("dopri5", "linear", "1", Allowance::Evaluations(4))).contains("takes 6 evaluations")
        );
        assert!(
            why(cell("heun", "linear", "1", Allowance::Tolerance(0.01))).contains("chooses its own steps")
        );
        assert!(why(cell("heun", "optimal", "1", Allowance::Evaluations(8))).contains("optimal"));
        let fitted = KnotTable::new([(4, vec![0.0, 0.1, 0.5, 0.8, 1.0])]).unwrap();
        let settled = cell("heun", "optimal", "1", Allowance::Evaluations(8)).settled(&fitted).unwrap();
        assert_eq!(settled.budget, Budget::Steps(4));
    }
}
