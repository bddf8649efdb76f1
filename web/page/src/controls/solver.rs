//! Which solver, with its order and its price.

use crate::session::{Change, Session};
use crate::words::counted;
use flow::plan::{Budget, SamplePlan};
use flow::solver::Solver;
use leptos::prelude::*;

/// All solvers of the registry.
#[component]
pub(crate) fn Solvers() -> impl IntoView {
    let session = expect_context::<Session>();
    let chosen = session.part(|plan| plan.solver.clone());
    let faces = Solver::all()
        .map(|solver| {
            let entry = solver.choice().entry();
            let cost = cost(&solver);
            let (own, wanted) = (solver.clone(), solver);
            let choose = move |_| session.change(Change::Made, |plan| choose(plan, &wanted));
            view! {
                <label class="choice">
                    <input type="radio" name="solver" value=entry.id
                        prop:checked=move || chosen.with(|chosen| chosen.id() == own.id()) on:change=choose/>
                    <span class="face"><span>{entry.label}</span><span class="cost">{cost}</span></span>
                </label>
            }
        })
        .collect_view();
    view! {
        <fieldset data-testid="solver">
            <legend>"Solver"</legend>
            <div class="choices list">{faces}</div>
            <p class="about">{move || chosen.with(|chosen| chosen.choice().entry().about)}</p>
        </fieldset>
    }
}

/// A solver that can't choose its own steps takes the usual number of them instead of a tolerance.
fn choose(plan: &mut SamplePlan, solver: &Solver) {
    plan.solver = solver.clone();
    if !solver.adaptive() && matches!(plan.budget, Budget::Tolerance(_)) {
        plan.budget = SamplePlan::default().budget;
    }
}

/// "2nd order, 2 evaluations a step".
fn cost(solver: &Solver) -> String {
    let order = solver.order();
    let ending = match order {
        1 => "st",
        2 => "nd",
        3 => "rd",
        _ => "th",
    };
    format!("{order}{ending} order, {} a step", counted(solver.evaluations_per_step(), "evaluation"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_and_price_read_as_a_person_would_say_them() {
        let said = |id: &str| cost(&Solver::parse(id).unwrap());
        assert_eq!(said("euler"), "1st order, 1 evaluation a step");
        assert_eq!(said("heun"), "2nd order, 2 evaluations a step");
        assert_eq!(said("rk4"), "4th order, 4 evaluations a step");
    }

    #[test]
    fn a_tolerance_does_not_survive_a_solver_that_has_no_use_for_it() {
        let mut plan: SamplePlan = "solver=dopri5&tol=0.01".parse().unwrap();
        choose(&mut plan, &Solver::parse("heun").unwrap());
        assert_eq!(plan.to_string().parse(), Ok(plan.clone()));
        assert_eq!(plan.budget, SamplePlan::default().budget);
    }
}
