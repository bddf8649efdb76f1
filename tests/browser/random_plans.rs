//! Plans that nobody wrote, through the page's address and the element's attributes: each is taken or refused in words.
//!
//! An ordinary run sends some; `FLOW_DIGITS_PLANS=100000` says how many instead. Every one goes through the page's own
//! program in one page. So that nothing is computed for those that nobody looks at, the runs are kept from the worker
//! meanwhile; `addresses.rs` draws two hundred.

use super::copied;
use cross_tests::browser::{Tab, named};
use cross_tests::plans::Die;
use flow::plan::SamplePlan;
use serde_json::{Value, json};

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

/// What `flow` makes of a query without what the page has for itself.
fn read(query: &str) -> (SamplePlan, usize) {
    let parts = query.trim_start_matches('?').split('&').filter(|part| !part.starts_with("backend="));
    let (plan, faults) = SamplePlan::parse_with_unknown(&parts.collect::<Vec<_>>().join("&"));
    (plan, faults.len())
}

/// Holds what was seen of one text against what `flow` says of it. Whether something of it was refused.
fn holds(text: &str, seen: &Value) -> bool {
    let word = |i: usize| seen[i].as_str().unwrap_or_default();
    let (wanted, faults) = read(word(0));
    let (got, leftover) = read(word(1));
    assert_eq!(leftover, 0, "{text:?}: {} is no plan", word(1));
    // Model, schedule and guidance may have been put right by what the model can do.
    assert_eq!(
        (got.seed, got.count, got.digit),
        (wanted.seed, wanted.count, wanted.digit),
        "{text:?}: {seen}"
    );
    let notices = seen[2].as_u64().unwrap_or_default();
    assert!(faults == 0 || notices > 0, "{text:?}: {faults} faults, and no word: {seen}");
    assert!(seen[3].as_u64() > Some(0), "{text:?}: nothing is left of it: {seen}");
    assert_eq!(word(4), "", "{text:?}");
    faults > 0
}

/// Sends so many drawn texts `through` what was set up in the page, and holds each against `flow`. Says the counts.
fn send_all(
    tab: &mut Tab,
    whence: &str,
    many: usize,
    seed: u64,
    draw: impl Fn(&mut Die) -> String,
    given: impl Fn(&[String]) -> Value,
) {
    let mut die = Die::seeded(seed);
    let began = std::time::Instant::now();
    let (mut ran, mut refused) = (0, 0);
    tab.eval("window.idle = true");
    while ran < many {
        let some: Vec<String> = (0..AT_ONCE.min(many - ran)).map(|_| draw(&mut die)).collect();
        let seen = tab.eval(&format!("through({})", given(&some)));
        for (text, seen) in some.iter().zip(seen.as_array().unwrap()) {
            refused += usize::from(holds(text, seen));
            ran += 1;
        }
        if ran % TOLD == 0 {
            println!("{ran} after {} s", began.elapsed().as_secs());
        }
        assert_eq!(tab.complaints(), Vec::<String>::new(), "after {ran}");
    }
    tab.eval("window.idle = false");
    println!("{ran} plans through {whence}, {refused} with something refused in words");
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
    send_all(&mut tab, "the address", asked(PLANS), 20_261_127, draw, |texts| json!(texts));
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
    send_all(&mut tab, "an element's attributes", asked(PLANS) / ELEMENTS, 20_261_128, Die::query, fields);
    for name in ["solver", "schedule", "tol", "controller", "guidance", "digit"] {
        tab.eval(&format!("document.querySelector('flow-digits').removeAttribute('{name}')"));
    }
    let again = "document.querySelector('flow-digits').sample({ seed: 7, count: 1, steps: 2, model: 'mnist-unet', backend: 'cpu' })";
    let again = tab.eval(again);
    assert_eq!(again["pixels"], pixels, "and it still draws the same");
    assert_eq!(tab.complaints(), Vec::<String>::new());
}
