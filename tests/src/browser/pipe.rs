//! The browser's debugging protocol over two pipes: JSON messages, each ended by a zero byte.
//!
//! A pipe rather than a web socket: no port to guess, nothing to build, and a browser whose test died sees its
//! pipe close and goes away by itself.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// Always given: no first-run pages, nothing fetched that the page did not ask for.
const FLAGS: [&str; 12] = [
    "--headless",
    "--no-sandbox",
    "--remote-debugging-pipe",
    "--disable-quic",
    "--no-first-run",
    "--no-default-browser-check",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--hide-scrollbars",
    "--mute-audio",
];

/// How long one command may take before the browser counts as hung.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running browser, spoken to over its pipes.
pub(super) struct Pipe {
    child: Child,
    to: Option<ChildStdin>,
    from: Receiver<Value>,
    last_id: u64,
    /// Everything that the browser told without being asked.
    pub(super) events: Vec<Value>,
    _profile: tempfile::TempDir,
}

impl Pipe {
    /// Starts a browser with an empty profile.
    pub(super) fn start(program: &Path, extra: &[&str]) -> std::io::Result<Self> {
        let profile = tempfile::tempdir()?;
        // The browser reads from file descriptor 3 and writes to 4; the shell moves our pipes there.
        let mut command = Command::new("sh");
        command.args(["-c", "exec \"$0\" \"$@\" 3<&0 4>&1 </dev/null >/dev/null 2>&1"]).arg(program);
        command.args(FLAGS).args(extra).arg(format!("--user-data-dir={}", profile.path().display()));
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
        let to = child.stdin.take();
        let (sender, from) = channel();
        if let Some(stdout) = child.stdout.take() {
            std::thread::spawn(move || {
                let mut reader = BufReader::new(stdout);
                let mut message = Vec::new();
                while reader.read_until(0, &mut message).is_ok_and(|count| count > 0) {
                    message.pop();
                    let Ok(value) = serde_json::from_slice(&message) else { return };
                    if sender.send(value).is_err() {
                        return;
                    }
                    message.clear();
                }
            });
        }
        Ok(Self { child, to, from, last_id: 0, events: Vec::new(), _profile: profile })
    }

    /// Sends a command, to one page when a session is named, and waits for its result.
    ///
    /// # Panics
    /// When the browser answers with an error, ends, or stays silent.
    pub(super) fn ask(&mut self, session: Option<&str>, method: &str, parameters: &Value) -> Value {
        self.try_ask(session, method, parameters).unwrap_or_else(|why| panic!("{method}: {why}"))
    }

    /// As [`Self::ask`], but gives an error that the browser answers with.
    ///
    /// # Panics
    /// When the browser ends, or stays silent.
    pub(super) fn try_ask(
        &mut self,
        session: Option<&str>,
        method: &str,
        parameters: &Value,
    ) -> Result<Value, String> {
        self.last_id += 1;
        let id = self.last_id;
        let mut message = json!({ "id": id, "method": method, "params": parameters });
        if let Some(session) = session {
            message["sessionId"] = session.into();
        }
        let mut bytes = message.to_string().into_bytes();
        bytes.push(0);
        let sent = self.to.as_mut().map(|to| to.write_all(&bytes).and_then(|()| to.flush()));
        assert!(matches!(sent, Some(Ok(()))), "{method}: the browser has gone ({sent:?})");
        let deadline = Instant::now() + PATIENCE;
        loop {
            let answer = match self.from.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(answer) => answer,
                Err(RecvTimeoutError::Timeout) => panic!("{method}: no answer in {PATIENCE:?}"),
                Err(RecvTimeoutError::Disconnected) => panic!("{method}: the browser ended"),
            };
            if answer["id"] != id {
                self.events.push(answer);
            } else if answer["error"].is_null() {
                return Ok(answer["result"].clone());
            } else {
                return Err(answer["error"].to_string());
            }
        }
    }

    /// The next thing that the browser told, or tells, under this name; none when it stays silent.
    pub(super) fn take_event(&mut self, method: &str) -> Option<Value> {
        self.listen();
        if let Some(at) = self.events.iter().position(|event| event["method"] == method) {
            return Some(self.events.remove(at));
        }
        let deadline = Instant::now() + PATIENCE;
        loop {
            let event = self.from.recv_timeout(deadline.saturating_duration_since(Instant::now())).ok()?;
            if event["method"] == method {
                return Some(event);
            }
            self.events.push(event);
        }
    }

    /// Takes in what the browser told meanwhile.
    pub(super) fn listen(&mut self) {
        while let Ok(event) = self.from.try_recv() {
            self.events.push(event);
        }
    }
}

impl Drop for Pipe {
    fn drop(&mut self) {
        // A closed pipe ends the browser; the profile's folder must not be removed under it.
        drop(self.to.take());
        let deadline = Instant::now() + Duration::from_secs(5);
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
