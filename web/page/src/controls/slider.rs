//! A labelled slider: dragging changes the plan at once, letting go settles the change. A key moves it by one position.

use crate::session::Change;
use flow::number;
use leptos::prelude::*;

/// A slider. Its positions are numbers; what they mean is `said`.
#[component]
pub(crate) fn Slider(
    /// The plan's field that it changes: for `id`, `name` and tests.
    field: &'static str,
    /// The parameter of that field, if it is one: then the id is `field-parameter`.
    #[prop(optional)]
    parameter: &'static str,
    /// The label.
    #[prop(into)]
    label: String,
    /// Whether something else on the page already says what it is, so that only a screen reader needs the label.
    #[prop(optional)]
    label_elsewhere: bool,
    /// One line below it.
    #[prop(into, optional)]
    about: Option<Signal<String>>,
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
    let id = if parameter.is_empty() { field.to_owned() } else { format!("{field}-{parameter}") };
    let change = move |event: &leptos::ev::Event, change| {
        if let Some(wanted) = number::parse(&event_target_value(event)) {
            moved.run((wanted, change));
            // A position that was refused is no position to stay at.
            let now = position.get_untracked();
            if now != wanted {
                event_target::<web_sys::HtmlInputElement>(event).set_value(&now.to_string());
            }
        }
    };
    // An arrow key is told as a drag of one position that is let go at once, which it is not.
    let by_key = StoredValue::new(false);
    let told = move |change| if by_key.get_value() { Change::Nudged(field, parameter) } else { change };
    let described = about.map(|_| format!("{id}-about"));
    view! {
        <div class="slider">
            <div class="head">
                <label class="name" class:visually-hidden=label_elsewhere for=id.clone()>{label}</label>
                <output for=id.clone()>{said}</output>
            </div>
            <input type="range" id=id.clone() name=id.clone() data-testid=id min=min max=max step=step
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
