//! Reads a run's queue and sends it on: whole lines from where it was, up to a thousand figures at a time.
//!
//! How far it came is kept in `mlflow/sent.json` after each success, by server and experiment. A process that is killed
//! between the two sends some lines again, with the same times and steps. One process sends at a time (`mlflow/lock`).

use super::Wish;
use super::client::{Client, Fault, RemoteRun};
use super::queue::{self, Event};
use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender as Channel, channel};
use std::time::{Duration, Instant};

/// MLflow takes so many metrics in a request.
const MOST_METRICS: usize = 1000;
/// And so many parameters.
const MOST_PARAMS: usize = 100;
/// Read from the queue at once.
const MOST_BYTES: u64 = 256 << 10;
/// How often the queue is looked at.
const EVERY: Duration = Duration::from_secs(2);
/// Longest pause before a silent server is asked again.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// How far the queue was sent to one server.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Sent {
    experiment_id: String,
    run_id: String,
    artifact_uri: String,
    /// Bytes of the queue.
    offset: u64,
}

/// What one round of work did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// Nothing was left.
    Idle,
    /// Something was sent, and there may be more.
    Sent,
}

/// Sends one run's queue to one server.
pub(super) struct Sender {
    client: Client,
    wish: Wish,
    dir: PathBuf,
    sent: BTreeMap<String, Sent>,
    refusals: u32,
    // Held as long as this process sends.
    _lock: File,
}

impl Sender {
    pub(super) fn open(wish: &Wish, dir: &Path) -> Result<Self> {
        let folder = queue::folder(dir);
        let path = folder.join("lock");
        let lock = File::create(&path).with_context(|| format!("cannot open {}", path.display()))?;
        if lock.try_lock().is_err() {
            bail!("another process is sending {}", folder.display());
        }
        let path = folder.join("sent.json");
        let sent = match std::fs::read_to_string(&path) {
            Ok(text) => serde_json::from_str(&text).with_context(|| path.display().to_string())?,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => BTreeMap::new(),
            Err(e) => return Err(e).with_context(|| format!("cannot read {}", path.display())),
        };
        let client = Client::new(&wish.uri, wish.answer);
        Ok(Self { client, wish: wish.clone(), dir: dir.to_owned(), sent, refusals: 0, _lock: lock })
    }

    fn key(&self) -> String {
        format!("{} {}", self.wish.uri, self.wish.experiment)
    }

    fn state(&mut self) -> &mut Sent {
        self.sent.entry(self.key()).or_default()
    }

    /// The run in the server's own pages.
    pub(super) fn address(&self) -> Option<String> {
        let sent = self.sent.get(&self.key())?;
        Some(format!("{}/#/experiments/{}/runs/{}", self.wish.uri, sent.experiment_id, sent.run_id))
    }

    /// Bytes of the queue that are not sent.
    fn left(&self) -> u64 {
        let whole = std::fs::metadata(queue::path(&self.dir)).map_or(0, |m| m.len());
        whole.saturating_sub(self.sent.get(&self.key()).map_or(0, |sent| sent.offset))
    }

    /// Sends what comes next.
    ///
    /// # Errors
    /// Why not, in words; trying again later may help.
    pub(super) fn work(&mut self) -> Result<Progress, String> {
        let lines = self.next_lines().map_err(|error| format!("{error:#}"))?;
        if lines.is_empty() {
            return Ok(Progress::Idle);
        }
        self.begin()?;
        let run = self.state().clone();
        let (mut metrics, mut bytes) = (Vec::new(), 0);
        for (event, length) in lines {
            match event {
                Some(Event::Metrics { step, time_ms, values }) => {
                    if metrics.len() + values.len() > MOST_METRICS {
                        self.flush(&run, &mut metrics, &mut bytes)?;
                    }
                    metrics.extend(values.into_iter().map(|(key, value)| {
                        json!({ "key": key, "value": value, "timestamp": time_ms, "step": step })
                    }));
                    bytes += length;
                    continue;
                }
                // What came before it is told before it.
                _ => self.flush(&run, &mut metrics, &mut bytes)?,
            }
            match event {
                Some(Event::Params(params)) => {
                    let pairs = params.iter().map(|(key, value)| json!({ "key": key, "value": value }));
                    for part in pairs.collect::<Vec<Value>>().chunks(MOST_PARAMS) {
                        let taken = self.client.log_batch(&run.run_id, &[], part);
                        self.settle(taken, "parameters")?;
                    }
                }
                Some(Event::Artifact { file, folder }) => self.upload(&run, &file, &folder)?,
                Some(Event::Status { status, time_ms, ended }) => {
                    let taken = self.client.update_run(&run.run_id, &status, ended.then_some(time_ms));
                    self.settle(taken, "the run's end")?;
                }
                // The run is made by now; and a line that is none is passed over.
                Some(Event::Start { .. } | Event::Metrics { .. }) | None => {}
            }
            self.advance(length)?;
        }
        self.flush(&run, &mut metrics, &mut bytes)?;
        Ok(Progress::Sent)
    }

    /// The next whole lines with their lengths; none for a line that does not read.
    fn next_lines(&mut self) -> Result<Vec<(Option<Event>, u64)>> {
        let path = queue::path(&self.dir);
        let offset = self.state().offset;
        let read = || -> std::io::Result<Vec<u8>> {
            let mut file = File::open(&path)?;
            file.seek(SeekFrom::Start(offset))?;
            let mut bytes = Vec::new();
            file.take(MOST_BYTES).read_to_end(&mut bytes)?;
            Ok(bytes)
        };
        let bytes = read().with_context(|| format!("cannot read {}", path.display()))?;
        Ok(bytes
            .split_inclusive(|&b| b == b'\n')
            .filter(|line| line.ends_with(b"\n"))
            .map(|line| (serde_json::from_slice(line).ok(), line.len() as u64))
            .collect())
    }

    /// Makes the experiment and the run, once.
    fn begin(&mut self) -> Result<(), String> {
        if !self.state().run_id.is_empty() {
            return Ok(());
        }
        let path = queue::path(&self.dir);
        let text = std::fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()))?;
        let first = text.lines().next().and_then(|line| serde_json::from_str(line).ok());
        let Some(Event::Start { name, time_ms, tags }) = first else {
            return Err(format!("{} does not begin with a run", path.display()));
        };
        let tags: Value = tags.iter().map(|(key, value)| json!({ "key": key, "value": value })).collect();
        let word = |fault: Fault| match fault {
            Fault::Later(why) | Fault::Refused(why) => why,
        };
        let experiment = self.client.experiment(&self.wish.experiment).map_err(word)?;
        let run = self.client.create_run(&experiment, &name, time_ms, &tags).map_err(word)?;
        let RemoteRun { experiment_id, run_id, artifact_uri } = run;
        let offset = self.state().offset;
        *self.state() = Sent { experiment_id, run_id, artifact_uri, offset };
        self.save()
    }

    fn flush(&mut self, run: &Sent, metrics: &mut Vec<Value>, bytes: &mut u64) -> Result<(), String> {
        if !metrics.is_empty() {
            let taken = self.client.log_batch(&run.run_id, metrics, &[]);
            self.settle(taken, "metrics")?;
            metrics.clear();
        }
        if *bytes > 0 {
            self.advance(*bytes)?;
            *bytes = 0;
        }
        Ok(())
    }

    fn upload(&mut self, run: &Sent, file: &Path, folder: &str) -> Result<(), String> {
        let path = self.dir.join(file);
        let Some(name) = file.file_name().map(|name| name.to_string_lossy().into_owned()) else {
            return Ok(());
        };
        // A checkpoint may have given way to newer ones by now.
        let Ok(bytes) = std::fs::read(&path) else { return Ok(()) };
        let to = if folder.is_empty() { name } else { format!("{folder}/{name}") };
        let taken = self.client.put_artifact(&run.artifact_uri, &to, &bytes);
        self.settle(taken, &to)
    }

    /// What MLflow refuses is said and passed over, or it would hold up all that follows.
    fn settle(&mut self, taken: Result<(), Fault>, what: &str) -> Result<(), String> {
        match taken {
            Ok(()) => Ok(()),
            Err(Fault::Later(why)) => Err(why),
            Err(Fault::Refused(why)) => {
                self.refusals += 1;
                if self.refusals <= 3 {
                    crate::errln!("warning: mlflow refused {what}: {why}");
                }
                Ok(())
            }
        }
    }

    fn advance(&mut self, bytes: u64) -> Result<(), String> {
        self.state().offset += bytes;
        self.save()
    }

    fn save(&self) -> Result<(), String> {
        let path = queue::folder(&self.dir).join("sent.json");
        let text = serde_json::to_string_pretty(&self.sent).map_err(|e| e.to_string())?;
        model_export::write_atomically(&path, text.as_bytes()).map_err(|e| e.to_string())
    }
}

/// What was not sent when a training ended.
pub(super) struct Left {
    pub(super) uri: String,
    pub(super) what: String,
    pub(super) why: String,
}

/// A sender at work on a thread of its own.
pub(super) struct Shipment {
    uri: String,
    stop: Channel<()>,
    done: Receiver<Option<(u64, String)>>,
}

impl Shipment {
    pub(super) fn start(sender: Sender) -> Self {
        let ((stop, stopped), (tell, done)) = (channel(), channel());
        let uri = sender.wish.uri.clone();
        std::thread::spawn(move || {
            let left = ship(sender, &stopped);
            let _ = tell.send(left);
        });
        Self { uri, stop, done }
    }

    /// Waits for what is left, at most so long.
    pub(super) fn finish(&self, linger: Duration) -> Option<Left> {
        let _ = self.stop.send(());
        let left = |what: String, why: String| Some(Left { uri: self.uri.clone(), what, why });
        match self.done.recv_timeout(linger) {
            Ok(None) => None,
            Ok(Some((bytes, why))) => {
                left(format!("{} KiB of figures", bytes.div_ceil(1024)), format!(" ({why})"))
            }
            Err(_) => left("parts".to_owned(), " (the server is slow)".to_owned()),
        }
    }
}

/// Sends until it is told to stop and nothing is left, or the server does not answer then. Returns what was not sent.
fn ship(mut sender: Sender, stopped: &Receiver<()>) -> Option<(u64, String)> {
    let (mut pause, mut ending) = (EVERY, false);
    let mut silent_since: Option<Instant> = None;
    loop {
        match sender.work() {
            Ok(Progress::Sent) => {
                if silent_since.take().is_some() {
                    crate::errln!("mlflow: {} answers again", sender.wish.uri);
                }
                pause = EVERY;
                // What was written meanwhile is sent together, unless this is the end.
                if ending || sender.left() > MOST_BYTES {
                    continue;
                }
            }
            Ok(Progress::Idle) if ending => return None,
            Ok(Progress::Idle) => pause = EVERY,
            Err(why) if ending => return Some((sender.left(), why)),
            Err(why) => {
                if silent_since.is_none() {
                    silent_since = Some(Instant::now());
                    let folder = queue::folder(&sender.dir);
                    crate::errln!(
                        "warning: mlflow: {}: {why}; training goes on, and what is to be sent waits in {}",
                        sender.wish.uri,
                        folder.display()
                    );
                }
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        }
        if !ending {
            ending = stopped.recv_timeout(pause) != Err(RecvTimeoutError::Timeout);
        }
    }
}
