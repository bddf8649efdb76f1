//! How the page looks, on a phone, a tablet and a desk, by day and by night, against stored pictures.

use super::QUICK;
use cross_tests::browser::{Tab, View, named};
use cross_tests::screens::compare;

/// A phone, a tablet, a desk.
const WINDOWS: [(u32, u32); 3] = [(320, 640), (768, 1024), (1440, 900)];

/// Times and counts of bytes differ from run to run, so they are not shown. The page's own policy refuses a style that is
/// written into it; a sheet that a script builds is none of those.
const HIDE_WHAT_VARIES: &str = "(() => { const sheet = new CSSStyleSheet(); \
    sheet.replaceSync('[data-varies], [data-testid=evaluation-ms], [data-testid=transferred] { visibility: hidden !important }'); \
    const roots = [document, ...[...document.querySelectorAll('*')].map(e => e.shadowRoot).filter(root => root)]; \
    roots.forEach(root => root.adoptedStyleSheets.push(sheet)); return true })()";

/// The stored pictures were taken with Debian's fonts. With others, every line breaks elsewhere.
const HAS_THE_FONTS: &str = "(() => { const pen = document.createElement('canvas').getContext('2d'); \
    const width = font => { pen.font = `40px ${font}`; return pen.measureText('Noise becomes a seven: 0123456789').width }; \
    const plain = width('monospace'); \
    return ['system-ui', 'serif'].every((name, i) => width(name) === width(['\"DejaVu Sans\"', '\"DejaVu Serif\"'][i])) && \
        ['\"DejaVu Sans\"', '\"DejaVu Serif\"'].every(name => width(`${name}, monospace`) !== plain) })()";

#[test]
fn the_page_looks_as_it_is_stored() {
    let mut tab = tab!("the_page_looks_as_it_is_stored");
    tab.open(QUICK);
    if tab.eval(HAS_THE_FONTS) != true {
        return cross_tests::skip(
            "the_page_looks_as_it_is_stored",
            "the stored pictures show Debian's DejaVu fonts",
        );
    }
    tab.picture("seed=7");
    tab.wait("the study", "!!document.querySelector('[data-testid=study-table] tbody tr')");
    tab.eval(HIDE_WHAT_VARIES);
    let failed = xtask::paths::Paths::find().unwrap().target.join("screens");
    let mut wrong = Vec::new();
    for (width, height) in WINDOWS {
        for dark in [false, true] {
            tab.show(View { width, height, dark, still: true });
            tab.eval("scrollTo(0, 0), document.fonts.ready.then(() => true)");
            tab.eval(
                "new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done(true))))",
            );
            let name = format!("page-{width}-{}", if dark { "dark" } else { "light" });
            wrong.extend(compare(&name, &tab.photograph(true), &failed).unwrap());
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
