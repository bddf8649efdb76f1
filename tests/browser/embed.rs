//! `<flow-digits>` in somebody else's document: one worker and one model for all, no styles across, nothing left behind.

use std::path::Path;

use super::copied;
use cross_tests::browser::{Driver, Page, Tab, named};
use tempfile::TempDir;

/// A copy of the site with one more document, in which elements stand.
fn with_article(site: &Path, body: &str) -> TempDir {
    let folder = copied(site);
    let article = format!(
        "<!doctype html><html lang=en><meta charset=utf-8><title>Article</title><link rel=icon href=favicon.svg>\
         <style>p {{ color: rgb(1, 2, 3) }} button {{ font-size: 99px }} .instrument {{ display: none }}</style>\
         <script type=module src=embed.js></script><main><p id=own>Text.</p>{body}</main></html>"
    );
    std::fs::write(folder.path().join("article.html"), article).unwrap();
    folder
}

/// How many workers the tab runs.
fn workers(tab: &mut Tab) -> usize {
    let targets =
        tab.ask_browser("Target.getTargets", serde_json::json!({ "filter": [{ "type": "worker" }] }));
    targets["targetInfos"].as_array().map_or(0, Vec::len)
}

const DONE: &str = "[...document.querySelectorAll('flow-digits')].every(element => element.state === 'done')";

#[test]
fn two_lines_are_enough_and_no_style_goes_in_or_out() {
    let Some((site, program)) = named("two_lines_are_enough") else { return };
    let site = with_article(
        &site,
        "<flow-digits digit=7 solver=euler steps=4 count=2 seed=5 backend=cpu></flow-digits>",
    );
    let mut tab = Tab::new(&program, site.path(), &[]);
    tab.reduce_motion();
    tab.open("article.html");
    tab.wait("digits", DONE);
    let plan = tab.eval("document.querySelector('flow-digits').plan");
    let plan = plan.as_str().unwrap();
    assert!(
        plan.starts_with("solver=euler&") && plan.contains("steps=4&") && plan.contains("digit=7&"),
        "{plan}"
    );
    // The article's careless style stays outside, and the instrument's inside.
    let inside = "document.querySelector('flow-digits').shadowRoot";
    assert_eq!(
        tab.eval(&format!("getComputedStyle({inside}.querySelector('.instrument')).display")),
        "block"
    );
    assert_ne!(tab.eval(&format!("getComputedStyle({inside}.querySelector('button')).fontSize")), "99px");
    assert_eq!(tab.eval("getComputedStyle(document.querySelector('#own')).color"), "rgb(1, 2, 3)");
    assert_eq!(tab.eval("getComputedStyle(document.body).backgroundColor"), "rgba(0, 0, 0, 0)");
    // Pictures and films come out, whatever else is asked for is refused by name.
    let kind = tab.eval(
        "document.querySelector('flow-digits').toBlob().then(blob => blob.type + ' ' + (blob.size > 200))",
    );
    assert_eq!(kind, "image/png true");
    let refused = tab.eval(
        "document.querySelector('flow-digits').toBlob('image/bmp').then(() => '', error => error.message)",
    );
    assert!(refused.as_str().unwrap().contains("image/gif"), "{refused}");
    assert_eq!(tab.complaints(), Vec::<String>::new());
}

#[test]
fn attributes_methods_and_events_work_as_documented() {
    let Some((site, program)) = named("attributes_methods_and_events") else { return };
    let site = with_one(&site);
    let mut tab = Tab::new(&program, site.path(), &[]);
    tab.reduce_motion();
    attributes_methods_and_events(&mut tab);
}

/// A document with one element, whose events are kept.
pub(crate) fn with_one(site: &Path) -> TempDir {
    with_article(
        site,
        "<flow-digits id=one steps=3 count=1 seed=5 backend=cpu loading=eager>\
         <p slot=poster>Wait</p><p slot=caption>Caption</p></flow-digits>\
         <script>window.told = []; for (const name of ['ready', 'progress', 'sample', 'error']) \
         document.querySelector('#one').addEventListener(name, event => told.push([name, event.detail]))</script>",
    )
}

/// The same in every browser.
pub(crate) fn attributes_methods_and_events<D: Driver>(tab: &mut Page<D>) {
    tab.open("article.html");
    tab.wait("digits", DONE);
    let names = tab.eval("told.map(([name]) => name).filter(name => name !== 'progress').join()");
    assert_eq!(names, "ready,sample");
    let first = tab.eval("told.find(([name]) => name === 'sample')[1]");
    assert_eq!((&first["evaluations"], &first["backend"]), (&12.into(), &"cpu".into()));
    // A property is an attribute; a method waits for its run.
    let second = tab.eval("document.querySelector('#one').sample({ seed: 6, solver: 'euler' })");
    assert!(second["plan"].as_str().unwrap().contains("seed=6&"), "{second}");
    assert_eq!(second["evaluations"], 6);
    assert_ne!(second["pixels"], first["pixels"]);
    let again = tab.eval("document.querySelector('#one').sample({ seed: 5, solver: 'heun' })");
    assert_eq!(again["pixels"], first["pixels"]);
    let refused =
        tab.eval("document.querySelector('#one').sample({ sede: 1 }).then(() => '', error => error.message)");
    assert!(
        refused.as_str().unwrap().contains("sede") && refused.as_str().unwrap().contains("seed"),
        "{refused}"
    );
    // What can't be read is told, and nothing breaks.
    tab.eval("document.querySelector('#one').setAttribute('solver', '<img src=x onerror=alert(1)>')");
    let notice =
        "document.querySelector('#one').shadowRoot.querySelector('[data-testid=notices]').textContent";
    tab.wait("a word about it", &format!("{notice}.includes('<img')"));
    assert_eq!(tab.eval("document.querySelector('#one').shadowRoot.querySelectorAll('img').length"), 0);
    // The picture can be put anywhere on its way.
    tab.eval("document.querySelector('#one').time = 0.25");
    assert_eq!(tab.eval("document.querySelector('#one').time"), 0.25);
    // All settings, by one more attribute.
    tab.eval("document.querySelector('#one').setAttribute('controls', 'all')");
    tab.wait("controls", "document.querySelector('#one').shadowRoot.querySelector('form.controls')");
    tab.wait("digits", DONE);
}

#[test]
fn nothing_heavy_is_fetched_until_an_element_is_near_the_window() {
    let Some((site, program)) = named("nothing_heavy") else { return };
    let site = with_article(
        &site,
        "<div style='height: 8000px'></div><flow-digits steps=2 count=1 backend=cpu></flow-digits>",
    );
    let mut tab = Tab::new(&program, site.path(), &[]);
    tab.reduce_motion();
    tab.open("article.html");
    tab.wait("the element", "customElements.get('flow-digits')");
    let waiting = tab.eval(
        "new Promise(done => setTimeout(() => done(document.querySelector('flow-digits').state), 500))",
    );
    assert_eq!(waiting, "waiting");
    let heavy = |url: &String| url.contains(".wasm") || url.contains("/models/");
    assert_eq!(tab.requested().into_iter().filter(heavy).collect::<Vec<_>>(), Vec::<String>::new());
    tab.eval("document.querySelector('flow-digits').scrollIntoView()");
    tab.wait("digits", DONE);
    assert!(tab.requested().iter().any(|url| url.contains("cpu-") && url.ends_with(".wasm")));
}

#[test]
fn the_text_below_an_element_does_not_jump_when_it_comes() {
    let Some((site, program)) = named("the_text_below_an_element") else { return };
    let body = "<flow-digits steps=1 count=1 backend=cpu></flow-digits><p id=below>More text.</p>";
    let site = with_article(&site, body);
    let mut tab = Tab::new(&program, site.path(), &[]);
    for width in [320, 900] {
        tab.resize(width, 800);
        tab.reduce_motion();
        tab.before_each_page(
            "addEventListener('DOMContentLoaded', () => customElements.whenDefined('flow-digits').then(() => { \
             window.before = document.querySelector('#below').getBoundingClientRect().top }))",
        );
        tab.open("article.html");
        tab.wait("digits", DONE);
        let moved = tab.eval("document.querySelector('#below').getBoundingClientRect().top - before");
        assert!(moved.as_f64().is_some_and(|moved| moved.abs() <= 2.0), "{width}: by {moved}");
    }
}

#[test]
fn twenty_elements_share_one_worker_and_one_model() {
    let Some((site, program)) = named("twenty_elements") else { return };
    let body: String = (0..20)
        .map(|seed| {
            format!("<flow-digits steps=2 count=1 seed={seed} backend=cpu loading=eager></flow-digits>")
        })
        .collect();
    let site = with_article(&site, &body);
    let mut tab = Tab::new(&program, site.path(), &[]);
    tab.reduce_motion();
    tab.open("article.html");
    tab.wait("twenty pictures", DONE);
    let fetched = |tab: &mut Tab, part: &str| tab.requested().iter().filter(|url| url.contains(part)).count();
    assert_eq!(fetched(&mut tab, ".safetensors"), 1);
    assert_eq!(fetched(&mut tab, ".wasm"), 2, "the page's program and the worker's, once each");
    assert_eq!(workers(&mut tab), 1);
    let different =
        tab.eval("new Set([...document.querySelectorAll('flow-digits')].map(element => element.plan)).size");
    assert_eq!(different, 20);
    assert_eq!(tab.complaints(), Vec::<String>::new());
}

#[test]
fn two_hundred_times_in_and_out_leave_nothing_behind() {
    let Some((site, program)) = named("two_hundred_times") else { return };
    let site = with_article(&site, "<flow-digits steps=1 count=1 backend=cpu loading=eager></flow-digits>");
    let mut tab = Tab::new(&program, site.path(), &[]);
    tab.reduce_motion();
    tab.open("article.html");
    tab.wait("digits", DONE);
    tab.ask("Performance.enable", serde_json::json!({}));
    let cycles = |tab: &mut Tab, count: usize| {
        tab.eval(&format!(
            "(async () => {{ const place = document.querySelector('main'); const element = document.querySelector('flow-digits'); \
             for (let i = 0; i < {count}; i++) {{ element.remove(); await new Promise(done => setTimeout(done)); place.append(element); \
             await element.load(); if (i % 10 === 0) await new Promise(done => element.addEventListener('sample', done, {{ once: true }})); }} }})()"
        ));
        tab.wait("digits", DONE);
        tab.ask("HeapProfiler.collectGarbage", serde_json::json!({}));
        let metrics = tab.ask("Performance.getMetrics", serde_json::json!({}));
        let metrics = metrics["metrics"].as_array().unwrap().clone();
        let of = |name: &str| {
            let found = metrics.iter().find(|metric| metric["name"] == name);
            found.and_then(|metric| metric["value"].as_f64()).unwrap()
        };
        ["Nodes", "JSEventListeners"].map(of)
    };
    // The first few fill what is filled once.
    let before = cycles(&mut tab, 20);
    let after = cycles(&mut tab, 200);
    for (before, after) in before.iter().zip(after) {
        assert!(after <= before * 1.05 + 20.0, "{before} became {after}");
    }
    assert_eq!(workers(&mut tab), 1);
    assert_eq!(tab.complaints(), Vec::<String>::new());
}

#[test]
fn a_sandboxed_frame_draws_and_the_page_around_it_gives_it_its_height() {
    let Some((site, program)) = named("a_sandboxed_frame") else { return };
    let site = with_article(
        &site,
        "<iframe sandbox=allow-scripts width=400 src='embed.html?steps=2&count=4&seed=3&backend=cpu'></iframe>\
         <iframe width=400 src='embed.html?steps=2&count=4&seed=3&backend=cpu'></iframe>\
         <script type=module src=frames.js></script>\
         <script>addEventListener('message', ({ data }) => { window.heard = data })</script>",
    );
    let mut tab = Tab::new(&program, site.path(), &[]);
    tab.reduce_motion();
    tab.open("article.html");
    // The frame grows to its picture, which is as high as it is wide, and the timeline below it.
    tab.wait("a height", "parseInt(document.querySelector('iframe').style.height) > 380");
    assert_eq!(tab.eval("window.heard.type"), "flow-digits:height");
    // Its style is allowed in, by its hash and from what counts as another origin: it is as high as a frame without a sandbox.
    let frames = "[...document.querySelectorAll('iframe')]";
    let heights = format!("new Set({frames}.map(frame => frame.style.height)).size === 1");
    tab.wait("the same height without the sandbox", &heights);
    let rules = format!("{frames}[1].contentDocument.styleSheets[0].cssRules.length");
    assert_eq!(tab.eval(&rules), 3, "rules of the frame's style");
    // Messages that are not from the frame change nothing.
    tab.eval("window.postMessage({ type: 'flow-digits:height', height: 3999 }, '*')");
    let height = tab.eval(
        "new Promise(done => setTimeout(() => done(document.querySelector('iframe').style.height), 200))",
    );
    assert_ne!(height, "3999px");
    assert_eq!(tab.complaints(), Vec::<String>::new());
}

#[test]
fn the_example_post_shows_its_three_instruments() {
    let mut tab = tab!("the_example_post");
    tab.open("blog.html");
    tab.eval("document.querySelectorAll('flow-digits').forEach(element => { element.backend = 'cpu'; element.load() })");
    tab.wait("two instruments", DONE);
    tab.eval("document.querySelector('iframe').scrollIntoView()");
    tab.wait("the frame's height", "document.querySelector('iframe').style.height");
    assert_eq!(tab.complaints(), Vec::<String>::new());
}
