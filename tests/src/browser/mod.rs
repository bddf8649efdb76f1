//! A real browser on the real page. Every wait is for a condition, with a deadline and a report of what was
//! there instead; nothing sleeps for a fixed time and hopes.
//!
//! What a test does with a page is written once ([`Page`]); how a browser is told is its driver's affair: Chromium over
//! its debugging protocol ([`Tab`]), Firefox over Marionette ([`Fox`]).

mod chromium;
mod firefox;
mod marionette;
pub mod measure;
mod pipe;
mod visits;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::Value;
use xtask::serve::Serving;

pub use chromium::{Chromium, SOFTWARE_GPU};
pub use firefox::Firefox;

/// Between two looks at a condition.
const BETWEEN_LOOKS: Duration = Duration::from_millis(40);

/// How long a condition may take: a software GPU on a busy machine is slow, a broken page is slow for ever.
const PATIENCE: Duration = Duration::from_secs(360);

/// A page in Chromium.
pub type Tab = Page<Chromium>;

/// A page in Firefox.
pub type Fox = Page<Firefox>;

/// The built site and the Chromium that `cargo xtask test` named; `None`, and said so, when it did not.
pub fn named(test: &str) -> Option<(PathBuf, PathBuf)> {
    let found = site().zip(xtask::tools::chromium());
    if found.is_none() {
        super::skip(test, "no built site or no browser is named: run `cargo xtask test --browser`");
    }
    found
}

/// The built site and the Firefox that `cargo xtask test` named; `None`, and said so, when there is either not.
pub fn named_firefox(test: &str) -> Option<(PathBuf, PathBuf)> {
    let found = site().zip(xtask::tools::firefox());
    if found.is_none() {
        super::skip(test, &format!("no built site, or no Firefox: {}", xtask::tools::HOW_TO_GET_FIREFOX));
    }
    found
}

fn site() -> Option<PathBuf> {
    std::env::var_os("FLOW_DIGITS_SITE").map(PathBuf::from)
}

/// What a reader's device shows: a window's size in CSS pixels, and what the reader's system asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct View {
    /// The page's width.
    pub width: u32,
    /// The page's height.
    pub height: u32,
    /// Whether the system is dark.
    pub dark: bool,
    /// Whether little motion is wanted: then the page does not wait for its own playback.
    pub still: bool,
}

/// What a browser can be told. What goes wrong inside a driver ends the test.
pub trait Driver: Hands {
    /// Evaluates an expression (awaiting it, if it is a promise); the exception's text, if it throws.
    fn evaluate(&mut self, expression: &str) -> Result<Value, String>;
    /// Goes to an address, as the address bar does.
    fn go_to(&mut self, url: &str);
    /// Shows the page so.
    fn show(&mut self, view: View);
    /// The page as a PNG: all of it, or what is in the window.
    fn photograph(&mut self, whole: bool) -> Vec<u8>;
    /// Every error that the page or the browser put into the console so far, and every uncaught exception.
    fn complaints(&mut self) -> Vec<String>;
}

/// A browser's keyboard and mouse.
pub trait Hands {
    /// Presses and releases a key, such as `Tab` or `ArrowDown`.
    fn press(&mut self, key: &str);
    /// Presses at one point of the window, moves to another one and lets go there.
    fn drag(&mut self, from: (f64, f64), to: (f64, f64));
}

/// A browser with one page, and the server that the page comes from.
pub struct Page<D: Driver> {
    driver: D,
    serving: Serving,
    /// Where pages are opened from instead.
    elsewhere: Option<String>,
    view: View,
}

impl<D: Driver> Page<D> {
    /// A page as large as a laptop's window, light and with motion.
    fn with(mut driver: D, serving: Serving) -> Self {
        let view = View { width: 1280, height: 900, dark: false, still: false };
        driver.show(view);
        Self { driver, serving, elsewhere: None, view }
    }

    /// The page's size in CSS pixels.
    pub fn resize(&mut self, width: u32, height: u32) {
        self.show(View { width, height, ..self.view });
    }

    /// Tells the page that its reader wants little motion: then it does not wait for its own playback.
    pub fn reduce_motion(&mut self) {
        self.show(View { still: true, ..self.view });
    }

    /// Tells the page whether its reader's system is dark.
    pub fn darken(&mut self, dark: bool) {
        self.show(View { dark, ..self.view });
    }

    /// Shows the page so.
    pub fn show(&mut self, view: View) {
        self.view = view;
        self.driver.show(view);
    }

    /// How the page is shown.
    pub fn view(&self) -> View {
        self.view
    }

    /// The page as a PNG: all of it, or what is in the window.
    pub fn photograph(&mut self, whole: bool) -> Vec<u8> {
        self.driver.photograph(whole)
    }

    /// Opens a path of the site, such as `?seed=7`.
    pub fn open(&mut self, path: &str) {
        let url = format!("{}{path}", self.origin());
        self.driver.go_to(&url);
        self.wait("the document", "document.readyState === 'complete'");
    }

    /// Goes to another query of the same page without loading it anew, as back and forward do.
    pub fn visit(&mut self, query: &str) {
        let query = Value::from(query);
        self.eval(&format!(
            "history.pushState(null, '', {query}), dispatchEvent(new PopStateEvent('popstate')), true"
        ));
    }

    /// Where the site is served.
    pub fn origin(&self) -> String {
        self.elsewhere.clone().unwrap_or_else(|| self.serving.url())
    }

    /// Opens pages from another server, from now on.
    pub fn turn_to_server(&mut self, url: String) {
        self.elsewhere = Some(url);
    }

    /// Evaluates an expression (awaiting it, if it is a promise).
    ///
    /// # Panics
    /// When it throws.
    pub fn eval(&mut self, expression: &str) -> Value {
        self.driver.evaluate(expression).unwrap_or_else(|error| panic!("{expression}\nthrew {error}"))
    }

    /// Evaluates until the value is true-ish, and gives it.
    ///
    /// # Panics
    /// At the deadline, with what the page shows instead.
    pub fn wait(&mut self, what: &str, expression: &str) -> Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            // While a page is being replaced there is nothing to evaluate in: that is a "not yet".
            let guarded = format!("(() => {{ try {{ return {expression} }} catch {{ return null }} }})()");
            let value = self.eval(&guarded);
            let is_true = match &value {
                Value::Null => false,
                Value::Bool(value) => *value,
                Value::String(text) => !text.is_empty(),
                Value::Number(number) => number.as_f64() != Some(0.0),
                _ => true,
            };
            if is_true {
                return value;
            }
            if Instant::now() > deadline {
                let shown = self.eval("document.querySelector('main')?.innerText.slice(0, 600)");
                let state = self.eval("({ ...document.querySelector('[data-testid=instrument]')?.dataset })");
                panic!(
                    "no {what} after {PATIENCE:?}\nstate: {state}\nconsole: {:?}\nthe page: {shown}",
                    self.complaints()
                );
            }
            std::thread::sleep(BETWEEN_LOOKS);
        }
    }

    /// A `data-` attribute of the instrument, by its name in JavaScript.
    pub fn instrument(&mut self, name: &str) -> String {
        let value =
            self.eval(&format!("document.querySelector('[data-testid=instrument]')?.dataset.{name} ?? ''"));
        value.as_str().unwrap_or_default().to_owned()
    }

    /// Waits until the instrument is in this state.
    pub fn wait_state(&mut self, state: &str) {
        let ready = format!("document.querySelector('[data-testid=instrument]').dataset.state === '{state}'");
        self.wait(&format!("state `{state}`"), &ready);
    }

    /// Waits until the address holds this text and its picture is done; gives the picture's hash.
    pub fn picture(&mut self, address: &str) -> String {
        let ready = format!(
            "decodeURIComponent(location.search).includes('{address}') && (data => data.state === 'done' && \
             data.pixelsHash)(document.querySelector('[data-testid=instrument]').dataset)"
        );
        let hash = self.wait(&format!("picture for `{address}`"), &ready);
        hash.as_str().unwrap_or_default().to_owned()
    }

    /// What one element says, by its `data-testid`.
    pub fn text(&mut self, testid: &str) -> String {
        let text = self.eval(&format!("document.querySelector('[data-testid={testid}]')?.innerText ?? ''"));
        text.as_str().unwrap_or_default().to_owned()
    }

    /// Presses and releases a key, such as `Tab` or `ArrowDown`.
    pub fn press(&mut self, key: &str) {
        self.driver.press(key);
    }

    /// Takes an element, by its selector, at a share of its width, and drags to another one: a slider's handle, say.
    pub fn drag(&mut self, selector: &str, from: f64, to: f64) {
        let selector = Value::from(selector);
        let place = self.eval(&format!(
            "(e => {{ e.scrollIntoView({{ block: 'center', behavior: 'instant' }}); const box = e.getBoundingClientRect(); \
             return [box.left, box.top, box.width, box.height] }})(document.querySelector({selector}))"
        ));
        let number = |i: usize| place[i].as_f64().unwrap_or_default();
        let at = |share: f64| (number(0) + share * number(2), number(1) + number(3) / 2.0);
        self.driver.drag(at(from), at(to));
    }

    /// Every error that the page or the browser put into the console so far, and every uncaught exception.
    pub fn complaints(&mut self) -> Vec<String> {
        self.driver.complaints()
    }
}
