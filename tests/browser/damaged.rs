//! The CPU worker and a model that ships, cut and flipped: wasm refuses what the native reader refuses, by name, and goes on. What it
//! takes for another model draws, or says why it can't.
//!
//! `FLOW_DIGITS_FLIPS=all` cuts at every byte of the header and flips every bit of it, and 10,000 bits of the tensors.

use cross_tests::browser::{Tab, named};
use model_export::manifest::{Manifest, sha256_hex};
use serde_json::{Value, json};

/// Starts a CPU worker and gives `window.damage`, which loads damaged copies of a model, one after the other, and gives what is
/// said of each. A copy is cut at `cut`, or has the bit `flip` flipped; with a `sha256`, the manifest is made to fit it. What was
/// loaded is sampled with one step.
const WORKER: &str = r#"(async model => {
    const bytes = async path => { const got = await fetch(path); if (!got.ok) throw new Error(path); return got.arrayBuffer() };
    const program = (await (await fetch("site.json")).json()).cpu;
    const manifest = await (await fetch("models/manifest.json")).text();
    const entry = JSON.parse(manifest).models.find(entry => entry.id === model);
    const good = await bytes("models/" + entry.file);
    const worker = new Worker("worker.js", { type: "module" });
    const answer = () => new Promise((resolve, reject) => {
        worker.onerror = event => reject(new Error(event.message));
        worker.onmessage = ({ data: [text, buffer] }) => {
            const message = JSON.parse(text);
            if (message.say === "fatal") reject(new Error(text));
            else if (!["alive", "frame"].includes(message.say)) resolve([message, buffer]);
        };
    });
    const wasm = await bytes(program.wasm);
    const ready = answer();
    worker.postMessage({ js: new URL(program.js, document.baseURI).href, wasm }, [wasm]);
    await ready;
    let run = 0;
    const drawn = async () => {
        const said = answer();
        run += 1;
        const plan = `solver=euler&steps=1&guidance=1&count=1&seed=7&model=${model}`;
        worker.postMessage([JSON.stringify({ say: "sample", run, plan })]);
        const [{ say, fault }, states] = await said;
        const numbers = [...new Float32Array(states ?? new ArrayBuffer(0))];
        return { say, fault, numbers: numbers.length, finite: numbers.filter(Number.isFinite).length };
    };
    const load = async ({ cut, flip, sha256 }) => {
        const copy = new Uint8Array(good.slice(0, cut ?? good.byteLength));
        if (flip !== undefined) copy[flip >> 3] ^= 1 << (flip & 7);
        const list = JSON.parse(manifest);
        const own = list.models.find(entry => entry.id === model);
        if (sha256) Object.assign(own, { sha256, bytes: copy.byteLength });
        const said = answer();
        worker.postMessage([JSON.stringify({ say: "load", model, manifest: sha256 ? JSON.stringify(list) : manifest }), copy.buffer], [copy.buffer]);
        const [{ say, fault }] = await said;
        return [say, fault?.fault ?? "", fault?.what ?? "", say === "loaded" ? await drawn() : null];
    };
    window.damage = async all => {
        const said = [];
        for (const one of all) {
            said.push(await load(one).catch(error => { throw new Error(`${JSON.stringify(one)}: ${error.message}`) }));
        }
        return said;
    };
    return true;
})"#;

/// Copies that are loaded in one call.
const CHUNK: usize = 250;

/// Numbers from a seed (SplitMix64), below `end`.
fn drawn(seed: usize, end: usize) -> usize {
    let mixed = (seed as u64).wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((mixed ^ (mixed >> 31)) % end as u64) as usize
}

/// The numbers of a picture: those of MNIST.
const NUMBERS: usize = 28 * 28;

/// What was said of a copy: the message, the fault and its text, and what came of sampling it if it was loaded.
type Said = (String, String, String, Value);

/// Whether a model that was loaded drew a picture of finite numbers.
fn drew(drawn: &Value) -> bool {
    drawn["say"] == "done" && drawn["numbers"] == NUMBERS && drawn["finite"] == NUMBERS
}

/// Whether it refused to, and said why: that its numbers are not finite, or in a text.
fn refused_in_words(drawn: &Value) -> bool {
    let fault = &drawn["fault"];
    let says_why = fault["what"].as_str().is_some_and(|what| !what.is_empty());
    drawn["say"] == "failed" && (fault["fault"] == "not-finite" || says_why)
}

/// Loads damaged copies and gives for each what was said.
fn damage(tab: &mut Tab, copies: &[Value]) -> Vec<Said> {
    let mut said = Vec::new();
    for chunk in copies.chunks(CHUNK) {
        let call = format!(
            "window.said = null, window.damage({}).then(said => window.said = {{ said }}, error => window.said = {{ error: String(error) }}), true",
            json!(chunk)
        );
        tab.eval(&call);
        let got = tab.wait("what the worker says", "window.said");
        assert_eq!(got["error"], Value::Null);
        let got: Vec<Said> = serde_json::from_value(got["said"].clone()).unwrap();
        said.extend(got);
    }
    assert_eq!(said.len(), copies.len());
    said
}

#[test]
fn the_worker_refuses_every_damaged_copy_by_name_and_goes_on() {
    let Some((site, program)) = named("the_worker_refuses_every_damaged_copy") else { return };
    let text = std::fs::read_to_string(site.join("models").join("manifest.json")).unwrap();
    let manifest = Manifest::parse(&text).unwrap();
    let entry = manifest.entry("mnist-unet").unwrap();
    let good = std::fs::read(site.join("models").join(&entry.file)).unwrap();
    let header = 8 + u64::from_le_bytes(good[..8].try_into().unwrap()) as usize;
    let bits = 8 * header;
    let all = std::env::var("FLOW_DIGITS_FLIPS").is_ok_and(|flips| flips == "all");

    let mut tab = Tab::new(&program, &site, &[]);
    tab.open("worker.js");
    assert_eq!(tab.eval(&format!("{WORKER}('{}')", entry.id)), true);

    // With the manifest that ships.
    let cuts: Vec<usize> =
        if all { (0..=header).collect() } else { (0..120).map(|i| drawn(i, header + 1)).collect() };
    let in_header: Vec<usize> =
        if all { (0..bits).collect() } else { (0..160).map(|i| drawn(i, bits)).collect() };
    let in_tensors = if all { 10_000 } else { 160 };
    let in_tensors = (0..in_tensors).map(|i| bits + drawn(i, 8 * good.len() - bits));
    let flips: Vec<usize> = in_header.into_iter().chain(in_tensors).collect();
    let copies: Vec<Value> = cuts
        .iter()
        .map(|cut| json!({ "cut": cut }))
        .chain(flips.iter().map(|flip| json!({ "flip": flip })))
        .collect();
    for (copy, (say, fault, what, _)) in copies.iter().zip(damage(&mut tab, &copies)) {
        assert_eq!((say.as_str(), fault.as_str()), ("refused", "corrupt"), "{copy}: {what}");
        assert!(what.contains(&entry.file), "{copy}: {what}");
        let named = match copy["cut"].as_u64() {
            Some(cut) => what.contains(&cut.to_string()) && what.contains(&entry.bytes.to_string()),
            None => what.contains(&entry.sha256),
        };
        assert!(named, "{copy}: {what}");
    }

    // With a manifest that fits the damage: what stands behind the fingerprint.
    let mut copies = Vec::new();
    let cuts: Vec<usize> =
        if all { (1..header).collect() } else { (0..60).map(|i| 1 + drawn(!i, header - 1)).collect() };
    for cut in cuts {
        copies.push(json!({ "cut": cut, "sha256": sha256_hex(&good[..cut]) }));
    }
    let behind = if all {
        (0..header).map(|byte| 8 * byte + drawn(byte, 8)).collect()
    } else {
        (0..120).map(|i| drawn(!i, bits)).collect::<Vec<_>>()
    };
    for flip in behind {
        let mut bytes = good.clone();
        bytes[flip / 8] ^= 1 << (flip % 8);
        copies.push(json!({ "flip": flip, "sha256": sha256_hex(&bytes) }));
    }
    let (mut loaded, mut pictures) = (0, 0);
    for (copy, (say, fault, what, drawn)) in copies.iter().zip(damage(&mut tab, &copies)) {
        // A letter of a name or a digit of a figure may become another: then it is another model, and must behave like one.
        if say == "loaded" && copy["cut"].is_null() {
            assert!(
                drew(&drawn) || refused_in_words(&drawn),
                "{copy}: it was loaded, and sampled gives {drawn}"
            );
            loaded += 1;
            pictures += usize::from(drew(&drawn));
            continue;
        }
        assert_eq!((say.as_str(), fault.as_str()), ("refused", "unusable"), "{copy}: {what}");
        assert!(!what.is_empty(), "{copy}");
    }
    println!(
        "in wasm, of {}: {} copies refused by size or fingerprint; with a manifest that fits, {} of {} refused by the reader, \
         and {loaded} are other models, of which {pictures} draw and the others say why they can't",
        entry.file,
        flips.len() + if all { header + 1 } else { 120 },
        copies.len() - loaded,
        copies.len()
    );
    assert!(2 * loaded < copies.len(), "{loaded} of {} were loaded", copies.len());

    let said = damage(&mut tab, &[json!({})]);
    let (say, _, what, drawn) = &said[0];
    assert_eq!(say, "loaded", "the same worker and the model as it is: {what}");
    assert!(drew(drawn), "the same worker and the model as it is: {drawn}");
}
