//! Bytes over the wire, counted as they arrive.
//!
//! What arrives is counted after decompression, because that is what the lists' sizes speak of and what every browser
//! can tell while it reads. What was really transferred is asked of the browser afterwards ([`transferred`]).
//!
//! Every file whose SHA-256 is known ([`expect`]) is held against it before anybody gets it. The document names that of the
//! site's list, and the list names the others' (`docs/threat-model.md`). Where it does ([`trust`]), a file that nothing vouches
//! for is not used.

use js_sys::{Array, Function, Promise, Reflect, Uint8Array};
use leptos::leptos_dom::helpers::IntervalHandle;
use leptos::prelude::{set_interval_with_handle, window};
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{
    AbortController, PerformanceResourceTiming, ReadableStreamDefaultReader, RequestCache, RequestInit,
    Response,
};

/// Seconds that a server may say nothing before it is given up: a connection that hangs is never told as broken.
const SILENCE_S: u32 = 30;

/// No file of a site is as large as this; a server that sends more than that is not heard to its end.
const MOST_BYTES: u32 = 128 << 20;

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
    /// Nothing came for [`SILENCE_S`].
    Silence {
        /// The address asked.
        url: String,
    },
    /// A web page came instead, as many hosts answer for what they don't have.
    Page {
        /// The address asked.
        url: String,
    },
    /// Something else came than was published under this name.
    Altered {
        /// The address asked.
        url: String,
    },
    /// The document vouches for the lists, and they don't say what this file must be.
    Unlisted {
        /// The address that would be asked.
        url: String,
    },
}

impl FetchError {
    /// The file, as its host knows it.
    pub(crate) fn file(&self) -> &str {
        let (Self::Status { url, .. }
        | Self::Network { url, .. }
        | Self::Silence { url }
        | Self::Page { url }
        | Self::Altered { url }
        | Self::Unlisted { url }) = self;
        path(url)
    }

    /// Whether another try past the browser's cache may bring what was published: what came was not that.
    fn may_be_the_cache(&self) -> bool {
        matches!(self, Self::Page { .. } | Self::Altered { .. })
    }
}

thread_local! {
    static BASE: RefCell<String> = const { RefCell::new(String::new()) };
    /// The SHA-256 that files of the site must have, by their places.
    static EXPECTED: RefCell<HashMap<String, String>> = RefCell::default();
    /// Whether the document says which content the first list has: then nothing is used whose content is not known.
    static TRUSTS: Cell<bool> = const { Cell::new(false) };
}

/// A file's place, without what stands behind it in an address.
fn path(url: &str) -> &str {
    url.split('?').next().unwrap_or(url)
}

/// Says which content a file of the site has: another one is refused from now on.
pub(crate) fn expect(url: &str, sha256: &str) {
    EXPECTED.with_borrow_mut(|expected| expected.insert(path(url).to_owned(), sha256.to_ascii_lowercase()));
}

/// Says which content the list has that vouches for everything else: what no list vouches for is refused from now on.
pub(crate) fn trust(url: &str, sha256: &str) {
    expect(url, sha256);
    TRUSTS.set(true);
}

/// Whether it is known which content a file must have.
fn is_expected(url: &str) -> bool {
    EXPECTED.with_borrow(|expected| expected.contains_key(path(url)))
}

/// Whether a file is to be fetched here before the browser fetches it by itself: something says what it must be, or has to.
pub(crate) fn is_looked_at(url: &str) -> bool {
    TRUSTS.get() || is_expected(url)
}

/// Refuses a file that nothing vouches for where something has to.
fn listed(url: &str) -> Result<(), FetchError> {
    if is_expected(url) || !TRUSTS.get() { Ok(()) } else { Err(FetchError::Unlisted { url: url.to_owned() }) }
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

/// Fetches `url` (relative to the site) and calls `arrived` with the bytes so far. What is not what was published is asked of
/// the server once more, past the browser's cache; what nobody vouches for is not asked for.
pub(crate) async fn bytes(
    url: &str,
    source: Source,
    arrived: impl FnMut(u64),
) -> Result<Uint8Array, FetchError> {
    listed(url)?;
    ahead(url, source, arrived).await
}

/// The same for a file that may be asked for before it is known what it must be.
async fn ahead(url: &str, source: Source, mut arrived: impl FnMut(u64)) -> Result<Uint8Array, FetchError> {
    match whole(url, source, &mut arrived).await {
        Err(error) if source == Source::Usual && error.may_be_the_cache() => {
            leptos::logging::warn!("{error:?}: asking the server itself");
            whole(url, Source::Server, &mut arrived).await
        }
        result => result,
    }
}

/// Fetches a text.
pub(crate) async fn text(url: &str, source: Source) -> Result<String, FetchError> {
    Ok(read(&bytes(url, source, |_| ()).await?))
}

/// Fetches a text before it is known what it must be: [`is_as_expected`] has to be asked before it is used.
pub(crate) async fn text_ahead(url: &str, source: Source) -> Result<String, FetchError> {
    Ok(read(&ahead(url, source, |_| ()).await?))
}

/// What is no UTF-8 is no text of ours, and what reads it will say so.
fn read(bytes: &Uint8Array) -> String {
    String::from_utf8_lossy(&bytes.to_vec()).into_owned()
}

async fn whole(url: &str, source: Source, arrived: &mut impl FnMut(u64)) -> Result<Uint8Array, FetchError> {
    let line = Line::new(url)?;
    let network = |error: JsValue| line.broken(&error);
    let response = line.response(source).await?;
    let kind = response.headers().get("content-type").ok().flatten().unwrap_or_default();
    if kind.trim_start().to_ascii_lowercase().starts_with("text/html") {
        return Err(FetchError::Page { url: url.to_owned() });
    }
    let Some(body) = response.body() else { return Ok(Uint8Array::new_with_length(0)) };
    let reader: ReadableStreamDefaultReader = body.get_reader().unchecked_into();
    let mut chunks: Vec<Uint8Array> = Vec::new();
    let mut total = 0;
    loop {
        let part = line.hear(reader.read()).await?;
        if Reflect::get(&part, &"done".into()).is_ok_and(|done| done.is_truthy()) {
            break;
        }
        let chunk: Uint8Array = Reflect::get(&part, &"value".into()).map_err(network)?.unchecked_into();
        total += chunk.length();
        if total > MOST_BYTES {
            // Dropping the line would leave it open.
            line.control.abort();
            return Err(FetchError::Altered { url: url.to_owned() });
        }
        chunks.push(chunk);
        arrived(u64::from(total));
    }
    let all = Uint8Array::new_with_length(total);
    let mut offset = 0;
    for chunk in chunks {
        all.set(&chunk, offset);
        offset += chunk.length();
    }
    let expected = EXPECTED.with_borrow(|expected| expected.get(path(url)).cloned());
    if let (Some(expected), Some(got)) = (expected, fingerprint(&all).await)
        && got != expected
    {
        return Err(FetchError::Altered { url: url.to_owned() });
    }
    Ok(all)
}

/// Whether a text that came ahead is the one that must stand at this place; yes where that is not known and need not be.
pub(crate) async fn is_as_expected(url: &str, text: &str) -> Result<bool, FetchError> {
    listed(url)?;
    let expected = EXPECTED.with_borrow(|expected| expected.get(path(url)).cloned());
    let Some(expected) = expected else { return Ok(true) };
    let got = fingerprint(&Uint8Array::new_from_slice(text.as_bytes())).await;
    Ok(got.is_none_or(|got| got == expected))
}

/// The SHA-256 of some bytes; `None` where the browser computes none, which is on pages that did not come over a secure
/// connection.
async fn fingerprint(bytes: &Uint8Array) -> Option<String> {
    let part =
        |of: &JsValue, name: &str| Reflect::get(of, &name.into()).ok().filter(|part| !part.is_undefined());
    let subtle = part(&part(&window(), "crypto")?, "subtle")?;
    let digest: Function = part(&subtle, "digest")?.dyn_into().ok()?;
    let digest: Promise = digest.call2(&subtle, &"SHA-256".into(), bytes).ok()?.dyn_into().ok()?;
    let digest = Uint8Array::new(&JsFuture::from(digest).await.ok()?).to_vec();
    Some(digest.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// A request that is given up when nothing is heard of it for too long. Ticks are counted and not time on a clock: a machine
/// that slept is not a server that is silent.
struct Line<'a> {
    url: &'a str,
    control: Rc<AbortController>,
    silent_s: Rc<Cell<u32>>,
    watch: Option<IntervalHandle>,
}

impl<'a> Line<'a> {
    fn new(url: &'a str) -> Result<Self, FetchError> {
        let control = AbortController::new()
            .map_err(|error| FetchError::Network { url: url.to_owned(), what: say(&error) })?;
        let (control, silent_s) = (Rc::new(control), Rc::new(Cell::new(0)));
        let (breaks, counts) = (control.clone(), silent_s.clone());
        let tick = move || {
            counts.set(counts.get() + 1);
            if counts.get() > SILENCE_S {
                // What is awaited fails then, and so the watch ends.
                breaks.abort();
            }
        };
        let watch = set_interval_with_handle(tick, Duration::from_secs(1)).ok();
        Ok(Self { url, control, silent_s, watch })
    }

    fn broken(&self, error: &JsValue) -> FetchError {
        let url = self.url.to_owned();
        if self.control.signal().aborted() {
            FetchError::Silence { url }
        } else {
            FetchError::Network { url, what: say(error) }
        }
    }

    async fn response(&self, source: Source) -> Result<Response, FetchError> {
        let options = RequestInit::new();
        if source == Source::Server {
            options.set_cache(RequestCache::Reload);
        }
        options.set_signal(Some(&self.control.signal()));
        let asked = window().fetch_with_str_and_init(&resolve(self.url), &options);
        let response: Response = self.hear(asked).await?.unchecked_into();
        if response.ok() {
            Ok(response)
        } else {
            Err(FetchError::Status { url: self.url.to_owned(), status: response.status() })
        }
    }

    async fn hear(&self, promise: Promise) -> Result<JsValue, FetchError> {
        let heard = JsFuture::from(promise).await;
        self.silent_s.set(0);
        heard.map_err(|error| self.broken(&error))
    }
}

impl Drop for Line<'_> {
    fn drop(&mut self) {
        if let Some(watch) = self.watch {
            watch.clear();
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn once_the_document_vouches_for_the_list_only_what_is_listed_is_used() {
        let unlisted = |url: &str| Err(FetchError::Unlisted { url: url.to_owned() });
        // A document that names no list: what is known is looked at, and the rest is taken as it comes.
        expect("models/a.bin", "00");
        assert_eq!([is_looked_at("models/a.bin?v=0"), is_looked_at("worker.js")], [true, false]);
        assert_eq!([listed("models/a.bin?v=0"), listed("worker.js?again=1")], [Ok(()), Ok(())]);
        trust("site.json", "FF");
        assert_eq!([listed("site.json"), listed("models/a.bin?v=0")], [Ok(()), Ok(())]);
        assert!(is_looked_at("worker.js"));
        assert_eq!(listed("worker.js?again=1"), unlisted("worker.js?again=1"));
        expect("worker.js", "11");
        assert_eq!(listed("worker.js?again=1"), Ok(()));
        assert_eq!(listed("models/manifest.json"), unlisted("models/manifest.json"));
    }
}
