//! Letting the worker's event loop run: messages that arrived meanwhile are received before the pause ends.
//!
//! A resolved promise would not do: microtasks run before the next message. A `MessageChannel` posts a
//! task, and unlike a timer it is not slowed down to 4 ms.

use js_sys::{Function, Promise};
use wasm_bindgen_futures::JsFuture;
use web_sys::MessageChannel;

/// A pause as long as one turn of the event loop.
pub(crate) async fn breathe() {
    let Ok(channel) = MessageChannel::new() else { return };
    let turn = Promise::new(&mut |resolve: Function, _| {
        channel.port1().set_onmessage(Some(&resolve));
        let _ = channel.port2().post_message(&wasm_bindgen::JsValue::NULL);
    });
    let _ = JsFuture::from(turn).await;
    channel.port1().close();
}

/// Milliseconds on the worker's monotonic clock.
pub(crate) fn now_ms() -> f64 {
    use wasm_bindgen::JsCast;
    let scope: web_sys::WorkerGlobalScope = js_sys::global().unchecked_into();
    scope.performance().map_or(0.0, |clock| clock.now())
}
