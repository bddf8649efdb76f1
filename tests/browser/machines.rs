//! The two workers, and what the page says and does when a graphics processor is not to be had or not to be trusted.

use super::{copied, counted, evaluations};
use cross_tests::answer::{Answer, stored};
use cross_tests::browser::{SOFTWARE_GPU, Tab, named};
use flow::schedule::KnotTable;
use serde_json::Value;

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
    let mut tab = Tab::new(&program, site.path(), &SOFTWARE_GPU);
    tab.reduce_motion();
    let goes_on = "Number(document.querySelector('[data-testid=instrument]')?.dataset.evaluations) > 0";
    let began = until_on_gpu(&mut tab, "?backend=gpu&count=1&steps=1000&guidance=1", |tab| {
        tab.wait("evaluations", goes_on);
    });
    if !began {
        return cross_tests::skip("the_processor_takes_over", "this browser offers no software adapter");
    }
    tab.eval("new BroadcastChannel('lose').postMessage(null)");
    tab.wait(
        "the processor instead",
        "document.querySelector('[data-testid=instrument]').dataset.backend === 'cpu'",
    );
    tab.wait("evaluations on the processor", goes_on);
    assert!(tab.text("notices").contains("stopped answering"), "{:?}", tab.text("notices"));
    assert!(tab.eval("location.search.includes('steps=1000')") == true, "the same plan goes on");
    // Another address is no news about the machine.
    tab.eval("dispatchEvent(new PopStateEvent('popstate'))");
    tab.wait("evaluations on the processor", goes_on);
    assert!(tab.text("notices").contains("stopped answering"), "{:?}", tab.text("notices"));
}

/// Speaks to a worker as the page does: start, load, self-test, then the plan itself. Gives the first and the last
/// frame's pixels, the self-test's verdict and the count of evaluations.
const ASK_WORKER: &str = r#"(async (backend, model, plan) => {
    const json = async path => (await fetch(path)).json();
    const bytes = async path => { const got = await fetch(path); if (!got.ok) throw new Error(path); return got.arrayBuffer() };
    const program = (await json("site.json"))[backend];
    const manifest = await (await fetch("models/manifest.json")).text();
    const listed = id => JSON.parse(manifest).models.find(entry => entry.id === id);
    const entry = listed(model);
    const worker = new Worker("worker.js", { type: "module" });
    const frames = [];
    const until = wanted => new Promise((resolve, reject) => {
        worker.onerror = event => reject(new Error(event.message));
        worker.onmessage = ({ data: [text, buffer] }) => {
            const message = JSON.parse(text);
            if (message.say === "frame") frames.push(Array.from(new Uint8Array(buffer)));
            if (message.say === wanted) resolve(message);
            if (["fatal", "refused", "failed"].includes(message.say)) reject(new Error(text));
        };
    });
    const tell = (message, buffer) => worker.postMessage([JSON.stringify(message), buffer], buffer ? [buffer] : []);
    const wasm = await bytes(program.wasm);
    const ready = until("ready");
    worker.postMessage({ js: new URL(program.js, document.baseURI).href, wasm }, [wasm]);
    await ready;
    for (const id of [entry.decoder, model].filter(Boolean)) {
        const loaded = until("loaded");
        tell({ say: "load", model: id, manifest }, await bytes("models/" + listed(id).file));
        await loaded;
    }
    const tested = until("self-tested");
    tell({ say: "self-test", model }, await bytes("models/" + entry.self_test.file));
    const { worst, agrees } = await tested;
    const done = until("done");
    tell({ say: "sample", run: 1, plan }, null);
    const { evaluations } = await done;
    worker.terminate();
    return { worst, agrees, evaluations, first: frames[0], last: frames.at(-1) };
})"#;

fn worker_agrees(tab: &mut Tab, backend: &str, answer: &Answer) {
    let mut plan = answer.plan.clone();
    plan.model.clone_from(&answer.id);
    // The page itself must not compete for the processor: an empty document of the same origin is enough.
    tab.open("worker.js");
    let call = format!(
        "window.asked = {ASK_WORKER}('{backend}', '{}', '{plan}').then(got => window.got = got, error => window.got = {{ error: String(error) }}), true",
        answer.id
    );
    tab.eval(&call);
    let got = tab.wait(&format!("answer of the {backend} worker"), "window.got");
    assert_eq!(got["error"], Value::Null, "{backend}");
    let bytes = |name: &str| -> Vec<u8> { serde_json::from_value(got[name].clone()).unwrap() };
    println!("{} on the {backend} worker: states off by {}", answer.id, got["worst"]);
    assert_eq!(got["agrees"], true, "{backend}: off by {}", got["worst"]);
    // The noise is the same bits everywhere. Of a state that is off by less than the tolerance, a pixel that lies between
    // two bytes may become the other.
    match &answer.decoder {
        None => assert_eq!(bytes("first"), answer.pixels(&answer.noise()), "{backend}: the noise"),
        Some(_) => assert_eq!(bytes("first").len(), answer.states.len(), "{backend}: the decoded noise"),
    }
    let (last, expected) = (bytes("last"), answer.pixels(&answer.states));
    assert_eq!(last.len(), expected.len(), "{backend}");
    let worst = last.iter().zip(&expected).map(|(got, expected)| got.abs_diff(*expected)).max();
    assert!(worst <= Some(1), "{backend}: a pixel is off by {worst:?}");
    let expected = match answer.network {
        Some(_) => answer.plan.expected_evaluations(&KnotTable::default()),
        None => Some(0),
    };
    assert_eq!(got["evaluations"].as_u64().map(|n| n as usize), expected, "{backend}, {}", answer.id);
}

#[test]
fn the_cpu_worker_gives_the_stored_answer() {
    let Some((site, program)) = named("the_cpu_worker") else { return };
    let mut tab = Tab::new(&program, &site, &[]);
    for answer in stored(&site.join("models")).unwrap() {
        worker_agrees(&mut tab, "cpu", &answer);
    }
}

#[test]
fn the_gpu_worker_gives_the_stored_answer_on_a_software_gpu() {
    let Some((site, program)) = named("the_gpu_worker") else { return };
    let mut tab = Tab::new(&program, &site, &SOFTWARE_GPU);
    tab.open("worker.js");
    if tab.eval("navigator.gpu?.requestAdapter().then(adapter => !!adapter)") != true {
        return cross_tests::skip("the_gpu_worker", "this browser offers no software adapter for WebGPU");
    }
    for answer in stored(&site.join("models")).unwrap() {
        worker_agrees(&mut tab, "gpu", &answer);
    }
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
