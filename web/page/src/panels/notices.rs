//! What is not as asked, while everything goes on. Each stays until the reader puts it away.

use crate::session::{Notice, Session};
use leptos::prelude::*;

/// The list of notices, empty most of the time.
#[component]
pub(crate) fn Notices() -> impl IntoView {
    let session = expect_context::<Session>();
    view! {
        <div class="notices" role="status" data-testid="notices">
            <For each=move || session.notices.get() key=Notice::clone let:notice>
                {
                    let own = notice.clone();
                    let dismiss = move |_| {
                        session.notices.update(|notices| notices.retain(|notice| *notice != own));
                        session.focus_screen();
                    };
                    view! {
                        <div class="notice" data-testid="notice">
                            <p>{notice.sentence}</p>
                            <button type="button" class="button bare" aria-label="Put this note away" on:click=dismiss>"×"</button>
                        </div>
                    }
                }
            </For>
        </div>
    }
}
