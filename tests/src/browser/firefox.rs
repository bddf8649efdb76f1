//! A page in Firefox, driven over Marionette.

use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use xtask::serve::Serving;

use super::marionette::Marionette;
use super::{Driver, Hands, Page, View};

/// The driver of Firefox.
pub struct Firefox {
    marionette: Marionette,
}

/// Everything in the browser's console that is an error of a page: exceptions and refusals, with the file that they come
/// from. What the browser has to complain about in itself is not ours.
const CONSOLE: &str = r#"
    const told = [];
    for (const message of Services.console.getMessageArray()) {
        if (!(message instanceof Ci.nsIScriptError)) continue;
        const { errorMessage, sourceName, category, flags, lineNumber } = message;
        const warning = flags & Ci.nsIScriptError.warningFlag;
        if (warning || /^(chrome|resource|moz-extension|about):/.test(sourceName) || /chrome|system/.test(category)) continue;
        told.push(`${category}: ${errorMessage} (${sourceName}:${lineNumber})`);
    }
    return told;
"#;

/// What pages wrote into the console as errors. Their process keeps that to itself, so it is asked there.
const WRITTEN: &str = r#"
    const storage = Cc["@mozilla.org/consoleAPI-storage;1"].getService(Ci.nsIConsoleAPIStorage);
    const of = ({ level, filename }) => ["error", "assert"].includes(level) && !/^(chrome|resource):/.test(filename);
    return storage.getEvents().filter(of).map(event => `console: ${Array.from(event.arguments, String).join(" ")} (${event.filename})`);
"#;

impl Page<Firefox> {
    /// Serves a folder and opens an empty page in a new browser, as large as a laptop's window.
    ///
    /// # Panics
    /// When either can't be started.
    pub fn new(program: &Path, site: &Path) -> Self {
        let serving = Serving::start(site, 0).unwrap_or_else(|error| panic!("serving: {error:#}"));
        let marionette =
            Marionette::start(program).unwrap_or_else(|error| panic!("{}: {error}", program.display()));
        Self::with(Firefox { marionette }, serving)
    }

    /// Runs a script inside the browser itself, which sees all of its settings and services.
    pub fn inside(&mut self, script: &str) -> Value {
        self.driver.marionette.inside(script)
    }
}

impl Firefox {
    fn act(&mut self, actions: Value) {
        self.marionette.ask("WebDriver:PerformActions", &json!({ "actions": actions }));
    }
}

impl Driver for Firefox {
    fn evaluate(&mut self, expression: &str) -> Result<Value, String> {
        // A promise is awaited as the protocol demands of every script.
        let asked = json!({ "script": format!("return ({expression})"), "args": [], "sandbox": null });
        self.marionette.try_ask("WebDriver:ExecuteScript", &asked)
    }

    fn go_to(&mut self, url: &str) {
        self.marionette.ask("WebDriver:Navigate", &json!({ "url": url }));
    }

    fn show(&mut self, view: View) {
        let View { width, height, dark, still } = view;
        // A window has a least width; the page inside has none.
        self.marionette.ask(
            "WebDriver:SetWindowRect",
            &json!({ "width": width.max(500) + 100, "height": height + 200 }),
        );
        self.marionette.inside(&format!(
            "const {{ style }} = gBrowser.selectedBrowser; \
             for (const side of ['width', 'minWidth', 'maxWidth']) style[side] = '{width}px'; \
             for (const side of ['height', 'minHeight', 'maxHeight']) style[side] = '{height}px'; \
             style.flex = 'none'; \
             Services.prefs.setIntPref('layout.css.prefers-color-scheme.content-override', {}); \
             Services.prefs.setIntPref('ui.prefersReducedMotion', {});",
            i32::from(!dark),
            i32::from(still),
        ));
    }

    fn photograph(&mut self, whole: bool) -> Vec<u8> {
        let data = self.marionette.ask("WebDriver:TakeScreenshot", &json!({ "full": whole }));
        let png = STANDARD.decode(data.as_str().unwrap_or_default());
        png.unwrap_or_else(|error| panic!("a picture that is no base64: {error}"))
    }

    fn complaints(&mut self) -> Vec<String> {
        let asked = json!({ "script": WRITTEN, "args": [], "sandbox": "system" });
        let told = [self.marionette.inside(CONSOLE), self.marionette.ask("WebDriver:ExecuteScript", &asked)];
        told.into_iter()
            .flat_map(|lines| serde_json::from_value::<Vec<String>>(lines).unwrap_or_default())
            .collect()
    }
}

impl Hands for Firefox {
    fn press(&mut self, key: &str) {
        let value = match key {
            "Tab" => "\u{E004}",
            "Enter" => "\u{E007}",
            "Escape" => "\u{E00C}",
            "End" => "\u{E010}",
            "Home" => "\u{E011}",
            "ArrowLeft" => "\u{E012}",
            "ArrowUp" => "\u{E013}",
            "ArrowRight" => "\u{E014}",
            "ArrowDown" => "\u{E015}",
            other => other,
        };
        let strokes = json!([{ "type": "keyDown", "value": value }, { "type": "keyUp", "value": value }]);
        self.act(json!([{ "type": "key", "id": "keyboard", "actions": strokes }]));
    }

    fn drag(&mut self, from: (f64, f64), to: (f64, f64)) {
        let go = |(x, y): (f64, f64)| json!({ "type": "pointerMove", "duration": 0, "x": x.round() as i64, "y": y.round() as i64 });
        let half = ((from.0 + to.0) / 2.0, (from.1 + to.1) / 2.0);
        let moves = json!([
            go(from), { "type": "pointerDown", "button": 0 }, go(half), go(to), { "type": "pointerUp", "button": 0 },
        ]);
        self.act(json!([{ "type": "pointer", "id": "mouse", "parameters": { "pointerType": "mouse" }, "actions": moves }]));
    }
}
