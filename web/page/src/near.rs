//! Whether something on the page is near the window: what is costly waits for that.

use js_sys::Array;
use leptos::html::ElementType;
use leptos::prelude::*;
use send_wrapper::SendWrapper;
use wasm_bindgen::{JsCast, closure::Closure};
use web_sys::{IntersectionObserver, IntersectionObserverEntry, IntersectionObserverInit};

/// How far outside the window still counts as near.
const MARGIN: &str = "400px";

/// True from when the element first came near the window. Where a browser can't tell, at once.
pub(crate) fn watch<E>(element: NodeRef<E>) -> ReadSignal<bool>
where
    E: ElementType,
    E::Output: JsCast + Clone + AsRef<web_sys::Element> + 'static,
{
    let (near, set_near) = signal(false);
    Effect::new(move |_| {
        let Some(element) = element.get() else { return };
        let seen = Closure::<dyn FnMut(Array)>::new(move |entries: Array| {
            let is_near = |entry: wasm_bindgen::JsValue| {
                entry.unchecked_into::<IntersectionObserverEntry>().is_intersecting()
            };
            if entries.iter().any(is_near) {
                set_near.set(true);
            }
        });
        let options = IntersectionObserverInit::new();
        options.set_root_margin(MARGIN);
        let listener: &js_sys::Function = seen.as_ref().unchecked_ref();
        match IntersectionObserver::new_with_options(listener, &options) {
            Ok(observer) => {
                observer.observe(element.as_ref());
                let watching = SendWrapper::new((observer, seen));
                on_cleanup(move || watching.0.disconnect());
            }
            Err(_) => set_near.set(true),
        }
    });
    near
}
