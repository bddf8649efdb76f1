//! What the page says and does when a machine is not to be had, not to be trusted, or breaks.

use super::{copied, counted, evaluations, seal};
use cross_tests::browser::{SOFTWARE_GPU, Tab, named};

#[test]
fn without_webgpu_the_page_says_so_and_stays_on_the_cpu() {
    let mut tab = tab!("without_webgpu");
    tab.open("?count=1&steps=2&backend=gpu");
    tab.wait_state("done");
    assert_eq!(tab.instrument("backend"), "cpu");
    let said = tab.text("reason");
    assert!(said.contains("asks for the GPU") && said.contains("WebGPU"), "{said:?}");
}

#[test]
fn an_adapter_without_timestamp_queries_is_left_alone_and_the_page_says_so() {
    let mut tab = tab!("an_adapter_without_timestamp_queries");
    tab.before_each_page(
        "Object.defineProperty(navigator, 'gpu', { value: { requestAdapter: async () => ({ features: new Set() }) } })",
    );
    tab.open("?count=1&steps=2&backend=gpu");
    tab.wait_state("done");
    assert_eq!(tab.instrument("backend"), "cpu");
    assert!(tab.text("reason").contains("timestamp-query"), "{:?}", tab.text("reason"));
    let fetched = tab.requested().into_iter().filter(|url| url.contains("/gpu-")).collect::<Vec<_>>();
    assert_eq!(fetched, Vec::<String>::new(), "a large program for nothing");
}

#[test]
fn a_gpu_program_that_is_not_there_costs_nothing_and_the_page_goes_on_offline() {
    let Some((site, program)) = named("a_gpu_program_that_is_not_there") else { return };
    let site = copied(&site);
    for file in xtask::web::files_below(&site.path().join("workers")).unwrap() {
        if file.file_name().is_some_and(|name| name.to_string_lossy().starts_with("gpu-")) {
            std::fs::remove_file(file).unwrap();
        }
    }
    let mut tab = Tab::new(&program, site.path(), &[]);
    tab.reduce_motion();
    tab.before_each_page(
        "const adapter = { features: new Set(['timestamp-query']) }; \
         Object.defineProperty(navigator, 'gpu', { value: { requestAdapter: async () => adapter } })",
    );
    tab.open("?count=1&steps=2");
    tab.wait(
        "reason",
        "document.querySelector('[data-testid=reason]').innerText.includes('could not be fetched')",
    );
    let before = tab.picture("steps=2");
    let offline =
        serde_json::json!({ "offline": true, "latency": 0, "downloadThroughput": 0, "uploadThroughput": 0 });
    tab.ask("Network.emulateNetworkConditions", offline);
    tab.eval("document.querySelector('input[name=solver][value=euler]').click()");
    assert_ne!(tab.picture("solver=euler"), before);
}

/// Opens a path until the page computes on the GPU; false when this browser has none.
///
/// The page gives a graphics processor up that says nothing for half a minute. On a busy machine a software one may; a
/// fresh start finds its shaders compiled.
fn until_on_gpu(tab: &mut Tab, path: &str, ready: impl Fn(&mut Tab)) -> bool {
    for _ in 0..3 {
        tab.open(path);
        if tab.eval("navigator.gpu?.requestAdapter().then(adapter => !!adapter)") != true {
            return false;
        }
        ready(tab);
        if tab.instrument("backend") == "gpu" {
            return true;
        }
    }
    panic!("not on the GPU: {}", tab.text("reason"));
}

#[test]
fn a_gpu_that_gives_another_answer_is_not_trusted() {
    let Some((site, program)) = named("a_gpu_that_gives_another_answer") else { return };
    let site = copied(&site);
    // The stored answer is that of another plan: then a good device gives a wrong one.
    let file = site.path().join("models").join("manifest.json");
    let good = std::fs::read_to_string(&file).unwrap();
    let bad = good.replace("steps=2&guidance=2&seed=7&", "steps=2&guidance=2&seed=8&");
    assert_ne!(bad, good);
    std::fs::write(&file, bad).unwrap();
    seal(site.path());
    let mut tab = Tab::new(&program, site.path(), &SOFTWARE_GPU);
    tab.reduce_motion();
    tab.open("?backend=gpu&count=1&steps=2&guidance=1");
    if tab.eval("navigator.gpu?.requestAdapter().then(adapter => !!adapter)") != true {
        return cross_tests::skip(
            "a_gpu_that_gives_another_answer",
            "this browser offers no software adapter",
        );
    }
    tab.wait_state("done");
    assert_eq!(tab.instrument("backend"), "cpu");
    let said = tab.text("reason");
    assert!(said.contains("asks for the GPU") && said.contains("does not reproduce"), "{said:?}");
}

/// Looks at the canvas with every frame until the processor has a state: is it of one colour, and how long does it take?
const WATCH: &str = "(() => { const begun = performance.now(); const seen = window.seen = { looks: 0, blank: 0, took: 0 }; \
    const look = () => { \
        const canvas = document.querySelector('[data-testid=digits]'); \
        const copy = new OffscreenCanvas(canvas.width, canvas.height).getContext('2d'); copy.drawImage(canvas, 0, 0); \
        const pixels = new Uint32Array(copy.getImageData(0, 0, canvas.width, canvas.height).data.buffer); \
        seen.looks++; if (pixels.every(pixel => pixel === pixels[0])) seen.blank++; \
        const { backend, evaluations } = document.querySelector('[data-testid=instrument]').dataset; \
        if (backend === 'cpu' && Number(evaluations) > 0) seen.took = Math.round(performance.now() - begun); \
        else requestAnimationFrame(look) }; \
    look(); return true })()";

#[test]
fn the_processor_takes_over_when_the_gpu_is_lost_and_the_reader_is_told() {
    let Some((site, program)) = named("the_processor_takes_over") else { return };
    let site = copied(&site);
    // In the worker, a way to lose its device.
    let script = site.path().join("worker.js");
    let hook = "const open = GPUAdapter.prototype.requestDevice; GPUAdapter.prototype.requestDevice = async function (...asked) { \
        const device = await open.apply(this, asked); \
        new BroadcastChannel('lose').onmessage = () => device.destroy(); return device };\n";
    let worker = std::fs::read_to_string(&script).unwrap();
    std::fs::write(&script, format!("if (self.GPUAdapter) {{ {hook} }}\n{worker}")).unwrap();
    seal(site.path());
    let mut tab = Tab::new(&program, site.path(), &SOFTWARE_GPU);
    tab.reduce_motion();
    let goes_on = "Number(document.querySelector('[data-testid=instrument]')?.dataset.evaluations) > 0";
    let began = until_on_gpu(&mut tab, "?backend=gpu&count=1&steps=1000&guidance=1", |tab| {
        tab.wait("evaluations", goes_on);
    });
    if !began {
        return cross_tests::skip("the_processor_takes_over", "this browser offers no software adapter");
    }
    tab.eval(WATCH);
    tab.eval("new BroadcastChannel('lose').postMessage(null)");
    tab.wait(
        "the processor instead",
        "document.querySelector('[data-testid=instrument]').dataset.backend === 'cpu'",
    );
    tab.wait("evaluations on the processor", goes_on);
    let seen = tab.wait("what was seen meanwhile", "window.seen.took && window.seen");
    println!("the processor had the next state after {} ms, {} looks", seen["took"], seen["looks"]);
    assert_eq!(seen["blank"], 0, "the canvas was blank: {seen}");
    // On a machine that does other things as well, the figure is the machine's; alone it is below three seconds.
    assert!(seen["looks"].as_u64() > Some(0), "{seen}");
    assert!(tab.text("notices").contains("stopped answering"), "{:?}", tab.text("notices"));
    assert!(tab.eval("location.search.includes('steps=1000')") == true, "the same plan goes on");
    // Another address is no news about the machine.
    tab.eval("dispatchEvent(new PopStateEvent('popstate'))");
    tab.wait("evaluations on the processor", goes_on);
    assert!(tab.text("notices").contains("stopped answering"), "{:?}", tab.text("notices"));
}

#[test]
fn the_page_runs_on_a_software_gpu_when_the_address_asks_for_it() {
    let Some((site, program)) = named("the_page_runs_on_a_software_gpu") else { return };
    let mut tab = Tab::new(&program, &site, &SOFTWARE_GPU);
    tab.reduce_motion();
    let began =
        until_on_gpu(&mut tab, "?backend=gpu&count=1&steps=2&guidance=1", |tab| tab.wait_state("done"));
    if !began {
        return cross_tests::skip(
            "the_page_runs_on_a_software_gpu",
            "this browser offers no software adapter",
        );
    }
    assert_eq!(counted(&mut tab), evaluations("guidance=1&steps=2"));
    assert_eq!(tab.complaints(), Vec::<String>::new());
}

/// Has every worker of the tab break, as a program does that runs out of memory: an error that nobody catches.
fn break_workers(tab: &mut Tab) {
    tab.eval("new BroadcastChannel('break').postMessage(null)");
}

#[test]
fn a_processor_program_that_breaks_in_a_run_is_started_again_and_draws_the_same() {
    let Some((site, program)) = named("a_processor_program_that_breaks") else { return };
    let site = copied(&site);
    let script = site.path().join("worker.js");
    let hook = "new BroadcastChannel('break').onmessage = () => { throw new Error('out of memory') };\n";
    let worker = std::fs::read_to_string(&script).unwrap();
    std::fs::write(&script, format!("{hook}{worker}")).unwrap();
    seal(site.path());
    let mut tab = Tab::new(&program, site.path(), &[]);
    tab.reduce_motion();
    let path = "?backend=cpu&count=4&steps=100&guidance=1";
    tab.open(path);
    let undisturbed = tab.picture("seed=");
    tab.open(path);
    let in_the_middle = "Number(document.querySelector('[data-testid=instrument]')?.dataset.evaluations) > 10 && \
         document.querySelector('[data-testid=instrument]').dataset.state !== 'done'";
    tab.wait("the middle of a run", in_the_middle);
    break_workers(&mut tab);
    tab.wait(
        "a word about it",
        "document.querySelector('[data-testid=notices]').innerText.includes('started again')",
    );
    assert_eq!(tab.picture("seed="), undisturbed);
    // Once more is once too often: it is said, what is there stays, and to try again works.
    tab.eval("document.querySelector('[data-testid=new-seed]').click()");
    tab.wait("the middle of a run", in_the_middle);
    break_workers(&mut tab);
    tab.wait_state("error");
    assert!(
        tab.text("error").contains("out of memory") || tab.text("error").contains("Try again"),
        "{:?}",
        tab.text("error")
    );
    tab.eval("document.querySelector('[data-testid=retry]').click()");
    tab.wait_state("done");
}
