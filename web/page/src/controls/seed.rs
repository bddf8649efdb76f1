//! Which noise.

use crate::session::{Change, Session};
use leptos::prelude::*;

/// New seeds stay below this, so that they are easy to read and to write down.
const SEEDS: f64 = 100_000.0;

/// The seed, and a button for another one.
#[component]
pub(crate) fn Seed() -> impl IntoView {
    let session = expect_context::<Session>();
    let seed = session.part(|plan| plan.seed);
    let typed = move |event: leptos::ev::Event| {
        match event_target_value(&event).trim().parse::<u64>() {
            Ok(seed) => session.change(Change::Made, |plan| plan.seed = seed),
            // Not a number: what counts is shown again.
            Err(_) => {
                event_target::<web_sys::HtmlInputElement>(&event).set_value(&seed.get_untracked().to_string())
            }
        }
    };
    let another = move |_| {
        let mut new = (js_sys::Math::random() * SEEDS) as u64;
        if new == seed.get_untracked() {
            new += 1;
        }
        session.change(Change::Made, |plan| plan.seed = new);
    };
    view! {
        <div class="control">
            <label class="name" for="seed">"Seed of the noise"</label>
            <div class="field">
                <input type="text" id="seed" name="seed" data-testid="seed" inputmode="numeric" autocomplete="off"
                    prop:value=move || seed.get().to_string() on:change=typed/>
                <button type="button" class="button" data-testid="new-seed" on:click=another>"New noise"</button>
            </div>
        </div>
    }
}
