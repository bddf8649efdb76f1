//! How strongly the wanted digit is followed.

use super::slider::Slider;
use crate::session::{Change, Session};
use flow::guidance::Guidance;
use leptos::prelude::*;

/// The parameters of the plan's guidance; a selector joins when there is more than one.
#[component]
pub(crate) fn Strength() -> impl IntoView {
    let session = expect_context::<Session>();
    let id = session.part(|plan| plan.guidance.id());
    let selector = (Guidance::all().count() > 1).then(|| {
        let options = Guidance::all()
            .map(|guidance| {
                let entry = guidance.choice().entry();
                view! { <option value=entry.id selected=move || id.get() == entry.id>{entry.label}</option> }
            })
            .collect_view();
        let choose = move |event| {
            if let Ok(guidance) = Guidance::parse(&event_target_value(&event)) {
                session.change(Change::Made, |plan| plan.guidance = guidance);
            }
        };
        view! {
            <label class="name" for="guidance-kind">"Guidance"</label>
            <div class="field"><select id="guidance-kind" on:change=choose>{options}</select></div>
        }
    });
    let specs = session.part(|plan| plan.guidance.choice().entry().params);
    let params = move || {
        let specs = specs.get();
        specs
            .iter()
            .map(|spec| {
                let value = session.part(|plan| plan.guidance.choice().get(spec.name).unwrap_or(spec.default));
                // One guidance with one strength is simply "Guidance".
                let label = if specs.len() == 1 { "Guidance" } else { spec.label };
                view! {
                    <Slider id=spec.name label=label about=spec.about min=spec.min max=Signal::derive(|| spec.max)
                        step=spec.step position=value said=Signal::derive(move || value.get().to_string())
                        moved=move |(value, change): (f64, Change)| {
                            session.change(change, |plan| {
                                if let Ok(guidance) = plan.guidance.with(spec.name, value) {
                                    plan.guidance = guidance;
                                }
                            });
                        }/>
                }
            })
            .collect_view()
    };
    view! { <div class="control" data-testid="guidance">{selector}{params}</div> }
}
