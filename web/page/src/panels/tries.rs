//! Small buttons in the text that set a part of the instrument's plan, and lead to it.

use crate::part::Part;
use crate::session::{Change, Session};
use flow::plan::{Budget, SamplePlan};
use leptos::prelude::*;

/// Something to try: what its button says, and what it sets.
type Try = (&'static str, &'static str);

/// What a row of buttons sets.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Row {
    /// Where steps fall.
    Schedules,
    /// How insistently a digit is asked for.
    Scales,
    /// What is moved: pixels or latents.
    Models,
}

impl Row {
    /// What the row is called for those who don't see where it stands.
    fn label(self) -> &'static str {
        match self {
            Self::Schedules => "Try a schedule on the instrument above",
            Self::Scales => "Try a guidance on the instrument above",
            Self::Models => "Try a model on the instrument above",
        }
    }

    fn tries(self) -> &'static [Try] {
        match self {
            Self::Schedules => &[
                ("Even steps", "linear"),
                ("Slow in the middle", "logit-normal-cdf"),
                ("Slow at the end", "inverse-cubic"),
            ],
            Self::Scales => &[("No guidance", "1"), ("Guidance 2", "2"), ("Guidance 4", "4")],
            Self::Models => &[
                ("A flow over pixels", "mnist-unet"),
                ("Over latents, small", "latent-small"),
                ("Over latents, base", "latent-base"),
            ],
        }
    }

    /// Sets the plan's part; a test tries them all.
    fn set(self, plan: &mut SamplePlan, value: &str) {
        match self {
            Self::Schedules => {
                Part::Schedule.choose(plan, value);
                // A tolerance chooses its own steps, wherever a schedule would put them.
                if matches!(plan.budget, Budget::Tolerance(_)) {
                    plan.budget = SamplePlan::default().budget;
                }
            }
            Self::Scales => {
                // Refused values leave the plan as it was.
                let _ = plan.set(Part::Guidance.field(), value);
            }
            Self::Models => value.clone_into(&mut plan.model),
        }
    }
}

/// A row of buttons; only of what the site has.
#[component]
pub(crate) fn Tries(row: Row) -> impl IntoView {
    let session = expect_context::<Session>();
    let buttons = move || {
        let is_here = |value: &str| {
            row != Row::Models
                || session.catalog.with(|catalog| catalog.as_ref().is_some_and(|c| c.entry(value).is_some()))
        };
        let here = row.tries().iter().filter(|(_, value)| is_here(value));
        here.map(|&(label, value)| {
            let choose = move |_| {
                session.change(Change::Made, |plan| row.set(plan, value));
                session.focus_screen();
            };
            view! { <button type="button" class="button small" data-try=value on:click=choose>{label}</button> }
        })
        .collect_view()
    };
    view! { <div class="tries" role="group" aria-label=row.label()>{buttons}</div> }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_button_makes_a_plan_that_an_address_holds() {
        for (row, field) in [(Row::Schedules, "schedule"), (Row::Scales, "guidance"), (Row::Models, "model")]
        {
            for (label, value) in row.tries() {
                let mut plan: SamplePlan = "solver=dopri5&tol=0.01&guidance=3".parse().unwrap();
                row.set(&mut plan, value);
                let text = plan.to_string();
                assert!(text.split('&').any(|part| part == format!("{field}={value}")), "{label}: {text}");
                assert_eq!(text.parse(), Ok(plan), "{label}");
            }
        }
    }
}
