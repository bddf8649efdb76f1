//! Behind the first picture: is there a graphics processor, does it give the right answer, is it faster?

use super::Conductor;
use super::prepare::{NotGpu, needed};
use crate::{fetch, probe, words};
use leptos::prelude::*;
use leptos::task::spawn_local;
use protocol::{Backend, Fault};

/// The batch of `protocol::MEASURED_BATCHES` that decides: the grid that opens the page.
const DECISIVE: usize = 1;

impl Conductor {
    /// After the first picture: is there a GPU, does it give the right answer, is it faster?
    pub(super) fn consider_gpu(&self) {
        if self.0.gpu_tried.replace(true) {
            return;
        }
        let conductor = self.clone();
        spawn_local(async move {
            if let Err(NotGpu::Because(sentence)) = conductor.try_gpu().await {
                conductor.dismiss(Backend::Gpu);
                conductor.reason(Backend::Cpu, sentence);
            }
            conductor.0.shared.transferred.set(fetch::transferred());
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
        let Some(lists) = self.0.stock.lists() else { return Ok(()) };
        if self.1.closed.get() {
            // The next run that ends may ask again.
            self.0.gpu_tried.set(false);
            return Ok(());
        }
        let plan = self.session().wish.with_untracked(|wish| wish.plan.clone());
        let Some(entry) = lists.catalog.entry(&plan.model) else { return Ok(()) };
        let gpu = self.prepare_gpu(&lists, &needed(&lists.catalog, entry, &plan), false).await?;
        // The program's bytes are not needed again: a lost GPU is not tried a second time.
        if let Some(program) = lists.site.program(Backend::Gpu) {
            self.0.stock.forget(&program.wasm);
        }
        let gpu_ms = gpu.measure(&entry.id).await.map_err(refused)?[DECISIVE];
        let Some(cpu) = self.machine(Backend::Cpu) else { return Ok(()) };
        let cpu_ms = cpu.measure(&entry.id).await.map_err(refused)?[DECISIVE];
        if gpu_ms < cpu_ms {
            self.0.chosen.set(Backend::Gpu);
            self.reason(Backend::Gpu, words::gpu_faster(gpu_ms, cpu_ms));
            Ok(())
        } else {
            Err(because(words::gpu_slower(gpu_ms, cpu_ms)))
        }
    }
}
