//! What axe-core finds that keeps a reader out: contrast, names, roles, order. By day and by night, on a desk and on a
//! phone, with everything open, and when nothing works.

use super::{QUICK, copied, first_model, seen_to_the_end};
use cross_tests::browser::{Tab, View, named};
use serde_json::Value;

/// A desk and a phone.
const WINDOWS: [(u32, u32); 2] = [(1280, 900), (360, 740)];

/// What is wrong, one line for each element. The rules are axe's own set, best practices included, and that what is to be
/// touched is large enough for a finger, which WCAG 2.2 has added.
const FIND: &str = "axe.run(document, { resultTypes: ['violations'], preload: false, rules: { 'target-size': { enabled: true } } }).then(({ violations }) => \
    violations.flatMap(({ id, impact, help, nodes }) => nodes.map(({ target, failureSummary }) => \
    `${id} (${impact}, ${help}): ${target.join(' ')}: ${failureSummary.split('\\n').slice(1).map(line => line.trim()).join('; ')}`)))";

/// The script of axe-core, as text; `None`, and said so, when it was not fetched.
fn axe(test: &str) -> Option<String> {
    let named = std::env::var_os("FLOW_DIGITS_AXE").map(std::path::PathBuf::from);
    let file = named.or_else(|| xtask::tools::axe(&xtask::paths::Paths::find().ok()?));
    let script = file.and_then(|file| std::fs::read_to_string(file).ok());
    if script.is_none() {
        cross_tests::skip(test, xtask::tools::HOW_TO_GET_AXE);
    }
    script
}

/// Everything that is wrong in every window by day and by night; `what` says in which state.
fn violations(tab: &mut Tab, what: &str) -> Vec<String> {
    let mut all = Vec::new();
    for (width, height) in WINDOWS {
        for dark in [false, true] {
            tab.show(View { width, height, dark, still: true });
            tab.eval(
                "new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done(true))))",
            );
            let found: Vec<String> = serde_json::from_value(tab.eval(FIND)).unwrap();
            let scheme = if dark { "dark" } else { "light" };
            all.extend(found.into_iter().map(|line| format!("{what}, {width} {scheme}: {line}")));
        }
    }
    all
}

#[test]
fn nothing_keeps_a_reader_out_with_pickers_closed_and_open() {
    let Some(axe) = axe("nothing_keeps_a_reader_out") else { return };
    let mut tab = tab!("nothing_keeps_a_reader_out");
    tab.open(QUICK);
    tab.picture("seed=7");
    seen_to_the_end(&mut tab);
    tab.eval(&format!("{axe}; true"));
    let mut found = violations(&mut tab, "all closed");
    let all = tab.eval("document.querySelectorAll('details').length").as_u64().unwrap();
    assert!(all > 2, "{all} things that open");
    for i in 0..all {
        tab.eval(&format!(
            "document.querySelectorAll('details').forEach((e, i) => e.open = i === {i}), \
             document.querySelectorAll('details')[{i}].scrollIntoView({{ behavior: 'instant' }})"
        ));
        let name = tab.eval(&format!(
            "(e => e.dataset.testid ?? e.querySelector('summary').innerText)(document.querySelectorAll('details')[{i}])"
        ));
        found.extend(violations(&mut tab, &format!("{} open", name.as_str().unwrap_or_default())));
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn nothing_keeps_a_reader_out_of_what_is_said_when_it_fails() {
    let Some(axe) = axe("nothing_keeps_a_reader_out_of_what_is_said") else { return };
    let Some((site, program)) = named("nothing_keeps_a_reader_out_of_what_is_said") else { return };
    let site = copied(&site);
    std::fs::remove_file(first_model(site.path())).unwrap();
    let mut tab = Tab::new(&program, site.path(), &[]);
    tab.open(QUICK);
    tab.wait_state("error");
    tab.eval(&format!("{axe}; true"));
    let found = violations(&mut tab, "failed");
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn what_keeps_a_reader_out_would_be_found() {
    let Some(axe) = axe("what_keeps_a_reader_out_would_be_found") else { return };
    let mut tab = tab!("what_keeps_a_reader_out_would_be_found");
    tab.open(QUICK);
    tab.wait_state("done");
    tab.eval(&format!("{axe}; true"));
    tab.eval("document.querySelector('main').append(document.createElement('button')), true");
    let found = tab.eval(FIND);
    let names = |line: &Value| line.as_str().unwrap().starts_with("button-name");
    assert!(found.as_array().unwrap().iter().any(names), "{found}");
}
