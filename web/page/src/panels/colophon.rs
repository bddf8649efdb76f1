//! The foot of the article: what was downloaded, where the data comes from, what leaves the browser (nothing).

use crate::session::Session;
use crate::words::size;
use leptos::prelude::*;

/// The colophon.
#[component]
pub(crate) fn Colophon() -> impl IntoView {
    let session = expect_context::<Session>();
    let model = move || {
        let id = session.wish.with(|wish| wish.plan.model.clone());
        let entry = session.catalog.with(|catalog| catalog.as_ref()?.entry(&id).cloned())?;
        Some(format!(
            "The network “{}” has {} thousand weights in {}; one answer about one digit takes it {} million multiplications.",
            entry.label,
            (entry.parameters + 500) / 1000,
            size(entry.bytes),
            (entry.multiply_adds + 500_000) / 1_000_000,
        ))
    };
    let downloaded = move || match session.transferred.get() {
        0 => "What this page needed came from your browser's cache.".to_owned(),
        bytes => format!("So far this page has moved {} over the network.", size(bytes)),
    };
    view! {
        <footer class="footer">
            <p>{model}" "<span data-testid="transferred">{downloaded}</span>
                " Nothing leaves your browser: no picture, no setting, no measurement."</p>
            <p>
                "Evaluations are counted where the network is called; milliseconds are the mean over the run above, "
                "measured on this device, for all its digits at once."
            </p>
            <p>
                "The network was trained on MNIST, 60,000 handwritten digits, by Yann LeCun, Corinna Cortes and Christopher J. C. "
                "Burges, made available under "
                <a href="https://creativecommons.org/licenses/by-sa/3.0/">"CC BY-SA 3.0"</a>
                ". The digits that it draws are new, and nobody wrote them."
            </p>
        </footer>
    }
}
