//! Which digit, or which class of another data set.

use crate::session::{Change, Session};
use flow::plan::Digit;
use leptos::prelude::*;

/// Any class, or one of them.
#[component]
pub(crate) fn Digits() -> impl IntoView {
    let session = expect_context::<Session>();
    let chosen = session.part(|plan| plan.digit);
    let set = session.data_set();
    let faces = move || {
        let names = set.with(|set| set.classes.clone()).into_iter();
        let classes = (0..).map(Digit::Class).zip(names);
        std::iter::once((Digit::Any, "All".to_owned()))
            .chain(classes)
            .map(|(digit, label)| {
                let choose = move |_| session.change(Change::Made, |plan| plan.digit = digit);
                view! {
                    <label class="choice">
                        <input type="radio" name="digit" value=digit.to_string()
                            prop:checked=move || chosen.get() == digit on:change=choose/>
                        <span class="face">{label}</span>
                    </label>
                }
            })
            .collect_view()
    };
    let is_digits = move || set.with(|set| set.is_digits());
    view! {
        <fieldset data-testid="digit">
            <legend>{move || if is_digits() { "Digit" } else { "Kind" }}</legend>
            <div class="choices" class:digits=is_digits class:names=move || !is_digits()>{faces}</div>
        </fieldset>
    }
}
