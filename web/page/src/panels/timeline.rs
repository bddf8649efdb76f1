//! The journey from noise to digit: the schedule's knots as ticks, and a playhead that can be dragged.

use crate::film::Film;
use crate::player;
use crate::session::Session;
use flow::integrate::Stepping;
use flow::number;
use leptos::prelude::*;

/// Width of the drawing in its own units.
const WIDTH: f64 = 1000.0;

/// The timeline.
#[component]
pub(crate) fn Timeline() -> impl IntoView {
    let session = expect_context::<Session>();
    // Known before the first step under a schedule; with a tolerance they appear as they are taken.
    let fitted = session.knots();
    let planned = Memo::new(move |_| {
        session.wish.with(|wish| match fitted.with(|fitted| wish.plan.stepping(fitted)) {
            Ok(Stepping::Fixed { knots }) => Some(ticks(&knots)),
            _ => None,
        })
    });
    let drawn = Memo::new(move |_| {
        planned.get().unwrap_or_else(|| {
            session.filmed.track();
            session.film.with_value(|film| ticks(&film.knots))
        })
    });
    let reached = Memo::new(move |_| {
        session.filmed.track();
        session.film.with_value(Film::reached)
    });

    let set = session.data_set();
    let what = move || set.with(|set| set.noun());
    let scrub = move |t: f64| {
        session.playing.set(false);
        session.playhead.set(t.clamp(0.0, reached.get_untracked()));
    };
    // Arrow keys go from state to state; the slider's own steps would be lost between them.
    let by_key = move |event: leptos::ev::KeyboardEvent| {
        let now = session.playhead.get_untracked();
        let key = event.key();
        let to = session.film.with_value(|film| {
            let mut knots = film.knots.iter().copied();
            Some(match key.as_str() {
                "ArrowRight" | "ArrowUp" => knots.find(|&t| t > now + 1e-9),
                "ArrowLeft" | "ArrowDown" => knots.rfind(|&t| t < now - 1e-9),
                "Home" => knots.next(),
                "End" => knots.next_back(),
                _ => return None,
            })
        });
        if let Some(to) = to {
            event.prevent_default();
            scrub(to.unwrap_or(now));
        }
    };
    let said = move || {
        let t = session.playhead.get();
        session.filmed.track();
        let (at, of) = session.film.with_value(|film| (film.steps_to(t), film.knots.len().saturating_sub(1)));
        format!("t = {t:.2}, after step {at} of {of}")
    };
    let press = move || {
        let label = if session.still.get() {
            "One step further"
        } else if session.playing.get() {
            "Pause"
        } else {
            "Play again from noise"
        };
        let drawing = if session.still.get() {
            "M4 2l9 7-9 7zM13 2h2v14h-2z"
        } else if session.playing.get() {
            "M3 2h4v14H3zM11 2h4v14h-4z"
        } else {
            "M4 2l11 7-11 7z"
        };
        (label, drawing)
    };
    let passed = format!("passed-{}", session.number);
    view! {
        <div class="timeline">
            <div class="row">
                <button type="button" class="button icon" data-testid="play"
                    on:click=move |_| player::press(session) aria-label=move || press().0>
                    <svg viewBox="0 0 18 18" aria-hidden="true">
                        <path d=move || press().1></path>
                    </svg>
                </button>
                <div class="track">
                    <svg viewBox="0 0 1000 44" preserveAspectRatio="none" aria-hidden="true">
                        <line class="rail" x1="0" y1="22" x2=WIDTH y2="22"></line>
                        <line class="span" x1="0" y1="22" x2=move || session.playhead.get() * WIDTH y2="22"></line>
                        // One path for all ticks, and once more in the accent's colour as far as the playhead: a
                        // thousand ticks must not be a thousand elements that change.
                        <clipPath id=passed.clone()>
                            <rect x="-4" y="0" height="44" width=move || session.playhead.get() * WIDTH + 6.0></rect>
                        </clipPath>
                        <path class="knots" d=drawn></path>
                        <path class="knots reached" clip-path=format!("url(#{passed})") d=drawn></path>
                    </svg>
                    <input type="range" min="0" max="1" step="0.001" data-testid="timeline"
                        aria-label=move || format!("Time, from noise to {}", what()) aria-valuetext=said
                        prop:value=move || session.playhead.get().to_string()
                        on:input=move |event| {
                            if let Some(t) = number::parse(&event_target_value(&event)) {
                                scrub(t);
                            }
                        }
                        on:keydown=by_key/>
                </div>
            </div>
            <div class="ends" aria-hidden="true" part="ends">
                <span>"noise"</span>
                <span>{move || format!("t = {:.2}", session.playhead.get())}</span>
                <span>{what}</span>
            </div>
            {move || session.still.get().then(|| view! {
                <p class="visually-hidden">"Motion is reduced: the finished digits are shown at once."</p>
            })}
        </div>
    }
}

/// All ticks as one path.
fn ticks(knots: &[f64]) -> String {
    knots.iter().map(|t| format!("M{:.2} 13V31", t * WIDTH)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_knot_has_its_tick() {
        assert_eq!(ticks(&[0.0, 0.25, 1.0]), "M0.00 13V31M250.00 13V31M1000.00 13V31");
        assert_eq!(ticks(&[]), "");
    }
}
