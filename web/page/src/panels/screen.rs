//! The digits, or what keeps their place: one honest progress bar, or why there is nothing to show.

use crate::canvas::{self, Painter, Palette, Show as Drawn};
use crate::session::{Session, State, View};
use crate::words::size;
use leptos::html;
use leptos::prelude::*;
use send_wrapper::SendWrapper;
use wasm_bindgen::{JsCast, closure::Closure};

/// The picture and its veil.
#[component]
pub(crate) fn Screen() -> impl IntoView {
    let session = expect_context::<Session>();
    let screen = session.screen;
    let canvas = NodeRef::<html::Canvas>::new();
    let appearance = session.appearance;
    let space = canvas::space(screen, appearance);

    // A change of size, of zoom, or from light to dark, draws the same state again.
    if let Ok(Some(dark)) = window().match_media("(prefers-color-scheme: dark)") {
        let changed = Closure::<dyn FnMut()>::new(move || appearance.update(|count| *count += 1));
        let listener: &js_sys::Function = changed.as_ref().unchecked_ref();
        if dark.add_event_listener_with_callback("change", listener).is_ok() {
            let watching = SendWrapper::new((dark, changed));
            on_cleanup(move || {
                let listener: &js_sys::Function = watching.1.as_ref().unchecked_ref();
                // It fails only for what was never listened to.
                let _ = watching.0.remove_event_listener_with_callback("change", listener);
            });
        }
    }
    // To read a style makes the browser compute it, so it is not read for every picture.
    let palette = Memo::new(move |_| {
        appearance.track();
        screen.get().map(|screen| Palette::read(&screen))
    });
    let painter = StoredValue::new_local(Painter::default());
    Effect::new(move |_| {
        session.filmed.track();
        let (playhead, space, view) = (session.playhead.get(), space.get(), session.view.get());
        let Some(palette) = palette.get() else { return };
        let Some(canvas) = canvas.get().filter(|_| space > 0.0) else { return };
        session.film.with_value(|film| {
            let Some(picture) = film.picture(playhead) else { return };
            // Before the first step is made there is nothing to show but the noise.
            let (estimate, velocity) = match view {
                View::State => (None, None),
                View::Estimate => (film.estimate(playhead), None),
                View::Velocity | View::Arrows => (None, film.velocity(playhead)),
            };
            let drawn = match (&estimate, &velocity) {
                (Some(estimate), _) => Drawn::Ink(estimate),
                (_, Some(velocity)) if view == View::Velocity => Drawn::Velocity(velocity),
                (_, Some(velocity)) => Drawn::Arrows(&picture, velocity),
                _ => Drawn::Ink(&picture),
            };
            painter.update_value(|painter| {
                painter.draw(&canvas, drawn, space, palette);
            });
        });
    });

    let set = session.data_set();
    let label = move || {
        session.filmed.track();
        if session.film.with_value(|film| film.frames.is_empty()) {
            return "No picture yet".to_owned();
        }
        if let Some(label) = session.label.get_value() {
            return label.to_owned();
        }
        let (count, digit) = session.wish.with(|wish| (wish.plan.count, wish.plan.digit));
        set.with(|set| {
            let what = match (set.is_digits(), count) {
                (true, 1) => "handwritten digit",
                (true, _) => "handwritten digits",
                (false, 1) => "picture",
                (false, _) => "pictures",
            };
            let count = if count == 1 { "One".to_owned() } else { count.to_string() };
            let class = match digit {
                flow::plan::Digit::Any => None,
                flow::plan::Digit::Class(class) => set.classes.get(usize::from(class)),
            };
            let class = class.map(|class| format!(" {class}")).unwrap_or_default();
            let of = if class.is_empty() || set.is_digits() { "" } else { ":" };
            format!("{count} {what}{of}{class}, formed from noise")
        })
    };
    let state = Memo::new(move |_| session.state());
    view! {
        <div class="screen" tabindex="-1" node_ref=screen>
            <canvas node_ref=canvas role="img" aria-label=label data-testid="digits"></canvas>
            {move || match state.get() {
                State::Loading => Some(view! { <Loading/> }.into_any()),
                State::Error => Some(view! { <Failed/> }.into_any()),
                State::Running | State::Done => None,
            }}
        </div>
    }
}

/// One bar for everything that is coming.
#[component]
fn Loading() -> impl IntoView {
    let session = expect_context::<Session>();
    let bytes = move || session.loading.get().unwrap_or(crate::session::Loading { arrived: 0, total: 0 });
    let all_here = move || {
        let loading = bytes();
        loading.total > 0 && loading.arrived >= loading.total
    };
    view! {
        <div class="veil" data-testid="loading">
            <p>
                {move || {
                    if bytes().total == 0 && session.catalog.with(Option::is_some) {
                        "Waiting for its turn…"
                    } else if all_here() {
                        "Checking the model and starting…"
                    } else {
                        "Fetching a small network and the program that runs it"
                    }
                }}
            </p>
            <progress
                aria-label="Bytes fetched"
                max=move || bytes().total.max(1)
                value=move || bytes().arrived
            ></progress>
            <p class="small">
                {move || {
                    let loading = bytes();
                    if loading.total == 0 {
                        "…".to_owned()
                    } else {
                        format!("{} of {}", size(loading.arrived), size(loading.total))
                    }
                }}
            </p>
        </div>
    }
}

/// What happened, what still works, what to try.
#[component]
fn Failed() -> impl IntoView {
    let session = expect_context::<Session>();
    let title = move || session.failure.with(|failure| failure.as_ref().map(|failure| failure.title));
    let text = move || session.failure.with(|failure| failure.as_ref().map(|failure| failure.text.clone()));
    // The button goes away under the finger that presses it.
    let retry = move |_| {
        session.retry();
        session.focus_screen();
    };
    view! {
        <div class="veil" role="alert" data-testid="error">
            <h2>{title}</h2>
            <p>{text}</p>
            <button type="button" class="button main" data-testid="retry" on:click=retry>"Try again"</button>
        </div>
    }
}
