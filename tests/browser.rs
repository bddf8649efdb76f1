//! The real page in a real browser. `cargo xtask test` builds the site, finds the browser and runs these one at a time.

use std::path::{Path, PathBuf};

use cross_tests::answer::{Answer, TOLERANCE, stored, worst_difference};
use cross_tests::browser::{SOFTWARE_GPU, Tab, named};
use flow::plan::SamplePlan;
use flow::solver::Solver;
use serde_json::Value;

/// Small and quick, and different from the page's own default.
const QUICK: &str = "?backend=cpu&count=4&steps=4&seed=7";

/// A tab on the built site with little motion, or the end of the test when there is none.
macro_rules! tab {
    ($test:literal) => {
        match named($test) {
            Some((site, program)) => {
                let mut tab = Tab::new(&program, &site, &[]);
                tab.reduce_motion();
                tab
            }
            None => return,
        }
    };
}

fn evaluations(plan: &str) -> usize {
    plan.parse::<SamplePlan>().unwrap().expected_evaluations().unwrap()
}

fn counted(tab: &mut Tab) -> usize {
    tab.instrument("evaluations").parse().unwrap()
}

/// A copy of the site without the GPU's program, to be damaged.
fn copied(site: &Path) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for file in xtask::web::files_below(site).unwrap() {
        let place = folder.path().join(file.strip_prefix(site).unwrap());
        std::fs::create_dir_all(place.parent().unwrap()).unwrap();
        std::fs::copy(&file, place).unwrap();
    }
    folder
}

/// The file of the model that the page begins with.
fn first_model(site: &Path) -> PathBuf {
    let text = std::fs::read_to_string(site.join("models").join("manifest.json")).unwrap();
    let manifest = model_export::manifest::Manifest::parse(&text).unwrap();
    site.join("models").join(&manifest.entry(&manifest.default).unwrap().file)
}

#[test]
fn digits_appear_without_being_asked_and_nothing_complains() {
    let Some((site, program)) = named("digits_appear") else { return };
    let mut tab = Tab::new(&program, &site, &[]);
    tab.open("");
    tab.wait_state("done");
    assert_eq!(counted(&mut tab), SamplePlan::default().expected_evaluations().unwrap());
    let colours = "(canvas => { const data = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data; \
        const seen = new Set(); for (let i = 0; i < data.length; i += 4) seen.add(data[i] << 16 | data[i + 1] << 8 | data[i + 2]); \
        return seen.size })(document.querySelector('[data-testid=digits]'))";
    let colours = tab.eval(colours).as_u64().unwrap();
    assert!(colours > 16, "the canvas shows {colours} colours");
    assert!(tab.text("status").contains("done"), "{}", tab.text("status"));
    assert_eq!(tab.complaints(), Vec::<String>::new());
}

#[test]
fn nothing_is_fetched_from_another_origin() {
    let mut tab = tab!("nothing_is_fetched_from_another_origin");
    tab.open(QUICK);
    tab.wait_state("done");
    let origin = tab.origin();
    let foreign =
        |url: &String| !url.starts_with(&origin) && !url.starts_with("data:") && !url.starts_with("blob:");
    let foreign: Vec<String> = tab.requested().into_iter().filter(foreign).collect();
    assert_eq!(foreign, Vec::<String>::new());
}

#[test]
fn another_solver_gives_another_picture_and_its_own_count_of_evaluations() {
    let mut tab = tab!("another_solver");
    tab.open(QUICK);
    let mut before = tab.picture("solver=heun");
    assert_eq!(counted(&mut tab), evaluations("solver=heun&steps=4"));
    for solver in ["euler", "rk4"] {
        tab.eval(&format!("document.querySelector('input[name=solver][value={solver}]').click()"));
        let after = tab.picture(&format!("solver={solver}"));
        assert_ne!(before, after, "{solver}");
        assert_eq!(counted(&mut tab), evaluations(&format!("solver={solver}&steps=4")));
        before = after;
    }
    assert_eq!(tab.complaints(), Vec::<String>::new());
}

#[test]
fn every_solver_of_the_registry_is_offered_and_runs() {
    let mut tab = tab!("every_solver_of_the_registry");
    for solver in Solver::all() {
        tab.open(&format!("?backend=cpu&count=1&steps=2&guidance=1&solver={}", solver.id()));
        tab.wait_state("done");
        assert_eq!(counted(&mut tab), evaluations(&format!("guidance=1&steps=2&solver={}", solver.id())));
        let offered =
            format!("!!document.querySelector('input[name=solver][value={}]:checked')", solver.id());
        assert_eq!(tab.eval(&offered), true, "{} is not offered", solver.id());
    }
    assert_eq!(tab.complaints(), Vec::<String>::new());
}

#[test]
fn the_same_address_gives_the_same_pixels_and_another_seed_does_not() {
    let Some((site, program)) = named("the_same_address") else { return };
    let picture = |address: &str| {
        // A browser of its own each time: nothing may be carried over.
        let mut tab = Tab::new(&program, &site, &[]);
        tab.reduce_motion();
        tab.open(address);
        tab.picture("seed=")
    };
    let address =
        "?backend=cpu&solver=midpoint&schedule=shift:k=2&steps=3&guidance=1.5&seed=11&digit=3&count=4";
    let first = picture(address);
    assert_eq!(first, picture(address));
    assert_ne!(first, picture(&address.replace("seed=11", "seed=12")));
}

#[test]
fn going_back_shows_the_picture_before() {
    let mut tab = tab!("going_back");
    tab.open(QUICK);
    let first = tab.picture("seed=7");
    tab.eval("document.querySelector('input[name=solver][value=euler]').click()");
    let second = tab.picture("solver=euler");
    assert_ne!(first, second);
    tab.eval("history.back()");
    assert_eq!(tab.picture("solver=heun"), first);
    tab.eval("history.forward()");
    assert_eq!(tab.picture("solver=euler"), second);
}

#[test]
fn a_newer_choice_replaces_a_long_run_at_once() {
    let mut tab = tab!("a_newer_choice");
    tab.open(QUICK);
    let wanted = tab.picture("seed=7");
    // Minutes of work, ended by the next choice.
    tab.open("?backend=cpu&count=64&steps=1000&seed=7");
    tab.wait_state("running");
    tab.eval(&format!(
        "history.pushState(null, '', '{QUICK}'); dispatchEvent(new PopStateEvent('popstate'))"
    ));
    assert_eq!(tab.picture("count=4"), wanted);
}

#[test]
fn an_unknown_value_in_the_address_is_said_and_the_default_goes_on() {
    let mut tab = tab!("an_unknown_value");
    tab.open("?backend=cpu&count=1&steps=2&solver=heum");
    tab.picture("solver=heun");
    assert!(tab.text("notices").contains("heum"), "{:?}", tab.text("notices"));
    assert_eq!(tab.complaints(), Vec::<String>::new());
}

#[test]
fn a_corrupt_model_is_refused_in_words_and_nothing_is_drawn() {
    let Some((site, program)) = named("a_corrupt_model") else { return };
    let site = copied(&site);
    let model = first_model(site.path());
    let mut bytes = std::fs::read(&model).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&model, bytes).unwrap();
    let mut tab = Tab::new(&program, site.path(), &[]);
    tab.open(QUICK);
    tab.wait_state("error");
    assert_eq!(tab.instrument("pixelsHash"), "");
    let said = tab.text("error");
    assert!(said.contains("fingerprint") && said.contains("Try again"), "{said:?}");
}

#[test]
fn a_missing_model_is_said_in_words() {
    let Some((site, program)) = named("a_missing_model") else { return };
    let site = copied(&site);
    std::fs::remove_file(first_model(site.path())).unwrap();
    let mut tab = Tab::new(&program, site.path(), &[]);
    tab.open(QUICK);
    tab.wait_state("error");
    assert!(tab.text("error").contains("did not arrive"), "{:?}", tab.text("error"));
}

#[test]
fn a_program_that_will_not_load_is_said_in_words() {
    let Some((site, program)) = named("a_program_that_will_not_load") else { return };
    let site = copied(&site);
    for file in xtask::web::files_below(&site.path().join("workers")).unwrap() {
        if file.extension().is_some_and(|ending| ending == "wasm") {
            std::fs::write(file, b"not a program").unwrap();
        }
    }
    let mut tab = Tab::new(&program, site.path(), &[]);
    tab.open(QUICK);
    tab.wait_state("error");
    assert!(tab.text("error").contains("did not start"), "{:?}", tab.text("error"));
}

/// What can be touched and is in sight. A group of radio buttons is one stop; arrows move inside it.
const CONTROLS: &str = "[...document.querySelectorAll('button, input, select, textarea, a[href], summary, [tabindex]')]\
    .filter(e => !e.disabled && e.tabIndex >= 0 && e.checkVisibility() && !e.closest('[inert]'))";

/// A control's name for the test: a group counts under the name of its group.
const NAME: &str = "(e => e.type === 'radio' ? `radio ${e.name}` : [e.tagName, e.id || e.dataset.testid || e.getAttribute('aria-label') || \
    e.innerText || e.getAttribute('href')].join(' '))";

#[test]
fn the_keyboard_reaches_every_control_and_every_control_has_a_label() {
    let mut tab = tab!("the_keyboard");
    tab.open(QUICK);
    tab.wait_state("done");
    let wanted = tab.eval(&format!("[...new Set({CONTROLS}.map({NAME}))]"));
    let wanted: Vec<String> = serde_json::from_value(wanted).unwrap();
    assert!(wanted.len() > 6, "{wanted:?}");
    let nameless = tab.eval(&format!(
        "{CONTROLS}.filter(e => !(e.labels?.length || e.getAttribute('aria-label') || e.getAttribute('aria-labelledby') || \
         e.innerText?.trim())).map({NAME})"
    ));
    assert_eq!(nameless, Value::Array(Vec::new()), "controls without a label");

    let mut reached: Vec<String> = Vec::new();
    for _ in 0..4 * wanted.len() {
        tab.press("Tab");
        let at = tab
            .eval(&format!("document.activeElement === document.body ? '' : {NAME}(document.activeElement)"));
        let at = at.as_str().unwrap_or_default().to_owned();
        if !at.is_empty() && !reached.contains(&at) {
            reached.push(at);
        }
    }
    let missed: Vec<&String> = wanted.iter().filter(|name| !reached.contains(name)).collect();
    assert!(missed.is_empty(), "Tab never reached {missed:?}; it reached {reached:?}");
}

#[test]
fn arrows_choose_inside_a_group_and_on_a_slider() {
    let mut tab = tab!("arrows_choose");
    tab.open(QUICK);
    let before = tab.picture("solver=heun");
    tab.eval("document.querySelector('input[name=solver]:checked').focus()");
    tab.press("ArrowDown");
    let chosen = tab.wait(
        "another solver",
        "document.querySelector('input[name=solver]:checked').value !== 'heun' && \
        document.querySelector('input[name=solver]:checked').value",
    );
    let after = tab.picture(&format!("solver={}", chosen.as_str().unwrap()));
    assert_ne!(before, after);
    tab.eval("document.querySelector('input[type=range][data-testid=steps]').focus()");
    tab.press("ArrowRight");
    tab.picture("steps=5");
}

#[test]
fn nothing_is_wider_than_the_window_on_a_phone_a_tablet_and_a_desk() {
    let mut tab = tab!("nothing_is_wider");
    tab.open(QUICK);
    tab.wait_state("done");
    for (width, height) in [(360, 740), (820, 1180), (1600, 1000)] {
        tab.resize(width, height);
        let excess = tab.eval("document.documentElement.scrollWidth - document.documentElement.clientWidth");
        assert_eq!(excess, 0, "at {width} x {height}");
        let fits = "(box => box.width > 0 && box.right <= innerWidth + 1)(document.querySelector('[data-testid=digits]')\
            .getBoundingClientRect())";
        tab.wait(&format!("picture inside {width} x {height}"), fits);
    }
}

#[test]
fn sampling_never_holds_the_page_for_50_ms() {
    let mut tab = tab!("sampling_never_holds");
    tab.before_each_page(
        "window.longest = 0; new PerformanceObserver(list => { for (const task of list.getEntries()) \
         window.longest = Math.max(window.longest, task.duration) }).observe({ type: 'longtask', buffered: false })",
    );
    tab.open(QUICK);
    tab.picture("seed=7");
    // The least of several: the machine that runs this has other things to do, the page has not.
    let mut least = f64::INFINITY;
    for seed in 20..24 {
        let address = format!("{}&seed={seed}&steps=10&count=16", QUICK.split("&count").next().unwrap());
        tab.eval(&format!("longest = 0, history.pushState(null, '', '{address}'), dispatchEvent(new PopStateEvent('popstate'))"));
        tab.picture(&format!("seed={seed}"));
        least = least.min(tab.eval("longest").as_f64().unwrap());
    }
    assert!(least < 50.0, "the longest task took at least {least} ms in every run");
}

#[test]
fn without_webgpu_the_page_says_so_and_stays_on_the_cpu() {
    let mut tab = tab!("without_webgpu");
    tab.open("?count=1&steps=2&backend=gpu");
    tab.wait_state("done");
    assert_eq!(tab.instrument("backend"), "cpu");
    let said = tab.text("reason");
    assert!(said.contains("WebGPU") && said.contains("processor"), "{said:?}");
}

/// Speaks to a worker as the page does: start, load, self-test, then the plan itself. Gives the first and the last
/// frame's pixels, the self-test's verdict and the count of evaluations.
const ASK_WORKER: &str = r#"(async (backend, model, plan) => {
    const json = async path => (await fetch(path)).json();
    const bytes = async path => { const got = await fetch(path); if (!got.ok) throw new Error(path); return got.arrayBuffer() };
    const program = (await json("site.json"))[backend];
    const manifest = await (await fetch("models/manifest.json")).text();
    const entry = JSON.parse(manifest).models.find(entry => entry.id === model);
    const worker = new Worker("worker.js", { type: "module" });
    const frames = [];
    const until = wanted => new Promise((resolve, reject) => {
        worker.onerror = event => reject(new Error(event.message));
        worker.onmessage = ({ data: [text, buffer] }) => {
            const message = JSON.parse(text);
            if (message.say === "frame") frames.push(Array.from(new Float32Array(buffer)));
            if (message.say === wanted) resolve(message);
            if (["fatal", "refused", "failed"].includes(message.say)) reject(new Error(text));
        };
    });
    const tell = (message, buffer) => worker.postMessage([JSON.stringify(message), buffer], buffer ? [buffer] : []);
    const wasm = await bytes(program.wasm);
    const ready = until("ready");
    worker.postMessage({ js: new URL(program.js, document.baseURI).href, wasm }, [wasm]);
    await ready;
    const loaded = until("loaded");
    tell({ say: "load", model, manifest }, await bytes("models/" + entry.file));
    await loaded;
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
    let numbers = |name: &str| -> Vec<f32> { serde_json::from_value(got[name].clone()).unwrap() };
    let first = worst_difference(&numbers("first"), &answer.pixels(&answer.noise()));
    let last = worst_difference(&numbers("last"), &answer.pixels(&answer.states));
    println!(
        "{} on the {backend} worker: states off by {}, pixels by {last:e}, noise by {first:e}",
        answer.id, got["worst"]
    );
    assert_eq!(got["agrees"], true, "{backend}: off by {}", got["worst"]);
    assert!(first < 1e-6, "{backend}: the noise is off by {first:e}");
    assert!(last <= TOLERANCE, "{backend}: the pixels are off by {last:e}");
    assert_eq!(
        got["evaluations"].as_u64().map(|n| n as usize),
        answer.plan.expected_evaluations(),
        "{backend}"
    );
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
    // The page gives a graphics processor up that says nothing for half a minute. On a busy machine a software one
    // may; a fresh start finds its shaders compiled.
    for _ in 0..3 {
        tab.open("?backend=gpu&count=1&steps=2&guidance=1");
        if tab.eval("navigator.gpu?.requestAdapter().then(adapter => !!adapter)") != true {
            return cross_tests::skip(
                "the_page_runs_on_a_software_gpu",
                "this browser offers no software adapter",
            );
        }
        tab.wait_state("done");
        if tab.instrument("backend") == "gpu" {
            break;
        }
    }
    assert_eq!(tab.instrument("backend"), "gpu", "{}", tab.text("reason"));
    assert_eq!(counted(&mut tab), evaluations("guidance=1&steps=2"));
    assert_eq!(tab.complaints(), Vec::<String>::new());
}
