//! The journey from noise to digit: the schedule's knots as ticks, and a playhead that can be dragged.

use crate::player;
use crate::session::Session;
use flow::integrate::Stepping;
use leptos::prelude::*;

/// Width of the drawing in its own units.
const WIDTH: f64 = 1000.0;

/// The timeline.
#[component]
pub(crate) fn Timeline() -> impl IntoView {
    let session = expect_context::<Session>();
    // Known before the first step under a schedule; with a tolerance they appear as they are taken.
    let planned = Memo::new(move |_| {
        session.wish.with(|wish| match wish.plan.stepping() {
            Ok(Stepping::Fixed { knots }) => Some(knots),
            _ => None,
        })
    });
    let taken = Memo::new(move |_| {
        session.filmed.track();
        session.film.with_value(|film| film.frames.iter().map(|frame| frame.t).collect::<Vec<_>>())
    });
    let knots = move || planned.get().unwrap_or_else(|| taken.get());
    let reached = Memo::new(move |_| taken.with(|taken| taken.last().copied().unwrap_or(0.0)));

    let scrub = move |t: f64| {
        session.playing.set(false);
        session.playhead.set(t.clamp(0.0, reached.get_untracked()));
    };
    // Arrow keys go from state to state; the slider's own steps would be lost between them.
    let by_key = move |event: leptos::ev::KeyboardEvent| {
        let (taken, now) = (taken.get_untracked(), session.playhead.get_untracked());
        let to = match event.key().as_str() {
            "ArrowRight" | "ArrowUp" => taken.iter().find(|&&t| t > now + 1e-9),
            "ArrowLeft" | "ArrowDown" => taken.iter().rev().find(|&&t| t < now - 1e-9),
            "Home" => taken.first(),
            "End" => taken.last(),
            _ => return,
        };
        event.prevent_default();
        scrub(to.copied().unwrap_or(now));
    };
    let said = move || {
        let t = session.playhead.get();
        session.filmed.track();
        let (at, of) = session.film.with_value(|film| (film.at(t), film.frames.len().saturating_sub(1)));
        format!("t = {t:.2}, after step {at} of {of}")
    };
    let play = move |_| {
        if session.playing.get_untracked() {
            session.playing.set(false);
        } else {
            if session.playhead.get_untracked() >= reached.get_untracked() {
                session.playhead.set(0.0);
            }
            session.playing.set(true);
        }
    };
    view! {
        <div class="timeline">
            <div class="row">
                <button type="button" class="button icon" data-testid="play" on:click=play
                    aria-label=move || if session.playing.get() { "Pause" } else { "Play again from noise" }>
                    <svg viewBox="0 0 18 18" aria-hidden="true">
                        <path d=move || if session.playing.get() { "M3 2h4v14H3zM11 2h4v14h-4z" } else { "M4 2l11 7-11 7z" }></path>
                    </svg>
                </button>
                <div class="track">
                    <svg viewBox="0 0 1000 44" preserveAspectRatio="none" aria-hidden="true">
                        <line class="rail" x1="0" y1="22" x2=WIDTH y2="22"></line>
                        <line class="span" x1="0" y1="22" x2=move || session.playhead.get() * WIDTH y2="22"></line>
                        {move || {
                            knots()
                                .into_iter()
                                .map(|t| {
                                    let x = format!("{:.2}", t * WIDTH);
                                    let passed = move || session.playhead.get() + 1e-9 >= t;
                                    view! {
                                        <line class="knot" class:reached=passed x1=x.clone() y1="13" x2=x y2="31"></line>
                                    }
                                })
                                .collect_view()
                        }}
                    </svg>
                    <input type="range" min="0" max="1" step="0.001" data-testid="timeline"
                        aria-label="Time, from noise to digit" aria-valuetext=said
                        prop:value=move || session.playhead.get().to_string()
                        on:input=move |event| {
                            if let Ok(t) = event_target_value(&event).parse() {
                                scrub(t);
                            }
                        }
                        on:keydown=by_key/>
                </div>
            </div>
            <div class="ends" aria-hidden="true">
                <span>"noise"</span>
                <span>{move || format!("t = {:.2}", session.playhead.get())}</span>
                <span>"digit"</span>
            </div>
            {player::reduced_motion().then(|| view! {
                <p class="visually-hidden">"Motion is reduced: the finished digits are shown at once."</p>
            })}
        </div>
    }
}
