//! Which model, of those that the manifest names.

use crate::catalog::Entry;
use crate::session::{Change, Session};
use crate::words::size;
use leptos::prelude::*;

/// The models.
#[component]
pub(crate) fn Models() -> impl IntoView {
    let session = expect_context::<Session>();
    let chosen = session.part(|plan| plan.model.clone());
    let set = session.data_set();
    let options = move || {
        session.catalog.with(|catalog| {
            let entries = catalog.iter().flat_map(|catalog| {
                let of_set = |entry: &&Entry| set.with(|set| set.id == entry.data_set().id);
                catalog.velocities().filter(of_set).cloned().collect::<Vec<_>>()
            });
            entries
                .map(|entry| {
                    let (id, value) = (entry.id.clone(), entry.id);
                    let text = format!("{} ({})", entry.label, size(entry.bytes));
                    view! { <option value=value selected=move || chosen.get() == id>{text}</option> }
                })
                .collect_view()
        })
    };
    let about = move || {
        let id = chosen.get();
        session.catalog.with(|catalog| Some(catalog.as_ref()?.entry(&id)?.about.clone()))
    };
    let decoded_only = session.of_model(|_, entry| !entry.is_evaluated());
    let choose = move |event| {
        let id = event_target_value(&event);
        session.change(Change::Made, |plan| plan.model = id);
    };
    view! {
        <div class="control">
            <label class="name" for="model">"Model"</label>
            <div class="field">
                <select id="model" name="model" data-testid="model" on:change=choose
                    disabled=move || session.catalog.with(Option::is_none)>{options}</select>
            </div>
            <p class="about">{about}</p>
            <Show when=move || decoded_only.get()>
                <p class="about" data-testid="nothing-evaluated">
                    "No network is asked here: solver, steps, schedule, guidance and class change nothing, only the seed does."
                </p>
            </Show>
        </div>
    }
}
