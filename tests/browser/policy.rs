//! What the page allows itself: its content security policy, and that it stores nothing about its reader.

use std::collections::BTreeMap;

use super::{QUICK, seen_to_the_end};
use cross_tests::browser::{Tab, named};
use serde_json::{Value, json};

/// Collects what the browser refuses.
const LISTEN: &str = "window.refused = []; document.addEventListener('securitypolicyviolation', event => \
    window.refused.push(`${event.effectiveDirective} ${event.blockedURI} ${event.sourceFile}:${event.lineNumber}`))";

/// Scripts and styles that stand in the HTML itself, as it is served.
const INLINE: &str = "fetch(location.pathname).then(got => got.text()).then(text => { \
    const served = new DOMParser().parseFromString(text, 'text/html'); \
    const own = [...served.querySelectorAll('script:not([src]), style, [style]')]; \
    const handlers = [...served.querySelectorAll('*')].filter(e => [...e.attributes].some(a => a.name.startsWith('on') || \
        a.value.startsWith('javascript:'))); \
    return [...own, ...handlers].map(e => e.outerHTML.slice(0, 120)) })";

/// Everything that a page can keep in a browser, apart from its caches.
const STORED: &str = "(async () => ({ cookie: document.cookie, local: localStorage.length, session: sessionStorage.length, \
    databases: (await indexedDB.databases()).length }))()";

fn directives(policy: &str) -> BTreeMap<&str, Vec<&str>> {
    let parts = policy.split(';').map(str::split_whitespace);
    parts.filter_map(|mut words| Some((words.next()?, words.collect()))).collect()
}

#[test]
fn the_policy_allows_the_pages_own_files_and_nothing_written_into_it() {
    let mut tab = tab!("the_policy_allows");
    tab.open(QUICK);
    let policy =
        tab.eval("document.querySelector('meta[http-equiv=\"Content-Security-Policy\"]')?.content ?? ''");
    let policy = policy.as_str().unwrap().to_owned();
    let directives = directives(&policy);
    assert_eq!(directives.get("default-src"), Some(&vec!["'none'"]), "{policy}");
    assert_eq!(directives.get("script-src"), Some(&vec!["'self'", "'wasm-unsafe-eval'"]), "{policy}");
    assert_eq!(directives.get("style-src"), Some(&vec!["'self'"]), "{policy}");
    for (name, sources) in &directives {
        for source in sources {
            let fits = match *source {
                "'none'" | "'self'" => true,
                "'wasm-unsafe-eval'" => *name == "script-src",
                // Pictures that the page makes itself.
                "data:" | "blob:" => *name == "img-src",
                _ => false,
            };
            assert!(fits, "{name} allows {source}: {policy}");
        }
    }
    assert_eq!(tab.eval(INLINE), json!([]), "scripts or styles inside the HTML");
}

#[test]
fn a_whole_session_breaks_no_rule_and_stores_nothing() {
    let Some((site, program)) = named("a_whole_session") else { return };
    let mut tab = Tab::new(&program, &site, &[]);
    tab.before_each_page(LISTEN);
    tab.open(QUICK);
    tab.picture("seed=7");
    seen_to_the_end(&mut tab);
    let everything = "document.querySelectorAll('details').length";
    for i in 0..tab.eval(everything).as_u64().unwrap() {
        tab.eval(&format!("document.querySelectorAll('details')[{i}].open = true"));
    }
    tab.drag("[data-testid=timeline]", 0.95, 0.4);
    tab.eval("document.querySelector('[data-testid=play]').click()");
    tab.eval("document.querySelector('input[name=solver][value=euler]').click()");
    tab.picture("solver=euler");
    tab.eval(
        "(select => { select.selectedIndex = 1; select.dispatchEvent(new Event('change', { bubbles: true })) })\
         (document.querySelector('[data-testid=study-part]'))",
    );
    tab.eval("document.querySelector('[data-testid=study-table] tbody button').click()");
    tab.wait_state("done");
    tab.visit("?backend=cpu&count=2&steps=2&guidance=1&seed=9&solver=heum");
    tab.picture("seed=9");
    tab.darken(true);
    tab.resize(360, 740);
    assert_eq!(tab.eval("window.refused"), json!([]), "refused by the policy");
    assert_eq!(tab.complaints(), Vec::<String>::new());

    let stored = tab.eval(STORED);
    assert_eq!(stored, json!({ "cookie": "", "local": 0, "session": 0, "databases": 0 }));
    let cookies = tab.ask_browser("Storage.getCookies", json!({}));
    assert_eq!(cookies["cookies"], json!([]));
}

#[test]
fn what_the_policy_refuses_would_be_noticed() {
    let Some((site, program)) = named("what_the_policy_refuses") else { return };
    let mut tab = Tab::new(&program, &site, &[]);
    tab.before_each_page(LISTEN);
    tab.open(QUICK);
    tab.eval("document.body.setAttribute('style', 'color: red'), document.body.append(Object.assign(new Image(), { src: 'https://127.0.0.2/' }))");
    tab.wait("two refusals", "window.refused.length === 2");
    assert!(!tab.complaints().is_empty(), "and the console tells");
    assert_ne!(tab.eval("window.refused"), Value::Null);
}
