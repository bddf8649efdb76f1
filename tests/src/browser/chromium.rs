//! A page in Chromium, driven over its debugging protocol.

use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use xtask::serve::Serving;

use super::pipe::Pipe;
use super::{Driver, Hands, Page, View};

/// Flags that give a headless browser WebGPU without a graphics card.
pub const SOFTWARE_GPU: [&str; 3] =
    ["--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader", "--enable-features=Vulkan"];

/// The driver of Chromium.
pub struct Chromium {
    pub(super) pipe: Pipe,
    pub(super) session: String,
}

impl Page<Chromium> {
    /// Serves a folder and opens an empty page in a new browser, as large as a laptop's window.
    ///
    /// # Panics
    /// When either can't be started.
    pub fn new(program: &Path, site: &Path, flags: &[&str]) -> Self {
        let serving = Serving::start(site, 0).unwrap_or_else(|error| panic!("serving: {error:#}"));
        let mut pipe =
            Pipe::start(program, flags).unwrap_or_else(|error| panic!("{}: {error}", program.display()));
        let target = pipe.ask(None, "Target.createTarget", &json!({ "url": "about:blank" }));
        let target = target["targetId"].clone();
        let attached =
            pipe.ask(None, "Target.attachToTarget", &json!({ "targetId": target, "flatten": true }));
        let session = attached["sessionId"].as_str().unwrap_or_default().to_owned();
        let mut driver = Chromium { pipe, session };
        for domain in ["Page", "Runtime", "Log", "Network"] {
            driver.ask(&format!("{domain}.enable"), json!({}));
        }
        Self::with(driver, serving)
    }

    /// A command of the debugging protocol, for this page.
    pub fn ask(&mut self, method: &str, parameters: Value) -> Value {
        self.driver.ask(method, parameters)
    }

    /// A command of the debugging protocol, for the browser.
    pub fn ask_browser(&mut self, method: &str, parameters: Value) -> Value {
        self.driver.pipe.ask(None, method, &parameters)
    }

    /// Runs a script before anything else on every page opened from now on.
    pub fn before_each_page(&mut self, script: &str) {
        self.ask("Page.addScriptToEvaluateOnNewDocument", json!({ "source": script }));
    }

    /// Everything that the browser told without being asked, as its debugging protocol has it.
    pub fn events(&mut self) -> &[Value] {
        self.driver.pipe.listen();
        &self.driver.pipe.events
    }

    /// Waits until the browser tells of something, and takes it out of its events. None when it stays silent.
    pub(super) fn take_event(&mut self, method: &str) -> Option<Value> {
        self.driver.pipe.take_event(method)
    }

    /// Takes what the browser told so far under this name out of its events.
    pub(super) fn take_events(&mut self, method: &str) -> Vec<Value> {
        self.driver.pipe.listen();
        let taken;
        (taken, self.driver.pipe.events) = std::mem::take(&mut self.driver.pipe.events)
            .into_iter()
            .partition(|event| event["method"] == method);
        taken
    }

    /// Every address that was asked for so far.
    pub fn requested(&mut self) -> Vec<String> {
        let sent = self.events().iter().filter(|event| event["method"] == "Network.requestWillBeSent");
        sent.filter_map(|event| event["params"]["request"]["url"].as_str().map(str::to_owned)).collect()
    }
}

impl Chromium {
    fn ask(&mut self, method: &str, parameters: Value) -> Value {
        self.pipe.ask(Some(&self.session), method, &parameters)
    }
}

impl Driver for Chromium {
    fn evaluate(&mut self, expression: &str) -> Result<Value, String> {
        let asked = json!({ "expression": expression, "awaitPromise": true, "returnByValue": true });
        let result = match self.pipe.try_ask(Some(&self.session), "Runtime.evaluate", &asked) {
            Ok(result) => result,
            // What was pressed, or the page itself, went on to another page before the answer came.
            Err(why) if why.contains("navigated or closed") => return Ok(Value::Null),
            Err(why) => panic!("Runtime.evaluate: {why}"),
        };
        match &result["exceptionDetails"] {
            Value::Null => Ok(result["result"]["value"].clone()),
            exception => Err(exception.to_string()),
        }
    }

    fn go_to(&mut self, url: &str) {
        let opened = self.ask("Page.navigate", json!({ "url": url }));
        assert!(opened["errorText"].is_null(), "{url}: {}", opened["errorText"]);
    }

    fn show(&mut self, view: View) {
        let View { width, height, dark, still } = view;
        let size = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600 });
        self.ask("Emulation.setDeviceMetricsOverride", size);
        let features = json!([
            { "name": "prefers-reduced-motion", "value": if still { "reduce" } else { "no-preference" } },
            { "name": "prefers-color-scheme", "value": if dark { "dark" } else { "light" } },
        ]);
        self.ask("Emulation.setEmulatedMedia", json!({ "features": features }));
    }

    fn photograph(&mut self, whole: bool) -> Vec<u8> {
        let asked = json!({ "format": "png", "captureBeyondViewport": whole });
        let answer = self.ask("Page.captureScreenshot", asked);
        let png = STANDARD.decode(answer["data"].as_str().unwrap_or_default());
        png.unwrap_or_else(|error| panic!("a picture that is no base64: {error}"))
    }

    fn complaints(&mut self) -> Vec<String> {
        self.pipe.listen();
        let told = self.pipe.events.iter().filter_map(|event| {
            let parameters = &event["params"];
            match event["method"].as_str()? {
                "Runtime.exceptionThrown" => Some(format!("exception: {}", parameters["exceptionDetails"])),
                "Runtime.consoleAPICalled" if ["error", "assert"].contains(&parameters["type"].as_str()?) => {
                    Some(format!("console: {}", parameters["args"]))
                }
                "Log.entryAdded" if parameters["entry"]["level"] == "error" => {
                    Some(format!("log: {} {}", parameters["entry"]["text"], parameters["entry"]["url"]))
                }
                _ => None,
            }
        });
        told.collect()
    }
}

impl Hands for Chromium {
    fn press(&mut self, key: &str) {
        let code = match key {
            "Tab" => 9,
            "Enter" => 13,
            "Escape" => 27,
            " " => 32,
            "End" => 35,
            "Home" => 36,
            "ArrowLeft" => 37,
            "ArrowUp" => 38,
            "ArrowRight" => 39,
            "ArrowDown" => 40,
            _ => 0,
        };
        for kind in ["rawKeyDown", "keyUp"] {
            let event = json!({ "type": kind, "key": key, "code": key, "windowsVirtualKeyCode": code });
            self.ask("Input.dispatchKeyEvent", event);
        }
    }

    fn drag(&mut self, from: (f64, f64), to: (f64, f64)) {
        let half = ((from.0 + to.0) / 2.0, (from.1 + to.1) / 2.0);
        let moves = [("mousePressed", from), ("mouseMoved", half), ("mouseMoved", to), ("mouseReleased", to)];
        for (kind, (x, y)) in moves {
            let event =
                json!({ "type": kind, "x": x, "y": y, "button": "left", "buttons": 1, "clickCount": 1 });
            self.ask("Input.dispatchMouseEvent", event);
        }
    }
}
