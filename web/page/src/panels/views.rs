//! What is shown of the run, and how fast it is played.

use crate::session::{Session, View};
use leptos::prelude::*;

/// Speeds that are offered, as parts of the usual one.
const SPEEDS: [(f64, &str); 4] = [(0.1, "⅒"), (0.25, "¼"), (0.5, "½"), (1.0, "1")];

/// Views and speeds.
#[component]
pub(crate) fn Views() -> impl IntoView {
    let session = expect_context::<Session>();
    let latent = session.of_model(|catalog, entry| catalog.decoder(entry).is_some() || !entry.is_evaluated());
    let faces = View::ALL
        .map(|view| {
            view! {
                <label class="choice">
                    <input type="radio" name=format!("view-{}", session.number) value=view.id()
                        prop:checked=move || session.view.get() == view
                        on:change=move |_| session.view.set(view)/>
                    <span class="face">{view.label()}</span>
                </label>
            }
        })
        .collect_view();
    let speeds = move || {
        SPEEDS
            .map(|(speed, label)| {
                view! {
                    <label class="choice">
                        <input type="radio" name=format!("speed-{}", session.number) value=speed
                            aria-label=format!("{speed} of the usual speed")
                            prop:checked=move || session.speed.get() == speed
                            on:change=move |_| session.speed.set(speed)/>
                        <span class="face">{label}</span>
                    </label>
                }
            })
            .collect_view()
    };
    let adds_noise = session.part(|plan| !plan.solver.deterministic());
    let what = move || match session.view.get() {
        View::Estimate | View::Velocity | View::Arrows if adds_noise.get() => {
            "This solver adds noise of its own at every step, and it is part of what is shown here."
        }
        View::State => "x at time t: on its way, part noise and part picture.",
        View::Estimate => "Where going straight on from here would arrive: x + (1 − t) v.",
        View::Velocity if latent.get() => {
            "How fast the decoded picture changes: orange brings ink, blue takes it away."
        }
        View::Velocity => "v, a number for each pixel: orange brings ink, blue takes it away.",
        View::Arrows => {
            "J, the least carrying of ink that makes this change: div J = mean(v) − v, no evaluation added."
        }
    };
    view! {
        <div class="views" data-testid="views">
            <fieldset class="choices">
                <legend class="visually-hidden">"What is shown"</legend>
                {faces}
            </fieldset>
            <Show when=move || !session.still.get()>
                <fieldset class="choices speeds">
                    <legend>"speed"</legend>
                    {speeds()}
                </fieldset>
            </Show>
            <p class="about">{what}</p>
        </div>
    }
}
