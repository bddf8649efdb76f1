//! The sliders of whatever is chosen: one for each parameter in its registry, with its label, its range and its step.

use super::slider::Slider;
use crate::part::Part;
use crate::session::{Change, Session};
use flow::registry::ParamSpec;
use leptos::prelude::*;

/// The parameters of what is chosen for a part of the plan.
#[component]
pub(crate) fn Params(
    /// The part.
    part: Part,
) -> impl IntoView {
    let session = expect_context::<Session>();
    // A change of a parameter leaves its slider in place.
    let specs = session.part(move |plan| part.choice(plan).entry().params);
    move || specs.get().iter().map(|spec| view! { <Param part=part spec=spec/> }).collect_view()
}

#[component]
fn Param(part: Part, spec: &'static ParamSpec) -> impl IntoView {
    let session = expect_context::<Session>();
    let value = session.part(move |plan| part.choice(plan).get(spec.name).unwrap_or(spec.default));
    view! {
        <Slider field=part.field() parameter=spec.name label=spec.label about=spec.about min=spec.min
            max=Signal::derive(|| spec.max) step=spec.step position=value
            said=Signal::derive(move || value.get().to_string())
            moved=move |(value, change): (f64, Change)| {
                session.change(change, |plan| part.bend(plan, spec.name, value));
            }/>
    }
}
