//! How much work: a number of steps, or a tolerance where the solver can choose its own, with the controller that does.

use super::params::Params;
use super::picker::{Group, Layout, Picker, Row};
use super::slider::Slider;
use crate::part::Part;
use crate::session::{Change, Session};
use crate::words::{counted, ranges};
use flow::number;
use flow::plan::{Budget, SamplePlan};
use leptos::prelude::*;

/// The slider's most steps, unless the plan has more.
const MOST_STEPS: usize = 50;
/// The tolerance to begin with.
const TOLERANCE: f64 = 0.01;
/// Exponents of ten that the tolerance's slider reaches; beyond them digits no longer change, or no longer form.
const EXPONENTS: (f64, f64) = (-4.0, -0.5);

/// Steps or tolerance.
#[component]
pub(crate) fn Work() -> impl IntoView {
    let session = expect_context::<Session>();
    let budget = session.part(|plan| plan.budget);
    let adaptive = session.part(|plan| plan.solver.adaptive());
    let by_tolerance = Memo::new(move |_| matches!(budget.get(), Budget::Tolerance(_)));
    let face = |label: &'static str, tolerance: bool| {
        let choose = move |_| {
            session.change(Change::Made, |plan| {
                plan.budget =
                    if tolerance { Budget::Tolerance(TOLERANCE) } else { SamplePlan::default().budget };
            });
        };
        view! {
            <label class="choice">
                <input type="radio" name="budget" value=label.to_ascii_lowercase()
                    disabled=move || tolerance && !adaptive.get()
                    prop:checked=move || by_tolerance.get() == tolerance on:change=choose/>
                <span class="face">{label}</span>
            </label>
        }
    };
    view! {
        <div class="control work">
            <fieldset class="switch" data-testid="budget">
                <legend class="visually-hidden">"How steps are chosen"</legend>
                {face("Steps", false)}
                {face("Tolerance", true)}
            </fieldset>
            {move || if by_tolerance.get() { view! { <Tolerance/> }.into_any() } else { view! { <Steps/> }.into_any() }}
        </div>
    }
}

/// Where the schedule was fitted to the model, only numbers of steps that were fitted can be had.
#[component]
fn Steps() -> impl IntoView {
    let session = expect_context::<Session>();
    let steps = session.part(|plan| match plan.budget {
        Budget::Steps(steps) => steps,
        Budget::Tolerance(_) => 1,
    });
    let expected = session.expected();
    let said = move || match expected.get() {
        Some(evaluations) => {
            format!("{}, {}", counted(steps.get(), "step"), counted(evaluations, "evaluation"))
        }
        None => counted(steps.get(), "step"),
    };
    let (knots, needs_knots) = (session.knots(), session.part(|plan| plan.schedule.fitted()));
    let fitted =
        Memo::new(move |_| if needs_knots.get() { knots.with(|knots| knots.counts()) } else { Vec::new() });
    let position = move || match fitted.with(|fitted| fitted.iter().position(|count| *count == steps.get())) {
        Some(index) => index + 1,
        None => steps.get(),
    };
    let max = move || match fitted.with(Vec::len) {
        0 => steps.get().max(MOST_STEPS),
        fitted => fitted,
    };
    let about = move || match fitted.with(Vec::is_empty) {
        true => "How often the solver stops on its way, where the schedule says.".to_owned(),
        false => format!("This schedule was fitted for {} steps.", fitted.with(|fitted| ranges(fitted))),
    };
    view! {
        <Slider field="steps" label="Steps" label_elsewhere=true min=1.0
            max=Signal::derive(move || max() as f64) step=1.0
            position=Signal::derive(move || position() as f64) said=Signal::derive(said)
            about=Signal::derive(about)
            moved=move |(position, change): (f64, Change)| {
                let position = position.round().max(1.0) as usize;
                let steps = fitted.with_untracked(|fitted| fitted.get(position - 1).copied()).unwrap_or(position);
                session.change(change, |plan| plan.budget = Budget::Steps(steps));
            }/>
    }
}

#[component]
fn Tolerance() -> impl IntoView {
    let session = expect_context::<Session>();
    let tolerance = session.part(|plan| match plan.budget {
        Budget::Tolerance(tolerance) => tolerance,
        Budget::Steps(_) => TOLERANCE,
    });
    // To the right is more work, as with steps.
    let position = Signal::derive(move || -tolerance.get().log10());
    let rows = Part::Controller.entries().into_iter().map(|entry| Row::plain(entry, String::new())).collect();
    let groups = vec![Group { heading: None, rows }];
    view! {
        <Slider field="tol" label="Tolerance" label_elsewhere=true min=-EXPONENTS.1
            max=Signal::derive(move || position.get().max(-EXPONENTS.0)) step=0.1
            position=position said=Signal::derive(move || tolerance.get().to_string())
            about="The error that a step may make, in every digit by itself; smaller is more work."
            moved=move |(position, change): (f64, Change)| {
                session.change(change, |plan| plan.budget = Budget::Tolerance(rounded(-position)));
            }/>
        <div class="controller">
            <Picker part=Part::Controller groups=groups layout=Layout::Explained note=String::new()/>
            <div class="params"><Params part=Part::Controller/></div>
        </div>
    }
}

/// Ten to the power of `exponent`, with two figures, so that the address stays short.
fn rounded(exponent: f64) -> f64 {
    number::parse(&format!("{:.1e}", 10_f64.powf(exponent))).unwrap_or(TOLERANCE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_position_of_the_tolerance_is_one_that_a_plan_accepts() {
        for tenth in 5..=40 {
            let tolerance = rounded(-f64::from(tenth) / 10.0);
            let plan: SamplePlan = format!("solver=dopri5&tol={tolerance}").parse().unwrap();
            assert_eq!(plan.budget, Budget::Tolerance(tolerance));
        }
        assert_eq!([rounded(-2.0), rounded(-1.5)], [0.01, 0.032]);
    }
}
