//! What the models were trained on. Choosing another data set takes its first model.

use crate::session::{Change, Session};
use leptos::prelude::*;

/// The data sets, when there is more than one.
#[component]
pub(crate) fn DataSets() -> impl IntoView {
    let session = expect_context::<Session>();
    let chosen = session.data_set();
    let sets = Memo::new(move |_| {
        session
            .catalog
            .with(|catalog| catalog.as_ref().map(|catalog| catalog.data_sets()).unwrap_or_default())
    });
    let faces = move || {
        let face = |(id, label): (String, String)| {
            let is_chosen = {
                let id = id.clone();
                move || chosen.with(|set| set.id == id)
            };
            let wanted = id.clone();
            let choose = move |_| {
                let model = session
                    .catalog
                    .with_untracked(|catalog| Some(catalog.as_ref()?.first_of(&wanted)?.id.clone()));
                if let Some(model) = model {
                    session.change(Change::Made, |plan| plan.model = model);
                }
            };
            view! {
                <label class="choice">
                    <input type="radio" name="dataset" value=id prop:checked=is_chosen on:change=choose/>
                    <span class="face">{label}</span>
                </label>
            }
        };
        sets.get().into_iter().map(|set| (set.id, set.label)).map(face).collect_view()
    };
    view! {
        <Show when=move || sets.with(|sets| sets.len() > 1)>
            <fieldset data-testid="dataset">
                <legend>"Data"</legend>
                <div class="choices names">{faces}</div>
            </fieldset>
        </Show>
    }
}
