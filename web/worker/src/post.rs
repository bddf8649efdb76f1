//! Answers to the page: `[JSON text, ArrayBuffer or null]`, the buffer transferred.

use js_sys::{Array, Uint8Array};
use protocol::ToPage;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{DedicatedWorkerGlobalScope, PerformanceResourceTiming};

/// Sends a message without a buffer.
pub(crate) fn say(message: &ToPage) {
    post(message, &JsValue::NULL);
}

/// Sends a message with bytes, which are copied out of the program's memory once and then transferred.
pub(crate) fn say_with(message: &ToPage, bytes: &[u8]) {
    post(message, &Uint8Array::new_from_slice(bytes).buffer());
}

/// Bytes that this worker moved over the network so far, as far as the browser tells.
pub(crate) fn transferred() -> u64 {
    let scope: DedicatedWorkerGlobalScope = js_sys::global().unchecked_into();
    let Some(clock) = scope.performance() else { return 0 };
    let entries = clock.get_entries_by_type("resource");
    let bytes =
        entries.iter().map(|entry| entry.unchecked_into::<PerformanceResourceTiming>().transfer_size());
    bytes.sum::<f64>() as u64
}

fn post(message: &ToPage, buffer: &JsValue) {
    // Structs of numbers and strings cannot fail to become JSON.
    let text = serde_json::to_string(message).unwrap_or_default();
    let parts = Array::of2(&JsValue::from_str(&text), buffer);
    let transferred = if buffer.is_null() { Array::new() } else { Array::of1(buffer) };
    let scope: DedicatedWorkerGlobalScope = js_sys::global().unchecked_into();
    // Posting fails only when the page is already gone; then there is nobody to tell.
    let _ = scope.post_message_with_transfer(&parts, &transferred);
}
