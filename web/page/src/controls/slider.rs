//! A labelled slider: dragging changes the plan at once, letting go settles the change. A key moves it by one position.

use crate::session::Change;
use leptos::prelude::*;

/// A slider. Its positions are numbers; what they mean is `said`.
#[component]
pub(crate) fn Slider(
    /// For `id`, `name` and tests.
    id: &'static str,
    /// The label.
    #[prop(into)]
    label: String,
    /// Whether something else on the page already says what it is, so that only a screen reader needs the label.
    #[prop(optional)]
    label_elsewhere: bool,
    /// One line below it.
    #[prop(into, optional)]
    about: String,
    /// The least position.
    min: f64,
    /// The greatest position.
    #[prop(into)]
    max: Signal<f64>,
    /// From one position to the next.
    step: f64,
    /// Where it is.
    #[prop(into)]
    position: Signal<f64>,
    /// What that means, for people.
    #[prop(into)]
    said: Signal<String>,
    /// It was moved.
    #[prop(into)]
    moved: Callback<(f64, Change)>,
) -> impl IntoView {
    let change = move |event: &leptos::ev::Event, change| {
        if let Ok(position) = event_target_value(event).parse() {
            moved.run((position, change));
        }
    };
    // An arrow key is told as a drag of one position that is let go at once, which it is not.
    let by_key = StoredValue::new(false);
    let told = move |change| if by_key.get_value() { Change::Nudged(id) } else { change };
    let described = (!about.is_empty()).then(|| format!("{id}-about"));
    view! {
        <div class="slider">
            <div class="head">
                <label class="name" class:visually-hidden=label_elsewhere for=id>{label}</label>
                <output for=id>{said}</output>
            </div>
            <input type="range" id=id name=id data-testid=id min=min max=max step=step
                aria-valuetext=said aria-describedby=described.clone()
                prop:value=move || position.get().to_string()
                on:keydown=move |_| by_key.set_value(true)
                on:pointerdown=move |_| by_key.set_value(false)
                on:input=move |event| change(&event, told(Change::Dragging))
                on:change=move |event| change(&event, told(Change::Made))/>
            {described.map(|described| view! { <p class="about" id=described>{about}</p> })}
        </div>
    }
}
