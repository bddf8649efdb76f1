//! The digits, or what keeps their place: one honest progress bar, or why there is nothing to show.

use crate::canvas::{Painter, Palette};
use crate::session::{Session, State};
use crate::words::size;
use leptos::html;
use leptos::prelude::*;
use wasm_bindgen::{JsCast, closure::Closure};

/// The picture and its veil.
#[component]
pub(crate) fn Screen() -> impl IntoView {
    let session = expect_context::<Session>();
    let screen = NodeRef::<html::Div>::new();
    let canvas = NodeRef::<html::Canvas>::new();
    let space = RwSignal::new(0.0);
    let appearance = RwSignal::new(0_u32);

    // A change of size, of zoom, or from light to dark, draws the same state again.
    Effect::new(move |_| {
        let Some(screen) = screen.get() else { return };
        let measured = screen.clone();
        let resized = Closure::<dyn FnMut()>::new(move || {
            space.set(f64::from(measured.client_width().min(measured.client_height())));
            appearance.update(|count| *count += 1);
        });
        if let Ok(observer) = web_sys::ResizeObserver::new(resized.as_ref().unchecked_ref()) {
            observer.observe(&screen);
        }
        resized.forget();
    });
    if let Ok(Some(dark)) = window().match_media("(prefers-color-scheme: dark)") {
        let changed = Closure::<dyn FnMut()>::new(move || appearance.update(|count| *count += 1));
        dark.set_onchange(Some(changed.as_ref().unchecked_ref()));
        changed.forget();
    }
    // To read a style makes the browser compute it, so it is not read for every picture.
    let palette = Memo::new(move |_| {
        appearance.track();
        Palette::read()
    });
    let painter = StoredValue::new_local(Painter::default());
    Effect::new(move |_| {
        let palette = palette.get();
        session.filmed.track();
        let (playhead, space) = (session.playhead.get(), space.get());
        let Some(canvas) = canvas.get().filter(|_| space > 0.0) else { return };
        if let Some(picture) = session.film.with_value(|film| film.picture(playhead)) {
            painter.update_value(|painter| {
                painter.draw(&canvas, &picture, space, palette);
            });
        }
    });

    let set = session.data_set();
    let label = move || {
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
        <div class="screen" id=super::SCREEN tabindex="-1" node_ref=screen>
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
                {move || if all_here() { "Checking the model and starting…" } else { "Fetching a small network and the program that runs it" }}
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
        super::focus_screen();
    };
    view! {
        <div class="veil" role="alert" data-testid="error">
            <h2>{title}</h2>
            <p>{text}</p>
            <button type="button" class="button main" data-testid="retry" on:click=retry>"Try again"</button>
        </div>
    }
}
