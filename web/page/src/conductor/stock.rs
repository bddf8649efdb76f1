//! What was fetched: the site's lists and files, kept until they turn out to be of no use.
//!
//! What failed is forgotten and asked of the server itself the next time. A damaged file may lie in the browser's cache,
//! and a list may be older than the files that it names; neither would ever be cured by asking the cache again. Only
//! lists that can't be had anew stay: a reader who went offline can go on with what is here.

use super::{Client, Conductor, Engine, Lists};
use crate::catalog::{Catalog, MANIFEST, SITE, Site};
use crate::fetch::{self, FetchError, Source};
use crate::session::Loading;
use crate::words::{self, Failure};
use futures::channel::oneshot;
use futures::future::{FutureExt, LocalBoxFuture, Shared, try_join_all};
use js_sys::Uint8Array;
use leptos::prelude::*;
use leptos::task::spawn_local;
use std::cell::{Cell, RefCell};
use std::collections::{HashMap, HashSet};
use std::rc::Rc;

/// A file on its way. It comes for whoever waits for it, and goes on coming when nobody does.
#[derive(Clone)]
struct Flight {
    arrived: Rc<Cell<u64>>,
    landed: Shared<LocalBoxFuture<'static, Result<(), FetchError>>>,
}

/// What is here, what is on its way, and what is not to be taken from a cache.
#[derive(Default)]
pub(super) struct Stock {
    lists: RefCell<Option<Rc<Lists>>>,
    outdated: Cell<bool>,
    files: RefCell<HashMap<String, Uint8Array>>,
    flights: RefCell<HashMap<String, Flight>>,
    suspects: RefCell<HashSet<String>>,
}

impl Stock {
    /// The site's lists, if they were read.
    pub(super) fn lists(&self) -> Option<Rc<Lists>> {
        self.lists.borrow().clone()
    }

    /// A file that was fetched; empty if it was not.
    pub(super) fn file(&self, url: &str) -> Uint8Array {
        self.files.borrow().get(url).cloned().unwrap_or_else(|| Uint8Array::new_with_length(0))
    }

    /// Whether a file is here.
    pub(super) fn has(&self, url: &str) -> bool {
        self.files.borrow().contains_key(url)
    }

    /// A file that is not needed again.
    pub(super) fn forget(&self, url: &str) {
        self.files.borrow_mut().remove(url);
    }

    /// A file that was of no use.
    pub(super) fn distrust(&self, url: &str) {
        self.forget(url);
        self.suspects.borrow_mut().insert(url.to_owned());
    }

    /// What the lists say did not work.
    pub(super) fn distrust_lists(&self) {
        self.outdated.set(true);
        self.suspects.borrow_mut().extend([SITE, MANIFEST].map(str::to_owned));
    }

    fn source(&self, url: &str) -> Source {
        if self.suspects.borrow().contains(url) { Source::Server } else { Source::Usual }
    }

    async fn text(&self, url: &str) -> Result<String, FetchError> {
        let text = fetch::text_ahead(url, self.source(url)).await?;
        self.suspects.borrow_mut().remove(url);
        Ok(text)
    }

    /// A text that came before it was known what it must be; the server's own when it is another one.
    async fn checked(&self, url: &str, came: Result<String, FetchError>) -> Result<String, FetchError> {
        match came {
            Ok(text) if fetch::is_as_expected(url, &text).await? => Ok(text),
            Ok(_) | Err(FetchError::Altered { .. }) => fetch::text(url, Source::Server).await,
            Err(error) => Err(error),
        }
    }
}

impl Conductor {
    /// The site's lists, fetched once, and again when something that they name did not work.
    pub(super) async fn lists(&self) -> Result<Rc<Lists>, Failure> {
        let stock = &self.0.stock;
        let kept = stock.lists();
        if let Some(lists) = kept.as_ref().filter(|_| !stock.outdated.get()) {
            return Ok(lists.clone());
        }
        match self.fetch_lists().await {
            Ok(lists) => {
                stock.outdated.set(false);
                *stock.lists.borrow_mut() = Some(lists.clone());
                self.0.shared.catalog.set(Some(lists.catalog.clone()));
                self.0.shared.results.set(lists.site.results.clone());
                Ok(lists)
            }
            Err(failure) => {
                stock.distrust_lists();
                kept.ok_or(failure)
            }
        }
    }

    async fn fetch_lists(&self) -> Result<Rc<Lists>, Failure> {
        let stock = &self.0.stock;
        let unreadable = |which: &'static str| {
            move |error: serde_json::Error| {
                leptos::logging::warn!("{which}: {error}");
                words::lists_unreadable(which)
            }
        };
        let missing = |error: FetchError| {
            leptos::logging::warn!("{error:?}");
            words::lists_missing(&error)
        };
        // Both at once; what the first one says of the second is looked at when both are here.
        let (site, manifest) = futures::future::join(stock.text(SITE), stock.text(MANIFEST)).await;
        let site: Site = serde_json::from_str(&site.map_err(missing)?).map_err(unreadable(SITE))?;
        for (file, sha256) in site.vouches_for() {
            fetch::expect(file, sha256);
        }
        let manifest = stock.checked(MANIFEST, manifest).await.map_err(missing)?;
        let catalog: Catalog = serde_json::from_str(&manifest).map_err(unreadable(MANIFEST))?;
        for (file, sha256) in catalog.vouches_for() {
            fetch::expect(&file, sha256);
        }
        Ok(Rc::new(Lists { site, catalog, manifest }))
    }

    /// Sends for what is not here yet, under one bar. [`Self::fetched`] waits for it.
    pub(super) fn send_for(&self, needed: &[(String, u64)], shown: bool) {
        let missing: Vec<_> = needed.iter().filter(|(url, _)| !self.0.stock.has(url)).cloned().collect();
        for (url, _) in &missing {
            self.0.flight(url);
        }
        if shown && !missing.is_empty() && !self.1.closed.get() {
            *self.1.awaited.borrow_mut() = missing;
            self.session().loading.set(Some(self.1.loading(&self.0.stock)));
        }
    }

    /// Waits until these are here.
    pub(super) async fn fetched(
        &self,
        urls: impl IntoIterator<Item = String>,
    ) -> Result<(), (String, FetchError)> {
        let missing = urls.into_iter().filter(|url| !self.0.stock.has(url));
        let flights = missing.map(|url| {
            let landed = self.0.flight(&url).landed;
            landed.map(move |landed| landed.map_err(|error| (url, error)))
        });
        try_join_all(flights.collect::<Vec<_>>()).await?;
        Ok(())
    }
}

impl Client {
    /// How much is here of what it waits for.
    fn loading(&self, stock: &Stock) -> Loading {
        let flights = stock.flights.borrow();
        let awaited = self.awaited.borrow();
        // No more than was announced: a bar that is asked for its files again must not go back.
        let here = |(url, bytes): &(String, u64)| {
            let arrived = flights
                .get(url)
                .map_or(if stock.has(url) { *bytes } else { 0 }, |flight| flight.arrived.get());
            arrived.min(*bytes)
        };
        Loading {
            arrived: awaited.iter().map(here).sum(),
            total: awaited.iter().map(|(_, bytes)| bytes).sum(),
        }
    }
}

impl Engine {
    /// Sends for what is not here yet, for whoever needs it later; what failed is only sent for by who waits for it.
    pub(super) fn send_for(self: &Rc<Self>, urls: impl Iterator<Item = String>) {
        let wanted = |url: &String| !self.stock.has(url) && self.stock.source(url) == Source::Usual;
        for url in urls.filter(wanted) {
            self.flight(&url);
        }
    }

    /// A file on its way; it sets out now if it has not.
    fn flight(self: &Rc<Self>, url: &str) -> Flight {
        if let Some(flight) = self.stock.flights.borrow().get(url) {
            return flight.clone();
        }
        let (tell, told) = oneshot::channel();
        let gone = FetchError::Network { url: url.to_owned(), what: "given up".to_owned() };
        let landed = told.map(|told| told.unwrap_or(Err(gone))).boxed_local().shared();
        let flight = Flight { arrived: Rc::default(), landed };
        self.stock.flights.borrow_mut().insert(url.to_owned(), flight.clone());
        let (engine, url, arrived) = (self.clone(), url.to_owned(), flight.arrived.clone());
        spawn_local(async move {
            let stock = &engine.stock;
            let came = fetch::bytes(&url, stock.source(&url), |so_far| {
                arrived.set(so_far);
                engine.tell_progress(&url);
            })
            .await;
            stock.flights.borrow_mut().remove(&url);
            let landed = match came {
                Ok(bytes) => {
                    stock.suspects.borrow_mut().remove(&url);
                    stock.files.borrow_mut().insert(url, bytes);
                    engine.shared.transferred.set(fetch::transferred());
                    Ok(())
                }
                Err(error) => {
                    stock.distrust(&url);
                    Err(error)
                }
            };
            // Nobody waits any more for what was wished for no longer.
            let _ = tell.send(landed);
            engine.make_room();
        });
        flight
    }

    /// Whoever waits for a file hears how much of it is here.
    fn tell_progress(&self, url: &str) {
        for client in self.living() {
            let waits = client.session.loading.with_untracked(Option::is_some)
                && client.awaited.borrow().iter().any(|(awaited, _)| awaited == url);
            if waits {
                client.session.loading.set(Some(client.loading(&self.stock)));
            }
        }
    }
}
