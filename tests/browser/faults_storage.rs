//! Storage that is full or forbidden, and two pages at once: the page works just the same, and nobody disturbs the other.

use super::offline::{deploy, is_kept, is_wholly};
use super::{QUICK, copied, evaluations};
use cross_tests::browser::{Tab, named};
use serde_json::{Value, json};

/// Long enough for something to happen meanwhile, and always the same picture.
const LONG: &str = "?backend=cpu&count=4&steps=40&guidance=1&seed=7";
/// Another one.
const OTHER: &str = "?backend=cpu&count=4&steps=30&guidance=1&seed=8";

/// Digits, another choice and its digits: the same as everywhere, and no complaint.
fn works_as_ever(tab: &mut Tab, what: &str) -> String {
    tab.open(QUICK);
    let picture = tab.picture("seed=7");
    tab.eval("document.querySelector('input[name=solver][value=euler]').click()");
    assert_ne!(tab.picture("solver=euler"), picture, "{what}");
    assert_eq!(tab.complaints(), Vec::<String>::new(), "{what}");
    picture
}

#[test]
fn without_room_for_a_byte_the_page_works_and_keeps_nothing() {
    let Some((site, program)) = named("without_room_for_a_byte") else { return };
    let mut tab = Tab::new(&program, &site, &[]);
    tab.reduce_motion();
    let origin = tab.origin();
    let origin = origin.trim_end_matches('/');
    tab.ask("Storage.overrideQuotaForOrigin", json!({ "origin": origin, "quotaSize": 1 }));
    let first = works_as_ever(&mut tab, "no room");
    // The service worker tries, finds no room, and is gone: half a site is not kept.
    let gone = "navigator.serviceWorker.getRegistration().then(own => !own?.installing && !own?.active)";
    tab.eval(&format!(
        "(async () => {{ for (let i = 0; i < 600 && !(await {gone}); i++) await new Promise(done => setTimeout(done, 50)) }})()"
    ));
    assert_eq!(tab.eval("caches.keys().then(names => names.length)"), 0, "nothing is half kept");
    assert_eq!(tab.eval("document.documentElement.dataset.offline ?? ''"), "");
    tab.reload();
    tab.visit(QUICK);
    assert_eq!(tab.picture("solver=heun"), first);
}

#[test]
fn room_that_runs_out_later_costs_only_what_would_have_been_kept() {
    let Some((site, program)) = named("room_that_runs_out_later") else { return };
    let mut tab = Tab::new(&program, &site, &[]);
    tab.reduce_motion();
    tab.open(QUICK);
    tab.picture("seed=7");
    is_kept(&mut tab);
    tab.reload();
    tab.picture("seed=7");
    let origin = tab.origin();
    let origin = origin.trim_end_matches('/');
    tab.ask("Storage.overrideQuotaForOrigin", json!({ "origin": origin, "quotaSize": 1 }));
    // Another model comes over the network, is drawn, and can't be kept.
    tab.visit(&format!("{QUICK}&model=pair-uniform"));
    tab.picture("model=pair-uniform");
    let kept = "caches.keys().then(async names => (await Promise.all(names.filter(name => name.endsWith('later'))\
        .map(name => caches.open(name).then(cache => cache.keys())))).flat().length)";
    assert_eq!(tab.eval(kept), 0);
    assert_eq!(tab.complaints(), Vec::<String>::new());
}

#[test]
fn where_a_reader_allows_no_storage_the_page_works() {
    let Some((site, program)) = named("where_a_reader_allows_no_storage") else { return };
    let refuse = "throw new DOMException('The user denied permission to access it.', 'SecurityError')";
    let no_access = |owner: &str, name: &str| {
        format!("Object.defineProperty({owner}, '{name}', {{ get() {{ {refuse} }}, configurable: true }});")
    };
    let stores =
        ["localStorage", "sessionStorage", "indexedDB", "caches"].map(|name| no_access("window", name));
    let everything = stores.concat() + &no_access("Navigator.prototype", "serviceWorker");
    let full = "Storage.prototype.setItem = () => { throw new DOMException('full', 'QuotaExceededError') }";
    let no_worker = format!("ServiceWorkerContainer.prototype.register = async () => {{ {refuse} }}");
    let mut pictures = Vec::new();
    for (what, script) in [
        ("as usual", ""),
        ("a full store", full),
        ("cookies blocked", &stores.concat()),
        ("no service worker", &no_worker),
        ("nothing at all", &everything),
    ] {
        let mut tab = Tab::new(&program, &site, &[]);
        tab.reduce_motion();
        tab.before_each_page(script);
        pictures.push(works_as_ever(&mut tab, what));
    }
    pictures.dedup();
    assert_eq!(pictures.len(), 1, "the same digits everywhere");
}

#[test]
fn two_pages_at_once_draw_what_each_draws_alone_and_one_may_be_closed_in_the_middle() {
    let Some((site, program)) = named("two_pages_at_once") else { return };
    let mut tab = Tab::new(&program, &site, &[]);
    tab.reduce_motion();
    let [one, other] = [(LONG, "seed=7"), (OTHER, "seed=8")].map(|(address, seed)| {
        tab.open(address);
        tab.picture(seed)
    });
    tab.open(LONG);
    tab.wait_state("running");
    let first = tab.beside();
    tab.reduce_motion();
    tab.open(OTHER);
    tab.wait_state("running");
    let second = tab.turn_to(first.clone());
    assert_eq!(tab.picture("seed=7"), one);
    tab.turn_to(second);
    assert_eq!(tab.picture("seed=8"), other);
    // One goes away in the middle of its run: the other one's goes on to its end.
    tab.visit(LONG);
    tab.wait(
        "the middle of a run",
        "Number(document.querySelector('[data-testid=instrument]').dataset.evaluations) > 0",
    );
    let second = tab.turn_to(first);
    tab.visit(OTHER);
    tab.wait(
        "the middle of a run",
        "Number(document.querySelector('[data-testid=instrument]').dataset.evaluations) > 0",
    );
    tab.close(second);
    assert_eq!(tab.picture("seed=7"), one);
    assert_eq!(tab.instrument("evaluations"), evaluations("steps=40&guidance=1").to_string());
    assert_eq!(tab.complaints(), Vec::<String>::new());
}

#[test]
fn a_page_in_the_middle_of_a_run_is_not_disturbed_by_a_new_version_beside_it() {
    let Some((site, program)) = named("a_page_in_the_middle_of_a_run") else { return };
    let site = copied(&site);
    deploy(site.path(), 1);
    let mut tab = Tab::new(&program, site.path(), &[]);
    tab.reduce_motion();
    tab.open(LONG);
    let alone = tab.picture("seed=7");
    is_kept(&mut tab);
    tab.open(QUICK);
    is_wholly(&mut tab, 1);
    let first = tab.beside();
    tab.reduce_motion();
    tab.open(QUICK);
    is_wholly(&mut tab, 1);
    // The second page runs; the first one finds the new version, and its reader loads it again.
    tab.visit(LONG);
    tab.wait(
        "the middle of a run",
        "Number(document.querySelector('[data-testid=instrument]').dataset.evaluations) > 0",
    );
    let second = tab.turn_to(first);
    deploy(site.path(), 2);
    tab.reload();
    tab.wait("word of the new version", "document.documentElement.dataset.update === 'ready'");
    tab.reload();
    is_wholly(&mut tab, 1);
    let first = tab.turn_to(second);
    assert_eq!(tab.picture("seed=7"), alone);
    // A model that it has not asked for yet still comes, since its address names its content.
    tab.visit(&format!("{QUICK}&model=pair-uniform"));
    tab.picture("model=pair-uniform");
    tab.close(first);
    assert_ne!(tab.eval("navigator.serviceWorker.controller"), Value::Null);
    assert_eq!(tab.complaints(), Vec::<String>::new());
}
