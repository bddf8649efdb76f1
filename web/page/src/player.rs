//! Playback: digits form in about a second whatever the machine. The playhead moves with the clock, but never beyond
//! what is computed; where the reader wants no motion, it goes to the end at once.

use crate::film::Film;
use crate::session::Session;
use leptos::prelude::*;
use std::cell::Cell;
use std::rc::Rc;
use wasm_bindgen::{JsCast, closure::Closure};

/// Milliseconds from noise to data.
const LENGTH_MS: f64 = 1_100.0;
/// A frame that took longer than this was not a frame: the tab was hidden, or the machine slept.
const LONGEST_FRAME_MS: f64 = 100.0;

/// Keeps an eye on whether the reader wants little motion.
fn watch_motion(session: Session) {
    let Ok(Some(reduced)) = window().match_media("(prefers-reduced-motion: reduce)") else { return };
    session.still.set(reduced.matches());
    let query = reduced.clone();
    let changed = Closure::<dyn FnMut()>::new(move || session.still.set(query.matches()));
    reduced.set_onchange(Some(changed.as_ref().unchecked_ref()));
    changed.forget();
}

/// Starts from noise.
pub(crate) fn restart(session: Session) {
    session.playhead.set(0.0);
    session.playing.set(!session.still.get_untracked());
}

/// Shows the last state at once where nothing would play it.
pub(crate) fn settle(session: Session) {
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
    watch_motion(session);
    let ticking = Rc::new(Cell::new(false));
    Effect::new(move |_| {
        if session.playing.get() && !ticking.replace(true) {
            tick(session, ticking.clone(), None);
        }
    });
}

fn tick(session: Session, ticking: Rc<Cell<bool>>, before_ms: Option<f64>) {
    request_animation_frame(move || {
        if !session.playing.get_untracked() {
            ticking.set(false);
            return;
        }
        let now_ms = window().performance().map_or(0.0, |clock| clock.now());
        let passed_ms = before_ms.map_or(0.0, |before| (now_ms - before).clamp(0.0, LONGEST_FRAME_MS));
        let (reached, complete) = session.film.with_value(|film| (film.reached(), film.complete));
        let before = session.playhead.get_untracked();
        let playhead = (before + passed_ms / LENGTH_MS).min(reached);
        if playhead != before {
            session.playhead.set(playhead);
        }
        if complete && playhead >= reached {
            session.playing.set(false);
            ticking.set(false);
            return;
        }
        tick(session, ticking, Some(now_ms));
    });
}
