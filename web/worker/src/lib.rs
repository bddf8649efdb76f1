//! The page's worker: it verifies a model, builds it with Burn, and integrates what the page asks for.
//!
//! `worker.js` loads one of the two programs (`worker-cpu`, `worker-gpu`), awaits [`start`] and hands every
//! message to [`receive`]. Both programs are this library; they differ in the device that is opened.
//!
//! - `desk`: requests wait here; a newer run pushes the older one out, and the loop that serves them.
//! - `shelf`: models, verified before they are built.
//! - `errand`: what a run is sent out for and begins with: noise, states of the page's own, pictures to be turned into noise.
//! - `sampling`: a plan from its beginning to its last state, over `flow::integrate`.
//! - `views`: estimate and velocity of each step, without evaluations.
//! - `attention`: the page is heard between steps that are rejected, too.
//! - `trial`: the self-test against the stored answer, and the timing of evaluations.
//! - `device`, `post`, `pause`: open a device, answer the page, let the event loop breathe.
//!
//! A worker never repairs itself: after a panic or a lost device it says so once ([`protocol::ToPage::Fatal`])
//! and the page replaces it.

mod attention;
mod desk;
mod device;
mod errand;
mod pause;
mod post;
mod sampling;
mod shelf;
mod telling;
mod trial;
mod views;

use js_sys::ArrayBuffer;
use protocol::{Backend, Fault, ToPage};
use std::cell::Cell;
use wasm_bindgen::prelude::wasm_bindgen;

thread_local! {
    static BACKEND: Cell<Backend> = const { Cell::new(Backend::Cpu) };
}

/// Called by each program's `main` when its wasm is instantiated: what it computes with, and that a panic is told.
pub fn serve(backend: Backend) {
    BACKEND.set(backend);
    std::panic::set_hook(Box::new(|info| {
        console_error_panic_hook::hook(info);
        post::say(&ToPage::Fatal { fault: Fault::Panic { what: info.to_string() } });
    }));
}

/// Opens the device, and answers [`ToPage::Ready`] or [`ToPage::Fatal`].
#[wasm_bindgen]
pub async fn start() {
    let backend = BACKEND.get();
    match device::open(backend).await {
        Ok(device) => {
            desk::open(device);
            let transferred = post::transferred();
            post::say(&ToPage::Ready { version: protocol::VERSION, backend, transferred });
        }
        Err(fault) => post::say(&ToPage::Fatal { fault }),
    }
}

/// Takes a message from the page: a [`protocol::ToWorker`] as JSON text, and its buffer.
#[wasm_bindgen]
pub fn receive(text: &str, buffer: Option<ArrayBuffer>) {
    match serde_json::from_str(text) {
        Ok(message) => desk::take(message, buffer),
        Err(error) => {
            post::say(&ToPage::Fatal { fault: Fault::Message { what: format!("{error} in {text}") } });
        }
    }
}
