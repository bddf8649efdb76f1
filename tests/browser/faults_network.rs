//! The network at its worst: files that are missing, web pages in their place, connections that break off in the middle, bytes
//! that were changed on the way, and a slow line. Each is said in words that name the file, nothing that is there is lost, and to
//! try again is enough once the server is well.

use std::path::Path;

use super::{QUICK, first_model};
use cross_tests::browser::{Tab, named};
use cross_tests::faulty::{Faulty, Wrong};
use model_export::manifest::sha256_hex;
use serde_json::{Value, json};

/// At so many places a model's stream is cut.
const CUTS: usize = 20;

/// A tab on a server with faults, that keeps nothing between two pages.
fn tab_on(server: &Faulty, program: &Path, site: &Path) -> Tab {
    let mut tab = Tab::new(program, site, &[]);
    tab.turn_to_server(server.url());
    tab.reduce_motion();
    tab.ask("Network.setCacheDisabled", json!({ "cacheDisabled": true }));
    tab.ask("Network.setBypassServiceWorker", json!({ "bypass": true }));
    tab
}

fn list(site: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(site.join("site.json")).unwrap()).unwrap()
}

fn of(list: &Value, part: &str, kind: &str) -> String {
    list[part][kind].as_str().unwrap().to_owned()
}

fn first(site: &Path) -> String {
    let model = first_model(site);
    model.strip_prefix(site).unwrap().to_str().unwrap().to_owned()
}

/// What the reader is told where there is no instrument yet, or in its place.
const SAID: &str = "(document.documentElement.dataset.state === 'error' && document.querySelector('.boot')?.innerText) || \
    document.querySelector('[data-testid=error]')?.innerText";

/// How many rules of style files are applied to the document. Those of a file that did not come may not be read, and are none.
const RULES: &str = "[...document.styleSheets].filter(sheet => sheet.href).flatMap(sheet => { \
    try { return [...sheet.cssRules] } catch { return [] } }).length";

/// Presses whatever offers to try again, and waits for digits.
fn tries_again(tab: &mut Tab, file: &str) {
    tab.eval(
        "(document.querySelector('[data-testid=retry]') ?? document.querySelector('.boot button')).click()",
    );
    let drawn = "document.querySelector('[data-testid=instrument]')?.dataset.state === 'done'";
    tab.wait(&format!("digits once {file} is there"), drawn);
}

/// The file's own name, which hosts and readers know it by.
fn name(file: &str) -> &str {
    file.rsplit('/').next().unwrap_or(file)
}

/// The files without which nothing is drawn: of the page, of its programs, the lists, the first model.
fn vital(site: &Path) -> Vec<String> {
    let list = list(site);
    let programs = [("page", "js"), ("page", "wasm"), ("cpu", "js"), ("cpu", "wasm")];
    let mut files: Vec<String> = programs.iter().map(|(part, kind)| of(&list, part, kind)).collect();
    files.extend(["site.json", "models/manifest.json", "worker.js"].map(str::to_owned));
    files.push(first(site));
    files
}

#[test]
fn every_vital_file_that_is_missing_or_wrong_is_named_and_can_be_asked_for_again() {
    let Some((site, program)) = named("every_vital_file") else { return };
    let server = Faulty::start(&site).unwrap();
    let mut tab = tab_on(&server, &program, &site);
    let mut told = 0;
    for file in vital(&site) {
        for (wrong, words) in [
            (Wrong::Status(404), &["404"][..]),
            (Wrong::WebPage, &["web page in its place"]),
            (Wrong::Altered, &["fingerprint"]),
        ] {
            server.fail(&file, wrong);
            tab.open(QUICK);
            let said = tab.wait(&format!("a word about {file}, {wrong:?}"), SAID);
            let said = said.as_str().unwrap();
            assert!(said.contains(name(&file)), "{file}, {wrong:?}: {said}");
            assert!(words.iter().all(|word| said.contains(word)), "{file}, {wrong:?}: {said}");
            assert_eq!(tab.instrument("pixelsHash"), "", "{file}, {wrong:?}: something is drawn");
            server.mend();
            tries_again(&mut tab, &file);
            told += 1;
        }
    }
    println!("{told} faults of vital files, each named and mended");
    assert_eq!(told, 24);
}

#[test]
fn without_the_script_that_would_say_so_the_style_does() {
    let Some((site, program)) = named("without_the_script") else { return };
    let server = Faulty::start(&site).unwrap();
    let mut tab = tab_on(&server, &program, &site);
    for wrong in [Wrong::Status(404), Wrong::WebPage, Wrong::Altered] {
        server.fail("start.js", wrong);
        tab.open(QUICK);
        let late = "document.querySelector('.boot .late')";
        assert_eq!(tab.eval(&format!("getComputedStyle({late}).visibility")), "hidden");
        tab.eval(&format!("{late}.getAnimations().forEach(animation => animation.finish())"));
        assert_eq!(tab.eval(&format!("getComputedStyle({late}).visibility")), "visible", "{wrong:?}");
        assert!(tab.eval(&format!("{late}.innerText")).as_str().unwrap().contains("did not arrive"));
    }
    server.mend();
    tab.open(QUICK);
    tab.wait_state("done");
}

#[test]
fn what_is_not_vital_may_be_missing_or_wrong_and_the_page_goes_on() {
    let Some((site, program)) = named("what_is_not_vital") else { return };
    let server = Faulty::start(&site).unwrap();
    let mut tab = tab_on(&server, &program, &site);
    let list = list(&site);
    let style = of(&list, "page", "css");
    let wrongs = [Wrong::Status(404), Wrong::WebPage, Wrong::Altered];
    for file in [style.as_str(), "favicon.svg", "app.webmanifest", "sw.js"] {
        for wrong in wrongs {
            server.fail(file, wrong);
            tab.open(QUICK);
            tab.wait_state("done");
            let applied = tab.eval(RULES).as_u64().unwrap();
            assert_eq!(applied == 0, file == style, "{file}, {wrong:?}: {applied} rules of style");
            server.mend();
        }
    }
    // The style of the frame for other people's articles.
    for wrong in wrongs.into_iter().map(Some).chain([None]) {
        if let Some(wrong) = wrong {
            server.fail("embed-frame.css", wrong);
        }
        tab.open("embed.html?steps=1&count=1&backend=cpu");
        tab.wait("digits", "document.querySelector('flow-digits').state === 'done'");
        assert_eq!(tab.eval(RULES) == 0, wrong.is_some(), "{wrong:?}");
        server.mend();
    }
    // The figures of the study: said, and there once they can be had.
    for (wrong, words) in wrongs.into_iter().zip(["404", "web page", "fingerprint"]) {
        server.fail("results.json", wrong);
        tab.open(QUICK);
        tab.wait_state("done");
        let said = tab.wait("a word", "document.querySelector('[data-testid=study-missing]')?.innerText");
        let said = said.as_str().unwrap();
        assert!(said.contains("results.json") && said.contains(words), "{wrong:?}: {said}");
        server.mend();
        tab.eval("document.querySelector('[data-testid=study-again]').click()");
        tab.wait(
            "the study",
            "document.querySelector('[data-testid=study-table] tbody tr') && \
            !document.querySelector('[data-testid=study-missing]')",
        );
    }
    // The GPU's program, behind the first picture.
    tab.before_each_page(
        "const adapter = { features: new Set(['timestamp-query']) }; \
         Object.defineProperty(navigator, 'gpu', { value: { requestAdapter: async () => adapter } })",
    );
    let answer = first(&site).replace(".safetensors", ".self-test.bin");
    for file in [of(&list, "gpu", "js"), answer] {
        for wrong in wrongs {
            server.fail(&file, wrong);
            tab.open("?count=1&steps=2");
            tab.wait(
                "why the processor computes",
                "/GPU program (could not be fetched|arrived damaged)/.test(document.querySelector('[data-testid=reason]')?.innerText)",
            );
            tab.picture("steps=2");
            server.mend();
        }
    }
}

#[test]
fn every_other_model_that_is_missing_or_wrong_is_named_and_the_page_goes_on_with_what_is_here() {
    let Some((site, program)) = named("every_other_model") else { return };
    let server = Faulty::start(&site).unwrap();
    let mut tab = tab_on(&server, &program, &site);
    let text = std::fs::read_to_string(site.join("models").join("manifest.json")).unwrap();
    let manifest = model_export::manifest::Manifest::parse(&text).unwrap();
    let address = |id: &str, seed: usize| format!("?backend=cpu&count=1&steps=1&seed={seed}&model={id}");
    tab.open(&address(&manifest.default, 7));
    let first = tab.picture("seed=7");
    let mut told = 0;
    let others =
        manifest.models.iter().filter(|entry| entry.id != manifest.default && entry.can_be_sampled());
    // What needs another model comes last: else that one would be here before its turn.
    let (needy, alone): (Vec<_>, Vec<_>) = others.partition(|entry| entry.decoder.is_some());
    for (number, entry) in alone.into_iter().chain(needy).enumerate() {
        let file = format!("models/{}", entry.file);
        let wrong = [Wrong::Status(404), Wrong::WebPage, Wrong::Altered][number % 3];
        server.fail(&file, wrong);
        tab.visit(&address(&entry.id, number + 100));
        tab.wait_state("error");
        let said = tab.text("error");
        assert!(said.contains(&file) && said.contains(&entry.label), "{file}, {wrong:?}: {said}");
        // What is here still draws, the same as before.
        tab.visit(&address(&manifest.default, 7));
        assert_eq!(tab.picture("seed=7"), first);
        server.mend();
        tab.visit(&address(&entry.id, number + 100));
        tab.picture(&format!("seed={}", number + 100));
        told += 1;
    }
    println!("{told} models, each missing or wrong at first");
    assert!(told > 8, "{told}");
}

#[test]
fn a_stream_cut_at_twenty_places_is_named_and_to_try_again_works() {
    let Some((site, program)) = named("a_stream_cut") else { return };
    let server = Faulty::start(&site).unwrap();
    let mut tab = tab_on(&server, &program, &site);
    let mut cuts = 0;
    for (file, places) in [(first(&site), CUTS), (of(&list(&site), "cpu", "wasm"), 4)] {
        let bytes = usize::try_from(std::fs::metadata(site.join(&file)).unwrap().len()).unwrap();
        for place in 0..places {
            let before = server.sent(&file);
            // From before the first byte to before the last one.
            server.fail(&file, Wrong::CutAt(place * (bytes - 1) / (places - 1)));
            if place == 0 {
                tab.open(QUICK);
            } else {
                tab.eval("document.querySelector('[data-testid=retry]').click()");
            }
            // The next one may fail in the same words before anybody has looked.
            let deadline = std::time::Instant::now() + std::time::Duration::from_secs(120);
            while server.sent(&file) == before {
                assert!(std::time::Instant::now() < deadline, "{file} is not asked for again, {place}");
                std::thread::sleep(std::time::Duration::from_millis(20));
            }
            tab.wait_state("error");
            let said = tab.text("error");
            assert!(said.contains(&file) && said.contains("broke off"), "{file}, {place}: {said}");
            assert_eq!(tab.instrument("pixelsHash"), "");
            cuts += 1;
        }
        server.mend();
        tries_again(&mut tab, &file);
    }
    // The page's own program has no instrument to say it yet.
    let file = of(&list(&site), "page", "wasm");
    let bytes = usize::try_from(std::fs::metadata(site.join(&file)).unwrap().len()).unwrap();
    for at in [0, bytes / 2, bytes - 1] {
        server.fail(&file, Wrong::CutAt(at));
        tab.open(QUICK);
        let said = tab.wait("a word about the cut", SAID);
        let said = said.as_str().unwrap();
        assert!(said.contains(name(&file)) && said.contains("broke off"), "{said}");
        server.mend();
        tries_again(&mut tab, &file);
        cuts += 1;
    }
    println!("{cuts} streams cut");
}

#[test]
fn on_a_slow_line_progress_is_shown_and_the_digits_come() {
    let mut tab = tab!("on_a_slow_line");
    tab.before_each_page(
        "window.seen = []; new MutationObserver(() => { const bar = document.querySelector('progress'); \
         if (bar && bar.value !== window.seen.at(-1)) window.seen.push(bar.value) })\
         .observe(document, { attributes: true, childList: true, subtree: true })",
    );
    // Twice the bytes a second of the slower of Chromium's own two settings for 3G, and its delay.
    let slow = json!({ "offline": false, "latency": 400, "downloadThroughput": 400_000, "uploadThroughput": 100_000 });
    tab.ask("Network.emulateNetworkConditions", slow);
    tab.open(QUICK);
    tab.wait_state("done");
    let mut seen: Vec<f64> = serde_json::from_value(tab.eval("window.seen")).unwrap();
    // When all is here the bar is empty again, and out of sight.
    seen.pop_if(|last| *last == 0.0);
    println!("{} different amounts were shown", seen.len());
    assert!(seen.len() >= 3 && seen.windows(2).all(|pair| pair[0] <= pair[1]), "{seen:?}");
    assert_eq!(tab.complaints(), Vec::<String>::new());
}

#[test]
fn an_element_holds_to_the_list_that_its_document_names() {
    let Some((site, program)) = named("an_element_holds_to_the_list") else { return };
    let list_text = std::fs::read(site.join("site.json")).unwrap();
    let copy = super::copied(&site);
    let frame = std::fs::read_to_string(site.join("embed.html")).unwrap();
    let pinned = frame.split("embed.js?site=").nth(1).unwrap()[..64].to_owned();
    let article = |pin: &str| {
        format!(
            "<!doctype html><title>A</title><script type=module src='embed.js?site={pin}'></script>\
             <flow-digits steps=2 count=1 backend=cpu loading=eager></flow-digits>"
        )
    };
    std::fs::write(copy.path().join("right.html"), article(&pinned)).unwrap();
    std::fs::write(copy.path().join("wrong.html"), article(&"0".repeat(64))).unwrap();
    let server = Faulty::start(copy.path()).unwrap();
    let mut tab = tab_on(&server, &program, copy.path());
    let state = "document.querySelector('flow-digits').state";
    tab.open("right.html");
    tab.wait("digits", &format!("{state} === 'done'"));
    tab.open("wrong.html");
    tab.wait("refusal", &format!("{state} === 'error'"));
    let said = "document.querySelector('flow-digits').shadowRoot.querySelector('.says').textContent";
    let told = tab.eval(said);
    assert!(told.as_str().unwrap().contains("site.json was refused"), "{told}");
    // And each file that the list names, changed in one byte.
    let list: Value = serde_json::from_slice(&list_text).unwrap();
    let says = format!(
        "{state} === 'error' && ({said} || document.querySelector('flow-digits').shadowRoot.querySelector('[data-testid=error]')?.textContent)"
    );
    let mut files: Vec<String> = ["js", "wasm"].map(|kind| of(&list, "page", kind)).to_vec();
    files.extend(["js", "wasm"].map(|kind| of(&list, "cpu", kind)));
    files.extend(["models/manifest.json".to_owned(), "site.json".to_owned(), "worker.js".to_owned()]);
    files.push(first(&site));
    for file in files {
        server.fail(&file, Wrong::Altered);
        tab.open("right.html");
        let told =
            tab.wait(&format!("refusal of {file}"), &format!("{says} || {state} === 'error' && 'no words'"));
        let told = told.as_str().unwrap();
        assert!(told.contains(name(&file)) && told.contains("fingerprint"), "{file}: {told}");
        server.mend();
    }
}

/// Gives a copy another list, and makes its documents vouch for that list, whatever it leaves out.
fn vouch(site: &Path, list: &Value) {
    let place = site.join("site.json");
    let before = sha256_hex(&std::fs::read(&place).unwrap());
    let text = list.to_string();
    for document in ["index.html", "embed.html"] {
        let place = site.join(document);
        let old = std::fs::read_to_string(&place).unwrap();
        assert!(old.contains(&before), "{document} names the list");
        std::fs::write(place, old.replace(&before, &sha256_hex(text.as_bytes()))).unwrap();
    }
    std::fs::write(place, text).unwrap();
}

#[test]
fn what_a_list_that_is_vouched_for_names_without_a_hash_is_refused() {
    let Some((site, program)) = named("what_a_list_that_is_vouched_for") else { return };
    let good = list(&site);
    let copy = super::copied(&site);
    let server = Faulty::start(copy.path()).unwrap();
    let mut tab = tab_on(&server, &program, copy.path());
    let without = |hash: &str| {
        let mut list = good.clone();
        *list.pointer_mut(hash).unwrap() = Value::Null;
        list
    };
    for (hash, file) in [
        ("/cpu/js_sha256", of(&good, "cpu", "js")),
        ("/cpu/wasm_sha256", of(&good, "cpu", "wasm")),
        ("/worker", "worker.js".to_owned()),
        ("/manifest_sha256", "models/manifest.json".to_owned()),
    ] {
        vouch(copy.path(), &without(hash));
        tab.open(QUICK);
        let said = tab.wait(&format!("a word about {file}"), SAID);
        let said = said.as_str().unwrap();
        assert!(said.contains(name(&file)) && said.contains("not say what it must be"), "{file}: {said}");
        assert_eq!(tab.instrument("pixelsHash"), "", "{file}: something is drawn");
    }
    // What can be done without is done without.
    vouch(copy.path(), &without("/results_sha256"));
    tab.open(QUICK);
    tab.wait_state("done");
    let said = tab.wait("a word", "document.querySelector('[data-testid=study-missing]')?.innerText");
    assert!(said.as_str().unwrap().contains("does not say what it must be"), "{said}");
    // The element, in a document that names the list.
    for kind in ["js", "wasm", "css"] {
        vouch(copy.path(), &without(&format!("/page/{kind}_sha256")));
        tab.open("embed.html?steps=1&count=1&backend=cpu");
        tab.wait("refusal", "document.querySelector('flow-digits').state === 'error'");
        let said =
            tab.eval("document.querySelector('flow-digits').shadowRoot.querySelector('.says').textContent");
        let file = of(&good, "page", kind);
        assert!(said.as_str().unwrap().contains(&format!("{file} is not used")), "{file}: {said}");
    }
    // The list as it was built draws, so it was the missing hash each time.
    vouch(copy.path(), &good);
    tab.open(QUICK);
    tab.picture("seed=7");
}
