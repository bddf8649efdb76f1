//! How the page looks, on a phone, a tablet and a desk, by day and by night, against stored pictures.

use super::{QUICK, seen_to_the_end};
use cross_tests::browser::{Driver, Fox, Page, Tab, View, named, named_firefox};
use cross_tests::screens::{Fault, compare};

/// A phone, a tablet, a desk.
const WINDOWS: [(u32, u32); 3] = [(320, 640), (768, 1024), (1440, 900)];

/// Times and counts of bytes differ from run to run, even in their width, so they are left out; and the port that the site
/// is served from is always shown as one. The page's own policy refuses a style that is written into it; a sheet that a
/// script builds is none of those.
const HIDE_WHAT_VARIES: &str = "(() => { const sheet = new CSSStyleSheet(); \
    sheet.replaceSync('[data-varies], [data-testid=evaluation-ms], [data-testid=transferred] { display: none !important }'); \
    const roots = [document, ...[...document.querySelectorAll('*')].map(e => e.shadowRoot).filter(root => root)]; \
    roots.forEach(root => root.adoptedStyleSheets.push(sheet)); \
    const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT); \
    for (let text; (text = texts.nextNode());) text.data = text.data.replaceAll(location.host, '127.0.0.1:54321'); \
    return true })()";

/// The stored pictures were taken with Debian's fonts. With others, every line breaks elsewhere.
const HAS_THE_FONTS: &str = "(() => { const pen = document.createElement('canvas').getContext('2d'); \
    const width = font => { pen.font = `40px ${font}`; return pen.measureText('Noise becomes a seven: 0123456789').width }; \
    const plain = width('monospace'); \
    return ['system-ui', 'serif'].every((name, i) => width(name) === width(['\"DejaVu Sans\"', '\"DejaVu Serif\"'][i])) && \
        ['\"DejaVu Sans\"', '\"DejaVu Serif\"'].every(name => width(`${name}, monospace`) !== plain) })()";

/// Compares the page with the stored pictures of a browser, in these windows, by day and by night.
fn looks_as_stored<D: Driver>(page: &mut Page<D>, test: &str, browser: &str, windows: &[(u32, u32)]) {
    page.reduce_motion();
    page.open(QUICK);
    if page.eval(HAS_THE_FONTS) != true {
        return cross_tests::skip(test, "the stored pictures show Debian's DejaVu fonts");
    }
    page.picture("seed=7");
    seen_to_the_end(page);
    page.eval(HIDE_WHAT_VARIES);
    let failed = xtask::paths::Paths::find().unwrap().target.join("screens");
    let mut wrong = Vec::new();
    for &(width, height) in windows {
        for dark in [false, true] {
            page.show(View { width, height, dark, still: true });
            page.wait("the window", &format!("innerWidth === {width}"));
            page.eval("scrollTo(0, 0), document.fonts.ready.then(() => true)");
            // Two frames: one to draw, one to show.
            page.eval(
                "new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done(true))))",
            );
            let name = format!("{browser}-{width}-{}", if dark { "dark" } else { "light" });
            let Some(Fault { said, at: (x, y) }) = compare(&name, &page.photograph(true), &failed).unwrap()
            else {
                continue;
            };
            let what = page.eval(&format!(
                "(() => {{ scrollTo(0, Math.max(0, {y} - innerHeight / 2)); const e = document.elementFromPoint({x}, {y} - scrollY); \
                 return e ? `${{e.tagName}} in ${{e.closest('[data-testid]')?.dataset.testid}}` : 'outside' }})()"
            ));
            wrong.push(format!("{said} ({what})"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_page_looks_as_it_is_stored() {
    let Some((site, program)) = named("the_page_looks_as_it_is_stored") else { return };
    let mut tab = Tab::new(&program, &site, &[]);
    looks_as_stored(&mut tab, "the_page_looks_as_it_is_stored", "chromium", &WINDOWS);
}

#[test]
fn in_firefox_the_page_looks_as_it_is_stored() {
    let Some((site, program)) = named_firefox("in_firefox_the_page_looks_as_it_is_stored") else { return };
    let mut fox = Fox::new(&program, &site);
    looks_as_stored(&mut fox, "in_firefox_the_page_looks_as_it_is_stored", "firefox", &WINDOWS[..1]);
}
