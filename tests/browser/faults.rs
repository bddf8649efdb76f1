//! What is missing, damaged or of another version is said in words, and can be tried again.

use std::path::{Path, PathBuf};

use super::{QUICK, copied, first_model};
use cross_tests::browser::{Tab, named};

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
    // Of the size that the list names: only the browser can tell.
    std::fs::write(&file, vec![7; good.len()]).unwrap();
    let mut tab = Tab::new(&program, site.path(), &[]);
    fails_until_tried_again(&mut tab, "did not start", || std::fs::write(&file, &good).unwrap());
}

#[test]
fn a_damaged_program_is_told_apart_and_fetched_past_the_cache() {
    let Some((site, program)) = named("a_damaged_program") else { return };
    let site = copied(&site);
    let file = cpu_program(site.path());
    let good = std::fs::read(&file).unwrap();
    std::fs::write(&file, b"not a program").unwrap();
    let mut tab = Tab::new(&program, site.path(), &[]);
    fails_until_tried_again(&mut tab, "arrived damaged", || std::fs::write(&file, &good).unwrap());
}

#[test]
fn a_damaged_model_is_fetched_past_the_cache() {
    let Some((site, program)) = named("a_damaged_model") else { return };
    let site = copied(&site);
    let file = first_model(site.path());
    let good = std::fs::read(&file).unwrap();
    std::fs::write(&file, &good[1..]).unwrap();
    let mut tab = Tab::new(&program, site.path(), &[]);
    fails_until_tried_again(&mut tab, "fingerprint", || std::fs::write(&file, &good).unwrap());
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
    for bad in [of_the_future, empty, "no list".to_owned()] {
        std::fs::write(&file, bad).unwrap();
        let mut tab = Tab::new(&program, site.path(), &[]);
        fails_until_tried_again(&mut tab, "different versions", || std::fs::write(&file, &good).unwrap());
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

fn cpu_program(site: &Path) -> PathBuf {
    let list: serde_json::Value =
        serde_json::from_slice(&std::fs::read(site.join("site.json")).unwrap()).unwrap();
    site.join(list["cpu"]["wasm"].as_str().unwrap())
}

/// The page fails with these words, as an alert and not also as a status; once the site is mended, to try again is enough,
/// and the focus is not lost with the button.
fn fails_until_tried_again(tab: &mut Tab, words: &str, mend: impl FnOnce()) {
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
    mend();
    tab.eval("document.querySelector('[data-testid=retry]').focus(), document.activeElement.click()");
    tab.wait_state("done");
    assert_eq!(tab.eval("document.activeElement.className"), "screen");
}
