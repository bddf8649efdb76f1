//! Plans that nobody wrote, through the page's address and the element's attributes: each is taken or refused in words.
//!
//! An ordinary run sends some; `FLOW_DIGITS_PLANS=100000` says how many instead. Every one goes through the page's own
//! program in one page. So that nothing is computed or painted for those that nobody looks at, the runs are kept from the worker
//! meanwhile and the page is not laid out; `addresses.rs` draws two hundred.
//!
//! Every field of the plan that the page or the element has in the end is compared: model, digit, solver, schedule, steps or
//! tolerance, controller, guidance, seed and count. They are to be what `flow` reads of the text, put right by what the manifest
//! says of the model (`settled`, which says the page's rules once more).

use super::copied;
use cross_tests::browser::{Tab, named};
use cross_tests::plans::Die;
use flow::guidance::Guidance;
use flow::plan::{Budget, SamplePlan};
use flow::schedule::Schedule;
use model_export::manifest::Manifest;
use serde_json::{Value, json};
use std::cmp::Reverse;
use std::path::Path;

/// Plans through the address in an ordinary run.
const PLANS: usize = 1_500;
/// Set to another number.
const ASKED: &str = "FLOW_DIGITS_PLANS";
/// So many at once.
const AT_ONCE: usize = 50;
/// After so many it is said how long they took.
const TOLD: usize = 5_000;
/// One in so many goes through an element's attributes as well.
const ELEMENTS: usize = 5;

/// Keeps runs from the worker, while `window.idle` is true. A worker that hears of none answers none, and after a second would be
/// replaced by another one: that timer is left out as well.
const IDLE: &str = "{ const post = Worker.prototype.postMessage; Worker.prototype.postMessage = function (...given) { \
    const [text] = Array.isArray(given[0]) ? given[0] : ['']; \
    if (window.idle && /\"say\":\"(sample|invert)\"/.test(text)) return; \
    return post.apply(this, given) }; \
    const wait = window.setTimeout; window.setTimeout = (call, ms, ...given) => \
        window.idle && ms === 1000 ? 0 : wait(call, ms, ...given) }";

/// Gives each address to the page as back and forward do, and tells what the page makes of it: what the browser made of the text,
/// what stands in the address afterwards, what is said, and whether the page is still there.
const THROUGH_THE_PAGE: &str = "window.through = async texts => { \
    const { port1, port2 } = new MessageChannel(); \
    const tick = () => new Promise(done => { port1.onmessage = done; port2.postMessage(null) }); \
    const seen = []; \
    for (const text of texts) { \
        history.replaceState(null, '', location.pathname + '?' + text); const asked = location.search; \
        dispatchEvent(new PopStateEvent('popstate')); \
        for (let i = 0; i < 3; i++) await tick(); \
        seen.push([asked, location.search, document.querySelectorAll('[data-testid=notice]').length, \
            document.querySelectorAll('main input').length, document.querySelector('[data-testid=error]')?.innerText ?? '']) } \
    return seen }";

/// The same through an element's attributes.
const THROUGH_AN_ELEMENT: &str = "window.through = async fields => { const seen = []; \
    const element = document.querySelector('flow-digits'); \
    for (const all of fields) { \
        for (const name of element.getAttributeNames()) if (!['id', 'loading'].includes(name)) element.removeAttribute(name); \
        for (const [name, value] of all) if (customElements.get('flow-digits').observedAttributes.includes(name)) element.setAttribute(name, value); \
        const asked = element.query; \
        await new Promise(done => setTimeout(done, 1)); await new Promise(done => setTimeout(done, 1)); \
        seen.push([asked, element.plan, element.shadowRoot.querySelectorAll('[data-testid=notice]').length, \
            element.shadowRoot.querySelectorAll('canvas').length, element.shadowRoot.querySelector('[data-testid=error]')?.innerText ?? '']) } \
    return seen }";

fn asked(usual: usize) -> usize {
    std::env::var(ASKED).ok().and_then(|asked| asked.parse().ok()).unwrap_or(usual)
}

/// The models of a site.
fn models(site: &Path) -> Manifest {
    Manifest::parse(&std::fs::read_to_string(site.join("models").join("manifest.json")).unwrap()).unwrap()
}

/// What is read of a query.
struct Read {
    /// Defaults where it says nothing, or nothing that can be read.
    plan: SamplePlan,
    /// How much of it can't be read.
    faults: usize,
    /// Whether it names a model; a name that can't be one, or a second one, does not count.
    names_model: bool,
}

/// What `flow` makes of a query without what the page has for itself.
fn read(query: &str) -> Read {
    let parts = query.trim_start_matches('?').split('&').filter(|part| !part.starts_with("backend="));
    let parts: Vec<&str> = parts.collect();
    let (plan, faults) = SamplePlan::parse_with_unknown(&parts.join("&"));
    let about_model =
        |fault: &flow::Error| matches!(fault, flow::Error::Plan { field, .. } if field == "model");
    let names_model = parts.iter().any(|part| part.starts_with("model=")) && !faults.iter().any(about_model);
    Read { plan, faults: faults.len(), names_model }
}

/// The nearest plan that its model can follow: a model that is not here, or does not draw, becomes the manifest's first; guidance by
/// a weaker model becomes the usual one of the same scale where there is none; and fitted knots are those of the nearest number of
/// steps that was fitted, the larger of two as near, or give way to the usual schedule where none was.
fn settled(mut plan: SamplePlan, models: &Manifest) -> SamplePlan {
    let drawing = |id: &str| models.entry(id).filter(|entry| entry.can_be_sampled());
    let entry = drawing(&plan.model).or_else(|| drawing(&models.default)).unwrap();
    plan.model.clone_from(&entry.id);
    if plan.guidance.needs_weak_model() && entry.weak.as_deref().and_then(drawing).is_none() {
        let scale = plan.guidance.choice().get("scale");
        plan.guidance = scale.and_then(|scale| Guidance::cfg(scale).ok()).unwrap_or_default();
    }
    if let (Budget::Steps(steps), true) = (plan.budget, plan.schedule.fitted()) {
        let fitted = entry.knots.iter().flat_map(|knots| knots.rows.keys().copied());
        match fitted.min_by_key(|count| (count.abs_diff(steps), Reverse(*count))) {
            Some(nearest) => plan.budget = Budget::Steps(nearest),
            None => plan.schedule = Schedule::recommended(),
        }
    }
    plan
}

/// What came of one text.
struct Came {
    /// The plan that is there.
    plan: SamplePlan,
    /// Whether something of the text was refused.
    refused: bool,
    /// Whether the model could not follow what was read.
    put_right: bool,
}

/// Holds what was seen of one text against what `flow` says of it. `usual` is the model that is taken where it names none.
fn holds(text: &str, seen: &Value, usual: &str, models: &Manifest) -> Came {
    let word = |i: usize| seen[i].as_str().unwrap_or_default();
    let Read { plan: mut wanted, faults, names_model } = read(word(0));
    if !names_model {
        usual.clone_into(&mut wanted.model);
    }
    let got = read(word(1));
    assert_eq!(got.faults, 0, "{text:?}: {} is no plan", word(1));
    assert_eq!(got.plan, settled(wanted.clone(), models), "{text:?}: {seen}");
    let put_right = got.plan != wanted;
    let notices = seen[2].as_u64().unwrap_or_default();
    assert!(faults == 0 || notices > 0, "{text:?}: {faults} faults, and no word: {seen}");
    assert!(!put_right || notices > 0, "{text:?}: another plan than {wanted}, and no word: {seen}");
    assert!(seen[3].as_u64() > Some(0), "{text:?}: nothing is left of it: {seen}");
    assert_eq!(word(4), "", "{text:?}");
    Came { plan: got.plan, refused: faults > 0, put_right }
}

/// A way into a page.
struct Way<'a> {
    /// What it is called.
    name: &'a str,
    /// How many texts are sent.
    many: usize,
    /// The die's seed.
    seed: u64,
    /// The model that is there at first, if a text that names none keeps it; else the manifest's first is taken.
    keeps: Option<&'a str>,
}

/// Sends so many drawn texts `through` what was set up in the page, and holds each against `flow`. Says the counts.
fn send_all(
    tab: &mut Tab,
    way: &Way<'_>,
    models: &Manifest,
    draw: impl Fn(&mut Die) -> String,
    given: impl Fn(&[String]) -> Value,
) {
    let mut die = Die::seeded(way.seed);
    let began = std::time::Instant::now();
    let (mut ran, mut refused, mut put_right) = (0, 0, 0);
    let mut usual = way.keeps.unwrap_or(&models.default).to_owned();
    tab.eval("window.idle = true; document.body.style.display = 'none'");
    while ran < way.many {
        let some: Vec<String> = (0..AT_ONCE.min(way.many - ran)).map(|_| draw(&mut die)).collect();
        let seen = tab.eval(&format!("through({})", given(&some)));
        for (text, seen) in some.iter().zip(seen.as_array().unwrap()) {
            let came = holds(text, seen, &usual, models);
            if way.keeps.is_some() {
                usual.clone_from(&came.plan.model);
            }
            refused += usize::from(came.refused);
            put_right += usize::from(came.put_right);
            ran += 1;
        }
        if ran % TOLD == 0 {
            println!("{ran} after {} s", began.elapsed().as_secs());
        }
        assert_eq!(tab.complaints(), Vec::<String>::new(), "after {ran}");
    }
    tab.eval("window.idle = false; document.body.style.display = ''");
    println!(
        "{ran} plans through {}, {refused} with something refused in words, {put_right} put right for their model",
        way.name
    );
    assert!(put_right > 0 || ran < PLANS, "no model had to put anything right");
}

#[test]
fn plans_at_random_through_the_address_are_taken_or_refused_in_words() {
    let Some((site, program)) = named("plans_at_random_through_the_address") else { return };
    let mut tab = Tab::new(&program, &site, &["--disable-ipc-flooding-protection"]);
    tab.reduce_motion();
    tab.before_each_page(IDLE);
    let beginning = "?backend=cpu&count=1&steps=2&seed=7&model=mnist-unet";
    tab.open(beginning);
    let picture = tab.picture("seed=7");
    tab.eval(THROUGH_THE_PAGE);
    // A `#` would end the query, and what a browser takes for another address is not ours.
    let draw = |die: &mut Die| die.query().replace('#', "%23");
    let way = Way { name: "the address", many: asked(PLANS), seed: 20_261_127, keeps: Some("mnist-unet") };
    send_all(&mut tab, &way, &models(&site), draw, |texts| json!(texts));
    tab.visit(beginning);
    assert_eq!(tab.picture("seed=7&digit=any&count=1"), picture, "and it still draws the same");
    assert_eq!(tab.complaints(), Vec::<String>::new());
}

#[test]
fn plans_at_random_through_an_elements_attributes_are_taken_or_refused_in_words() {
    let Some((site, program)) = named("plans_at_random_through_an_element") else { return };
    let site = copied(&site);
    std::fs::write(
        site.path().join("article.html"),
        "<!doctype html><meta charset=utf-8><title>A</title><link rel=icon href=favicon.svg><script type=module src=embed.js></script>\
         <flow-digits id=one loading=eager steps=2 count=1 seed=7 backend=cpu></flow-digits>",
    )
    .unwrap();
    let mut tab = Tab::new(&program, site.path(), &[]);
    tab.reduce_motion();
    tab.before_each_page(IDLE);
    tab.open("article.html");
    let done = "document.querySelector('flow-digits').state === 'done'";
    tab.wait("digits", done);
    let pixels =
        tab.eval("document.querySelector('flow-digits').sample({ model: 'mnist-unet' })")["pixels"].clone();
    tab.eval(THROUGH_AN_ELEMENT);
    let fields = |texts: &[String]| {
        let fields = |text: &String| {
            json!(text.split('&').filter_map(|part| part.split_once('=')).collect::<Vec<_>>())
        };
        texts.iter().map(fields).collect()
    };
    let many = asked(PLANS) / ELEMENTS;
    let way = Way { name: "an element's attributes", many, seed: 20_261_128, keeps: None };
    send_all(&mut tab, &way, &models(site.path()), Die::query, fields);
    for name in ["solver", "schedule", "tol", "controller", "guidance", "digit"] {
        tab.eval(&format!("document.querySelector('flow-digits').removeAttribute('{name}')"));
    }
    let again = "document.querySelector('flow-digits').sample({ seed: 7, count: 1, steps: 2, model: 'mnist-unet', backend: 'cpu' })";
    let again = tab.eval(again);
    assert_eq!(again["pixels"], pixels, "and it still draws the same");
    assert_eq!(tab.complaints(), Vec::<String>::new());
}
