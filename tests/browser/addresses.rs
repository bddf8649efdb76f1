//! Addresses that nobody wrote: plans at random, whole and damaged, never leave a blank page or an uncaught error.

use cross_tests::browser::{Tab, named};
use cross_tests::plans::Die;
use flow::plan::SamplePlan;
use flow::schedule::KnotTable;

/// How many addresses are opened.
const ADDRESSES: usize = 200;
/// What a reader must see: the instrument in a state that it has, the heading, controls, and a picture or a reason.
const SEEN: &str = "(() => { const data = document.querySelector('[data-testid=instrument]')?.dataset ?? {}; \
    const canvas = document.querySelector('[data-testid=digits]'); \
    return { state: data.state, words: document.querySelector('main').innerText.length, \
    controls: document.querySelectorAll('main input').length, drawn: (canvas?.width ?? 0) > 1, \
    said: document.querySelector('[data-testid=error]')?.innerText ?? '' } })()";

#[test]
fn two_hundred_addresses_at_random_never_leave_a_blank_page() {
    let Some((site, program)) = named("two_hundred_addresses") else { return };
    // No reader changes an address twenty times a second; a browser that is asked to ignores most of it.
    let mut tab = Tab::new(&program, &site, &["--disable-ipc-flooding-protection"]);
    tab.reduce_motion();
    tab.open("?backend=cpu&count=1&steps=1&seed=1");
    tab.picture("seed=1");
    let words = tab.eval(SEEN)["words"].as_u64().unwrap();
    let mut die = Die::seeded(20_261_125);
    let (mut whole, mut failures) = (0, Vec::new());
    for number in 0..ADDRESSES {
        let plan = die.plan();
        // First comes what keeps the work small, whatever happens to the rest.
        let address = if number % 2 == 0 { plan } else { die.damaged(&plan) };
        let address = format!("?backend=cpu&count=1&{address}");
        tab.visit(&address);
        // What the page makes of it: it begins with the part before a hash, and goes on past what it can't read.
        let query = address.split('#').next().unwrap_or_default();
        let wished = SamplePlan::parse_with_unknown(query).0;
        let follows = format!("location.search.includes('seed={}&')", wished.seed);
        // A run that its address makes long is left behind by the next one.
        let small = wished.expected_evaluations(&KnotTable::default()).is_some_and(|count| count <= 20);
        let state = "document.querySelector('[data-testid=instrument]').dataset.state";
        let settled = if small {
            format!("{follows} && ['done', 'error'].includes({state})")
        } else {
            format!("{follows} && {state} !== 'loading'")
        };
        tab.wait(&format!("answer to {address}"), &settled);
        let seen = tab.eval(SEEN);
        if seen["state"] == "error" {
            failures.push(format!("{address}: {}", seen["said"]));
        }
        whole += usize::from(seen["state"] == "done");
        assert!(seen["words"].as_u64() > Some(words / 2), "{address} leaves {seen}");
        assert!(seen["controls"].as_u64() > Some(10) && seen["drawn"] == true, "{address} leaves {seen}");
        assert_eq!(tab.complaints(), Vec::<String>::new(), "{address}");
    }
    println!("{whole} of {ADDRESSES} done, {} refused by the page in words", failures.len());
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    assert!(whole > ADDRESSES / 2, "only {whole} of {ADDRESSES} came to their end");
    tab.visit("?backend=cpu&count=1&steps=1&seed=1");
    tab.picture("seed=1");
}

#[test]
fn the_address_holds_what_is_on_screen_after_a_long_drag() {
    let mut tab = tab!("the_address_holds");
    tab.open("?backend=cpu&count=1&steps=2&guidance=1");
    tab.picture("count=1");
    // A finger that moves for long and stops at 5.
    tab.eval(
        "(async slider => { const move = async value => { slider.value = value; \
         slider.dispatchEvent(new Event('input', { bubbles: true })); await new Promise(done => setTimeout(done)) }; \
         for (let i = 0; i < 300; i++) await move(2 + i % 30); \
         await move(5); slider.dispatchEvent(new Event('change', { bubbles: true })); return true })\
         (document.querySelector('input[type=range][data-testid=steps]'))",
    );
    tab.picture("steps=5");
}
