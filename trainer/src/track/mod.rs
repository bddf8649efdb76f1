//! Telling an MLflow tracking server of a run, without ever waiting for it.
//!
//! The training appends events to a file in the run's folder (`mlflow/queue.jsonl`) and goes on. A thread of its own sends
//! them, many at a time, and keeps in `mlflow/sent.json` how far it came with which server. A server that is away, slow or
//! wrong costs the training nothing: what it missed is sent when it answers, by the next `--resume`, or by
//! `flow-digits mlflow`.

mod client;
mod params;
mod queue;
mod sender;

use crate::recipe::Recipe;
use anyhow::{Context, Result, bail};
use queue::{Event, Queue};
use sender::{Progress, Sender, Shipment};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Which server, and how patient to be with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wish {
    /// Its address, such as `http://localhost:5000`.
    pub uri: String,
    /// The experiment's name; made where it is not there.
    pub experiment: String,
    /// How long the end of a training may wait for what is left to be sent.
    pub linger: Duration,
    /// The longest that one answer may take.
    pub answer: Duration,
}

impl Wish {
    /// The experiment when none is named.
    pub const EXPERIMENT: &str = "flow-digits";

    /// A server by its address.
    ///
    /// # Errors
    /// What is no HTTP address.
    pub fn new(uri: &str, experiment: &str) -> Result<Self> {
        if !(uri.starts_with("http://") || uri.starts_with("https://")) {
            bail!(
                "`{uri}` is no tracking server: give its http:// or https:// address, such as http://localhost:5000"
            );
        }
        if experiment.trim().is_empty() {
            bail!("an experiment needs a name");
        }
        Ok(Self {
            uri: uri.trim_end_matches('/').to_owned(),
            experiment: experiment.to_owned(),
            linger: Duration::from_secs(10),
            answer: Duration::from_secs(10),
        })
    }
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// At its recipe's end, or early because it got no better.
    Finished,
    /// On the way, to be resumed.
    Stopped,
    /// With an error.
    Failed,
}

impl Outcome {
    fn status(self) -> &'static str {
        match self {
            Self::Finished => "FINISHED",
            Self::Stopped => "KILLED",
            Self::Failed => "FAILED",
        }
    }
}

/// Tells of one training.
pub struct Tracker {
    queue: Queue,
    dir: PathBuf,
    /// Lines up to this step are in the queue from before the training was interrupted.
    told: u64,
    warned: bool,
    /// None where another process sends; what is queued is sent later.
    shipment: Option<Shipment>,
    linger: Duration,
}

impl Tracker {
    /// Opens the run's queue and starts the thread that sends.
    ///
    /// # Errors
    /// A queue that cannot be opened or written.
    pub fn start(wish: &Wish, dir: &Path, recipe: &Recipe, device: &str, data: &str) -> Result<Self> {
        let mut queue = Queue::open(dir)?;
        let told = queue.last_step();
        if queue.is_empty() {
            for event in beginning(recipe, device, data)? {
                queue.push(&event)?;
            }
        } else {
            queue.push(&Event::Status { status: "RUNNING".to_owned(), time_ms: now_ms(), ended: false })?;
        }
        let sender = Sender::open(wish, dir).map_err(|error| crate::errln!("warning: mlflow: {error:#}"));
        let mut tracker = Self {
            queue,
            dir: dir.to_owned(),
            told,
            warned: false,
            shipment: sender.ok().map(Shipment::start),
            linger: wish.linger,
        };
        if told == 0 {
            tracker.file(&dir.join("recipe.toml"), "");
        }
        Ok(tracker)
    }

    /// The numbers of a metrics line; the field `step` says when.
    pub fn metrics(&mut self, line: &Map<String, Value>) {
        let step = line.get("step").and_then(Value::as_u64).unwrap_or(0);
        if step > self.told {
            self.push(&Event::Metrics { step, time_ms: now_ms(), values: numbers(line) });
        }
    }

    /// A file as an artifact in `folder`.
    pub fn file(&mut self, path: &Path, folder: &str) {
        self.push(&artifact(&self.dir, path, folder));
    }

    /// All files of a folder as artifacts in `folder`.
    pub fn folder(&mut self, path: &Path, folder: &str) {
        for file in files(path) {
            self.file(&file, folder);
        }
    }

    /// Tells the end, waits a little for what is left to be sent, and says how much is not.
    pub fn finish(mut self, outcome: Outcome) {
        let status = outcome.status().to_owned();
        self.push(&Event::Status { status, time_ms: now_ms(), ended: true });
        if let Some(left) = self.shipment.and_then(|shipment| shipment.finish(self.linger)) {
            let (dir, uri) = (self.dir.display(), &left.uri);
            crate::errln!(
                "mlflow: {} of the run are not sent yet{}. They wait in {dir}/mlflow; send them with \
                 `flow-digits mlflow {dir} {uri}`",
                left.what,
                left.why
            );
        }
    }

    fn push(&mut self, event: &Event) {
        if let Err(error) = self.queue.push(event)
            && !self.warned
        {
            self.warned = true;
            crate::errln!(
                "warning: mlflow: {error:#}; training goes on, and the server will miss some of it"
            );
        }
    }
}

/// Sends what a run's queue holds and the server does not have; a run that was trained without one gets a queue from its
/// metrics, grids and newest checkpoint. Returns the run's address.
///
/// # Errors
/// No run, or a server that does not take it after several attempts.
pub fn send_run(dir: &Path, wish: &Wish, mut said: impl FnMut(&str)) -> Result<String> {
    let mut queue = Queue::open(dir)?;
    if queue.is_empty() {
        for event in of_finished_run(dir)? {
            queue.push(&event)?;
        }
    }
    let mut sender = Sender::open(wish, dir)?;
    let mut failures = 0;
    loop {
        match sender.work() {
            Ok(Progress::Idle) => return sender.address().context("the queue was empty"),
            Ok(Progress::Sent) => failures = 0,
            Err(why) => {
                failures += 1;
                if failures == 4 {
                    bail!("{}: {why}; what is left stays in {}/mlflow", wish.uri, dir.display());
                }
                said(&format!("{}: {why}; trying again", wish.uri));
                std::thread::sleep(Duration::from_millis(250 << failures));
            }
        }
    }
}

/// What a run's queue begins with.
fn beginning(recipe: &Recipe, device: &str, data: &str) -> Result<[Event; 2]> {
    let tags = [
        ("mlflow.note.content", recipe.about.as_str()),
        ("mlflow.source.name", "flow-digits"),
        ("version", env!("CARGO_PKG_VERSION")),
        ("device", device),
        ("data", data),
    ];
    let tags: BTreeMap<String, String> =
        tags.iter().filter(|(_, v)| !v.is_empty()).map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    let start = Event::Start { name: recipe.name.clone(), time_ms: now_ms(), tags };
    Ok([start, Event::Params(params::flat(recipe)?)])
}

/// The events of a run that was trained without a server.
fn of_finished_run(dir: &Path) -> Result<Vec<Event>> {
    let checkpoint = crate::source::open_checkpoint(dir)?;
    let (recipe, state) = (checkpoint.recipe()?, checkpoint.state());
    let mut events: Vec<Event> = beginning(&recipe, &state.device, &state.data)?.into();
    let path = dir.join("metrics.jsonl");
    let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    for line in text.lines().filter_map(|line| serde_json::from_str::<Map<String, Value>>(line).ok()) {
        let step = line.get("step").and_then(Value::as_u64).unwrap_or(0);
        events.push(Event::Metrics { step, time_ms: now_ms(), values: numbers(&line) });
    }
    events.push(artifact(dir, &dir.join("recipe.toml"), ""));
    events.extend(files(&dir.join("grids")).iter().map(|grid| artifact(dir, grid, "grids")));
    events.extend(files(checkpoint.dir()).iter().map(|file| artifact(dir, file, "checkpoint")));
    let done = state.step == recipe.train.steps;
    let status = if done { Outcome::Finished } else { Outcome::Stopped }.status().to_owned();
    events.push(Event::Status { status, time_ms: now_ms(), ended: true });
    Ok(events)
}

fn artifact(dir: &Path, path: &Path, folder: &str) -> Event {
    // Within the run's folder, which may be moved before the file is sent.
    let file = path.strip_prefix(dir).unwrap_or(path).to_owned();
    Event::Artifact { file, folder: folder.to_owned() }
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut files: Vec<PathBuf> =
        entries.filter_map(|entry| Some(entry.ok()?.path())).filter(|path| path.is_file()).collect();
    files.sort();
    files
}

/// The finite numbers of a line; a loss that is none is not sent.
fn numbers(line: &Map<String, Value>) -> BTreeMap<String, f64> {
    line.iter()
        .filter(|(key, _)| *key != "step")
        .filter_map(|(key, value)| Some((key.clone(), value.as_f64()?)))
        .collect()
}

fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_millis() as u64)
}

#[cfg(test)]
mod tests;
