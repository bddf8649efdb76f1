//! Before a run: a machine, and a verified model on it.

use super::{Conductor, Lists};
use crate::catalog::{Entry, MANIFEST, Program};
use crate::fetch::FetchError;
use crate::machine::{Machine, Patience};
use crate::probe;
use crate::session::About;
use crate::words::{self, Failure};
use flow::plan::SamplePlan;
use leptos::prelude::*;
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

impl Conductor {
    /// The machine that should run this plan, with its model, and the model's id. Shows what is coming.
    pub(super) async fn prepare(&self, plan: &SamplePlan) -> Result<(Machine, String), Failure> {
        let behind = &self.0;
        let lists = self.lists().await?;
        let entry = self.model(&lists, &plan.model).ok_or_else(|| {
            behind.stock.distrust_lists();
            words::lists_unreadable(MANIFEST)
        })?;
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
                    let in_vain = behind.forced == Some(Backend::Gpu);
                    let reason = if in_vain { words::forced_in_vain(&sentence) } else { sentence };
                    self.reason(Backend::Cpu, reason);
                }
            }
        }
        let cpu = self.prepare_cpu(&lists, entry).await.inspect_err(|_| behind.stock.distrust_lists());
        let machine = match cpu {
            Ok(machine) => machine,
            // Without its CPU program a browser may still have a GPU.
            Err(NoCpu { program: true, .. }) if !behind.gpu_tried.replace(true) => {
                match self.prepare_gpu(&lists, entry, true).await {
                    Ok(machine) => {
                        behind.chosen.set(Backend::Gpu);
                        self.reason(Backend::Gpu, words::cpu_program_failed());
                        machine
                    }
                    Err(NotGpu::Because(sentence)) => {
                        let again = self.prepare_cpu(&lists, entry).await.map_err(|no| {
                            // Neither works now; when the CPU does later, the GPU is looked at behind it as usual.
                            behind.gpu_tried.set(false);
                            no.failure
                        })?;
                        self.reason(Backend::Cpu, sentence);
                        again
                    }
                }
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
            behind.session.notice(About::Address, words::model_unknown(id, &entry.label));
        }
        if entry.id != id {
            behind.session.wish.update(|wish| {
                wish.plan.model.clone_from(&entry.id);
                wish.change = None;
            });
        }
        Some(entry)
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
        if running.is_none() && !self.is_whole(program) {
            return Err(NoCpu { program: true, failure: words::program_damaged(backend) });
        }

        let failed = |fault: Fault| {
            leptos::logging::warn!("the {} worker: {fault}", backend.label());
            let program = matches!(fault, Fault::Program { .. } | Fault::Message { .. });
            NoCpu { program, failure: words::machine_failed(&entry.label, &fault) }
        };
        let machine = match running {
            Some(machine) => machine,
            None => self.start(backend, program, None).await.map_err(failed)?,
        };
        let bytes = self.0.stock.file(&entry.url());
        if let Err(fault) = machine.load(&entry.id, &lists.manifest, &bytes).await {
            // It may have been damaged on its way, or be of another version than the list that names it.
            self.0.stock.distrust(&entry.url());
            return Err(failed(fault));
        }
        Ok(machine)
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

    /// Starts a program that was fetched; one that does not start is given up.
    async fn start(
        &self,
        backend: Backend,
        program: &Program,
        patience: Option<Patience>,
    ) -> Result<Machine, Fault> {
        let (stock, misstarts) = (&self.0.stock, self.0.misstarts.get());
        let (conductor, wasm) = (self.clone(), stock.file(&program.wasm));
        let tell = move |event| conductor.hear(backend, event);
        let started = Machine::start(backend, program, &wasm, patience, misstarts, tell);
        let machine = started.await.inspect_err(|_| {
            self.0.misstarts.set(self.0.misstarts.get() + 1);
            stock.distrust(&program.wasm);
        })?;
        self.0.machines.borrow_mut().insert(backend.id(), machine.clone());
        Ok(machine)
    }

    /// The GPU machine with this model, self-tested. `shown` tells the reader what is being fetched.
    pub(super) async fn prepare_gpu(
        &self,
        lists: &Lists,
        entry: &Entry,
        shown: bool,
    ) -> Result<Machine, NotGpu> {
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
        if running.is_none() && !self.is_whole(program) {
            return Err(because(words::gpu_damaged()));
        }
        let machine = match running {
            Some(machine) => machine,
            None => self.start(backend, program, Some(GPU_PATIENCE)).await.map_err(refused)?,
        };
        let tried = async {
            let stock = &self.0.stock;
            let model = stock.file(&entry.url());
            machine.load(&entry.id, &lists.manifest, &model).await.map_err(refused)?;
            if !proven {
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
