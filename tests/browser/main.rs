//! The real page in a real browser. `cargo xtask test` builds the site, finds the browser and runs these one at a time.

// Clippy takes a helper of tests for ordinary code.
#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};

use cross_tests::browser::{Driver, Page, Tab, named};
use flow::plan::SamplePlan;
use flow::schedule::KnotTable;

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

mod accessible;
mod addresses;
mod compare;
mod damaged;
mod easel;
mod embed;
mod endurance;
mod faults;
mod faults_network;
mod faults_storage;
mod firefox;
mod machines;
mod manners;
mod offline;
mod own;
mod policy;
mod random_plans;
mod registries;
mod results;
mod screens;
mod smooth;
mod views;
mod workers;
mod zoo;

fn evaluations(plan: &str) -> usize {
    plan.parse::<SamplePlan>().unwrap().expected_evaluations(&KnotTable::default()).unwrap()
}

fn counted(tab: &mut Tab) -> usize {
    tab.instrument("evaluations").parse().unwrap()
}

/// Scrolls through the page, so that what waits until it is seen begins, and waits until all of it is done.
fn seen_to_the_end<D: Driver>(page: &mut Page<D>) {
    page.wait("the study", "!!document.querySelector('[data-testid=study-table] tbody tr')");
    page.eval(
        "(async () => { const frame = () => new Promise(done => requestAnimationFrame(() => setTimeout(done))); \
         for (const part of document.querySelectorAll('section, h2, [data-testid]')) { \
         part.scrollIntoView({ behavior: 'instant', block: 'center' }); await frame() } \
         scrollTo(0, 0); await frame(); return true })()",
    );
    let works = "[...document.querySelectorAll('main [data-state]')].some(e => ['loading', 'running'].includes(e.dataset.state))";
    let measured =
        "[...document.querySelectorAll('[data-testid=pane]')].every(pane => pane.dataset.distance)";
    page.wait("end of all work", &format!("!{works} && {measured}"));
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

/// Vouches for a copy that a test has changed, as its publisher would: else the page refuses what was changed.
fn seal(site: &Path) {
    xtask::seal::seal(site).unwrap();
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
    assert_eq!(counted(&mut tab), evaluations(""));
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
