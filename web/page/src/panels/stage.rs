//! The picture with its timeline, what it cost, and what is not as asked: the part of an instrument that an element in
//! somebody's article shows, too.

use super::{Badge, Notices, Screen, Timeline, Views};
use crate::session::Session;
use leptos::prelude::*;

/// The stage of the session in the context.
#[component]
pub(crate) fn Stage(
    /// Whether the views of the run can be chosen, and the machine is told of.
    #[prop(default = true)]
    complete: bool,
) -> impl IntoView {
    let session = expect_context::<Session>();
    view! {
        <div class="stage">
            <Screen/>
            <Timeline/>
            {complete.then(|| view! { <Views/><Badge/> })}
            <Notices/>
        </div>
        <p class="visually-hidden" role="status" aria-live="polite" data-testid="status">
            {move || session.spoken.get()}
        </p>
    }
}
