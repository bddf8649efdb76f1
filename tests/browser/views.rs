//! The same run in other ways, and what can be taken away from it.

use super::QUICK;
use cross_tests::browser::{Driver, Page, Tab, named};

/// A fingerprint of what the canvas shows.
const SHOWN: &str = "(canvas => { const data = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data; \
    let hash = 0; for (const byte of data) hash = (hash * 31 + byte) | 0; return String(hash) })(document.querySelector('[data-testid=digits]'))";

fn scrub<D: Driver>(tab: &mut Page<D>, t: f64) {
    tab.eval(&format!(
        "(slider => {{ slider.value = {t}; slider.dispatchEvent(new Event('input')) }})(document.querySelector('[data-testid=timeline]'))"
    ));
}

#[test]
fn each_view_shows_another_picture_and_none_asks_the_network() {
    each_view(&mut tab!("each_view"));
}

/// The same in every browser.
pub(crate) fn each_view<D: Driver>(tab: &mut Page<D>) {
    tab.open(QUICK);
    tab.wait_state("done");
    let evaluations = tab.instrument("evaluations");
    scrub(tab, 0.3);
    let mut seen = Vec::new();
    for view in ["state", "estimate", "velocity", "arrows"] {
        tab.eval(&format!("document.querySelector('.views input[value={view}]').click()"));
        assert_eq!(tab.instrument("view"), view);
        let shown = tab.eval(SHOWN);
        assert!(!seen.contains(&shown), "{view} looks like one before");
        seen.push(shown);
    }
    // At the end the estimate is the picture itself.
    scrub(tab, 1.0);
    for view in ["state", "estimate"] {
        tab.eval(&format!("document.querySelector('.views input[value={view}]').click()"));
        seen.push(tab.eval(SHOWN));
    }
    assert_eq!(seen[4], seen[5]);
    assert_eq!(tab.instrument("evaluations"), evaluations);
    assert_eq!(tab.complaints(), Vec::<String>::new());
}

/// Catches what a button hands to the browser as a download, and gives its name and bytes.
fn saved(tab: &mut Tab, testid: &str) -> (String, Vec<u8>) {
    tab.eval(
        "window.caught = null; HTMLAnchorElement.prototype.click = function () { const name = this.download; \
         fetch(this.href).then(answer => answer.arrayBuffer()).then(buffer => { \
         window.caught = [name, Array.from(new Uint8Array(buffer))] }, \
         error => { window.caught = [String(error), []] }) }",
    );
    tab.eval(&format!("document.querySelector('[data-testid={testid}]').click()"));
    let caught = tab.wait("a file", "window.caught");
    let bytes = caught[1].as_array().unwrap().iter().map(|byte| byte.as_u64().unwrap() as u8).collect();
    (caught[0].as_str().unwrap().to_owned(), bytes)
}

#[test]
fn picture_film_and_sheet_are_real_files_of_the_run() {
    let Some((site, program)) = named("picture_film_and_sheet") else { return };
    // Our own policy lets a page fetch nothing but its files, not even what it made itself.
    let mut tab = Tab::new(&program, &site, &[]);
    tab.reduce_motion();
    tab.ask("Page.setBypassCSP", serde_json::json!({ "enabled": true }));
    tab.open(QUICK);
    tab.wait_state("done");
    let (name, bytes) = saved(&mut tab, "save-png");
    assert_eq!(name, "flow-any-seed-7-digits.png");
    let reader = png::Decoder::new(std::io::Cursor::new(bytes)).read_info().unwrap();
    // Four digits in a square, eight pixels a pixel, one of them between.
    assert_eq!((reader.info().width, reader.info().height), ((2 * 28 + 1) * 8, (2 * 28 + 1) * 8));
    let (name, bytes) = saved(&mut tab, "save-sprite");
    assert_eq!(name, "flow-any-seed-7-states.png");
    let reader = png::Decoder::new(std::io::Cursor::new(bytes)).read_info().unwrap();
    assert_eq!(
        (reader.info().width, reader.info().height),
        (5 * 28, 4 * 28),
        "noise and four states of four digits"
    );
    let (name, bytes) = saved(&mut tab, "save-gif");
    assert_eq!(name, "flow-any-seed-7-film.gif");
    let mut film = gif::DecodeOptions::new().read_info(std::io::Cursor::new(bytes)).unwrap();
    let mut frames = 0;
    while film.read_next_frame().unwrap().is_some() {
        frames += 1;
    }
    assert_eq!(frames, 24);
}

#[test]
fn link_and_embed_code_say_what_is_on_screen() {
    let mut tab = tab!("link_and_embed_code");
    let origin = tab.origin();
    let origin = origin.trim_end_matches('/');
    tab.open("?backend=cpu&count=2&steps=3&seed=11&digit=4&schedule=shift:k=2");
    tab.wait_state("done");
    let code = tab.text("embed-code");
    assert!(code.contains(&format!("<script type=\"module\" src=\"{origin}/embed.js\">")), "{code}");
    assert!(
        code.contains("schedule=\"shift:k=2\"")
            && code.contains("digit=\"4\"")
            && code.contains("seed=\"11\""),
        "{code}"
    );
    tab.eval(
        "window.written = null; navigator.clipboard.writeText = async text => { window.written = text }",
    );
    tab.eval("document.querySelector('[data-testid=copy-embed]').click()");
    assert_eq!(tab.wait("copied code", "window.written").as_str().unwrap(), code);
    assert!(
        tab.wait("a word about it", "document.querySelector('[data-testid=taken]').innerText")
            .as_str()
            .unwrap()
            .contains("copied")
    );
    tab.eval("window.written = null, document.querySelector('[data-testid=copy-link]').click()");
    let link = tab.wait("copied link", "window.written");
    let link = link.as_str().unwrap();
    assert!(link.starts_with(&format!("{origin}/?")) && link.contains("seed=11"), "{link}");
    // The model's file is where the link says.
    let status = tab
        .eval("fetch(document.querySelector('[data-testid=save-model]').href).then(answer => answer.status)");
    assert_eq!(status, 200);
}
