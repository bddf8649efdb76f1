//! One worker, seen from the page: questions that are awaited, runs that stream, and an end that is told once.
//!
//! A machine that was dismissed, or whose worker broke, answers every open question with a fault, so nothing
//! waits for ever. A watch counts seconds of silence while something is expected: a graphics processor that hangs says nothing.

use crate::catalog::Program;
use crate::conductor::{Errand, Way};
use futures::channel::oneshot;
use js_sys::{Array, ArrayBuffer, Object, Reflect, Uint8Array};
use leptos::prelude::{set_interval_with_handle, window};
use protocol::{Backend, Fault, Looks, ToPage, ToWorker};
use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;
use wasm_bindgen::{JsCast, JsValue, closure::Closure};
use web_sys::{MessageEvent, Worker, WorkerOptions, WorkerType};

/// The worker's script, beside the page.
const SCRIPT: &str = "worker.js";

/// The scripts that start a program, by the addresses that they have after so many starts that failed.
pub(crate) fn scripts(program: &Program, misstarts: u32) -> [String; 2] {
    [script(SCRIPT, misstarts), script(&program.js, misstarts)]
}

/// The address of a script after so many starts that failed. Scripts are fetched by the browser, which can't be told to
/// pass over its cache; another address does it.
fn script(url: &str, misstarts: u32) -> String {
    if misstarts == 0 { url.to_owned() } else { format!("{url}?again={misstarts}") }
}

/// A worker of a script. A browser starts none from another origin than the document's, which an article that shows an element
/// may well have, and a sandboxed frame always has; there it starts from a line that imports the script, which then imports the
/// program (the other origin has to allow that: CORS). It is no module, because Chromium starts no module from such a line in
/// a sandboxed frame. Where the script's text is here and known to be the published one, it takes the place of that line.
fn new_worker(address: &str, text: Option<&Uint8Array>, options: &WorkerOptions) -> Result<Worker, JsValue> {
    let origin = web_sys::Url::new(address)?.origin();
    if window().location().origin()? == origin && window().origin() == origin {
        return Worker::new_with_options(address, options);
    }
    let line = || JsValue::from(format!("importScripts({});", serde_json::Value::from(address)));
    let text = text.map_or_else(line, JsValue::from);
    let kind = web_sys::BlobPropertyBag::new();
    kind.set_type("text/javascript");
    let blob = web_sys::Blob::new_with_buffer_source_sequence_and_options(&Array::of1(&text), &kind)?;
    let url = web_sys::Url::create_object_url_with_blob(&blob)?;
    options.set_type(WorkerType::Classic);
    let worker = Worker::new_with_options(&url, options);
    // The browser reads it within this time, or the worker has failed anyway.
    let forget = move || {
        // It fails only for what is no such address.
        let _ = web_sys::Url::revoke_object_url(&url);
    };
    leptos::prelude::set_timeout(forget, Duration::from_secs(60));
    worker
}

/// Seconds of silence after which a worker counts as hung.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Patience {
    /// While it answers a question: a first evaluation may compile many shaders.
    pub(crate) question_s: u32,
    /// In a run, from one state to the next: somebody is looking.
    pub(crate) run_s: u32,
}

/// What a machine tells without being asked a question.
pub(crate) enum Event {
    /// A state: the message, and its pixels, 0 paper and 255 ink.
    Frame(ToPage, Vec<u8>),
    /// The run reached its end, with the numbers of its final states, or failed.
    Run(ToPage, Vec<f32>),
    /// It is of no more use.
    Broken(Fault),
}

/// A question that waits for its answer.
struct Question {
    /// The model that it is about, empty for the start.
    model: String,
    /// Whether a message is its answer.
    answers: fn(&ToPage) -> bool,
    reply: oneshot::Sender<Result<ToPage, Fault>>,
}

struct Inner {
    worker: Worker,
    questions: Vec<Question>,
    loaded: Vec<(String, Looks)>,
    /// A run is in progress: messages are expected.
    running: bool,
    /// A run was begun and has not told its end: cancelled, it ends in silence, some time later.
    unended: bool,
    /// The newest run, and whether anything of it was heard.
    run: u64,
    heeds: bool,
    silent_s: u32,
    broken: bool,
    tell: Rc<dyn Fn(Event)>,
}

/// A worker, its program and its models.
#[derive(Clone)]
pub(crate) struct Machine {
    /// What it computes with.
    pub(crate) backend: Backend,
    inner: Rc<RefCell<Inner>>,
}

impl Machine {
    /// Starts a worker with a program already fetched and waits until its device is open. Without `patience` it is trusted,
    /// however long it is silent. `misstarts` counts the starts that failed before this one. `text` is the worker's script, where
    /// it is known to be the published one.
    pub(crate) async fn start(
        backend: Backend,
        program: &Program,
        wasm: &Uint8Array,
        text: Option<&Uint8Array>,
        patience: Option<Patience>,
        misstarts: u32,
        tell: impl Fn(Event) + 'static,
    ) -> Result<Self, Fault> {
        let broken = |error: JsValue| Fault::Program { what: crate::fetch::say(&error) };
        let options = WorkerOptions::new();
        options.set_type(WorkerType::Module);
        options.set_name(&format!("flow-digits {}", backend.id()));
        let [address, js] = scripts(program, misstarts).map(|url| crate::fetch::resolve(&url));
        let worker = new_worker(&address, text, &options).map_err(broken)?;
        let machine = Self {
            backend,
            inner: Rc::new(RefCell::new(Inner {
                worker: worker.clone(),
                questions: Vec::new(),
                loaded: Vec::new(),
                running: false,
                unended: false,
                run: 0,
                heeds: true,
                silent_s: 0,
                broken: false,
                tell: Rc::new(tell),
            })),
        };
        machine.listen(&worker);
        if let Some(patience) = patience {
            machine.watch(patience);
        }

        // The program is handed over, not copied: a machine that replaces this one gets its own.
        let bytes = wasm.slice(0, wasm.length()).buffer();
        let first = Object::new();
        let _ = Reflect::set(&first, &"js".into(), &js.into());
        let _ = Reflect::set(&first, &"wasm".into(), &bytes);
        let ready = machine.ask("", |answer| matches!(answer, ToPage::Ready { .. }));
        worker.post_message_with_transfer(&first, &Array::of1(&bytes)).map_err(broken)?;
        match ready.await? {
            ToPage::Ready { version: protocol::VERSION, transferred, .. } => {
                crate::fetch::also_transferred(transferred);
                Ok(machine)
            }
            other => {
                machine.dismiss();
                let what =
                    format!("the page speaks version {}, the worker said {other:?}", protocol::VERSION);
                Err(Fault::Program { what })
            }
        }
    }

    /// Hands a model over, unless it is there already.
    pub(crate) async fn load(&self, model: &str, manifest: &str, bytes: &Uint8Array) -> Result<(), Fault> {
        if self.looks(model).is_some() {
            return Ok(());
        }
        let answer = self.ask(model, |answer| matches!(answer, ToPage::Loaded { .. }));
        self.say(&ToWorker::Load { model: model.to_owned(), manifest: manifest.to_owned() }, Some(bytes));
        match answer.await? {
            ToPage::Loaded { .. } => Ok(()),
            other => Err(Fault::Message { what: format!("{other:?}") }),
        }
    }

    /// What the states of a model look like, if it is loaded.
    pub(crate) fn looks(&self, model: &str) -> Option<Looks> {
        self.inner.borrow().loaded.iter().find(|(loaded, _)| loaded == model).map(|(_, looks)| *looks)
    }

    /// The greatest difference from the stored answer, and whether it is small enough.
    pub(crate) async fn self_test(&self, model: &str, answer: &Uint8Array) -> Result<(f32, bool), Fault> {
        let reply = self.ask(model, |answer| matches!(answer, ToPage::SelfTested { .. }));
        self.say(&ToWorker::SelfTest { model: model.to_owned() }, Some(answer));
        match reply.await? {
            ToPage::SelfTested { worst, agrees, .. } => Ok((worst, agrees)),
            other => Err(Fault::Message { what: format!("{other:?}") }),
        }
    }

    /// Milliseconds for one evaluation at each of `protocol::MEASURED_BATCHES`.
    pub(crate) async fn measure(&self, model: &str) -> Result<[f64; 2], Fault> {
        let reply = self.ask(model, |answer| matches!(answer, ToPage::Measured { .. }));
        self.say(&ToWorker::Measure { model: model.to_owned() }, None);
        match reply.await? {
            ToPage::Measured { evaluation_ms, .. } => Ok(evaluation_ms),
            other => Err(Fault::Message { what: format!("{other:?}") }),
        }
    }

    /// Begins a run; one in progress is cancelled. With `views` each state brings its estimate and velocity. Whether there may
    /// still be another run, in a step that nothing breaks off.
    pub(crate) fn begin(&self, run: u64, errand: &Errand, views: bool) -> bool {
        let occupied = {
            let mut inner = self.inner.borrow_mut();
            inner.running = true;
            (inner.run, inner.heeds) = (run, false);
            inner.silent_s = 0;
            std::mem::replace(&mut inner.unended, true)
        };
        let Errand { plan, way, bytes } = errand;
        let message = match way {
            Way::Forth(start) => ToWorker::Sample { run, plan: plan.clone(), start: start.clone(), views },
            Way::Back { at } => ToWorker::Invert { run, plan: plan.clone(), at: *at },
        };
        let bytes = (!bytes.is_empty()).then(|| Uint8Array::new_from_slice(bytes));
        self.say(&message, bytes.as_ref());
        occupied
    }

    /// Whether nothing was heard of the newest run, and nobody waits for an answer.
    pub(crate) fn is_heedless(&self) -> bool {
        let inner = self.inner.borrow();
        !inner.broken && !inner.heeds && inner.questions.is_empty()
    }

    /// Ends the run in progress.
    pub(crate) fn cancel(&self) {
        if std::mem::take(&mut self.inner.borrow_mut().running) {
            self.say(&ToWorker::Cancel, None);
        }
    }

    /// Ends the worker. Open questions are answered with a fault; nobody is told, because somebody wanted it.
    pub(crate) fn dismiss(&self) {
        self.end(&Fault::Program { what: "it was dismissed".to_owned() });
    }

    fn ask(
        &self,
        model: &str,
        answers: fn(&ToPage) -> bool,
    ) -> impl Future<Output = Result<ToPage, Fault>> + use<> {
        let (reply, answer) = oneshot::channel();
        let mut inner = self.inner.borrow_mut();
        inner.silent_s = 0;
        if inner.broken {
            let _ = reply.send(Err(Fault::Program { what: "the worker has ended".to_owned() }));
        } else {
            inner.questions.push(Question { model: model.to_owned(), answers, reply });
        }
        async move {
            answer.await.unwrap_or_else(|_| Err(Fault::Program { what: "the worker has ended".to_owned() }))
        }
    }

    fn say(&self, message: &ToWorker, bytes: Option<&Uint8Array>) {
        // Structs of numbers and strings cannot fail to become JSON.
        let text = serde_json::to_string(message).unwrap_or_default();
        let buffer = bytes.map(|bytes| bytes.slice(0, bytes.length()).buffer());
        let parts = Array::of2(&text.into(), buffer.as_ref().map_or(&JsValue::NULL, AsRef::as_ref));
        let transferred = buffer.as_ref().map_or_else(Array::new, |buffer| Array::of1(buffer));
        let worker = self.inner.borrow().worker.clone();
        if let Err(error) = worker.post_message_with_transfer(&parts, &transferred) {
            self.fall(Fault::Message { what: crate::fetch::say(&error) });
        }
    }

    fn listen(&self, worker: &Worker) {
        let machine = self.clone();
        let on_message = Closure::<dyn FnMut(MessageEvent)>::new(move |event: MessageEvent| {
            machine.hear(&event.data());
        });
        // Both go with the worker, when the browser collects what is no longer needed: workers are replaced.
        worker.set_onmessage(Some(on_message.into_js_value().unchecked_ref()));
        let machine = self.clone();
        let on_error = Closure::<dyn FnMut(web_sys::Event)>::new(move |event: web_sys::Event| {
            // Handled here; without this the browser would report it once more.
            event.prevent_default();
            // An error inside the worker has a message; a script that can't be loaded has none.
            let message =
                Reflect::get(&event, &"message".into()).ok().and_then(|message| message.as_string());
            let what = message.unwrap_or_else(|| "its script could not be loaded".to_owned());
            machine.fall(Fault::Program { what });
        });
        worker.set_onerror(Some(on_error.into_js_value().unchecked_ref()));
    }

    fn hear(&self, data: &JsValue) {
        let parts: &Array = data.unchecked_ref();
        let text = parts.get(0).as_string().unwrap_or_default();
        let message: ToPage = match serde_json::from_str(&text) {
            Ok(message) => message,
            Err(error) => return self.fall(Fault::Message { what: format!("{error} in {text}") }),
        };
        let tell = {
            let mut inner = self.inner.borrow_mut();
            if inner.broken {
                return;
            }
            inner.silent_s = 0;
            if let ToPage::Frame { run, .. } | ToPage::Done { run, .. } | ToPage::Failed { run, .. } =
                &message
                && *run == inner.run
            {
                inner.heeds = true;
                if !matches!(message, ToPage::Frame { .. }) {
                    (inner.running, inner.unended) = (false, false);
                }
            }
            inner.tell.clone()
        };
        match message {
            ToPage::Frame { .. } => {
                let buffer: ArrayBuffer = parts.get(1).unchecked_into();
                tell(Event::Frame(message, Uint8Array::new(&buffer).to_vec()));
            }
            ToPage::Done { .. } | ToPage::Failed { .. } => {
                let states = parts.get(1).dyn_into::<ArrayBuffer>();
                let states = states.map(|buffer| js_sys::Float32Array::new(&buffer).to_vec());
                tell(Event::Run(message, states.unwrap_or_default()));
            }
            ToPage::Fatal { fault } => self.fall(fault),
            ToPage::Alive => {}
            answer => self.answer(answer),
        }
    }

    fn answer(&self, answer: ToPage) {
        let (about, refused) = match &answer {
            ToPage::Loaded { model, .. }
            | ToPage::SelfTested { model, .. }
            | ToPage::Measured { model, .. } => (model.as_str(), None),
            ToPage::Refused { model, fault } => (model.as_str(), Some(fault.clone())),
            _ => ("", None),
        };
        let mut inner = self.inner.borrow_mut();
        // Whoever asked may have turned to something else: it is loaded all the same.
        if let ToPage::Loaded { model, looks, .. } = &answer {
            inner.loaded.retain(|(loaded, _)| loaded != model);
            inner.loaded.push((model.clone(), *looks));
        }
        let asked = inner.questions.iter().position(|question| {
            question.model == about && (refused.is_some() || (question.answers)(&answer))
        });
        if let Some(asked) = asked {
            let question = inner.questions.remove(asked);
            drop(inner);
            let _ = question.reply.send(refused.map_or(Ok(answer), Err));
        }
    }

    /// The worker broke: it is thrown away, and whoever waits for it or owns it hears why.
    fn fall(&self, fault: Fault) {
        if self.end(&fault) == Some(0) {
            // Nobody asked, so nobody heard it as an answer.
            let tell = self.inner.borrow().tell.clone();
            tell(Event::Broken(fault));
        }
    }

    /// Throws the worker away and answers open questions. How many there were; `None` if it had ended before.
    fn end(&self, fault: &Fault) -> Option<usize> {
        let questions = {
            let mut inner = self.inner.borrow_mut();
            if std::mem::replace(&mut inner.broken, true) {
                return None;
            }
            inner.running = false;
            inner.worker.set_onmessage(None);
            inner.worker.set_onerror(None);
            inner.worker.terminate();
            std::mem::take(&mut inner.questions)
        };
        let count = questions.len();
        for question in questions {
            let _ = question.reply.send(Err(fault.clone()));
        }
        Some(count)
    }

    /// Counts ticks and not time on a clock: a machine that slept is not a machine that hung.
    fn watch(&self, patience: Patience) {
        let machine = self.clone();
        let handle = Rc::new(RefCell::new(None::<leptos::leptos_dom::helpers::IntervalHandle>));
        let own = handle.clone();
        let tick = move || {
            let (silent_s, patience_s) = {
                let mut inner = machine.inner.borrow_mut();
                if inner.broken {
                    if let Some(handle) = own.borrow_mut().take() {
                        handle.clear();
                    }
                    return;
                }
                let expected = inner.running || !inner.questions.is_empty();
                inner.silent_s = if expected { inner.silent_s + 1 } else { 0 };
                let patience_s =
                    if inner.questions.is_empty() { patience.run_s } else { patience.question_s };
                (inner.silent_s, patience_s)
            };
            if silent_s > patience_s {
                machine.fall(Fault::Device { what: format!("it has been silent for {patience_s} seconds") });
            }
        };
        *handle.borrow_mut() = set_interval_with_handle(tick, Duration::from_secs(1)).ok();
    }
}
