//! What a page costs its reader: time on the main thread, and what it leaves behind. Chromium only.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::Tab;

/// The main thread's name in a trace.
const MAIN_THREAD: &str = "CrRendererMain";

/// One task of the main thread.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Task {
    /// How long the thread computed. On a machine that has other things to do as well, this and not the clock
    /// tells what the page did.
    pub cpu_ms: f64,
    /// How long it took by the clock.
    pub wall_ms: f64,
}

/// What the browser keeps for a page after it has collected what it no longer needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Nodes of documents, in the page or only held by a script.
    pub nodes: u64,
    /// Listeners for events.
    pub listeners: u64,
    /// Documents.
    pub documents: u64,
    /// Workers that run.
    pub workers: u64,
    /// Bytes of the script's heap. Those of WebAssembly's memories are not among them.
    pub heap_bytes: u64,
}

/// For [`Tab::before_each_page`], or in front of a worker's script: keeps what programs in WebAssembly give out. Then `held()` tells
/// the bytes of their memories, and `used()` how many of those are in use: each memory is filled with blocks, smaller and smaller ones,
/// until the program's allocator asks for more, and the blocks are given back. A memory of WebAssembly never shrinks, so by its size
/// alone whatever grows within what a large run has once left behind would stay unseen. `probed` bytes were asked for that way.
pub const PROGRAMS: &str = "{ const kept = self.programs = []; self.probed = 0; \
    self.held = () => kept.reduce((sum, given) => sum + given.memory.buffer.byteLength, 0); \
    self.used = () => { let used = 0; \
        for (const { memory, __wbindgen_malloc: take, __wbindgen_free: back } of kept) { \
            const blocks = [], large = () => memory.buffer.byteLength, at_first = large(); let free = 0; \
            for (const size of [65536, 1024, 64]) for (const before = large(); large() === before;) { \
                blocks.push([take(size, 1), size]); free += size } \
            used += large() - free; self.probed += large() - at_first; \
            for (const [place, size] of blocks) back(place, size, 1) } \
        return used }; \
    const keep = made => { const given = (made.instance ?? made).exports; if (given.memory) kept.push(given); return made }; \
    for (const name of ['instantiate', 'instantiateStreaming']) { const make = WebAssembly[name]; \
        WebAssembly[name] = async (...given) => keep(await make.apply(WebAssembly, given)) } }\n";

impl Tab {
    /// Every task of the main thread while something is done, in the order of their ends.
    ///
    /// # Panics
    /// When the browser's trace does not come, or knows of no task.
    pub fn tasks_during(&mut self, work: impl FnOnce(&mut Self)) -> Vec<Task> {
        let categories = ["toplevel", "disabled-by-default-devtools.timeline", "__metadata"];
        let config = json!({ "includedCategories": categories, "excludedCategories": ["*"] });
        self.ask("Tracing.start", json!({ "transferMode": "ReportEvents", "traceConfig": config }));
        work(self);
        self.ask("Tracing.end", json!({}));
        assert!(self.take_event("Tracing.tracingComplete").is_some(), "the browser does not end its trace");
        let told = self.take_events("Tracing.dataCollected");
        let tasks = tasks(told.iter().filter_map(|event| event["params"]["value"].as_array()).flatten());
        assert!(!tasks.is_empty(), "a trace without a task of the main thread");
        tasks
    }

    /// What the page keeps now, with all rubbish collected.
    pub fn kept(&mut self) -> Kept {
        self.ask("Performance.enable", json!({}));
        // What the first collection finalizes, the second one can take.
        for _ in 0..2 {
            self.ask("HeapProfiler.collectGarbage", json!({}));
        }
        let metrics = self.ask("Performance.getMetrics", json!({}));
        let metrics = metrics["metrics"].as_array().cloned().unwrap_or_default();
        let count = |name: &str| {
            let found = metrics.iter().find(|metric| metric["name"] == name);
            found.and_then(|metric| metric["value"].as_f64()).unwrap_or_else(|| panic!("no metric {name}"))
                as u64
        };
        Kept {
            nodes: count("Nodes"),
            listeners: count("JSEventListeners"),
            documents: count("Documents"),
            heap_bytes: count("JSHeapUsedSize"),
            workers: self.workers() as u64,
        }
    }

    /// The number of workers that run in this browser.
    pub fn workers(&mut self) -> usize {
        let targets = self.ask_browser("Target.getTargets", json!({ "filter": [{ "type": "worker" }] }));
        targets["targetInfos"].as_array().map_or(0, Vec::len)
    }
}

/// The tasks of all main threads in a trace.
fn tasks<'a>(events: impl Iterator<Item = &'a Value> + Clone) -> Vec<Task> {
    let named =
        events.clone().filter(|event| event["name"] == "thread_name" && event["args"]["name"] == MAIN_THREAD);
    let main: BTreeSet<(Option<i64>, Option<i64>)> =
        named.map(|event| (event["pid"].as_i64(), event["tid"].as_i64())).collect();
    let is_task = |event: &&Value| {
        event["name"]
            .as_str()
            .is_some_and(|name| name == "RunTask" || name == "ThreadControllerImpl::RunTask")
            && event["ph"] == "X"
            && main.contains(&(event["pid"].as_i64(), event["tid"].as_i64()))
    };
    let ms = |time: &Value| time.as_f64().map(|micros| micros / 1e3);
    let tasks = events
        .filter(is_task)
        .filter_map(|event| Some(Task { cpu_ms: ms(&event["tdur"])?, wall_ms: ms(&event["dur"])? }));
    tasks.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_tasks_of_the_main_thread_are_counted() {
        let task = |tid: i64| json!({ "name": "RunTask", "ph": "X", "pid": 1, "tid": tid, "dur": 9000, "tdur": 1500 });
        let name = |tid: i64, name: &str| json!({ "name": "thread_name", "ph": "M", "pid": 1, "tid": tid, "args": { "name": name } });
        let events = [task(7), task(8), name(7, "CrRendererMain"), name(8, "DedicatedWorker thread")];
        assert_eq!(tasks(events.iter()), [Task { cpu_ms: 1.5, wall_ms: 9.0 }]);
    }
}
