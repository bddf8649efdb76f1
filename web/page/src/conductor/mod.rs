//! What happens behind the instrument: fetch, start, verify, sample, take over, fall back.
//!
//! The CPU program starts first, because it is small and runs everywhere. After the first picture the GPU program is fetched
//! behind it; it must reproduce a stored answer, and it takes over if it is faster. When it is lost later, the
//! CPU takes the same plan over. One task at a time prepares machines and models, and it always looks at the newest wish.
//!
//! - `stock`: what was fetched. `prepare`: a machine with a verified model. `run`: frames onto the screen. `takeover`: the
//!   GPU behind.

mod prepare;
mod run;
mod stock;
mod takeover;

use crate::catalog::{Catalog, Site};
use crate::fetch;
use crate::film::Film;
use crate::machine::Machine;
use crate::session::{About, Badge, Session};
use crate::words::{self, Failure};
use flow::plan::SamplePlan;
use leptos::prelude::*;
use leptos::task::spawn_local;
use protocol::{Backend, Fault};
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use stock::Stock;

/// How often a broken CPU program is started again before the reader is told.
const CPU_RESTARTS: u32 = 1;

/// The lists of the site, once they are read.
struct Lists {
    site: Site,
    catalog: Catalog,
    /// The manifest's text, for the workers, which read it strictly.
    manifest: String,
}

struct Behind {
    session: Session,
    forced: Option<Backend>,
    /// Whether the wish names a model; else the manifest says which comes first.
    names_model: Cell<bool>,
    stock: Stock,
    machines: RefCell<HashMap<&'static str, Machine>>,
    chosen: Cell<Backend>,
    wished: RefCell<Option<SamplePlan>>,
    /// Whether the newest wish is in the middle of a gesture.
    dragging: Cell<bool>,
    /// A run that waits off screen until it is complete, to replace the picture in place.
    coming: RefCell<Option<Film>>,
    preparing: Cell<bool>,
    /// The number of the run on screen, and what computes it.
    run: Cell<u64>,
    running_on: Cell<Option<Backend>>,
    gpu_tried: Cell<bool>,
    /// Models whose stored answer the GPU in use has reproduced.
    proven: RefCell<Vec<String>>,
    cpu_restarts: Cell<u32>,
    /// How many programs did not start.
    misstarts: Cell<u32>,
}

/// The conductor's handle.
#[derive(Clone)]
pub(crate) struct Conductor(Rc<Behind>);

impl Conductor {
    /// A conductor for a session; `forced` is the machine that the address asks for, `names_model` whether it names a model.
    pub(crate) fn new(session: Session, forced: Option<Backend>, names_model: bool) -> Self {
        Self(Rc::new(Behind {
            session,
            forced,
            names_model: Cell::new(names_model),
            stock: Stock::default(),
            machines: RefCell::default(),
            chosen: Cell::new(forced.unwrap_or(Backend::Cpu)),
            wished: RefCell::default(),
            dragging: Cell::new(false),
            coming: RefCell::default(),
            preparing: Cell::new(false),
            run: Cell::new(0),
            running_on: Cell::new(None),
            gpu_tried: Cell::new(forced.is_some()),
            proven: RefCell::default(),
            cpu_restarts: Cell::new(0),
            misstarts: Cell::new(0),
        }))
    }

    /// Asks for a plan, in the middle of a gesture or not. The newest wish counts; a run in progress ends.
    pub(crate) fn wish(&self, plan: SamplePlan, dragging: bool) {
        // What is on screen is no longer what is asked for, and what was said of it is no longer true.
        let session = self.0.session;
        self.0.dragging.set(dragging);
        session.stale.set(true);
        session.spoken.set(String::new());
        session.replace_notices(About::Run, Vec::new());
        session.show(|film| film.complete = false);
        self.take(plan);
    }

    /// Ends the run in progress, and prepares the plan's.
    fn take(&self, plan: SamplePlan) {
        // What the run before still says no longer counts.
        self.0.run.set(self.0.run.get() + 1);
        *self.0.coming.borrow_mut() = None;
        for machine in self.0.machines.borrow().values() {
            machine.cancel();
        }
        *self.0.wished.borrow_mut() = Some(plan);
        if !self.0.preparing.replace(true) {
            let conductor = self.clone();
            spawn_local(async move {
                while let Some(plan) = conductor.newest() {
                    let prepared = conductor.prepare(&plan).await;
                    if conductor.0.wished.borrow().is_none() {
                        match prepared {
                            Ok((machine, plan)) => conductor.run(&machine, plan),
                            Err(failure) => conductor.fail(failure),
                        }
                    }
                }
                conductor.0.preparing.set(false);
            });
        }
    }

    fn newest(&self) -> Option<SamplePlan> {
        self.0.wished.borrow_mut().take()
    }

    fn machine(&self, backend: Backend) -> Option<Machine> {
        self.0.machines.borrow().get(backend.id()).cloned()
    }

    fn fail(&self, failure: Failure) {
        let session = self.0.session;
        for machine in self.0.machines.borrow().values() {
            machine.cancel();
        }
        self.0.running_on.set(None);
        *self.0.coming.borrow_mut() = None;
        session.stale.set(false);
        session.loading.set(None);
        session.playing.set(false);
        // What went wrong is an alert, and is read as such.
        session.spoken.set(String::new());
        session.failure.set(Some(failure));
        session.transferred.set(fetch::transferred());
    }

    fn lose(&self, backend: Backend, fault: &Fault) {
        leptos::logging::warn!("the {} worker is gone: {fault}", backend.label());
        self.0.machines.borrow_mut().remove(backend.id());
        match backend {
            Backend::Gpu => self.lose_gpu(),
            Backend::Cpu if self.0.chosen.get() == Backend::Gpu => {}
            Backend::Cpu if self.0.cpu_restarts.get() < CPU_RESTARTS => {
                self.0.cpu_restarts.set(self.0.cpu_restarts.get() + 1);
                self.0.session.notice(About::Machine, words::cpu_restarted());
                self.again();
            }
            Backend::Cpu => self.fail(words::machine_failed(&self.label(), fault)),
        }
    }

    fn lose_gpu(&self) {
        let was_chosen = self.0.chosen.replace(Backend::Cpu) == Backend::Gpu;
        self.dismiss(Backend::Gpu);
        if was_chosen {
            self.0.session.notice(About::Machine, words::gpu_lost());
            self.reason(Backend::Cpu, words::after_gpu());
            if self.0.running_on.get() == Some(Backend::Gpu) {
                self.again();
            }
        }
    }

    fn dismiss(&self, backend: Backend) {
        let machine = self.0.machines.borrow_mut().remove(backend.id());
        if let Some(machine) = machine {
            machine.dismiss();
        }
        if backend == Backend::Gpu {
            self.0.proven.borrow_mut().clear();
        }
    }

    fn again(&self) {
        self.wish(self.0.session.wish.with_untracked(|wish| wish.plan.clone()), false);
    }

    fn reason(&self, backend: Backend, reason: String) {
        self.0.session.badge.set(Badge { backend: Some(backend), reason });
    }
}
