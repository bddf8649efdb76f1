//! How many digits: square numbers, because they fill the square screen.

use super::slider::Slider;
use crate::session::{Change, Session};
use flow::plan::COUNTS;
use leptos::prelude::*;

/// The longest row on the slider, unless the plan has more.
const MOST_IN_A_ROW: usize = 8;

/// The count.
#[component]
pub(crate) fn Count() -> impl IntoView {
    let session = expect_context::<Session>();
    let count = session.part(|plan| plan.count);
    let row = move || (count.get() as f64).sqrt().ceil();
    view! {
        <Slider field="count" label="How many" min=1.0
            max=Signal::derive(move || row().max(MOST_IN_A_ROW as f64)) step=1.0
            position=Signal::derive(row) said=Signal::derive(move || count.get().to_string())
            moved=move |(row, change): (f64, Change)| {
                session.change(change, |plan| {
                    plan.count = (row * row).clamp(*COUNTS.start() as f64, *COUNTS.end() as f64) as usize;
                });
            }/>
    }
}
