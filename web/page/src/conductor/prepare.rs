//! Before a run: the site's lists, a machine, and a verified model on it.

use super::{Conductor, Lists};
use crate::catalog::{Catalog, Entry, MANIFEST, SITE, Site};
use crate::fetch::{self, FetchError};
use crate::machine::{Machine, Patience};
use crate::probe;
use crate::session::Loading;
use crate::words::{self, Failure};
use flow::plan::SamplePlan;
use futures::future::try_join_all;
use js_sys::Uint8Array;
use leptos::prelude::*;
use protocol::{Backend, Fault};
use std::cell::RefCell;
use std::rc::Rc;

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
        let machine = match running {
            Some(machine) => machine,
            None => {
                let wasm = self.file(&program.wasm);
                let conductor = self.clone();
                let started = Machine::start(backend, program, &wasm, Some(GPU_PATIENCE), move |event| {
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
}
