//! Keyboard, focus, history, live region, motion, widths: how the page behaves while everything works.

use super::{QUICK, evaluations};
use cross_tests::browser::{Tab, named};
use serde_json::Value;

/// What can be touched and is in sight. A group of radio buttons is one stop; arrows move inside it.
const CONTROLS: &str = "[...document.querySelectorAll('button, input, select, textarea, a[href], summary, [tabindex]')]\
    .filter(e => !e.disabled && e.tabIndex >= 0 && e.checkVisibility() && !e.closest('[inert]'))";

/// A control's name for the test: a group counts under the name of its group.
const NAME: &str = "(e => e.type === 'radio' ? `radio ${e.name}` : [e.tagName, e.id || e.dataset.testid || e.getAttribute('aria-label') || \
    e.innerText || e.getAttribute('href')].join(' '))";

#[test]
fn the_keyboard_reaches_every_control_and_every_control_has_a_label() {
    let mut tab = tab!("the_keyboard");
    tab.open(QUICK);
    tab.wait_state("done");
    let wanted = tab.eval(&format!("[...new Set({CONTROLS}.map({NAME}))]"));
    let wanted: Vec<String> = serde_json::from_value(wanted).unwrap();
    assert!(wanted.len() > 6, "{wanted:?}");
    let nameless = tab.eval(&format!(
        "{CONTROLS}.filter(e => !(e.labels?.length || e.getAttribute('aria-label') || e.getAttribute('aria-labelledby') || \
         e.innerText?.trim())).map({NAME})"
    ));
    assert_eq!(nameless, Value::Array(Vec::new()), "controls without a label");

    let mut reached: Vec<String> = Vec::new();
    for _ in 0..4 * wanted.len() {
        tab.press("Tab");
        let at = tab
            .eval(&format!("document.activeElement === document.body ? '' : {NAME}(document.activeElement)"));
        let at = at.as_str().unwrap_or_default().to_owned();
        if !at.is_empty() && !reached.contains(&at) {
            reached.push(at);
        }
    }
    let missed: Vec<&String> = wanted.iter().filter(|name| !reached.contains(name)).collect();
    assert!(missed.is_empty(), "Tab never reached {missed:?}; it reached {reached:?}");
}

#[test]
fn arrows_choose_inside_a_group_and_on_a_slider() {
    let mut tab = tab!("arrows_choose");
    tab.open(QUICK);
    let before = tab.picture("solver=heun");
    tab.eval("document.querySelector('[data-testid=solver]').open = true");
    tab.eval("document.querySelector('input[name=solver]:checked').focus()");
    tab.press("ArrowDown");
    let chosen = tab.wait(
        "another solver",
        "document.querySelector('input[name=solver]:checked').value !== 'heun' && \
        document.querySelector('input[name=solver]:checked').value",
    );
    let after = tab.picture(&format!("solver={}", chosen.as_str().unwrap()));
    assert_ne!(before, after);
    tab.eval("document.querySelector('input[type=range][data-testid=steps]').focus()");
    tab.press("ArrowRight");
    tab.picture("steps=5");
}

#[test]
fn nothing_is_wider_than_the_window_on_a_phone_a_tablet_and_a_desk() {
    let mut tab = tab!("nothing_is_wider");
    tab.open(QUICK);
    tab.wait_state("done");
    for (width, height) in [(320, 700), (360, 740), (820, 1180), (1366, 657), (1600, 1000)] {
        tab.resize(width, height);
        let excess = tab.eval("document.documentElement.scrollWidth - document.documentElement.clientWidth");
        assert_eq!(excess, 0, "at {width} x {height}");
        let fits = "(box => box.width > 0 && box.right <= innerWidth + 1)(document.querySelector('[data-testid=digits]')\
            .getBoundingClientRect())";
        tab.wait(&format!("picture inside {width} x {height}"), fits);
    }
}

#[test]
fn sampling_never_holds_the_page_for_50_ms() {
    let mut tab = tab!("sampling_never_holds");
    tab.before_each_page(
        "window.longest = 0; new PerformanceObserver(list => { for (const task of list.getEntries()) \
         window.longest = Math.max(window.longest, task.duration) }).observe({ type: 'longtask', buffered: false })",
    );
    tab.open(QUICK);
    tab.picture("seed=7");
    // The least of several: the machine that runs this has other things to do, the page has not.
    let mut least = f64::INFINITY;
    for seed in 20..24 {
        let address = format!("{}&seed={seed}&steps=10&count=16", QUICK.split("&count").next().unwrap());
        tab.eval(&format!("longest = 0, history.pushState(null, '', '{address}'), dispatchEvent(new PopStateEvent('popstate'))"));
        tab.picture(&format!("seed={seed}"));
        least = least.min(tab.eval("longest").as_f64().unwrap());
    }
    assert!(least < 50.0, "the longest task took at least {least} ms in every run");
}

#[test]
fn a_low_window_shows_the_screen_and_its_timeline_as_the_page_opens() {
    let mut tab = tab!("a_low_window");
    tab.resize(1366, 657);
    tab.open(QUICK);
    tab.wait_state("done");
    let bottom =
        "document.querySelector('[data-testid=timeline]').getBoundingClientRect().bottom <= innerHeight";
    tab.wait("timeline inside the window", bottom);
    // Scrolled to the controls, all of the stage is in sight.
    tab.eval("document.querySelector('.controls').scrollIntoView()");
    let stage = "document.querySelector('.stage').getBoundingClientRect().bottom <= innerHeight";
    tab.wait("stage inside the window", stage);
}

#[test]
fn a_thousand_steps_are_no_thousand_elements() {
    let mut tab = tab!("a_thousand_steps");
    tab.open("?backend=cpu&count=1&steps=1000&guidance=1");
    tab.wait_state("running");
    let drawn = "document.querySelectorAll('.track svg *, [data-testid=schedule-plot] *').length";
    let drawn = tab.eval(drawn).as_u64().unwrap();
    assert!(drawn < 40, "{drawn} elements");
    let ticks = tab.eval("document.querySelector('.knots').getAttribute('d').match(/M/g).length");
    assert_eq!(ticks, 1001);
}

#[test]
fn the_end_of_every_run_is_told_even_in_the_same_words() {
    let mut tab = tab!("the_end_of_every_run");
    tab.open(QUICK);
    tab.wait_state("done");
    let status = "document.querySelector('[data-testid=status]')";
    tab.eval(&format!(
        "window.told = [], new MutationObserver(() => {{ const text = {status}.textContent.trim(); if (text) told.push(text) }})\
         .observe({status}, {{ childList: true, characterData: true, subtree: true }})"
    ));
    for run in 1..=2 {
        tab.eval("document.querySelector('[data-testid=new-seed]').click()");
        tab.wait("sentence about the run's end", &format!("told.length === {run}"));
    }
    let sentence = format!("4 digits, Heun, {} evaluations, done", evaluations("steps=4"));
    assert_eq!(tab.eval("told"), serde_json::json!([sentence, sentence]));
}

#[test]
fn keys_on_one_slider_are_one_entry_in_the_history() {
    let mut tab = tab!("keys_on_one_slider");
    tab.open(QUICK);
    tab.wait_state("done");
    // A clock that stands still, so that it does not matter how busy this machine is.
    tab.eval("window.at = performance.now(), performance.now = () => at, window.before = history.length");
    tab.eval("document.querySelector('input[type=range][data-testid=steps]').focus()");
    for steps in 5..=7 {
        tab.press("ArrowRight");
        tab.picture(&format!("steps={steps}"));
    }
    assert_eq!(tab.eval("history.length - before"), 1);
    tab.eval("at += 5000");
    tab.press("ArrowRight");
    tab.picture("steps=8");
    assert_eq!(tab.eval("history.length - before"), 2);
    tab.eval("history.back()");
    tab.picture("steps=7");
    tab.eval("history.back()");
    tab.picture("steps=4");
}

#[test]
fn what_trackers_hang_on_a_link_raises_no_notice() {
    let mut tab = tab!("what_trackers_hang");
    tab.open(&format!("{QUICK}&utm_source=letter&fbclid=abc"));
    tab.picture("seed=7");
    assert_eq!(tab.text("notices"), "");
    assert_eq!(tab.eval("location.search.includes('fbclid')"), false);
}

#[test]
fn the_focus_stays_near_when_a_notice_is_put_away() {
    let mut tab = tab!("the_focus_stays_near");
    tab.open("?backend=cpu&count=1&steps=2&solver=heum");
    tab.picture("solver=heun");
    tab.eval("document.querySelector('[data-testid=notice] button').focus(), document.activeElement.click()");
    tab.wait("notice put away", "!document.querySelector('[data-testid=notice]')");
    assert_eq!(tab.eval("document.activeElement.className"), "screen");
}

#[test]
fn with_little_motion_the_button_goes_from_step_to_step() {
    let mut tab = tab!("with_little_motion");
    tab.open(QUICK);
    tab.wait_state("done");
    let said = "document.querySelector('[data-testid=timeline]').getAttribute('aria-valuetext')";
    for step in [4, 0, 1, 2] {
        if step != 4 {
            tab.eval("document.querySelector('[data-testid=play]').click()");
        }
        tab.wait(&format!("step {step}"), &format!("{said}.endsWith('after step {step} of 4')"));
        assert_eq!(tab.instrument("state"), "done", "it moves by itself");
    }
}

#[test]
fn the_next_noise_is_on_screen_while_the_processor_is_still_in_a_long_step() {
    let mut tab = tab!("the_next_noise");
    // Seconds a step.
    let long = "?backend=cpu&count=64&steps=1000&solver=rk4&seed=";
    tab.open(&format!("{long}7"));
    tab.wait_state("running");
    let shown = tab.eval(&format!(
        "(async () => {{ history.pushState(null, '', '{long}8'); dispatchEvent(new PopStateEvent('popstate')); \
         for (let frame = 0; frame < 3; frame++) await new Promise(requestAnimationFrame); \
         const data = document.querySelector('[data-testid=instrument]').dataset; return ['stale' in data, data.state] }})()"
    ));
    assert_eq!(shown, serde_json::json!([false, "running"]));
    // And a step that is not wanted holds nobody up: the new run goes on.
    let goes_on = "Number(document.querySelector('[data-testid=instrument]').dataset.evaluations) > 0";
    tab.wait("evaluations of the new run", goes_on);
}

#[test]
fn the_digits_answer_while_a_slider_moves_and_are_all_drawn_when_it_is_let_go() {
    let mut tab = tab!("the_digits_answer_while_a_slider_moves");
    let path = "?backend=cpu&count=16&steps=8&guidance=2&seed=7&schedule=logit-normal-cdf";
    tab.open(path);
    tab.picture("count=16");
    // A hand that never rests, and moves on before sixteen digits can be drawn.
    let seen = tab.eval(
        "(async () => { const slider = document.querySelector('input[data-testid=schedule-mu]'); \
         const canvas = document.querySelector('[data-testid=digits]'); \
         const hash = () => canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data \
             .reduce((hash, value) => (Math.imul(hash, 31) + value) | 0, 0); \
         const seen = new Set([hash()]); \
         for (let i = 0; i < 300 && seen.size < 5; i++) { \
             slider.value = -1 + (i % 20) / 10; slider.dispatchEvent(new Event('input', { bubbles: true })); \
             await new Promise(done => setTimeout(done, 100)); seen.add(hash()) } \
         slider.value = 0.5; slider.dispatchEvent(new Event('input', { bubbles: true })); \
         slider.dispatchEvent(new Event('change', { bubbles: true })); return seen.size })()",
    );
    assert_eq!(seen, 5, "pictures while it moved");
    let after = tab.picture("mu=0.5");
    tab.wait(
        "all digits in the count",
        "document.querySelector('[data-testid=status]').innerText.startsWith('16 digits')",
    );
    assert_eq!(tab.picture("mu=0.5"), after);
    tab.open("robots.txt");
    tab.open(&format!("{path}:mu=0.5"));
    assert_eq!(tab.picture("mu=0.5"), after, "as if it had been asked for at once");
}
