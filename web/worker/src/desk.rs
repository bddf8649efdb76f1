//! Where requests wait, and the loop that serves them one at a time.
//!
//! A newer run pushes out an older one, waiting or in progress; other requests wait until no run does. The loop
//! ends when nothing waits and begins again with the next request.

use crate::errand::{Errand, Way};
use crate::sampling::{self, Cast};
use crate::shelf::{self, Model};
use crate::{pause, post, trial};
use burn::tensor::Device;
use flow::plan::SamplePlan;
use js_sys::{ArrayBuffer, Uint8Array};
use protocol::{Fault, ToPage, ToWorker};
use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

/// A request that is not a run.
enum Request {
    Load { model: String, manifest: String, bytes: Vec<u8> },
    SelfTest { model: String, answer: Vec<u8> },
    Measure { model: String },
}

#[derive(Default)]
struct Desk {
    device: Option<Device>,
    models: Vec<Rc<Model>>,
    run: Option<(u64, Errand)>,
    requests: VecDeque<Request>,
    /// The run that is wanted: an older one in progress ends at its next step.
    wanted: Option<u64>,
    serving: bool,
}

impl Desk {
    /// A run that pushes out the one before it.
    fn begin(&mut self, run: u64, errand: Errand) {
        self.run = Some((run, errand));
        self.wanted = Some(run);
    }
}

thread_local! {
    static DESK: RefCell<Desk> = RefCell::default();
}

fn with<T>(act: impl FnOnce(&mut Desk) -> T) -> T {
    DESK.with_borrow_mut(act)
}

/// Opens the desk: from now on requests are served.
pub(crate) fn open(device: Device) {
    with(|desk| desk.device = Some(device));
}

/// Whether this run is still the one that the page wants.
pub(crate) fn wants(run: u64) -> bool {
    with(|desk| desk.wanted == Some(run))
}

/// Whether a run waits: then measuring can wait.
pub(crate) fn run_waits() -> bool {
    with(|desk| desk.run.is_some())
}

/// Takes a request, and begins to serve if nobody does.
pub(crate) fn take(message: ToWorker, buffer: Option<ArrayBuffer>) {
    let bytes = || buffer.map(|buffer| Uint8Array::new(&buffer).to_vec()).unwrap_or_default();
    let begin = with(|desk| {
        match message {
            ToWorker::Load { model, manifest } => {
                desk.requests.push_back(Request::Load { model, manifest, bytes: bytes() });
            }
            ToWorker::SelfTest { model } => {
                desk.requests.push_back(Request::SelfTest { model, answer: bytes() });
            }
            ToWorker::Measure { model } => desk.requests.push_back(Request::Measure { model }),
            ToWorker::Sample { run, plan, start, views } => {
                desk.begin(run, Errand { plan, way: Way::Forth(start), bytes: bytes(), views });
            }
            ToWorker::Invert { run, plan, at } => {
                desk.begin(run, Errand { plan, way: Way::Back { at }, bytes: bytes(), views: false });
            }
            ToWorker::Cancel => {
                desk.run = None;
                desk.wanted = None;
            }
        }
        !std::mem::replace(&mut desk.serving, true)
    });
    if begin {
        wasm_bindgen_futures::spawn_local(serve());
    }
}

async fn serve() {
    loop {
        // A run waits for models that are about to be loaded: one of them may be its own. All else comes after it.
        let run = with(|desk| {
            let coming = desk.requests.iter().any(|request| matches!(request, Request::Load { .. }));
            if coming { None } else { desk.run.take() }
        });
        if let Some((run, errand)) = run {
            sample(run, &errand).await;
        } else if let Some(request) = with(|desk| desk.requests.pop_front()) {
            answer(request).await;
        } else if with(|desk| {
            desk.serving = desk.run.is_some() || !desk.requests.is_empty();
            !desk.serving
        }) {
            return;
        }
        pause::breathe().await;
    }
}

fn find(id: &str) -> Result<Rc<Model>, Fault> {
    with(|desk| desk.models.iter().find(|model| model.id == id).cloned())
        .ok_or_else(|| Fault::NotLoaded { model: id.to_owned() })
}

/// The plan's model, and the weaker one that its manifest names when the guidance needs that.
fn cast(plan: &SamplePlan) -> Result<(Rc<Model>, Option<Rc<Model>>), Fault> {
    let model = find(&plan.model)?;
    if !plan.guidance.needs_weak_model() {
        return Ok((model, None));
    }
    let id = model.weak.as_deref().ok_or_else(|| Fault::Sampling {
        what: format!("`{}` has no weaker model, which guidance={} needs", model.id, plan.guidance),
    })?;
    let weak = find(id)?;
    Ok((model, Some(weak)))
}

async fn sample(run: u64, errand: &Errand) {
    let outcome = match cast(&errand.plan) {
        Ok((model, weak)) => {
            let cast = Cast { model: &model, weak: weak.as_deref() };
            sampling::serve(cast, run, errand).await
        }
        Err(fault) => Err(fault),
    };
    match outcome {
        Ok(Some((done, numbers))) => post::say_with(&done, &protocol::start::bytes(&numbers)),
        Ok(None) => {}
        Err(fault) => post::say(&ToPage::Failed { run, fault }),
    }
}

async fn answer(request: Request) {
    match request {
        Request::Load { model, manifest, bytes } => {
            let began_ms = pause::now_ms();
            let device = with(|desk| desk.device.clone());
            let built = device
                .ok_or_else(|| Fault::Device { what: "none is open".to_owned() })
                .and_then(|device| shelf::build(&model, &manifest, &bytes, &device, find));
            match built {
                Ok(built) => {
                    let looks = built.looks;
                    with(|desk| {
                        desk.models.retain(|old| old.id != built.id);
                        desk.models.push(Rc::new(built));
                    });
                    post::say(&ToPage::Loaded { model, took_ms: pause::now_ms() - began_ms, looks });
                }
                Err(fault) => post::say(&ToPage::Refused { model, fault }),
            }
        }
        Request::SelfTest { model, answer } => {
            let result = match find(&model) {
                Ok(found) => trial::self_test(&found, &answer).await,
                Err(fault) => Err(fault),
            };
            post::say(&match result {
                Ok(worst) => {
                    ToPage::SelfTested { model, worst, agrees: worst <= protocol::SELF_TEST_TOLERANCE }
                }
                Err(fault) => ToPage::Refused { model, fault },
            });
        }
        Request::Measure { model } => {
            let result = match find(&model) {
                Ok(found) => trial::measure(&found).await,
                Err(fault) => Err(fault),
            };
            match result {
                Ok(Some(evaluation_ms)) => post::say(&ToPage::Measured { model, evaluation_ms }),
                // A run came in between: measure after it.
                Ok(None) => with(|desk| desk.requests.push_back(Request::Measure { model })),
                Err(fault) => post::say(&ToPage::Refused { model, fault }),
            }
        }
    }
}
