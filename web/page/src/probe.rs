//! A look at WebGPU before its program is fetched: what the program can't do without ends there in a panic, so it is asked
//! for here, in JavaScript's own objects.

use js_sys::{Function, Promise, Reflect};
use leptos::prelude::window;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;

/// Why the GPU program is not even fetched.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum NoGpu {
    /// The browser has no WebGPU.
    NoWebGpu,
    /// WebGPU is there, but gives no adapter.
    NoAdapter,
    /// The adapter has no `timestamp-query`, without which Burn's runtime can't start.
    NoTimestampQuery,
    /// The reader asked the browser to save data; the program is a large download.
    SavesData,
}

fn get(object: &JsValue, name: &str) -> Option<JsValue> {
    Reflect::get(object, &name.into()).ok().filter(|value| !value.is_null() && !value.is_undefined())
}

fn call(object: &JsValue, name: &str, argument: &JsValue) -> Option<JsValue> {
    get(object, name)?.dyn_into::<Function>().ok()?.call1(object, argument).ok()
}

/// Whether the browser says that its reader wants to save data.
pub(crate) fn saves_data() -> bool {
    get(&window().navigator(), "connection")
        .and_then(|it| get(&it, "saveData"))
        .is_some_and(|it| it.is_truthy())
}

/// Looks at the adapter that the program would be given.
pub(crate) async fn gpu() -> Result<(), NoGpu> {
    let gpu = get(&window().navigator(), "gpu").ok_or(NoGpu::NoWebGpu)?;
    let options = js_sys::Object::new();
    // The same wish that the runtime has; on a machine with two adapters the answer may depend on it.
    let _ = Reflect::set(&options, &"powerPreference".into(), &"high-performance".into());
    let asked = call(&gpu, "requestAdapter", &options).ok_or(NoGpu::NoAdapter)?;
    let adapter = JsFuture::from(Promise::resolve(&asked)).await.map_err(|_| NoGpu::NoAdapter)?;
    let features = get(&adapter, "features").ok_or(NoGpu::NoAdapter)?;
    let has = call(&features, "has", &"timestamp-query".into());
    if has.is_some_and(|has| has.is_truthy()) { Ok(()) } else { Err(NoGpu::NoTimestampQuery) }
}
