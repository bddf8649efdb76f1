//! What the reader looks at. One panel a file.

mod badge;
mod colophon;
mod notices;
mod results;
mod screen;
mod timeline;

pub(crate) use badge::Badge;
pub(crate) use colophon::Colophon;
pub(crate) use notices::Notices;
pub(crate) use results::Results;
pub(crate) use screen::Screen;
pub(crate) use timeline::Timeline;

use leptos::prelude::document;
use wasm_bindgen::JsCast;

/// The id of the screen.
const SCREEN: &str = "screen";

/// Gives the screen the focus, when what had it goes away: else it would be lost, and Tab begin at the top again.
fn focus_screen() {
    let screen = document().get_element_by_id(SCREEN);
    if let Some(screen) = screen.and_then(|screen| screen.dyn_into::<web_sys::HtmlElement>().ok()) {
        // It fails only for elements that can't have the focus.
        let _ = screen.focus();
    }
}
