//! Which solver, by kind, with its order and its price.

use super::params::Params;
use super::picker::{Group, Layout, Picker, Row};
use crate::part::Part;
use crate::session::Session;
use crate::words::{counted, ordinal};
use flow::solver::{Kind, Solver};
use leptos::prelude::*;

/// All solvers of the registry.
#[component]
pub(crate) fn Solvers() -> impl IntoView {
    let session = expect_context::<Session>();
    let group = |kind: Kind| {
        let rows = Solver::all().filter(|solver| solver.kind() == kind);
        let rows = rows.map(|solver| Row::plain(solver.choice().entry(), short_cost(&solver))).collect();
        Group { heading: Some(kind.label()), rows }
    };
    let note = session.part(|plan| cost(&plan.solver));
    let about = session.part(|plan| plan.solver.choice().entry().about);
    view! {
        <div class="control">
            <Picker part=Part::Solver groups=Kind::ALL.map(group).into() layout=Layout::List note=note
                notes="order, evaluations a step"/>
            <p class="about">{about}</p>
            <div class="params"><Params part=Part::Solver/></div>
        </div>
    }
}

/// "2nd order, 2 evaluations a step".
fn cost(solver: &Solver) -> String {
    format!(
        "{} order, {} a step",
        ordinal(solver.order()),
        counted(solver.evaluations_per_step(), "evaluation")
    )
}

/// "2nd order, 2 a step": in a list, where the heading says of what.
fn short_cost(solver: &Solver) -> String {
    format!("{} order, {} a step", ordinal(solver.order()), solver.evaluations_per_step())
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
        assert_eq!(short_cost(&Solver::parse("bosh3").unwrap()), "3rd order, 3 a step");
    }
}
