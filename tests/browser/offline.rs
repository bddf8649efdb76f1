//! The site without a network, and a newer site over an older one: every page is of one version, and samples.

use std::path::{Path, PathBuf};

use super::{QUICK, copied};
use cross_tests::browser::{Tab, named};
use cross_tests::faulty::{Faulty, Wrong};
use serde_json::json;

/// What of a page tells the deployment that it comes from: the document, the script that has no hash in its name, the program's
/// name and a list that the page fetches.
const DEPLOYMENTS: &str = "Promise.all([document.documentElement.dataset.deployed, window.deployed, \
    document.querySelector('script[data-js]').dataset.js.match(/-de10(.)/)[1], \
    fetch('site.json').then(answer => answer.json()).then(list => list.deployed)]).then(all => all.join(' '))";

/// Makes a folder another deployment: another document, the program under another name, another `start.js` and `site.json`,
/// and nothing left of the one before.
pub(crate) fn deploy(site: &Path, number: u32) {
    let program = |file: &PathBuf| {
        let name = file.file_name().unwrap().to_str().unwrap();
        name.strip_prefix("page-").and_then(|rest| rest.strip_suffix(".js")).map(str::to_owned)
    };
    let files = xtask::web::files_below(site).unwrap();
    // The hash in the program's name.
    let old = files.iter().find_map(program).unwrap();
    let new = format!("de10{number}00000000000");
    for file in files {
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        if name.contains(&old) {
            std::fs::rename(&file, file.with_file_name(name.replace(&old, &new))).unwrap();
        }
    }
    let index = site.join("index.html");
    let document = std::fs::read_to_string(&index).unwrap().replace(&old, &new);
    let stamp = |number: u32| format!("<html data-deployed=\"{number}\"");
    let document = document.replace(&stamp(number - 1), "<html").replacen("<html", &stamp(number), 1);
    std::fs::write(index, document).unwrap();

    let start = site.join("start.js");
    let script = std::fs::read_to_string(&start).unwrap();
    let script = script.split_once("//stamp\n").map_or(script.as_str(), |(_, rest)| rest);
    std::fs::write(&start, format!("window.deployed = {number};//stamp\n{script}")).unwrap();

    let list = site.join("site.json");
    let text = std::fs::read_to_string(&list).unwrap().replace(&old, &new);
    let mut listing: serde_json::Value = serde_json::from_str(&text).unwrap();
    listing["deployed"] = json!(number);
    std::fs::write(list, listing.to_string()).unwrap();
    super::seal(site);
}

pub(crate) fn is_kept(tab: &mut Tab) {
    tab.wait("the kept site", "document.documentElement.dataset.offline === 'ready'");
}

/// The page shows digits and all of it is of this deployment.
pub(crate) fn is_wholly(tab: &mut Tab, number: u32) {
    tab.picture("seed=7");
    assert_eq!(tab.eval(DEPLOYMENTS), [number.to_string().as_str(); 4].join(" "));
}

#[test]
fn after_one_visit_the_page_samples_without_a_network() {
    let Some((site, program)) = named("after_one_visit") else { return };
    let mut tab = Tab::new(&program, &site, &[]);
    tab.reduce_motion();
    tab.open(QUICK);
    let online = tab.picture("seed=7");
    is_kept(&mut tab);
    tab.stop_serving();
    tab.reload();
    assert_eq!(tab.picture("seed=7"), online);
    assert_ne!(tab.eval("navigator.serviceWorker.controller"), serde_json::Value::Null);
    // Another address is the same page, asked for another picture.
    tab.open(&QUICK.replace("seed=7", "seed=8"));
    assert_ne!(tab.picture("seed=8"), online);
    // Nothing was moved over the network, and the page doesn't say otherwise.
    let moved =
        "performance.getEntriesByType('resource').reduce((sum, entry) => sum + entry.transferSize, 0)";
    assert_eq!(tab.eval(moved), 0);
}

#[test]
fn a_model_that_was_used_once_is_there_without_a_network_and_another_is_said_to_be_missing() {
    let Some((site, program)) = named("a_model_that_was_used_once") else { return };
    let mut tab = Tab::new(&program, &site, &[]);
    tab.reduce_motion();
    tab.open(QUICK);
    tab.picture("seed=7");
    is_kept(&mut tab);
    let other = format!("{QUICK}&model=pair-exact");
    tab.open(&other);
    let online = tab.picture("model=pair-exact");
    tab.stop_serving();
    tab.reload();
    assert_eq!(tab.picture("model=pair-exact"), online);
    tab.open(&format!("{QUICK}&model=pair-uniform"));
    tab.wait_state("error");
    assert!(tab.text("error").contains("did not arrive"), "{:?}", tab.text("error"));
}

/// The models that were fetched later and are kept, by their names.
const KEPT_LATER: &str = "caches.keys().then(async names => (await Promise.all(names.filter(name => name.endsWith('later'))\
    .map(name => caches.open(name).then(cache => cache.keys())))).flat()\
    .map(request => new URL(request.url).pathname.split('/').pop()).sort().join(' '))";

#[test]
fn what_is_not_the_published_file_goes_to_the_page_and_is_not_kept() {
    let Some((site, program)) = named("what_is_not_the_published_file") else { return };
    let server = Faulty::start(&site).unwrap();
    let mut tab = Tab::new(&program, &site, &[]);
    tab.turn_to_server(server.url());
    tab.reduce_motion();
    tab.open(QUICK);
    tab.picture("seed=7");
    is_kept(&mut tab);
    tab.reload();
    tab.picture("seed=7");
    assert_ne!(tab.eval("navigator.serviceWorker.controller"), serde_json::Value::Null);
    for (model, wrong, words) in [
        ("pair-uniform", Wrong::WebPage, "web page in its place"),
        ("pair-independent", Wrong::Altered, "fingerprint"),
    ] {
        server.fail(&format!("models/{model}.safetensors"), wrong);
        tab.visit(&format!("{QUICK}&model={model}"));
        let said = "document.querySelector('[data-testid=error]').innerText";
        let told = format!("{said}.includes('{words}') && {said}.includes('{model}')");
        tab.wait("the page's own words", &told);
    }
    // A right file, asked for after them: once that is kept, they would be, too.
    tab.visit(&format!("{QUICK}&model=pair-exact"));
    tab.picture("model=pair-exact");
    tab.wait("the right one, kept", &format!("{KEPT_LATER}.then(names => names.includes('pair-exact'))"));
    let kept = tab.eval(KEPT_LATER);
    let kept = kept.as_str().unwrap();
    assert!(!kept.contains("pair-uniform") && !kept.contains("pair-independent"), "{kept}");
    // What was published is kept when it comes, though another file came before it.
    server.mend();
    tab.visit(&format!("{QUICK}&model=pair-uniform"));
    tab.picture("model=pair-uniform");
    tab.wait("it, kept", &format!("{KEPT_LATER}.then(names => names.includes('pair-uniform'))"));
}

#[test]
fn a_new_deployment_over_a_kept_one_is_never_mixed_with_it() {
    let Some((site, program)) = named("a_new_deployment") else { return };
    let site = copied(&site);
    deploy(site.path(), 1);
    let mut tab = Tab::new(&program, site.path(), &[]);
    tab.reduce_motion();
    tab.open(QUICK);
    is_wholly(&mut tab, 1);
    is_kept(&mut tab);
    tab.reload();
    is_wholly(&mut tab, 1);
    assert_eq!(tab.eval("document.documentElement.dataset.update ?? ''"), "");

    // The page is there before the browser has looked for another version.
    deploy(site.path(), 2);
    tab.reload();
    is_wholly(&mut tab, 1);
    tab.wait("word of the new version", "document.documentElement.dataset.update === 'ready'");
    // While a page of the old version is open, its files are still there, and another page gets the same ones.
    let first = tab.beside();
    tab.reduce_motion();
    tab.open(QUICK);
    is_wholly(&mut tab, 1);
    tab.close(first);
    is_wholly(&mut tab, 1);
    // The only page, loaded again, is of the new version. A busy browser may take a closed page for an open one for a while;
    // then it is once more the old version, and wholly.
    for _ in 0..5 {
        tab.reload();
        if tab.wait("a version", "document.documentElement.dataset.deployed") == "2" {
            break;
        }
        is_wholly(&mut tab, 1);
    }
    is_wholly(&mut tab, 2);

    deploy(site.path(), 3);
    tab.open(&format!("{QUICK}&digit=3"));
    is_wholly(&mut tab, 2);
    tab.wait("word of the third version", "document.documentElement.dataset.update === 'ready'");
    let old = tab.beside();
    let new = tab.turn_to(old);
    tab.close(new);
    tab.reduce_motion();
    tab.open(QUICK);
    tab.wait("the third version", "document.documentElement.dataset.deployed === '3'");
    is_wholly(&mut tab, 3);
    let caches = "caches.keys().then(names => names.length)";
    assert_eq!(tab.eval(caches), 2, "the shell of this version, and what is shared");
}

#[test]
fn half_a_deployment_is_not_kept() {
    let Some((site, program)) = named("half_a_deployment") else { return };
    let site = copied(&site);
    deploy(site.path(), 1);
    let mut tab = Tab::new(&program, site.path(), &[]);
    tab.reduce_motion();
    tab.open(QUICK);
    is_wholly(&mut tab, 1);
    is_kept(&mut tab);
    let old = std::fs::read(site.path().join("start.js")).unwrap();
    deploy(site.path(), 2);
    // The list has arrived on the server, one of its files has not.
    let new = std::fs::read(site.path().join("start.js")).unwrap();
    std::fs::write(site.path().join("start.js"), old).unwrap();
    let ended = "navigator.serviceWorker.getRegistration().then(own => own.update()).then(own => new Promise(done => { \
        const worker = own.installing; if (!worker) return done('nothing new'); \
        worker.addEventListener('statechange', () => done(worker.state)) }), () => 'refused')";
    assert_eq!(tab.eval(ended), "redundant");
    tab.reload();
    is_wholly(&mut tab, 1);
    std::fs::write(site.path().join("start.js"), new).unwrap();
    assert_eq!(tab.eval(ended), "installed");
    tab.reload();
    tab.wait("the new version", "document.documentElement.dataset.deployed === '2'");
    is_wholly(&mut tab, 2);
}

#[test]
fn a_page_inside_another_keeps_nothing() {
    let Some((site, program)) = named("a_page_inside_another") else { return };
    let site = copied(&site);
    let outer = format!(
        "<!doctype html><iframe src=\"./{}\" width=900 height=900></iframe>",
        QUICK.replace('&', "&amp;")
    );
    std::fs::write(site.path().join("outer.html"), outer).unwrap();
    let mut tab = Tab::new(&program, site.path(), &[]);
    tab.reduce_motion();
    tab.open("outer.html");
    let state = "frames[0].document.querySelector('[data-testid=instrument]').dataset.state === 'done'";
    tab.wait("digits in the frame", state);
    assert_eq!(tab.eval("navigator.serviceWorker.getRegistrations().then(all => all.length)"), 0);
}

#[test]
fn the_page_can_be_installed_as_an_application() {
    let Some((site, program)) = named("the_page_can_be_installed") else { return };
    let mut tab = Tab::new(&program, &site, &[]);
    tab.reduce_motion();
    tab.open(QUICK);
    let manifest = tab.ask("Page.getAppManifest", json!({}));
    assert_eq!(manifest["errors"], json!([]));
    let text: serde_json::Value = serde_json::from_str(manifest["data"].as_str().unwrap()).unwrap();
    for icon in text["icons"].as_array().unwrap() {
        let source = icon["src"].as_str().unwrap();
        // Of the size that the manifest names; a drawing has any.
        let size = tab.eval(&format!(
            "new Promise((done, fail) => {{ const icon = new Image(); icon.onload = () => \
             done(icon.naturalWidth + 'x' + icon.naturalHeight); icon.onerror = fail; icon.src = '{source}' }})"
        ));
        assert!(icon["sizes"] == size || icon["sizes"] == "any", "{source} is {size}");
    }
    assert_eq!(tab.ask("Page.getInstallabilityErrors", json!({}))["installabilityErrors"], json!([]));
}
