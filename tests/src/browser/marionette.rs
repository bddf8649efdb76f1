//! Firefox's own remote protocol, Marionette: JSON messages over a local connection, each with its length before it.
//!
//! A command is `[0, id, name, parameters]`, its answer `[1, id, error, result]`. Firefox chooses a free port and
//! writes it into its profile. What it offers beyond WebDriver is access to the browser itself, for its settings and
//! its console.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// Settings of every profile: a port of the system's choice, and nothing fetched that the page did not ask for.
const SETTINGS: [(&str, &str); 11] = [
    ("marionette.port", "0"),
    ("remote.prefs.recommended", "true"),
    ("ui.useOverlayScrollbars", "1"),
    ("ui.prefersReducedMotion", "0"),
    ("layout.css.prefers-color-scheme.content-override", "1"),
    ("services.settings.server", "\"data:,#remote-settings-dummy/v1\""),
    ("app.normandy.enabled", "false"),
    ("nimbus.rollouts.enabled", "false"),
    ("toolkit.telemetry.enabled", "false"),
    ("network.captive-portal-service.enabled", "false"),
    ("network.connectivity-service.enabled", "false"),
];

/// Where Firefox writes its port, inside the profile.
const PORT_FILE: &str = "MarionetteActivePort";

/// How long Firefox may take to start, or one command to be answered.
const PATIENCE: Duration = Duration::from_secs(120);

/// A running Firefox, spoken to over its port.
pub(super) struct Marionette {
    child: Child,
    stream: BufReader<TcpStream>,
    last_id: u64,
    _profile: tempfile::TempDir,
}

impl Marionette {
    /// Starts a Firefox with an empty profile and no screen.
    pub(super) fn start(program: &Path) -> std::io::Result<Self> {
        let profile = tempfile::tempdir()?;
        let lines = SETTINGS.iter().map(|(name, value)| format!("user_pref(\"{name}\", {value});\n"));
        std::fs::write(profile.path().join("user.js"), lines.collect::<String>())?;
        let mut command = Command::new(program);
        command.args([
            "--headless",
            "--marionette",
            "--remote-allow-system-access",
            "--no-remote",
            "--profile",
        ]);
        command.arg(profile.path()).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = command.spawn()?;
        match Self::connect(&mut child, &profile.path().join(PORT_FILE)) {
            Ok(stream) => {
                let mut started =
                    Self { child, stream: BufReader::new(stream), last_id: 0, _profile: profile };
                // It speaks first, to say which protocol it means.
                started.read()?;
                let seconds = json!({ "script": PATIENCE.as_millis() as u64 });
                started.ask("WebDriver:NewSession", &json!({ "unhandledPromptBehavior": "dismiss" }));
                started.ask("WebDriver:SetTimeouts", &seconds);
                Ok(started)
            }
            Err(error) => {
                let _gone = child.kill();
                let _reaped = child.wait();
                Err(error)
            }
        }
    }

    fn connect(child: &mut Child, port_file: &Path) -> std::io::Result<TcpStream> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let port =
                std::fs::read_to_string(port_file).ok().and_then(|text| text.trim().parse::<u16>().ok());
            if let Some(Ok(stream)) = port.map(|port| TcpStream::connect((Ipv4Addr::LOCALHOST, port))) {
                stream.set_nodelay(true)?;
                stream.set_read_timeout(Some(PATIENCE))?;
                return Ok(stream);
            }
            if let Some(status) = child.try_wait()? {
                return Err(std::io::Error::other(format!("it ended at once ({status})")));
            }
            if Instant::now() > deadline {
                return Err(std::io::Error::other(format!("it opened no port in {PATIENCE:?}")));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Sends a command and waits for its result.
    ///
    /// # Panics
    /// When Firefox answers with an error, ends, or stays silent.
    pub(super) fn ask(&mut self, name: &str, parameters: &Value) -> Value {
        self.try_ask(name, parameters).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// Sends a command and waits for its result or for what Firefox says instead.
    ///
    /// # Panics
    /// When Firefox ends or stays silent.
    pub(super) fn try_ask(&mut self, name: &str, parameters: &Value) -> Result<Value, String> {
        self.last_id += 1;
        let message = json!([0, self.last_id, name, parameters]).to_string();
        let sent = write!(self.stream.get_mut(), "{}:{message}", message.len());
        assert!(sent.is_ok(), "{name}: Firefox has gone ({sent:?})");
        let answer = self.read().unwrap_or_else(|error| panic!("{name}: no answer: {error}"));
        assert_eq!(answer[1], self.last_id, "{name}: the answer to something else: {answer}");
        match &answer[2] {
            // A command that has one value to give puts it into an object.
            Value::Null => Ok(answer[3].get("value").unwrap_or(&answer[3]).clone()),
            error => Err(format!("{}: {}", error["error"], error["message"])),
        }
    }

    /// Runs a script inside the browser itself, which sees all of its settings and services.
    pub(super) fn inside(&mut self, script: &str) -> Value {
        self.ask("Marionette:SetContext", &json!({ "value": "chrome" }));
        let answer = self.try_ask("WebDriver:ExecuteScript", &json!({ "script": script, "args": [] }));
        self.ask("Marionette:SetContext", &json!({ "value": "content" }));
        answer.unwrap_or_else(|error| panic!("{script}\nthrew {error}"))
    }

    fn read(&mut self) -> std::io::Result<Value> {
        let mut length = Vec::new();
        self.stream.read_until(b':', &mut length)?;
        length.pop();
        let length = String::from_utf8_lossy(&length).parse::<usize>();
        let length =
            length.map_err(|error| std::io::Error::other(format!("a message of no length: {error}")))?;
        let mut text = vec![0; length];
        self.stream.read_exact(&mut text)?;
        Ok(serde_json::from_slice(&text)?)
    }
}

impl Drop for Marionette {
    fn drop(&mut self) {
        // The profile's folder must not be removed under it, and its other processes end with the first.
        let message =
            json!([0, self.last_id + 1, "Marionette:Quit", { "flags": ["eForceQuit"] }]).to_string();
        let _sent = write!(self.stream.get_mut(), "{}:{message}", message.len());
        let deadline = Instant::now() + Duration::from_secs(10);
        while Instant::now() < deadline {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let _gone = self.child.kill();
        let _reaped = self.child.wait();
    }
}
