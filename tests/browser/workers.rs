//! The two workers, asked as the page asks them: do they give the stored answers, and do they agree on every way to go?

use cross_tests::answer::{Answer, stored};
use cross_tests::browser::{SOFTWARE_GPU, Tab, named};
use flow::schedule::KnotTable;
use serde_json::{Value, json};

/// Speaks to a worker as the page does: start, load, self-test, then one run after the other, each a message and the bytes
/// that go along. Gives the self-test's verdict and of each run the first and the last frame, the final states and the count of
/// evaluations.
const ASK_WORKER: &str = r#"(async (backend, model, asked) => {
    const json = async path => (await fetch(path)).json();
    const bytes = async path => { const got = await fetch(path); if (!got.ok) throw new Error(path); return got.arrayBuffer() };
    const program = (await json("site.json"))[backend];
    const manifest = await (await fetch("models/manifest.json")).text();
    const listed = id => JSON.parse(manifest).models.find(entry => entry.id === id);
    const entry = listed(model);
    const worker = new Worker("worker.js", { type: "module" });
    let frames = [], states = [];
    const until = wanted => new Promise((resolve, reject) => {
        worker.onerror = event => reject(new Error(event.message));
        worker.onmessage = ({ data: [text, buffer] }) => {
            const message = JSON.parse(text);
            if (message.say === "frame") frames.push(Array.from(new Uint8Array(buffer)));
            if (message.say === "done" && buffer) states = Array.from(new Float32Array(buffer));
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
    const runs = [];
    for (const [index, [message, along]] of asked.entries()) {
        [frames, states] = [[], []];
        const done = until("done");
        tell({ ...message, run: index + 1 }, along && new Uint8Array(along === "states" ? new Float32Array(runs.at(-1).states).buffer : along).buffer);
        const { evaluations } = await done;
        runs.push({ evaluations, states, first: frames[0], last: frames.at(-1) });
    }
    worker.terminate();
    return { worst, agrees, runs };
})"#;

/// What a worker says to these runs of a model.
fn ask_worker(tab: &mut Tab, backend: &str, model: &str, runs: &Value) -> Value {
    // The page itself must not compete for the processor: an empty document of the same origin is enough.
    tab.open("worker.js");
    let call = format!(
        "window.asked = {ASK_WORKER}('{backend}', '{model}', {runs}).then(got => window.got = got, error => window.got = {{ error: String(error) }}), true",
    );
    tab.eval(&call);
    let got = tab.wait(&format!("answer of the {backend} worker"), "window.got");
    assert_eq!(got["error"], Value::Null, "{backend}");
    got
}

fn worker_agrees(tab: &mut Tab, backend: &str, answer: &Answer) {
    let mut plan = answer.plan.clone();
    plan.model.clone_from(&answer.id);
    let runs = json!([[{ "say": "sample", "plan": plan.to_string() }, null]]);
    let said = ask_worker(tab, backend, &answer.id, &runs);
    let got = &said["runs"][0];
    let bytes = |name: &str| -> Vec<u8> { serde_json::from_value(got[name].clone()).unwrap() };
    println!("{} on the {backend} worker: states off by {}", answer.id, said["worst"]);
    assert_eq!(said["agrees"], true, "{backend}: off by {}", said["worst"]);
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

/// The greatest difference of two lists of numbers.
fn apart(one: &Value, other: &Value) -> f64 {
    let numbers = |value: &Value| -> Vec<f64> { serde_json::from_value(value.clone()).unwrap() };
    let (one, other) = (numbers(one), numbers(other));
    assert_eq!(one.len(), other.len());
    assert!(!one.is_empty(), "nothing to compare");
    one.iter().zip(&other).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
}

#[test]
fn both_workers_agree_on_every_way_to_go() {
    let Some((site, program)) = named("both_workers_agree") else { return };
    let mut tab = Tab::new(&program, &site, &SOFTWARE_GPU);
    tab.open("worker.js");
    if tab.eval("navigator.gpu?.requestAdapter().then(adapter => !!adapter)") != true {
        return cross_tests::skip("both_workers_agree", "this browser offers no software adapter for WebGPU");
    }
    // A drawn bar, and a mask that keeps its upper half.
    let picture: Vec<u8> = (0..784).map(|i| if (12..16).contains(&(i % 28)) { 255 } else { 0 }).collect();
    let mask = (0..784).map(|i| if i < 392 { 255 } else { 0 });
    let masked: Vec<u8> = picture.iter().copied().chain(mask).collect();
    let plan = "solver=euler&steps=2&guidance=2&digit=1&count=1&seed=5&model=mnist-unet";
    let unguided = plan.replace("guidance=2", "guidance=1");
    let runs = json!([
        [{ "say": "sample", "plan": plan, "views": true }, null],
        [{ "say": "sample", "plan": unguided, "start": { "from": "between", "seed": 9 } }, null],
        [{ "say": "invert", "plan": unguided, "at": 0.2 }, picture],
        [{ "say": "sample", "plan": unguided, "start": { "from": "given", "at": 0.2 } }, "states"],
        [{ "say": "sample", "plan": unguided, "start": { "from": "filled" } }, masked],
        [{ "say": "sample", "plan": unguided.replace("solver=euler&steps=2", "solver=bosh3&tol=0.3").replace("count=1", "count=4") }, null],
    ]);
    let [cpu, gpu] =
        ["cpu", "gpu"].map(|backend| ask_worker(&mut tab, backend, "mnist-unet", &runs)["runs"].clone());
    let names = ["noise, with views", "between", "back", "forth again", "filled", "adaptive"];
    for (index, name) in names.iter().enumerate() {
        let (cpu, gpu) = (&cpu[index], &gpu[index]);
        assert_eq!(cpu["evaluations"], gpu["evaluations"], "{name}");
        let states = apart(&cpu["states"], &gpu["states"]);
        // A velocity that lies between two bytes may become the other.
        let shown = apart(&cpu["last"], &gpu["last"]);
        println!("{name}: states off by {states}, what is shown by {shown} of 255");
        assert!(
            states < 5e-4 && shown <= 2.0,
            "{name}: states off by {states}, what is shown by {shown} of 255"
        );
    }
    assert_eq!(cpu[0]["last"].as_array().unwrap().len(), 3 * 784, "state, estimate and velocity");
}
