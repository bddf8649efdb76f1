//! Which noise.

use crate::session::{Change, Session};
use crate::words;
use leptos::prelude::*;

/// New seeds stay below this, so that they are easy to read and to write down.
const SEEDS: f64 = 100_000.0;

/// The seed, and a button for another one.
#[component]
pub(crate) fn Seed() -> impl IntoView {
    let session = expect_context::<Session>();
    let seed = session.part(|plan| plan.seed);
    let refused = RwSignal::new(None::<String>);
    let typed = move |event: leptos::ev::Event| {
        let typed = event_target_value(&event);
        match typed.trim().parse::<u64>() {
            Ok(seed) => {
                refused.set(None);
                session.change(Change::Made, |plan| plan.seed = seed);
            }
            // It stays to be corrected.
            Err(_) => refused.set(Some(words::seed_refused(&typed, seed.get_untracked()))),
        }
    };
    let another = move |_| {
        let mut new = (js_sys::Math::random() * SEEDS) as u64;
        if new == seed.get_untracked() {
            new += 1;
        }
        refused.set(None);
        session.change(Change::Made, |plan| plan.seed = new);
    };
    view! {
        <div class="control">
            <label class="name" for="seed">"Seed of the noise"</label>
            <div class="field">
                <input type="text" id="seed" name="seed" data-testid="seed" inputmode="numeric" autocomplete="off"
                    aria-invalid=move || refused.with(Option::is_some).to_string() aria-describedby="seed-refused"
                    prop:value=move || seed.get().to_string() on:change=typed/>
                <button type="button" class="button" data-testid="new-seed" on:click=another>"New noise"</button>
            </div>
            <p class="about" role="status" id="seed-refused" data-testid="seed-refused">{refused}</p>
        </div>
    }
}
