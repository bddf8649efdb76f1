//! Which digit.

use crate::session::{Change, Session};
use flow::plan::{CLASSES, Digit};
use leptos::prelude::*;

/// Any digit, or one of the ten.
#[component]
pub(crate) fn Digits() -> impl IntoView {
    let session = expect_context::<Session>();
    let chosen = session.part(|plan| plan.digit);
    let choices = std::iter::once(Digit::Any).chain((0..CLASSES).map(Digit::Class));
    let faces = choices
        .map(|digit| {
            let label = match digit {
                Digit::Any => "All".to_owned(),
                Digit::Class(class) => class.to_string(),
            };
            let choose = move |_| session.change(Change::Made, |plan| plan.digit = digit);
            view! {
                <label class="choice">
                    <input type="radio" name="digit" value=digit.to_string()
                        prop:checked=move || chosen.get() == digit on:change=choose/>
                    <span class="face">{label}</span>
                </label>
            }
        })
        .collect_view();
    view! {
        <fieldset data-testid="digit">
            <legend>"Digit"</legend>
            <div class="choices digits">{faces}</div>
        </fieldset>
    }
}
