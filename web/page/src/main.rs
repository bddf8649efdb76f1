//! The page: an article with an instrument in it.
//!
//! The page never computes a picture. It fetches bytes and counts them, starts workers, gives them plans, and plays back
//! what they answer. What happens where:
//!
//! - `session`: what is on screen, as signals; every control and panel reads and writes only this.
//! - `conductor`: what happens behind: fetch, start, verify, sample, take over, fall back. `machine` is one worker,
//!   `fetch` counts bytes, `probe` looks at WebGPU before anything of it is loaded, `catalog` is the site's two lists.
//! - `address`: the plan in the address bar. `film` and `player`: states of a run, and their playback.
//! - `part`: what a plan chooses from registries, all of it in one way. `settle`: what a model can't do is put right.
//! - `study`: the figures of `flow-digits study`, where the site has them.
//! - `instrument`: a session and its place in the queue; the page has several. `embed`: the element `<flow-digits>`.
//! - `stories`: comparisons worth telling. `keepsake`: files to take away. `near`: what waits until it is seen.
//! - `words`: every sentence a visitor reads when something is not as it should be.
//! - `controls/`, `panels/`: one file each. `canvas`, `plot`: drawing.
//!
//! Names, labels, ranges and defaults come from `flow`'s registries and the manifest; none stands here.

// Leptos's macro makes a component's function `pub` whatever stands before it.
#![allow(unreachable_pub)]

mod address;
mod app;
mod canvas;
mod catalog;
mod conductor;
mod controls;
mod easel;
mod embed;
mod fetch;
mod film;
mod instrument;
mod keepsake;
mod lineup;
mod machine;
mod near;
mod panels;
mod part;
mod player;
mod plot;
mod probe;
mod session;
mod settle;
mod stories;
mod study;
mod words;

use leptos::prelude::document;
use wasm_bindgen::JsCast;
use wasm_bindgen::prelude::wasm_bindgen;

fn main() {
    console_error_panic_hook::set_once();
}

/// Says which content the site's list must have, by its SHA-256. Whoever loads this program calls it first, with what the
/// document says; the list then says the same of everything else, and what it says nothing of is not used.
#[wasm_bindgen]
pub fn trust(site_sha256: &str) {
    fetch::trust(catalog::SITE, site_sha256);
}

/// Opens the article in the element `app` of the document.
#[wasm_bindgen]
pub fn open() {
    let Some(root) = document().get_element_by_id("app") else { return };
    root.set_inner_html("");
    if let Ok(root) = root.dyn_into() {
        fetch::set_base(&document().base_uri().ok().flatten().unwrap_or_default());
        let asked = address::read();
        let engine = send_wrapper::SendWrapper::new(embed::engine(asked.backend));
        leptos::mount::mount_to(root, move || app::App(app::AppProps { engine, asked })).forget();
    }
}
