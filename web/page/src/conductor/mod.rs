//! What happens behind the instruments: fetch, start, verify, sample, take over, fall back.
//!
//! A document has one engine, with one machine that computes, and any number of clients: the page's instrument, the panes of
//! a comparison, elements in somebody's article. Each client wishes for one plan at a time; runs take turns, and a newer
//! wish of the same client ends its older one. What a reader has just wished for goes first, then what is to be seen, then what
//! nobody waits for.
//!
//! The CPU program starts first, because it is small and runs everywhere. After the first picture the GPU program is fetched
//! behind it; it must reproduce a stored answer, and it takes over if it is faster. When it is lost later, the
//! CPU takes the same plan over.
//!
//! - `draft`: answers while a slider is dragged. `turns`: who is next. `stock`: what was fetched. `prepare`: a machine with a verified model. `run`: frames onto the
//!   screen. `takeover`: the GPU behind.

mod draft;
mod prepare;
mod run;
mod stock;
mod takeover;
mod turns;

use crate::catalog::{Catalog, Site};
use crate::fetch;
use crate::film::Film;
use crate::machine::Machine;
use crate::session::{About, Badge, Session, Shared as Signals, Tally};
use crate::words::{self, Failure};
use draft::Drafts;
use flow::plan::SamplePlan;
use futures::future::{LocalBoxFuture, Shared};
use leptos::prelude::*;
use protocol::{Backend, Fault, Start};
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::{Rc, Weak};
use stock::Stock;
pub(crate) use turns::Rank;
use turns::Turns;

/// How often a broken CPU program is started again before the reader is told.
const CPU_RESTARTS: u32 = 1;

/// The lists of the site, once they are read.
struct Lists {
    site: Site,
    catalog: Catalog,
    /// The manifest's text, for the workers, which read it strictly.
    manifest: String,
}

/// What a run is sent out for.
#[derive(Clone)]
pub(crate) struct Errand {
    /// How to go.
    pub(crate) plan: SamplePlan,
    /// Which way.
    pub(crate) way: Way,
    /// What goes along, as [`protocol::Start`] and [`protocol::ToWorker::Invert`] say.
    pub(crate) bytes: Vec<u8>,
}

/// Which way a run goes.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Way {
    /// From this to data.
    Forth(Start),
    /// From pictures towards noise, as far as the time `at`. On its film time runs backwards, so that it begins at 0 all the
    /// same.
    Back {
        /// Where it ends.
        at: f64,
    },
}

impl From<SamplePlan> for Errand {
    /// From the plan's own noise.
    fn from(plan: SamplePlan) -> Self {
        Self { plan, way: Way::Forth(Start::Noise), bytes: Vec::new() }
    }
}

/// A machine that starts, for everybody who waits for it.
type Starting = Shared<LocalBoxFuture<'static, Result<Machine, Fault>>>;

/// What all clients share.
pub(crate) struct Engine {
    shared: Signals,
    forced: Option<Backend>,
    stock: Stock,
    machines: RefCell<HashMap<&'static str, Machine>>,
    /// Machines that start just now.
    starting: RefCell<HashMap<&'static str, Starting>>,
    chosen: Cell<Backend>,
    clients: RefCell<Vec<Weak<Client>>>,
    turns: RefCell<Turns<Rc<Client>, Errand>>,
    /// Told when the turn in progress is over.
    over: RefCell<Option<futures::channel::oneshot::Sender<()>>>,
    serving: Cell<bool>,
    /// The number of the newest run, and what computes it.
    run: Cell<u64>,
    running_on: Cell<Option<Backend>>,
    gpu_tried: Cell<bool>,
    /// Models whose stored answer the GPU in use has reproduced.
    proven: RefCell<Vec<String>>,
    cpu_restarts: Cell<u32>,
    /// How many programs did not start.
    misstarts: Cell<u32>,
}

impl Engine {
    /// An engine without clients; `forced` is the machine that the address asks for.
    pub(crate) fn new(shared: Signals, forced: Option<Backend>) -> Rc<Self> {
        Rc::new(Self {
            shared,
            forced,
            stock: Stock::default(),
            machines: RefCell::default(),
            starting: RefCell::default(),
            chosen: Cell::new(forced.unwrap_or(Backend::Cpu)),
            clients: RefCell::default(),
            turns: RefCell::new(Turns::default()),
            over: RefCell::default(),
            serving: Cell::new(false),
            run: Cell::new(0),
            running_on: Cell::new(None),
            gpu_tried: Cell::new(forced.is_some()),
            proven: RefCell::default(),
            cpu_restarts: Cell::new(0),
            misstarts: Cell::new(0),
        })
    }

    /// The signals of all clients.
    pub(crate) fn shared(&self) -> Signals {
        self.shared
    }

    /// Clients that are still there.
    fn living(&self) -> Vec<Rc<Client>> {
        self.clients.borrow().iter().filter_map(Weak::upgrade).filter(|client| !client.closed.get()).collect()
    }
}

/// One instrument, as the engine sees it.
struct Client {
    session: Session,
    /// Whether the wish names a model; else the manifest says which comes first.
    names_model: Cell<bool>,
    /// Whether each state brings its estimate and velocity along.
    views: bool,
    /// The newest wish, and whether it is in the middle of a gesture.
    newest: RefCell<Option<Errand>>,
    dragging: Cell<bool>,
    /// A run that waits off screen until it is complete, to replace the picture in place.
    coming: RefCell<Option<Film>>,
    /// Answers while a slider is dragged.
    drafts: Drafts,
    /// The files that it waits for, and their bytes.
    awaited: RefCell<Vec<(String, u64)>>,
    /// Its signals are gone: they must not be touched any more.
    closed: Cell<bool>,
}

/// The conductor's handle: the engine, on behalf of one client.
#[derive(Clone)]
pub(crate) struct Conductor(Rc<Engine>, Rc<Client>);

impl Conductor {
    /// A new client of the engine. `names_model` is whether its first plan names a model; `views`, whether its runs bring
    /// estimates and velocities along.
    pub(crate) fn new(engine: &Rc<Engine>, session: Session, names_model: bool, views: bool) -> Self {
        let client = Rc::new(Client {
            session,
            names_model: Cell::new(names_model),
            views,
            newest: RefCell::default(),
            dragging: Cell::new(false),
            coming: RefCell::default(),
            drafts: Drafts::default(),
            awaited: RefCell::default(),
            closed: Cell::new(false),
        });
        let mut clients = engine.clients.borrow_mut();
        clients.retain(|client| client.strong_count() > 0);
        clients.push(Rc::downgrade(&client));
        Self(engine.clone(), client)
    }

    fn session(&self) -> Session {
        self.1.session
    }

    /// Asks for a run, in the middle of a gesture or not. The newest wish of a client counts; its rank
    /// says who makes room for it.
    pub(crate) fn wish(&self, errand: impl Into<Errand>, dragging: bool, rank: Rank) {
        let errand = errand.into();
        // What is on screen is no longer what is asked for, and what was said of it is no longer true.
        let session = self.session();
        // What follows a draft takes its place.
        self.1.dragging.set(dragging || self.1.drafts.counts().is_some());
        self.1.drafts.end();
        session.stale.set(true);
        session.spoken.set(String::new());
        session.replace_notices(About::Run, Vec::new());
        session.show(|film| film.complete = false);
        *self.1.newest.borrow_mut() = Some(errand.clone());
        self.take(errand, rank);
    }

    /// Ends what was asked for.
    pub(crate) fn rest(&self) {
        *self.1.newest.borrow_mut() = None;
        self.leave();
        let session = self.session();
        session.playing.set(false);
        session.stale.set(false);
        session.loading.set(None);
        session.tally.set(Tally::default());
    }

    /// The instrument goes away: nothing of it is touched from now on.
    pub(crate) fn close(&self) {
        self.1.closed.set(true);
        self.leave();
    }

    fn machine(&self, backend: Backend) -> Option<Machine> {
        self.0.machines.borrow().get(backend.id()).cloned()
    }

    fn fail(&self, failure: Failure) {
        let session = self.session();
        for machine in self.0.machines.borrow().values() {
            machine.cancel();
        }
        self.0.running_on.set(None);
        *self.1.coming.borrow_mut() = None;
        // A draft that failed is drawn no more, and the next drag begins another.
        self.1.drafts.end();
        session.stale.set(false);
        session.loading.set(None);
        session.playing.set(false);
        // What went wrong is an alert, and is read as such.
        session.spoken.set(String::new());
        session.failure.set(Some(failure));
        session.transferred.set(fetch::transferred());
        self.end_turn();
    }

    fn lose(&self, backend: Backend, fault: &Fault) {
        leptos::logging::warn!("the {} worker is gone: {fault}", backend.label());
        self.0.machines.borrow_mut().remove(backend.id());
        match backend {
            Backend::Gpu => self.lose_gpu(),
            Backend::Cpu if self.0.chosen.get() == Backend::Gpu => {}
            Backend::Cpu if self.0.cpu_restarts.get() < CPU_RESTARTS => {
                self.0.cpu_restarts.set(self.0.cpu_restarts.get() + 1);
                self.session().notice(About::Machine, words::cpu_restarted());
                self.again();
            }
            Backend::Cpu => self.fail(words::machine_failed(&self.label(), fault)),
        }
    }

    fn lose_gpu(&self) {
        let was_chosen = self.0.chosen.replace(Backend::Cpu) == Backend::Gpu;
        self.dismiss(Backend::Gpu);
        if was_chosen {
            self.session().notice(About::Machine, words::gpu_lost());
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

    /// Asks for the newest wish once more.
    pub(crate) fn again(&self) {
        let newest = self.1.newest.borrow().clone();
        if let Some(errand) = newest {
            self.wish(errand, false, Rank::Reader);
        }
    }

    fn reason(&self, backend: Backend, reason: String) {
        self.0.shared.badge.set(Badge { backend: Some(backend), reason });
    }
}
