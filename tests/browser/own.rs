//! One's own digit: pictures turned into noise and back, filled in, and the way from one noise to another, asked of the
//! worker as the page asks it.

use cross_tests::browser::{Tab, named};
use flow::plan::SamplePlan;
use flow::schedule::KnotTable;
use serde_json::{Value, json};
use std::path::Path;

/// Starts the CPU worker with the models named, and leaves `window.go(message, bytes)`, which gives the last frame's bytes,
/// the times seen, and the end with its numbers.
const START: &str = r#"(async models => {
    const bytes = async path => { const got = await fetch(path); if (!got.ok) throw new Error(path); return got.arrayBuffer() };
    const program = (await (await fetch("site.json")).json()).cpu;
    const manifest = await (await fetch("models/manifest.json")).text();
    const worker = new Worker("worker.js", { type: "module" });
    const frames = [];
    const until = wanted => new Promise((resolve, reject) => {
        worker.onerror = event => reject(new Error(event.message));
        worker.onmessage = ({ data: [text, buffer] }) => {
            const message = JSON.parse(text);
            if (message.say === "frame") frames.push({ t: message.t, bytes: Array.from(new Uint8Array(buffer)) });
            if (wanted.includes(message.say)) resolve({ ...message, buffer });
            if (["fatal", "refused"].includes(message.say)) reject(new Error(text));
        };
    });
    const tell = (message, buffer) => worker.postMessage([JSON.stringify(message), buffer], buffer ? [buffer] : []);
    const wasm = await bytes(program.wasm);
    const ready = until(["ready"]);
    worker.postMessage({ js: new URL(program.js, document.baseURI).href, wasm }, [wasm]);
    await ready;
    for (const id of models) {
        const loaded = until(["loaded"]);
        tell({ say: "load", model: id, manifest }, await bytes("models/" + JSON.parse(manifest).models.find(entry => entry.id === id).file));
        await loaded;
    }
    let run = 0;
    window.go = async (message, given) => {
        frames.length = 0;
        const ended = until(["done", "failed"]);
        tell({ ...message, run: ++run }, given ? new Uint8Array(given).buffer : null);
        const { buffer, ...end } = await ended;
        return { end, frames: frames.slice(), numbers: buffer ? Array.from(new Uint8Array(buffer)) : [] };
    };
})"#;

/// What a run came to.
struct Ran {
    end: Value,
    times: Vec<f64>,
    frames: Vec<Vec<u8>>,
    /// The end's buffer.
    numbers: Vec<u8>,
}

impl Ran {
    fn last(&self) -> &[u8] {
        self.frames.last().unwrap()
    }

    fn why(&self) -> String {
        assert_eq!(self.end["say"], "failed", "{}", self.end);
        assert_eq!(self.end["fault"]["fault"], "sampling", "{}", self.end);
        self.end["fault"]["what"].as_str().unwrap().to_owned()
    }
}

/// A worker in a tab whose page does not compete for the processor: an empty document of the same origin.
struct Bench(Tab);

impl Bench {
    fn new(site: &Path, program: &Path, models: &[&str]) -> Self {
        let mut tab = Tab::new(program, site, &[]);
        tab.open("worker.js");
        let mut bench = Self(tab);
        bench.awaited(&format!("{START}({})", json!(models)));
        bench
    }

    fn awaited(&mut self, call: &str) -> Value {
        self.0.eval(&format!(
            "window.got = null; ({call}).then(got => window.got = {{ got }}, error => window.got = {{ error: String(error) }}); true"
        ));
        let got = self.0.wait("the worker", "window.got");
        assert_eq!(got["error"], Value::Null);
        got["got"].clone()
    }

    fn go(&mut self, message: Value, bytes: Option<&[u8]>) -> Ran {
        let got = self.awaited(&format!("window.go({message}, {})", json!(bytes)));
        let bytes = |value: &Value| -> Vec<u8> { serde_json::from_value(value.clone()).unwrap() };
        let frames = got["frames"].as_array().unwrap();
        Ran {
            end: got["end"].clone(),
            times: frames.iter().map(|frame| frame["t"].as_f64().unwrap()).collect(),
            frames: frames.iter().map(|frame| bytes(&frame["bytes"])).collect(),
            numbers: bytes(&got["numbers"]),
        }
    }

    fn sample(&mut self, plan: &str, start: Value, bytes: Option<&[u8]>) -> Ran {
        self.go(json!({ "say": "sample", "plan": plan, "start": start }), bytes)
    }

    fn invert(&mut self, plan: &str, bytes: &[u8]) -> Ran {
        self.go(json!({ "say": "invert", "plan": plan }), Some(bytes))
    }
}

/// A seven of straight strokes, 28 x 28, 0 paper and 255 ink.
fn seven() -> Vec<u8> {
    let strokes: [[(f32, f32); 2]; 2] = [[(8.0, 7.0), (20.0, 7.0)], [(20.0, 7.0), (13.0, 22.0)]];
    let distance = |x: f32, y: f32, [(x0, y0), (x1, y1)]: [(f32, f32); 2]| {
        let (dx, dy) = (x1 - x0, y1 - y0);
        let share = (((x - x0) * dx + (y - y0) * dy) / (dx * dx + dy * dy)).clamp(0.0, 1.0);
        (x - x0 - share * dx).hypot(y - y0 - share * dy)
    };
    let ink = |i: usize| {
        let (x, y) = ((i % 28) as f32 + 0.5, (i / 28) as f32 + 0.5);
        let nearest = strokes.iter().map(|stroke| distance(x, y, *stroke)).fold(f32::MAX, f32::min);
        ((1.7 - nearest).clamp(0.0, 1.0) * 255.0) as u8
    };
    (0..784).map(ink).collect()
}

/// The root of the mean square of the differences, in bytes.
fn rms(a: &[u8], b: &[u8]) -> f64 {
    assert_eq!(a.len(), b.len());
    let squares: f64 = a.iter().zip(b).map(|(a, b)| f64::from(a.abs_diff(*b)).powi(2)).sum();
    (squares / a.len() as f64).sqrt()
}

fn evaluations(plan: &str) -> u64 {
    let plan: SamplePlan = plan.parse().unwrap();
    plan.expected_evaluations(&KnotTable::default()).unwrap() as u64
}

#[test]
fn a_drawn_seven_comes_back_from_its_noise_as_itself_and_as_a_four() {
    let Some((site, program)) = named("a_drawn_seven") else { return };
    let mut bench = Bench::new(&site, &program, &["mnist-unet"]);
    let (seven, way) = (seven(), "solver=rk4&steps=12&guidance=1&count=1");
    for digit in ["7", "any"] {
        let there = bench.invert(&format!("{way}&digit={digit}"), &seven);
        assert_eq!(
            (&there.end["say"], there.end["t"].as_f64()),
            (&json!("done"), Some(0.0)),
            "{}",
            there.end
        );
        assert_eq!(there.end["evaluations"], evaluations(way));
        assert_eq!((there.times.len(), there.times[0], there.times[12]), (13, 1.0, 0.0));
        assert!(there.times.windows(2).all(|pair| pair[0] > pair[1]), "{:?}", there.times);
        assert_eq!(there.frames[0], seven, "the drawing itself comes first");
        assert_eq!(there.numbers.len(), 784 * 4);
        let noise = protocol::start::numbers(&there.numbers, 784).unwrap();
        let square = noise.iter().map(|z| z * z).sum::<f32>() / 784.0;
        assert!((0.5..1.5).contains(&square), "noise of mean square {square}");

        if digit == "7" {
            let again =
                bench.sample(&format!("{way}&digit=7"), json!({ "from": "given" }), Some(&there.numbers));
            let off = rms(again.last(), &seven);
            println!("as itself: off by {off:.2} of 255");
            assert!(off < 16.0, "{off}");
        }
        let four = "solver=rk4&steps=12&guidance=2&count=1&digit=4";
        let other = bench.sample(four, json!({ "from": "given" }), Some(&there.numbers));
        assert_eq!(other.end["evaluations"], evaluations(four));
        let off = rms(other.last(), &seven);
        println!("inverted as {digit}, as a four: off by {off:.2} of 255");
        assert!(off > 40.0, "{off}");
    }
    // Stopped on the way, the state is at that time, and going on from there ends at data.
    let message = json!({ "say": "invert", "plan": format!("{way}&digit=7"), "at": 0.4 });
    let part = bench.go(message, Some(&seven));
    assert_eq!(part.times.last(), Some(&0.4));
    let start = json!({ "from": "given", "at": 0.4 });
    let again = bench.sample(&format!("{way}&digit=7"), start, Some(&part.numbers));
    assert_eq!((again.times[0], again.times[12]), (0.4, 1.0));
    assert!(rms(again.last(), &seven) < 8.0, "{}", rms(again.last(), &seven));
}

#[test]
fn what_is_filled_in_keeps_the_known_half_and_costs_what_any_run_costs() {
    let Some((site, program)) = named("what_is_filled_in") else { return };
    let mut bench = Bench::new(&site, &program, &["mnist-unet"]);
    let seven = seven();
    let mask: Vec<u8> = (0..784).map(|i| if i < 392 { 255 } else { 0 }).collect();
    let given = [seven.clone(), mask].concat();
    let looks_like = |pixels: &[u8]| pixels.chunks(784).map(<[u8]>::to_vec).collect::<Vec<_>>();
    for plan in [
        "solver=heun&steps=6&guidance=2&count=3&digit=7&seed=5",
        "solver=dopri5&tol=0.05&guidance=1&count=2&digit=9&seed=5",
    ] {
        let filled = bench.sample(plan, json!({ "from": "filled" }), Some(&given));
        assert_eq!(filled.end["say"], "done", "{}", filled.end);
        let plain = bench.sample(plan, json!({ "from": "noise" }), None);
        assert_eq!(filled.frames[0], plain.frames[0], "each image begins with its own noise");
        if plan.contains("steps") {
            assert_eq!(filled.end["evaluations"], plain.end["evaluations"]);
        }
        let images = looks_like(filled.last());
        for image in &images {
            assert_eq!(image[..392], seven[..392], "{plan}");
        }
        // The numbers of the end are those of the picture, exactly.
        let count = images.len();
        let numbers = protocol::start::numbers(&filled.numbers, count * 784).unwrap();
        let first = &numbers[..392];
        assert!(numbers.chunks(784).all(|image| &image[..392] == first), "{plan}");
        // Below, the images differ from each other and have ink.
        assert!(
            images[0][392..] != images[1][392..]
                && images.iter().all(|image| image[392..].iter().any(|ink| *ink > 200))
        );
    }
}

#[test]
fn between_two_seeds_the_ends_are_the_plain_runs_of_each() {
    let Some((site, program)) = named("between_two_seeds") else { return };
    let mut bench = Bench::new(&site, &program, &["mnist-unet"]);
    let plan = |seed: u64| format!("solver=heun&steps=4&guidance=2&count=3&digit=8&seed={seed}");
    let between = bench.sample(&plan(3), json!({ "from": "between", "seed": 11 }), None);
    let [one, other] = [3, 11].map(|seed| bench.sample(&plan(seed), json!({ "from": "noise" }), None));
    for frame in [0, 4] {
        assert_eq!(between.frames[frame][..784], one.frames[frame][..784]);
        assert_eq!(between.frames[frame][2 * 784..], other.frames[frame][..784]);
        assert_ne!(between.frames[frame][784..2 * 784], one.frames[frame][..784]);
    }
    // Without a digit of their own all are that of the first image.
    let any = plan(3).replace("digit=8", "digit=any");
    let zeros = plan(3).replace("digit=8", "digit=0");
    let [any, zeros] =
        [any, zeros].map(|plan| bench.sample(&plan, json!({ "from": "between", "seed": 11 }), None));
    assert_eq!(any.last(), zeros.last());
}

#[test]
fn what_a_model_or_a_solver_cannot_do_is_refused_in_words() {
    let Some((site, program)) = named("what_a_model_or_a_solver_cannot_do") else { return };
    let mut bench = Bench::new(&site, &program, &["mnist-unet", "mnist-vae"]);
    let seven = seven();
    let short = bench.sample("count=2&steps=2", json!({ "from": "given" }), Some(&[0; 8])).why();
    assert!(short.contains("8 bytes") && short.contains("1568 numbers"), "{short}");
    let missing = bench.sample("count=2&steps=2", json!({ "from": "filled" }), Some(&seven)).why();
    assert!(missing.contains("a picture and its mask"), "{missing}");
    let few = bench.invert("count=2&steps=2", &seven).why();
    assert!(few.contains("2 pictures"), "{few}");
    let stochastic = "solver=sde-euler&steps=4&count=1";
    let inverted = bench.invert(stochastic, &seven).why();
    assert!(inverted.contains("sde-euler"), "{inverted}");
    let given = [seven.clone(), vec![1; 784]].concat();
    let filled = bench.sample(stochastic, json!({ "from": "filled" }), Some(&given)).why();
    assert!(filled.contains("sde-euler"), "{filled}");
    let latent = bench.invert("model=mnist-vae&count=1&digit=any", &seven).why();
    assert!(latent.contains("encoder"), "{latent}");
    let late = bench.go(json!({ "say": "invert", "plan": "count=1&steps=2", "at": 1.5 }), Some(&seven)).why();
    assert!(late.contains("1.5"), "{late}");
    // None of it hurts the worker.
    let fine = bench.sample("count=1&steps=2", json!({ "from": "noise" }), None);
    assert_eq!(fine.end["say"], "done");
}
