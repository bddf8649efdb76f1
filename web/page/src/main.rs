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
#[cfg(test)]
mod easel;
mod fetch;
mod film;
mod machine;
mod panels;
mod part;
mod player;
mod plot;
mod probe;
mod session;
mod settle;
mod study;
mod words;

use leptos::prelude::document;
use wasm_bindgen::JsCast;

fn main() {
    console_error_panic_hook::set_once();
    let Some(root) = document().get_element_by_id("app") else { return };
    root.set_inner_html("");
    if let Ok(root) = root.dyn_into() {
        leptos::mount::mount_to(root, app::App).forget();
    }
}
