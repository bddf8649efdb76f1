//! Bytes over the wire, counted as they arrive.
//!
//! What arrives is counted after decompression, because that is what the lists' sizes speak of and what every browser
//! can tell while it reads. What was really transferred is asked of the browser afterwards ([`transferred`]).

use js_sys::{Array, Promise, Reflect, Uint8Array};
use leptos::prelude::window;
use std::cell::{Cell, RefCell};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{PerformanceResourceTiming, ReadableStreamDefaultReader, RequestCache, RequestInit, Response};

/// Whether what the browser keeps will do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Source {
    /// What the browser's cache and the server agree on.
    Usual,
    /// The server alone: what came before was of no use, and asking the cache would bring it again.
    Server,
}

/// Why something could not be fetched.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum FetchError {
    /// The server answered, with another status than success.
    Status {
        /// The address asked.
        url: String,
        /// The HTTP status.
        status: u16,
    },
    /// No answer, or one that broke off.
    Network {
        /// The address asked.
        url: String,
        /// What the browser said.
        what: String,
    },
}

thread_local! {
    static BASE: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Says where the site's files are: beside the page, or where an element's script came from. The first to say it counts.
pub(crate) fn set_base(base: &str) {
    BASE.with_borrow_mut(|known| {
        if known.is_empty() {
            base.clone_into(known);
        }
    });
}

/// The whole address of a file of the site.
pub(crate) fn resolve(url: &str) -> String {
    BASE.with_borrow(|base| {
        web_sys::Url::new_with_base(url, base).map_or_else(|_| url.to_owned(), |url| url.href())
    })
}

/// Fetches `url` (relative to the site) and calls `arrived` with the bytes so far.
pub(crate) async fn bytes(
    url: &str,
    source: Source,
    mut arrived: impl FnMut(u64),
) -> Result<Uint8Array, FetchError> {
    let network = |error: JsValue| FetchError::Network { url: url.to_owned(), what: say(&error) };
    let response = response(url, source).await?;
    let Some(body) = response.body() else { return Ok(Uint8Array::new_with_length(0)) };
    let reader: ReadableStreamDefaultReader = body.get_reader().unchecked_into();
    let mut chunks: Vec<Uint8Array> = Vec::new();
    let mut total = 0;
    loop {
        let part = JsFuture::from(reader.read()).await.map_err(network)?;
        if Reflect::get(&part, &"done".into()).is_ok_and(|done| done.is_truthy()) {
            break;
        }
        let chunk: Uint8Array = Reflect::get(&part, &"value".into()).map_err(network)?.unchecked_into();
        total += chunk.length();
        chunks.push(chunk);
        arrived(u64::from(total));
    }
    let all = Uint8Array::new_with_length(total);
    let mut offset = 0;
    for chunk in chunks {
        all.set(&chunk, offset);
        offset += chunk.length();
    }
    Ok(all)
}

/// Fetches a text.
pub(crate) async fn text(url: &str, source: Source) -> Result<String, FetchError> {
    let network = |error: JsValue| FetchError::Network { url: url.to_owned(), what: say(&error) };
    let text = response(url, source).await?.text().map_err(network)?;
    let text = JsFuture::from(text).await.map_err(network)?;
    Ok(text.as_string().unwrap_or_default())
}

async fn response(url: &str, source: Source) -> Result<Response, FetchError> {
    let network = |error: JsValue| FetchError::Network { url: url.to_owned(), what: say(&error) };
    let whole = resolve(url);
    let asked: Promise = match source {
        Source::Usual => window().fetch_with_str(&whole),
        Source::Server => {
            let options = RequestInit::new();
            options.set_cache(RequestCache::Reload);
            window().fetch_with_str_and_init(&whole, &options)
        }
    };
    let response: Response = JsFuture::from(asked).await.map_err(network)?.unchecked_into();
    if response.ok() {
        Ok(response)
    } else {
        Err(FetchError::Status { url: url.to_owned(), status: response.status() })
    }
}

thread_local! {
    static BY_WORKERS: Cell<u64> = const { Cell::new(0) };
}

/// Counts bytes that a worker moved by itself.
pub(crate) fn also_transferred(bytes: u64) {
    BY_WORKERS.set(BY_WORKERS.get() + bytes);
}

/// Bytes that this page's requests moved over the network so far, headers included; 0 where the browser does not
/// tell or everything came from its cache.
pub(crate) fn transferred() -> u64 {
    let Some(clock) = window().performance() else { return 0 };
    let entries: Array = ["navigation", "resource"]
        .iter()
        .map(|kind| clock.get_entries_by_type(kind))
        .fold(Array::new(), |all, part| all.concat(&part));
    let bytes =
        entries.iter().map(|entry| entry.unchecked_into::<PerformanceResourceTiming>().transfer_size());
    bytes.sum::<f64>() as u64 + BY_WORKERS.get()
}

/// What a JavaScript error says.
pub(crate) fn say(error: &JsValue) -> String {
    Reflect::get(error, &"message".into())
        .ok()
        .and_then(|message| message.as_string())
        .unwrap_or_else(|| format!("{error:?}"))
}
