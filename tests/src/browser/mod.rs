//! A real browser on the real page. Every wait is for a condition, with a deadline and a report of what was
//! there instead; nothing sleeps for a fixed time and hopes.

mod pipe;
mod visits;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use xtask::serve::Serving;

use pipe::Pipe;

/// Between two looks at a condition.
const BETWEEN_LOOKS: Duration = Duration::from_millis(40);

/// How long a condition may take: a software GPU on a busy machine is slow, a broken page is slow for ever.
const PATIENCE: Duration = Duration::from_secs(360);

/// Flags that give a headless browser WebGPU without a graphics card.
pub const SOFTWARE_GPU: [&str; 3] =
    ["--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader", "--enable-features=Vulkan"];

/// The built site and the browser that `cargo xtask test` named; `None`, and said so, when it did not.
pub fn named(test: &str) -> Option<(PathBuf, PathBuf)> {
    let site = std::env::var_os("FLOW_DIGITS_SITE").map(PathBuf::from);
    let found = site.zip(xtask::tools::chromium());
    if found.is_none() {
        super::skip(test, "no built site or no browser is named: run `cargo xtask test --browser`");
    }
    found
}

/// A browser with one page, and the server that the page comes from.
pub struct Tab {
    pipe: Pipe,
    session: String,
    serving: Serving,
}

impl Tab {
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
        let mut tab = Self { pipe, session, serving };
        for domain in ["Page", "Runtime", "Log", "Network"] {
            tab.ask(&format!("{domain}.enable"), json!({}));
        }
        tab.resize(1280, 900);
        tab
    }

    /// A command of the debugging protocol, for this page.
    pub fn ask(&mut self, method: &str, parameters: Value) -> Value {
        let session = self.session.clone();
        self.pipe.ask(Some(&session), method, &parameters)
    }

    /// The page's size in CSS pixels.
    pub fn resize(&mut self, width: u32, height: u32) {
        let size = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600 });
        self.ask("Emulation.setDeviceMetricsOverride", size);
    }

    /// Tells the page that its reader wants little motion: then it does not wait for its own playback.
    pub fn reduce_motion(&mut self) {
        let features = json!([{ "name": "prefers-reduced-motion", "value": "reduce" }]);
        self.ask("Emulation.setEmulatedMedia", json!({ "features": features }));
    }

    /// Runs a script before anything else on every page opened from now on.
    pub fn before_each_page(&mut self, script: &str) {
        self.ask("Page.addScriptToEvaluateOnNewDocument", json!({ "source": script }));
    }

    /// Opens a path of the site, such as `?seed=7`.
    pub fn open(&mut self, path: &str) {
        let url = format!("{}{path}", self.serving.url());
        let opened = self.ask("Page.navigate", json!({ "url": url }));
        assert!(opened["errorText"].is_null(), "{url}: {}", opened["errorText"]);
        self.wait("the document", "document.readyState === 'complete'");
    }

    /// Where the site is served.
    pub fn origin(&self) -> String {
        self.serving.url()
    }

    /// Evaluates an expression (awaiting it, if it is a promise).
    ///
    /// # Panics
    /// When it throws.
    pub fn eval(&mut self, expression: &str) -> Value {
        let asked = json!({ "expression": expression, "awaitPromise": true, "returnByValue": true });
        let result = self.ask("Runtime.evaluate", asked);
        let exception = &result["exceptionDetails"];
        assert!(exception.is_null(), "{expression}\nthrew {exception}");
        result["result"]["value"].clone()
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
                let state = self.eval("document.querySelector('[data-testid=instrument]')?.dataset");
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
        let code = match key {
            "Tab" => 9,
            "Enter" => 13,
            "Escape" => 27,
            " " => 32,
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

    /// Every error that the page or the browser put into the console so far, and every uncaught exception.
    pub fn complaints(&mut self) -> Vec<String> {
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

    /// Everything that the browser told without being asked, as its debugging protocol has it.
    pub fn events(&mut self) -> &[Value] {
        self.pipe.listen();
        &self.pipe.events
    }

    /// Every address that was asked for so far.
    pub fn requested(&mut self) -> Vec<String> {
        self.pipe.listen();
        let sent = self.pipe.events.iter().filter(|event| event["method"] == "Network.requestWillBeSent");
        sent.filter_map(|event| event["params"]["request"]["url"].as_str().map(str::to_owned)).collect()
    }
}
