//! Before a run: a machine, and verified models on it: the plan's own, what decodes it if its states are latents, and a
//! weaker one where the guidance needs it.

use super::{Conductor, Lists};
use crate::catalog::{Catalog, Entry, MANIFEST, Program};
use crate::fetch::{self, FetchError};
use crate::machine::{Machine, Patience, scripts};
use crate::probe;
use crate::session::{About, Wish};
use crate::settle::settled;
use crate::words::{self, Failure};
use flow::plan::SamplePlan;
use futures::FutureExt;
use futures::channel::oneshot;
use leptos::prelude::*;
use leptos::task::spawn_local;
use protocol::{Backend, Fault};

/// A graphics processor that hangs says nothing. Half a minute is far more than a step takes on any real one.
const GPU_PATIENCE: Patience = Patience { question_s: 120, run_s: 30 };

/// Why the CPU can't be used.
pub(super) struct NoCpu {
    /// Whether it is the program that fails, so that the GPU's might do.
    program: bool,
    failure: Failure,
}

/// Why the GPU is not used.
pub(super) enum NotGpu {
    /// In a visitor's words.
    Because(String),
}

/// The models that a plan is sampled with: its own, the weaker one where its guidance needs that, and what decodes them.
/// Each needs those behind it.
pub(super) fn needed<'a>(catalog: &'a Catalog, entry: &'a Entry, plan: &SamplePlan) -> Vec<&'a Entry> {
    let weaker = catalog.weaker(entry).filter(|_| plan.guidance.needs_weak_model());
    let models = std::iter::once(entry).chain(weaker);
    let mut decoders: Vec<&Entry> = models.clone().filter_map(|model| catalog.decoder(model)).collect();
    decoders.dedup_by_key(|entry| &entry.id);
    models.chain(decoders).collect()
}

impl Conductor {
    /// The machine that should run this plan, with its models, and the plan as it can be run. Shows what is coming.
    pub(super) async fn prepare(&self, plan: &SamplePlan) -> Result<(Machine, SamplePlan), Failure> {
        let behind = &self.0;
        let lists = self.lists().await?;
        if self.1.closed.get() {
            return Err(words::gone());
        }
        let entry = self.model(&lists, &plan.model).ok_or_else(|| {
            behind.stock.distrust_lists();
            words::lists_unreadable(MANIFEST)
        })?;
        let plan = self.settle(&lists, SamplePlan { model: entry.id.clone(), ..plan.clone() });
        // The turn may end before its run begins, and begin once more.
        behind.turns.borrow_mut().amend(&self.1, |errand| errand.plan.clone_from(&plan));
        let cast = needed(&lists.catalog, entry, &plan);
        let machine = self.machine_with(&lists, &cast).await?;
        Ok((machine, plan))
    }

    /// A machine with these models, the first of which is the plan's own.
    async fn machine_with(&self, lists: &Lists, cast: &[&Entry]) -> Result<Machine, Failure> {
        let behind = &self.0;
        if behind.chosen.get() == Backend::Gpu {
            match self.prepare_gpu(lists, cast, true).await {
                Ok(machine) => {
                    if behind.forced == Some(Backend::Gpu) {
                        self.reason(Backend::Gpu, words::forced(Backend::Gpu));
                    }
                    return Ok(machine);
                }
                Err(NotGpu::Because(sentence)) => {
                    behind.chosen.set(Backend::Cpu);
                    let in_vain = behind.forced == Some(Backend::Gpu);
                    let reason = if in_vain { words::forced_in_vain(&sentence) } else { sentence };
                    self.reason(Backend::Cpu, reason);
                }
            }
        }
        let cpu = self.prepare_cpu(lists, cast).await.inspect_err(|_| behind.stock.distrust_lists());
        let machine = match cpu {
            Ok(machine) => machine,
            // Without its CPU program a browser may still have a GPU.
            Err(NoCpu { program: true, .. }) if !behind.gpu_tried.get() => {
                match self.prepare_gpu(lists, cast, true).await {
                    Ok(machine) => {
                        behind.gpu_tried.set(true);
                        behind.chosen.set(Backend::Gpu);
                        self.reason(Backend::Gpu, words::cpu_program_failed());
                        machine
                    }
                    Err(NotGpu::Because(sentence)) => {
                        // When neither works now and the CPU does later, the GPU is looked at behind it as usual.
                        let again = self.prepare_cpu(lists, cast).await.map_err(|no| no.failure)?;
                        behind.gpu_tried.set(true);
                        self.reason(Backend::Cpu, sentence);
                        again
                    }
                }
            }
            Err(no) => return Err(no.failure),
        };
        if behind.shared.badge.with_untracked(|badge| badge.backend.is_none()) {
            let reason =
                if behind.forced.is_some() { words::forced(Backend::Cpu) } else { words::cpu_first() };
            self.reason(Backend::Cpu, reason);
        }
        Ok(machine)
    }

    /// Puts right what the plan's model can't do; a wish that came before the list of models was known could not be.
    fn settle(&self, lists: &Lists, plan: SamplePlan) -> SamplePlan {
        let session = self.session();
        let (settled, told) = settled(&plan, &lists.catalog);
        if settled != plan && session.wish.with_untracked(|wish| wish.plan == plan) {
            for sentence in told {
                session.notice(About::Address, sentence);
            }
            session.wish.set(Wish { plan: settled.clone(), change: None });
        }
        settled
    }

    /// The model that is asked for, or the manifest's first choice when nothing or nothing known is asked for; then
    /// the wish is put right.
    fn model<'a>(&self, lists: &'a Lists, id: &str) -> Option<&'a Entry> {
        let named = self.1.names_model.replace(true);
        if let Some(entry) = lists.catalog.entry(id).filter(|_| named) {
            return Some(entry);
        }
        let entry = lists.catalog.entry(&lists.catalog.default)?;
        if named {
            let known: Vec<&str> = lists.catalog.velocities().map(|entry| entry.id.as_str()).collect();
            self.session().notice(About::Address, words::model_unknown(id, &entry.label, &known));
        }
        if entry.id != id {
            self.session().wish.update(|wish| {
                wish.plan.model.clone_from(&entry.id);
                wish.change = None;
            });
        }
        Some(entry)
    }

    async fn prepare_cpu(&self, lists: &Lists, cast: &[&Entry]) -> Result<Machine, NoCpu> {
        let backend = Backend::Cpu;
        let program = lists
            .site
            .program(backend)
            .ok_or_else(|| NoCpu { program: true, failure: words::program_absent(backend) })?;
        let running = self.machine(backend);
        let mut needed: Vec<_> = cast.iter().map(|entry| (entry.url(), entry.bytes)).collect();
        if running.is_none() {
            needed.extend(self.program_files(program));
        }
        let missing = |(url, error): (String, FetchError)| {
            leptos::logging::warn!("{error:?}");
            match cast.iter().find(|entry| entry.url() == url) {
                Some(entry) => NoCpu { program: false, failure: words::model_missing(&entry.label, &error) },
                None => NoCpu { program: true, failure: words::program_missing(backend, &error) },
            }
        };
        self.send_for(&needed, true);
        let failed = |fault: Fault, label: &str| {
            leptos::logging::warn!("the {} worker: {fault}", backend.label());
            let program = matches!(fault, Fault::Program { .. } | Fault::Message { .. });
            NoCpu { program, failure: words::machine_failed(label, &fault) }
        };
        let machine = match running {
            Some(machine) => machine,
            // The program starts while the models are still coming.
            None => {
                let files = self.program_files(program).into_iter().map(|(url, _)| url);
                self.fetched(files).await.map_err(missing)?;
                if !self.is_whole(program) {
                    return Err(NoCpu { program: true, failure: words::program_damaged(backend) });
                }
                self.start(backend, program, None).await.map_err(|fault| failed(fault, &cast[0].label))?
            }
        };
        self.fetched(cast.iter().map(|entry| entry.url())).await.map_err(missing)?;
        for entry in cast.iter().rev() {
            let bytes = self.0.stock.file(&entry.url());
            if let Err(fault) = machine.load(&entry.id, &lists.manifest, &bytes).await {
                // It may have been damaged on its way, or be of another version than the list that names it.
                self.0.stock.distrust(&entry.url());
                return Err(failed(fault, &entry.label));
            }
        }
        Ok(machine)
    }

    /// What a program's start takes, with the bytes that are announced: the wasm, and the scripts whose content is or must be
    /// known. The browser fetches scripts by itself, and can't be told what they must be; so they are looked at first. What was
    /// looked at is in the browser's cache then.
    fn program_files(&self, program: &Program) -> Vec<(String, u64)> {
        let scripts = scripts(program, self.0.misstarts.get()).into_iter();
        let known = scripts.filter(|url| fetch::is_looked_at(url)).map(|url| (url, 0));
        std::iter::once((program.wasm.clone(), program.bytes)).chain(known).collect()
    }

    /// Whether a program that was fetched has the size that the list announced; one that has not is given up.
    fn is_whole(&self, program: &Program) -> bool {
        let stock = &self.0.stock;
        let whole = u64::from(stock.file(&program.wasm).length()) == program.bytes;
        if !whole {
            leptos::logging::warn!("{} is not {} bytes long", program.wasm, program.bytes);
            stock.distrust(&program.wasm);
        }
        whole
    }

    /// Starts a program that was fetched; one that does not start is given up. It goes on when nobody waits for it any more.
    async fn start(
        &self,
        backend: Backend,
        program: &Program,
        patience: Option<Patience>,
    ) -> Result<Machine, Fault> {
        let under_way = self.0.starting.borrow().get(backend.id()).cloned();
        if let Some(started) = under_way {
            return started.await;
        }
        let (tell, told) = oneshot::channel();
        let gone = Fault::Program { what: "it was given up".to_owned() };
        let started = told.map(|told| told.unwrap_or(Err(gone))).boxed_local().shared();
        self.0.starting.borrow_mut().insert(backend.id(), started.clone());
        let (engine, program) = (self.0.clone(), program.clone());
        spawn_local(async move {
            let wasm = engine.stock.file(&program.wasm);
            let misstarts = engine.misstarts.get();
            let [script, _] = scripts(&program, misstarts);
            let text = engine.stock.has(&script).then(|| engine.stock.file(&script));
            let hears = engine.clone();
            let hear = move |event| hears.hear(backend, event);
            let machine =
                Machine::start(backend, &program, &wasm, text.as_ref(), patience, misstarts, hear).await;
            match &machine {
                Ok(machine) => {
                    engine.machines.borrow_mut().insert(backend.id(), machine.clone());
                }
                Err(_) => {
                    engine.misstarts.set(engine.misstarts.get() + 1);
                    engine.stock.distrust(&program.wasm);
                }
            }
            engine.starting.borrow_mut().remove(backend.id());
            // Nobody waits any more for what was wished for no longer.
            let _ = tell.send(machine);
            engine.make_room();
        });
        started.await
    }

    /// The GPU machine with these models, each self-tested. `shown` tells the reader what is being fetched.
    pub(super) async fn prepare_gpu(
        &self,
        lists: &Lists,
        cast: &[&Entry],
        shown: bool,
    ) -> Result<Machine, NotGpu> {
        let backend = Backend::Gpu;
        let because = |sentence: String| NotGpu::Because(sentence);
        let refused = |fault: Fault| {
            leptos::logging::warn!("the GPU worker: {fault}");
            NotGpu::Because(words::gpu_refused(&fault))
        };
        let program = lists.site.program(backend).ok_or_else(|| because(words::gpu_absent()))?;
        // Each model that it has not proved itself on yet, with the answer that it must give.
        let mut unproven: Vec<(&Entry, String)> = Vec::new();
        for entry in cast.iter().filter(|entry| !self.0.proven.borrow().contains(&entry.id)) {
            // What only decodes is proved with what it decodes.
            if entry.answer_url().is_none() && !entry.is_evaluated() {
                continue;
            }
            let Some(answer_url) = entry.answer_url() else {
                return Err(refused(Fault::SelfTest { model: entry.id.clone(), what: "none".to_owned() }));
            };
            unproven.push((entry, answer_url));
        }
        let running = self.machine(backend);
        if running.is_none() {
            probe::gpu().await.map_err(|why| because(words::no_gpu(why)))?;
        }
        let mut needed: Vec<_> = cast.iter().map(|entry| (entry.url(), entry.bytes)).collect();
        needed.extend(unproven.iter().map(|(_, answer_url)| (answer_url.clone(), 0)));
        if running.is_none() {
            needed.extend(self.program_files(program));
        }
        self.send_for(&needed, shown);
        self.fetched(needed.into_iter().map(|(url, _)| url)).await.map_err(|(_, error)| {
            leptos::logging::warn!("{error:?}");
            because(match error {
                FetchError::Altered { .. } => words::gpu_damaged(),
                FetchError::Unlisted { .. } => words::gpu_unlisted(),
                _ => words::gpu_missing(),
            })
        })?;
        if running.is_none() && !self.is_whole(program) {
            return Err(because(words::gpu_damaged()));
        }
        let machine = match running {
            Some(machine) => machine,
            None => self.start(backend, program, Some(GPU_PATIENCE)).await.map_err(refused)?,
        };
        let tried = async {
            let stock = &self.0.stock;
            for entry in cast.iter().rev() {
                let model = stock.file(&entry.url());
                machine.load(&entry.id, &lists.manifest, &model).await.map_err(refused)?;
            }
            for (entry, answer_url) in unproven {
                let answer = stock.file(&answer_url);
                let (worst, agrees) = machine.self_test(&entry.id, &answer).await.map_err(refused)?;
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
}
