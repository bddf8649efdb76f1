//! What is missing, damaged or of another version is said in words, and can be tried again.

use std::path::{Path, PathBuf};

use super::{QUICK, copied, first_model};
use cross_tests::browser::{Tab, named};

/// As a browser that has the page over a connection that is not secure.
const NO_FINGERPRINTS: &str = "Object.defineProperty(crypto, 'subtle', { value: undefined })";

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
    let file = cpu_program(site.path());
    let good = std::fs::read(&file).unwrap();
    // Of the size that the list names, in a browser that computes no fingerprints: only its start can tell.
    std::fs::write(&file, vec![7; good.len()]).unwrap();
    let mut tab = Tab::new(&program, site.path(), &[]);
    tab.before_each_page(NO_FINGERPRINTS);
    fails_until_tried_again(&mut tab, "did not start", |_| std::fs::write(&file, &good).unwrap());
}

#[test]
fn a_damaged_program_is_told_apart_and_fetched_past_the_cache() {
    let Some((site, program)) = named("a_damaged_program") else { return };
    let site = copied(&site);
    let file = cpu_program(site.path());
    let good = std::fs::read(&file).unwrap();
    std::fs::write(&file, b"not a program").unwrap();
    let mut tab = Tab::new(&program, site.path(), &[]);
    fails_until_tried_again(&mut tab, "arrived damaged", |_| std::fs::write(&file, &good).unwrap());
}

#[test]
fn a_damaged_model_is_fetched_past_the_cache() {
    let Some((site, program)) = named("a_damaged_model") else { return };
    let site = copied(&site);
    let file = first_model(site.path());
    let good = std::fs::read(&file).unwrap();
    std::fs::write(&file, &good[1..]).unwrap();
    let mut tab = Tab::new(&program, site.path(), &[]);
    fails_until_tried_again(&mut tab, "fingerprint", |_| std::fs::write(&file, &good).unwrap());
}

#[test]
fn a_list_of_no_use_is_read_again() {
    let Some((site, program)) = named("a_list_of_no_use") else { return };
    let site = copied(&site);
    let file = site.path().join("models").join("manifest.json");
    let good = std::fs::read_to_string(&file).unwrap();
    let of_the_future = good.replacen("\"format\": 1", "\"format\": 99", 1);
    assert_ne!(of_the_future, good);
    let empty = "{ \"format\": 1, \"default\": \"mnist-unet\", \"models\": [] }".to_owned();
    // Its fingerprint tells, and where a browser computes none, what it says.
    let bad = [of_the_future, empty, "no list".to_owned()];
    for (bad, computes) in bad.iter().flat_map(|bad| [(bad, true), (bad, false)]) {
        std::fs::write(&file, bad).unwrap();
        let mut tab = Tab::new(&program, site.path(), &[]);
        if !computes {
            tab.before_each_page(NO_FINGERPRINTS);
        }
        fails_until_tried_again(&mut tab, "different versions", |_| std::fs::write(&file, &good).unwrap());
    }
}

#[test]
fn a_model_is_asked_for_by_its_content_and_not_by_its_name_alone() {
    let Some((site, program)) = named("a_model_is_asked_for") else { return };
    let text = std::fs::read_to_string(site.join("models").join("manifest.json")).unwrap();
    let manifest = model_export::manifest::Manifest::parse(&text).unwrap();
    let entry = manifest.entry(&manifest.default).unwrap();
    let mut tab = Tab::new(&program, &site, &[]);
    tab.open(QUICK);
    tab.wait_state("done");
    let wanted = format!("models/{}?v={}", entry.file, &entry.sha256[..8]);
    let asked: Vec<String> =
        tab.requested().into_iter().filter(|url| url.contains(entry.file.as_str())).collect();
    assert!(!asked.is_empty() && asked.iter().all(|url| url.ends_with(&wanted)), "{asked:?}, not {wanted}");
}

/// Holds what asks for one address back, as a server does that never answers.
fn hold(tab: &mut Tab, part: &str) {
    tab.ask("Fetch.enable", serde_json::json!({ "patterns": [{ "urlPattern": format!("*{part}*") }] }));
}

/// Lets everything go on that was held back.
fn let_go(tab: &mut Tab) {
    tab.ask("Fetch.disable", serde_json::json!({}));
}

#[test]
fn who_waits_for_the_network_keeps_nobody_else_waiting() {
    let mut tab = tab!("who_waits_for_the_network");
    let state = |seed: usize| {
        format!(
            "[...document.querySelectorAll('flow-digits')].find(e => e.getAttribute('seed') === '{seed}')?.state"
        )
    };
    hold(&mut tab, "fashion-unet.safetensors");
    tab.reduce_motion();
    tab.open("blog.html");
    // The one in front waits for its model, and is asked for again and again.
    tab.eval(
        "document.querySelector('main, article, body').prepend(...[['fashion-unet', 901], ['mnist-unet', 902]].map(([model, seed]) => \
         Object.assign(document.createElement('flow-digits'), { model, seed, steps: 2, count: 1, backend: 'cpu', loading: 'eager' }))), \
         scrollTo(0, 0)",
    );
    tab.wait("the one that has its model", &format!("{} === 'done'", state(902)));
    assert_ne!(tab.eval(&state(901)), "done");
    tab.eval("document.querySelectorAll('flow-digits')[1].sample({ seed: 903 }), 0");
    tab.wait("another of it", &format!("{} === 'done'", state(903)));
    assert_ne!(tab.eval(&state(901)), "done");
    let_go(&mut tab);
    tab.wait("the one that waited", &format!("{} === 'done'", state(901)));
    assert_eq!(tab.complaints(), Vec::<String>::new());
}

#[test]
fn a_server_that_falls_silent_is_given_up_and_can_be_asked_again() {
    let mut tab = tab!("a_server_that_falls_silent");
    // Seconds pass faster.
    tab.before_each_page("const wait = setInterval; setInterval = (call, ms) => wait(call, ms / 50)");
    hold(&mut tab, ".safetensors");
    fails_until_tried_again(&mut tab, "said nothing for half a minute", let_go);
}

fn cpu_program(site: &Path) -> PathBuf {
    let list: serde_json::Value =
        serde_json::from_slice(&std::fs::read(site.join("site.json")).unwrap()).unwrap();
    site.join(list["cpu"]["wasm"].as_str().unwrap())
}

/// The page fails with these words, as an alert and not also as a status; once the site is mended, to try again is enough,
/// and the focus is not lost with the button.
fn fails_until_tried_again(tab: &mut Tab, words: &str, mend: impl FnOnce(&mut Tab)) {
    tab.reduce_motion();
    tab.open(QUICK);
    tab.wait_state("error");
    assert!(tab.text("error").contains(words), "{:?}", tab.text("error"));
    assert_eq!(tab.text("status"), "");
    assert_eq!(
        tab.eval("document.querySelectorAll('h1, [data-testid=error] h2').length"),
        2,
        "headings in order"
    );
    mend(tab);
    tab.eval("document.querySelector('[data-testid=retry]').focus(), document.activeElement.click()");
    tab.wait_state("done");
    assert_eq!(tab.eval("document.activeElement.className"), "screen");
}
