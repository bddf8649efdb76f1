//! How strongly the wanted digit is followed, and in which form.

use super::params::Params;
use super::picker::{Group, Layout, Picker, Row};
use crate::part::Part;
use crate::session::Session;
use crate::words::{counted, size};
use flow::guidance::Guidance;
use leptos::prelude::*;

/// All forms of guidance of the registry.
#[component]
pub(crate) fn Forms() -> impl IntoView {
    let session = expect_context::<Session>();
    let weaker = session.of_model(|catalog, entry| catalog.weaker(entry).cloned());
    let rows = Guidance::all()
        .map(|guidance| {
            let (entry, needs_weak) = (guidance.choice().entry(), guidance.needs_weak_model());
            let unavailable = Signal::derive(move || {
                let missing = needs_weak && weaker.with(Option::is_none);
                if missing {
                    "This model comes with no weaker one to steer away from.".to_owned()
                } else {
                    String::new()
                }
            });
            Row { entry, note: String::new(), drawing: None, unavailable }
        })
        .collect();
    let groups = vec![Group { heading: None, rows }];
    let note = session.part(|plan| cost(&plan.guidance));
    let needs_weak = session.part(|plan| plan.guidance.needs_weak_model());
    let about = session.part(|plan| plan.guidance.choice().entry().about);
    let beside = move || {
        let weaker = weaker.get().filter(|_| needs_weak.get());
        weaker.map(|weaker| {
            let said = format!("The weaker model is “{}” ({}).", weaker.label, size(weaker.bytes));
            view! { <p class="about" data-testid="weaker">{said}</p> }
        })
    };
    view! {
        <div class="control">
            <Picker part=Part::Guidance groups=groups layout=Layout::Explained note=note/>
            <p class="about">{about}</p>
            {beside}
            <div class="params"><Params part=Part::Guidance/></div>
        </div>
    }
}

/// What it costs whenever the solver looks: "up to 2 evaluations a look". Some forms cost less at some times.
fn cost(guidance: &Guidance) -> String {
    let most = guidance.evaluations();
    format!("{}{} a look", if most > 1 { "up to " } else { "" }, counted(most, "evaluation"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guidance_that_does_nothing_costs_one_evaluation() {
        assert_eq!(cost(&"1".parse().unwrap()), "1 evaluation a look");
        assert_eq!(cost(&"2".parse().unwrap()), "up to 2 evaluations a look");
    }
}
