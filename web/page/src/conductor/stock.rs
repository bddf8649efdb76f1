//! What was fetched: the site's lists and files, kept until they turn out to be of no use.
//!
//! What failed is forgotten and asked of the server itself the next time. A damaged file may lie in the browser's cache,
//! and a list may be older than the files that it names; neither would ever be cured by asking the cache again. Only
//! lists that can't be had anew stay: a reader who went offline can go on with what is here.

use super::{Conductor, Lists};
use crate::catalog::{Catalog, MANIFEST, SITE, Site};
use crate::fetch::{self, FetchError, Source};
use crate::session::Loading;
use crate::words::{self, Failure};
use futures::future::try_join_all;
use js_sys::Uint8Array;
use leptos::prelude::*;
use std::cell::{Cell, RefCell};
use std::collections::{HashMap, HashSet};
use std::rc::Rc;

/// What is here, and what is not to be taken from a cache.
#[derive(Default)]
pub(super) struct Stock {
    lists: RefCell<Option<Rc<Lists>>>,
    outdated: Cell<bool>,
    files: RefCell<HashMap<String, Uint8Array>>,
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
        let text = fetch::text(url, self.source(url)).await?;
        self.suspects.borrow_mut().remove(url);
        Ok(text)
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
        let (site, manifest) = futures::future::try_join(stock.text(SITE), stock.text(MANIFEST))
            .await
            .map_err(|error| words::lists_missing(&error))?;
        let unreadable = |which: &'static str| {
            move |error: serde_json::Error| {
                leptos::logging::warn!("{which}: {error}");
                words::lists_unreadable(which)
            }
        };
        let site: Site = serde_json::from_str(&site).map_err(unreadable(SITE))?;
        let catalog: Catalog = serde_json::from_str(&manifest).map_err(unreadable(MANIFEST))?;
        Ok(Rc::new(Lists { site, catalog, manifest }))
    }

    /// Fetches what is not here yet, at the same time, under one bar.
    pub(super) async fn fetch_all(
        &self,
        needed: &[(String, u64)],
        shown: bool,
    ) -> Result<(), (String, FetchError)> {
        let stock = &self.0.stock;
        let missing: Vec<_> =
            needed.iter().filter(|(url, _)| !stock.files.borrow().contains_key(url)).cloned().collect();
        if missing.is_empty() {
            return Ok(());
        }
        let total = missing.iter().map(|(_, bytes)| bytes).sum();
        let arrived = Rc::new(RefCell::new(vec![0_u64; missing.len()]));
        if shown && !self.1.closed.get() {
            self.session().loading.set(Some(Loading { arrived: 0, total }));
        }
        let fetches = missing.iter().enumerate().map(|(index, (url, _))| {
            let arrived = arrived.clone();
            async move {
                let bytes = fetch::bytes(url, stock.source(url), |so_far| {
                    arrived.borrow_mut()[index] = so_far;
                    if shown {
                        let arrived = arrived.borrow().iter().sum();
                        self.tell_all(Loading { arrived, total });
                    }
                })
                .await
                .map_err(|error| {
                    stock.distrust(url);
                    (url.clone(), error)
                })?;
                stock.suspects.borrow_mut().remove(url);
                stock.files.borrow_mut().insert(url.clone(), bytes);
                Ok(())
            }
        });
        try_join_all(fetches).await?;
        self.0.shared.transferred.set(fetch::transferred());
        Ok(())
    }

    /// What is coming is coming for everybody who waits for it.
    fn tell_all(&self, loading: Loading) {
        for client in self.0.living() {
            if client.session.loading.with_untracked(Option::is_some) {
                client.session.loading.set(Some(loading));
            }
        }
    }
}
