//! What runs and why, and what it cost: every number is measured here or counted where the network is called.

use crate::session::Session;
use crate::words::{ended_early, figure, named};
use leptos::prelude::*;

/// The badge.
#[component]
pub(crate) fn Badge() -> impl IntoView {
    let session = expect_context::<Session>();
    let backend = move || session.badge.with(|badge| badge.backend.map_or("…", protocol::Backend::label));
    let evaluation_ms = move || {
        let tally = session.tally.get();
        if tally.evaluations == 0 { "–".to_owned() } else { format!("{} ms", figure(tally.evaluation_ms)) }
    };
    let most = move || session.tally.with(|tally| tally.evaluations);
    let expected = session.expected();
    let evaluations = move || {
        let tally = session.tally.get();
        match (tally.end, expected.get()) {
            (Some(_), _) if tally.fewest_evaluations < tally.evaluations => {
                format!("{} to {}", tally.fewest_evaluations, tally.evaluations)
            }
            (None, Some(expected)) => format!("{} of {expected}", tally.evaluations),
            _ => tally.evaluations.to_string(),
        }
    };
    let rejected = move || {
        let rejected = session.tally.with(|tally| tally.rejected);
        (rejected > 0)
            .then(|| view! { <div class="after"><dt>{named(rejected, "step")}" rejected"</dt><dd>{rejected}</dd></div> })
    };
    let sentence = move || {
        let tally = session.tally.get();
        session.filmed.track();
        let t = session.film.with_value(crate::film::Film::reached);
        let early = tally.end.and_then(|end| ended_early(end, t));
        early.unwrap_or_else(|| session.badge.with(|badge| badge.reason.clone()))
    };
    view! {
        <div class="badge" data-testid="badge">
            <dl>
                <div><dt>"runs on"</dt><dd data-testid="backend">{backend}</dd></div>
                <div class="after"><dt>{move || named(most(), "evaluation")}</dt><dd data-testid="evaluations">{evaluations}</dd></div>
                <div class="after"><dt>"each"</dt><dd data-testid="evaluation-ms">{evaluation_ms}</dd></div>
                {rejected}
            </dl>
            <p data-testid="reason">{sentence}</p>
        </div>
    }
}
