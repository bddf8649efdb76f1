//! Letting the worker's event loop run: messages that arrived meanwhile are received before the pause ends.
//!
//! A resolved promise would not do: microtasks run before the next message. A `MessageChannel` posts a
//! task, and unlike a timer it is not slowed down to 4 ms.

use js_sys::{Function, Promise};
use std::cell::Cell;
use wasm_bindgen_futures::JsFuture;
use web_sys::MessageChannel;

thread_local! {
    static PAUSED_MS: Cell<f64> = const { Cell::new(0.0) };
}

/// A pause as long as one turn of the event loop.
pub(crate) async fn breathe() {
    let began_ms = now_ms();
    let Ok(channel) = MessageChannel::new() else { return };
    let turn = Promise::new(&mut |resolve: Function, _| {
        channel.port1().set_onmessage(Some(&resolve));
        let _ = channel.port2().post_message(&wasm_bindgen::JsValue::NULL);
    });
    let _ = JsFuture::from(turn).await;
    channel.port1().close();
    PAUSED_MS.set(PAUSED_MS.get() + now_ms() - began_ms);
}

/// Milliseconds on a clock that stands still in pauses.
pub(crate) fn worked_ms() -> f64 {
    now_ms() - PAUSED_MS.get()
}

/// Milliseconds on the worker's monotonic clock.
pub(crate) fn now_ms() -> f64 {
    use wasm_bindgen::JsCast;
    let scope: web_sys::WorkerGlobalScope = js_sys::global().unchecked_into();
    scope.performance().map_or(0.0, |clock| clock.now())
}
