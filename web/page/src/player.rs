//! Playback: digits form in about a second whatever the machine. The playhead moves with the clock, but never beyond
//! what is computed; where the reader wants no motion, it goes to the end at once.

use crate::film::Film;
use crate::session::{Session, Shared};
use leptos::prelude::*;
use std::cell::Cell;
use std::rc::Rc;
use wasm_bindgen::{JsCast, closure::Closure};

/// Milliseconds from noise to data.
const LENGTH_MS: f64 = 1_100.0;
/// A frame that took longer than this was not a frame: the tab was hidden, or the machine slept.
const LONGEST_FRAME_MS: f64 = 100.0;

/// Keeps an eye on whether the reader wants little motion. Once for a document.
pub(crate) fn watch_motion(shared: Shared) {
    let Ok(Some(reduced)) = window().match_media("(prefers-reduced-motion: reduce)") else { return };
    shared.still.set(reduced.matches());
    let query = reduced.clone();
    let changed = Closure::<dyn FnMut()>::new(move || shared.still.set(query.matches()));
    reduced.set_onchange(Some(changed.as_ref().unchecked_ref()));
    changed.forget();
}

/// Starts from noise.
pub(crate) fn restart(session: Session) {
    if session.follows {
        return;
    }
    session.playhead.set(0.0);
    session.playing.set(!session.still.get_untracked());
}

/// Shows the last state at once where nothing would play it.
pub(crate) fn settle(session: Session) {
    if session.follows {
        return;
    }
    if session.still.get_untracked() || document().hidden() {
        session.playing.set(false);
        session.playhead.set(session.film.with_value(Film::reached));
    }
}

/// Plays or pauses; after the end, from noise again. Where the reader wants no motion, one step further instead.
pub(crate) fn press(session: Session) {
    let (now, reached) = (session.playhead.get_untracked(), session.film.with_value(Film::reached));
    let ended = now >= reached;
    if session.still.get_untracked() {
        session.playing.set(false);
        let next = session.film.with_value(|film| film.knots.iter().copied().find(|&knot| knot > now + 1e-9));
        session.playhead.set(next.filter(|_| !ended).unwrap_or(0.0));
    } else if session.playing.get_untracked() {
        session.playing.set(false);
    } else {
        if ended {
            session.playhead.set(0.0);
        }
        session.playing.set(true);
    }
}

/// Moves the playhead whenever the session is playing.
pub(crate) fn follow(session: Session) {
    advance(session.playing, session.playhead, session.speed, move || {
        session.film.try_with_value(|film| (film.reached(), film.complete)).unwrap_or((0.0, true))
    });
}

/// Moves a playhead with the clock while `playing`, as far as `reach` tells: how far it may go, and whether that is the end.
pub(crate) fn advance(
    playing: RwSignal<bool>,
    playhead: RwSignal<f64>,
    speed: RwSignal<f64>,
    reach: impl Fn() -> (f64, bool) + Copy + 'static,
) {
    let ticking = Rc::new(Cell::new(false));
    Effect::new(move |_| {
        if playing.get() && !ticking.replace(true) {
            tick(Clock { playing, playhead, speed }, reach, ticking.clone(), None);
        }
    });
}

#[derive(Clone, Copy)]
struct Clock {
    playing: RwSignal<bool>,
    playhead: RwSignal<f64>,
    speed: RwSignal<f64>,
}

fn tick(
    clock: Clock,
    reach: impl Fn() -> (f64, bool) + Copy + 'static,
    ticking: Rc<Cell<bool>>,
    before_ms: Option<f64>,
) {
    request_animation_frame(move || {
        // The instrument may have gone away since.
        if !clock.playing.try_get_untracked().unwrap_or(false) {
            ticking.set(false);
            return;
        }
        let now_ms = window().performance().map_or(0.0, |clock| clock.now());
        let passed_ms = before_ms.map_or(0.0, |before| (now_ms - before).clamp(0.0, LONGEST_FRAME_MS));
        let (reached, complete) = reach();
        let before = clock.playhead.get_untracked();
        let playhead = (before + clock.speed.get_untracked() * passed_ms / LENGTH_MS).min(reached);
        if playhead != before {
            clock.playhead.set(playhead);
        }
        if complete && playhead >= reached {
            clock.playing.set(false);
            ticking.set(false);
            return;
        }
        tick(clock, reach, ticking, Some(now_ms));
    });
}
