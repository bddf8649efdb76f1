//! What happens behind the instrument: fetch, start, verify, sample, take over, fall back.
//!
//! The CPU program starts first, because it is small and runs everywhere. After the first picture the GPU program is fetched
//! behind it; it must reproduce a stored answer, and it takes over if it is faster. When it is lost later, the
//! CPU takes the same plan over. One task at a time prepares machines and models, and it always looks at the newest wish.

use crate::catalog::{Catalog, Entry, MANIFEST, SITE, Site};
use crate::fetch::{self, FetchError};
use crate::film::{Film, Frame};
use crate::machine::{Event, Machine};
use crate::session::{Badge, Loading, Session, Tally};
use crate::words::{self, Failure};
use crate::{film, player, probe};
use flow::plan::SamplePlan;
use futures::future::try_join_all;
use js_sys::Uint8Array;
use leptos::prelude::*;
use leptos::task::spawn_local;
use protocol::{Backend, Fault, ToPage};
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

/// Seconds of silence after which a graphics processor counts as hung. A first evaluation compiles its shaders.
const GPU_PATIENCE_S: u32 = 30;
/// How often a broken CPU program is started again before the reader is told.
const CPU_RESTARTS: u32 = 1;
/// How long a picture may take to replace the one before it in place, while a slider is dragged. A run that takes longer
/// is shown as it forms.
const IN_PLACE_MS: u64 = 500;
/// The batch of `protocol::MEASURED_BATCHES` that decides: the grid that opens the page.
const DECISIVE: usize = 1;

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
    lists: RefCell<Option<Rc<Lists>>>,
    files: RefCell<HashMap<String, Uint8Array>>,
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
}

/// The conductor's handle.
#[derive(Clone)]
pub(crate) struct Conductor(Rc<Behind>);

/// Why the CPU can't be used.
struct NoCpu {
    /// Whether it is the program that fails, so that the GPU's might do.
    program: bool,
    failure: Failure,
}

/// Why the GPU is not used.
enum NotGpu {
    /// In a visitor's words.
    Because(String),
}

impl Conductor {
    /// A conductor for a session; `forced` is the machine that the address asks for, `names_model` whether it names a model.
    pub(crate) fn new(session: Session, forced: Option<Backend>, names_model: bool) -> Self {
        Self(Rc::new(Behind {
            session,
            forced,
            names_model: Cell::new(names_model),
            lists: RefCell::default(),
            files: RefCell::default(),
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
        }))
    }

    /// Asks for a plan, in the middle of a gesture or not. The newest wish counts; a run in progress ends.
    pub(crate) fn wish(&self, plan: SamplePlan, dragging: bool) {
        // What the run before still says no longer counts, and what is on screen is no longer what is asked for.
        self.0.run.set(self.0.run.get() + 1);
        self.0.dragging.set(dragging);
        *self.0.coming.borrow_mut() = None;
        self.0.session.stale.set(true);
        self.0.session.show(|film| film.complete = false);
        *self.0.wished.borrow_mut() = Some(plan);
        if !self.0.preparing.replace(true) {
            let conductor = self.clone();
            spawn_local(async move {
                while let Some(plan) = conductor.newest() {
                    let prepared = conductor.prepare(&plan).await;
                    if conductor.0.wished.borrow().is_none() {
                        match prepared {
                            Ok((machine, model)) => conductor.run(&machine, SamplePlan { model, ..plan }),
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
        session.spoken.set(format!("{}. {}", failure.title, failure.text));
        session.failure.set(Some(failure));
        session.transferred.set(fetch::transferred());
    }

    // ---- a run ----

    fn run(&self, machine: &Machine, plan: SamplePlan) {
        let behind = &self.0;
        let session = behind.session;
        let run = behind.run.get();
        behind.running_on.set(Some(machine.backend));
        for other in behind.machines.borrow().values().filter(|other| other.backend != machine.backend) {
            other.cancel();
        }
        session.tally.set(Tally::default());
        session.failure.set(None);
        session.loading.set(None);
        if behind.dragging.get() && session.film.with_value(|film| !film.frames.is_empty()) {
            *behind.coming.borrow_mut() = Some(Film::default());
            let conductor = self.clone();
            set_timeout(
                move || {
                    if conductor.0.run.get() == run {
                        conductor.reveal();
                    }
                },
                Duration::from_millis(IN_PLACE_MS),
            );
        } else {
            session.show(|film| *film = Film::default());
            player::restart(session);
        }
        machine.sample(run, plan);
    }

    /// Shows a run that waits off screen as it forms, from the beginning.
    fn reveal(&self) {
        if let Some(coming) = self.0.coming.borrow_mut().take() {
            let session = self.0.session;
            session.stale.set(coming.frames.is_empty());
            session.show(|film| *film = coming);
            player::restart(session);
        }
    }

    /// Adds to the film that the current run makes, on screen or off.
    fn film(&self, edit: impl FnOnce(&mut Film)) {
        match &mut *self.0.coming.borrow_mut() {
            Some(coming) => edit(coming),
            None => {
                self.0.session.show(edit);
                self.0.session.stale.set(false);
            }
        }
    }

    fn hear(&self, backend: Backend, event: Event) {
        let behind = &self.0;
        match event {
            Event::Frame(ToPage::Frame { run, t, accepted, evaluations, evaluation_ms, .. }, pixels) => {
                if run != behind.run.get() {
                    return;
                }
                let session = behind.session;
                let pixels = film::bytes(&pixels);
                self.film(|film| film.frames.push(Frame { t, pixels }));
                session.tally.update(|tally| {
                    *tally = Tally { evaluations, evaluation_ms, accepted, ..*tally };
                });
            }
            Event::Run(ToPage::Done { run, end, t, accepted, rejected, evaluations, evaluation_ms }) => {
                if run != behind.run.get() {
                    return;
                }
                let session = behind.session;
                behind.running_on.set(None);
                self.film(|film| film.complete = true);
                let in_place = behind.coming.borrow_mut().take();
                if let Some(coming) = in_place {
                    session.show(|film| *film = coming);
                    session.stale.set(false);
                }
                session.tally.set(Tally { evaluations, evaluation_ms, accepted, rejected, end: Some(end) });
                if let Some(sentence) = words::ended_early(end, t) {
                    session.notice(sentence);
                }
                player::settle(session);
                self.speak(evaluations);
                session.transferred.set(fetch::transferred());
                self.consider_gpu();
            }
            Event::Run(ToPage::Failed { run, fault }) => {
                if run != behind.run.get() {
                    return;
                }
                leptos::logging::warn!("run {run} on the {}: {fault}", backend.label());
                if backend == Backend::Gpu {
                    self.lose_gpu();
                } else {
                    self.fail(words::machine_failed(&self.label(), &fault));
                }
            }
            Event::Broken(fault) => self.lose(backend, &fault),
            Event::Frame(..) | Event::Run(_) => {}
        }
    }

    fn speak(&self, evaluations: usize) {
        let session = self.0.session;
        let sentence = session.wish.with_untracked(|wish| {
            let digits = if wish.plan.count == 1 { "digit" } else { "digits" };
            let solver = wish.plan.solver.choice().entry().label;
            format!("{} {digits}, {solver}, {evaluations} evaluations, done", wish.plan.count)
        });
        session.spoken.set(sentence);
    }

    fn label(&self) -> String {
        let id = self.0.session.wish.with_untracked(|wish| wish.plan.model.clone());
        let lists = self.0.lists.borrow();
        let entry = lists.as_ref().and_then(|lists| lists.catalog.entry(&id));
        entry.map_or(id, |entry| entry.label.clone())
    }

    // ---- losing a machine ----

    fn lose(&self, backend: Backend, fault: &Fault) {
        leptos::logging::warn!("the {} worker is gone: {fault}", backend.label());
        self.0.machines.borrow_mut().remove(backend.id());
        match backend {
            Backend::Gpu => self.lose_gpu(),
            Backend::Cpu if self.0.chosen.get() == Backend::Gpu => {}
            Backend::Cpu if self.0.cpu_restarts.get() < CPU_RESTARTS => {
                self.0.cpu_restarts.set(self.0.cpu_restarts.get() + 1);
                self.0.session.notice(words::cpu_restarted());
                self.again();
            }
            Backend::Cpu => self.fail(words::machine_failed(&self.label(), fault)),
        }
    }

    fn lose_gpu(&self) {
        let was_chosen = self.0.chosen.replace(Backend::Cpu) == Backend::Gpu;
        self.dismiss(Backend::Gpu);
        if was_chosen {
            self.0.session.notice(words::gpu_lost());
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

    // ---- preparing ----

    /// The machine that should run this plan, with its model, and the model's id. Shows what is coming.
    async fn prepare(&self, plan: &SamplePlan) -> Result<(Machine, String), Failure> {
        let behind = &self.0;
        let lists = self.lists().await?;
        let entry = self.model(&lists, &plan.model).ok_or_else(|| words::lists_unreadable(MANIFEST))?;
        if behind.chosen.get() == Backend::Gpu {
            match self.prepare_gpu(&lists, entry, true).await {
                Ok(machine) => {
                    if behind.forced == Some(Backend::Gpu) {
                        self.reason(Backend::Gpu, words::forced(Backend::Gpu));
                    }
                    return Ok((machine, entry.id.clone()));
                }
                Err(NotGpu::Because(sentence)) => {
                    behind.chosen.set(Backend::Cpu);
                    self.reason(Backend::Cpu, sentence);
                }
            }
        }
        let machine = match self.prepare_cpu(&lists, entry).await {
            Ok(machine) => machine,
            // Without its CPU program a browser may still have a GPU.
            Err(NoCpu { program: true, .. }) if !behind.gpu_tried.replace(true) => {
                let gpu = self.prepare_gpu(&lists, entry, true).await;
                let machine = match gpu {
                    Ok(machine) => machine,
                    Err(_) => self.prepare_cpu(&lists, entry).await.map_err(|no| no.failure)?,
                };
                behind.chosen.set(machine.backend);
                self.reason(machine.backend, words::cpu_program_failed());
                machine
            }
            Err(no) => return Err(no.failure),
        };
        if behind.session.badge.with_untracked(|badge| badge.backend.is_none()) {
            let reason =
                if behind.forced.is_some() { words::forced(Backend::Cpu) } else { words::cpu_first() };
            self.reason(Backend::Cpu, reason);
        }
        Ok((machine, entry.id.clone()))
    }

    /// The model that is asked for, or the manifest's first choice when nothing or nothing known is asked for; then
    /// the wish is put right.
    fn model<'a>(&self, lists: &'a Lists, id: &str) -> Option<&'a Entry> {
        let behind = &self.0;
        let named = behind.names_model.replace(true);
        if let Some(entry) = lists.catalog.entry(id).filter(|_| named) {
            return Some(entry);
        }
        let entry = lists.catalog.entry(&lists.catalog.default)?;
        if named {
            behind.session.notice(words::model_unknown(id, &entry.label));
        }
        if entry.id != id {
            behind.session.wish.update(|wish| {
                wish.plan.model.clone_from(&entry.id);
                wish.change = None;
            });
        }
        Some(entry)
    }

    /// The site's lists, fetched once.
    async fn lists(&self) -> Result<Rc<Lists>, Failure> {
        if let Some(lists) = self.0.lists.borrow().clone() {
            return Ok(lists);
        }
        let (site, manifest) = futures::future::try_join(fetch::text(SITE), fetch::text(MANIFEST))
            .await
            .map_err(|error| words::lists_missing(&error))?;
        let site: Site = serde_json::from_str(&site).map_err(|error| {
            leptos::logging::warn!("{SITE}: {error}");
            words::lists_unreadable(SITE)
        })?;
        let catalog: Catalog = serde_json::from_str(&manifest).map_err(|error| {
            leptos::logging::warn!("{MANIFEST}: {error}");
            words::lists_unreadable(MANIFEST)
        })?;
        let lists = Rc::new(Lists { site, catalog, manifest });
        *self.0.lists.borrow_mut() = Some(lists.clone());
        self.0.session.catalog.set(Some(lists.catalog.clone()));
        Ok(lists)
    }

    async fn prepare_cpu(&self, lists: &Lists, entry: &Entry) -> Result<Machine, NoCpu> {
        let backend = Backend::Cpu;
        let program = lists
            .site
            .program(backend)
            .ok_or_else(|| NoCpu { program: true, failure: words::program_absent(backend) })?;
        let running = self.machine(backend);
        let mut needed = vec![(entry.url(), entry.bytes)];
        if running.is_none() {
            needed.push((program.wasm.clone(), program.bytes));
        }
        let model_url = entry.url();
        let missing = |(url, error): (String, FetchError)| {
            leptos::logging::warn!("{error:?}");
            if url == model_url {
                NoCpu { program: false, failure: words::model_missing(&entry.label, &error) }
            } else {
                NoCpu { program: true, failure: words::program_missing(backend, &error) }
            }
        };
        self.fetch_all(&needed, true).await.map_err(missing)?;

        let failed = |fault: Fault| {
            leptos::logging::warn!("the {} worker: {fault}", backend.label());
            let program = matches!(fault, Fault::Program { .. } | Fault::Message { .. });
            NoCpu { program, failure: words::machine_failed(&entry.label, &fault) }
        };
        let machine = match running {
            Some(machine) => machine,
            None => {
                let wasm = self.file(&program.wasm);
                let conductor = self.clone();
                let machine = Machine::start(backend, program, &wasm, None, move |event| {
                    conductor.hear(backend, event);
                })
                .await
                .map_err(failed)?;
                self.0.machines.borrow_mut().insert(backend.id(), machine.clone());
                machine
            }
        };
        let bytes = self.file(&entry.url());
        if let Err(fault) = machine.load(&entry.id, &lists.manifest, &bytes).await {
            // Fetched again when it is asked for again: it may have been damaged on its way.
            self.0.files.borrow_mut().remove(&entry.url());
            return Err(failed(fault));
        }
        Ok(machine)
    }

    /// The GPU machine with this model, self-tested. `shown` tells the reader what is being fetched.
    async fn prepare_gpu(&self, lists: &Lists, entry: &Entry, shown: bool) -> Result<Machine, NotGpu> {
        let backend = Backend::Gpu;
        let because = |sentence: String| NotGpu::Because(sentence);
        let refused = |fault: Fault| {
            leptos::logging::warn!("the GPU worker: {fault}");
            NotGpu::Because(words::gpu_refused(&fault))
        };
        let program = lists.site.program(backend).ok_or_else(|| because(words::gpu_absent()))?;
        let Some(answer_url) = entry.answer_url() else {
            return Err(refused(Fault::SelfTest { model: entry.id.clone(), what: "none".to_owned() }));
        };
        let running = self.machine(backend);
        if running.is_none() {
            probe::gpu().await.map_err(|why| because(words::no_gpu(why)))?;
        }
        let proven = self.0.proven.borrow().contains(&entry.id);
        let mut needed = vec![(entry.url(), entry.bytes)];
        if !proven {
            needed.push((answer_url.clone(), 0));
        }
        if running.is_none() {
            needed.push((program.wasm.clone(), program.bytes));
        }
        self.fetch_all(&needed, shown).await.map_err(|(_, error)| {
            leptos::logging::warn!("{error:?}");
            because(words::gpu_missing())
        })?;
        let machine = match running {
            Some(machine) => machine,
            None => {
                let wasm = self.file(&program.wasm);
                let conductor = self.clone();
                let started = Machine::start(backend, program, &wasm, Some(GPU_PATIENCE_S), move |event| {
                    conductor.hear(backend, event);
                });
                let machine = started.await.map_err(refused)?;
                self.0.machines.borrow_mut().insert(backend.id(), machine.clone());
                machine
            }
        };
        let tried = async {
            machine.load(&entry.id, &lists.manifest, &self.file(&entry.url())).await.map_err(refused)?;
            if !proven {
                let (worst, agrees) =
                    machine.self_test(&entry.id, &self.file(&answer_url)).await.map_err(refused)?;
                if !agrees {
                    return Err(because(words::gpu_wrong(worst)));
                }
                self.0.proven.borrow_mut().push(entry.id.clone());
            }
            Ok(())
        };
        if let Err(why) = tried.await {
            self.dismiss(backend);
            return Err(why);
        }
        Ok(machine)
    }

    /// Fetches what is not here yet, at the same time, under one bar.
    async fn fetch_all(&self, needed: &[(String, u64)], shown: bool) -> Result<(), (String, FetchError)> {
        let session = self.0.session;
        let missing: Vec<_> =
            needed.iter().filter(|(url, _)| !self.0.files.borrow().contains_key(url)).cloned().collect();
        if missing.is_empty() {
            return Ok(());
        }
        let total = missing.iter().map(|(_, bytes)| bytes).sum();
        let arrived = Rc::new(RefCell::new(vec![0_u64; missing.len()]));
        if shown {
            session.loading.set(Some(Loading { arrived: 0, total }));
        }
        let fetches = missing.iter().enumerate().map(|(index, (url, _))| {
            let arrived = arrived.clone();
            async move {
                let bytes = fetch::bytes(url, |so_far| {
                    arrived.borrow_mut()[index] = so_far;
                    if shown {
                        let arrived = arrived.borrow().iter().sum();
                        session.loading.set(Some(Loading { arrived, total }));
                    }
                })
                .await
                .map_err(|error| (url.clone(), error))?;
                self.0.files.borrow_mut().insert(url.clone(), bytes);
                Ok(())
            }
        });
        try_join_all(fetches).await?;
        session.transferred.set(fetch::transferred());
        Ok(())
    }

    fn file(&self, url: &str) -> Uint8Array {
        self.0.files.borrow().get(url).cloned().unwrap_or_else(|| Uint8Array::new_with_length(0))
    }

    // ---- the GPU behind ----

    /// After the first picture: is there a GPU, does it give the right answer, is it faster?
    fn consider_gpu(&self) {
        if self.0.gpu_tried.replace(true) {
            return;
        }
        let conductor = self.clone();
        spawn_local(async move {
            if let Err(NotGpu::Because(sentence)) = conductor.try_gpu().await {
                conductor.dismiss(Backend::Gpu);
                conductor.reason(Backend::Cpu, sentence);
            }
            conductor.0.session.transferred.set(fetch::transferred());
        });
    }

    async fn try_gpu(&self) -> Result<(), NotGpu> {
        let because = |sentence: String| NotGpu::Because(sentence);
        let refused = |fault: Fault| {
            leptos::logging::warn!("while choosing a machine: {fault}");
            NotGpu::Because(words::gpu_refused(&fault))
        };
        if probe::saves_data() {
            return Err(because(words::no_gpu(probe::NoGpu::SavesData)));
        }
        let Some(lists) = self.0.lists.borrow().clone() else { return Ok(()) };
        let id = self.0.session.wish.with_untracked(|wish| wish.plan.model.clone());
        let Some(entry) = lists.catalog.entry(&id) else { return Ok(()) };
        let gpu = self.prepare_gpu(&lists, entry, false).await?;
        // The program's bytes are not needed again: a lost GPU is not tried a second time.
        if let Some(program) = lists.site.program(Backend::Gpu) {
            self.0.files.borrow_mut().remove(&program.wasm);
        }
        let gpu_ms = gpu.measure(&id).await.map_err(refused)?[DECISIVE];
        let Some(cpu) = self.machine(Backend::Cpu) else { return Ok(()) };
        let cpu_ms = cpu.measure(&id).await.map_err(refused)?[DECISIVE];
        if gpu_ms < cpu_ms {
            self.0.chosen.set(Backend::Gpu);
            self.reason(Backend::Gpu, words::gpu_faster(gpu_ms, cpu_ms));
            Ok(())
        } else {
            Err(because(words::gpu_slower(gpu_ms, cpu_ms)))
        }
    }
}
