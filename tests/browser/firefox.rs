//! The page in Firefox: that it works there at all, and gives the very same pixels.

use super::{QUICK, evaluations};
use cross_tests::browser::{Driver, Fox, Page, Tab, named, named_firefox};
use cross_tests::screens::Picture;

/// A plan with something of everything, and its price.
const ADDRESS: &str =
    "?backend=cpu&solver=midpoint&schedule=shift:k=2&steps=3&guidance=1.5&seed=11&digit=3&count=4";

/// A page of the built site in Firefox, with little motion, or the end of the test.
macro_rules! fox {
    ($test:literal) => {
        match named_firefox($test) {
            Some((site, program)) => {
                let mut fox = Fox::new(&program, &site);
                fox.reduce_motion();
                fox
            }
            None => return,
        }
    };
}

fn counted<D: Driver>(page: &mut Page<D>) -> usize {
    page.instrument("evaluations").parse().unwrap()
}

#[test]
fn in_firefox_digits_appear_and_another_solver_gives_another_picture_at_its_own_price() {
    let mut fox = fox!("in_firefox_digits_appear");
    fox.open(QUICK);
    let before = fox.picture("solver=heun");
    assert_eq!(counted(&mut fox), evaluations("solver=heun&steps=4"));
    assert_eq!(fox.instrument("backend"), "cpu");
    fox.eval("document.querySelector('input[name=solver][value=euler]').click()");
    assert_ne!(fox.picture("solver=euler"), before);
    assert_eq!(counted(&mut fox), evaluations("solver=euler&steps=4"));
    fox.eval("history.back()");
    assert_eq!(fox.picture("solver=heun"), before);
    assert_eq!(fox.complaints(), Vec::<String>::new());
}

#[test]
fn firefox_and_chromium_give_the_same_pixels_for_the_same_address() {
    let Some((site, firefox)) = named_firefox("firefox_and_chromium") else { return };
    let Some((_, chromium)) = named("firefox_and_chromium") else { return };
    let (mut fox, mut tab) = (Fox::new(&firefox, &site), Tab::new(&chromium, &site, &[]));
    fox.reduce_motion();
    tab.reduce_motion();
    for address in [ADDRESS, "?backend=cpu&count=4&solver=euler&steps=6&guidance=1&seed=7&model=latent-base"]
    {
        fox.open(address);
        tab.open(address);
        let seed = address.split('&').find(|part| part.starts_with("seed=")).unwrap();
        assert_eq!(fox.picture(seed), tab.picture(seed), "{address}");
    }
    // What is on screen too, not only what was computed: the digits' canvas, pixel by pixel.
    let drawn = "(canvas => Array.from(canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data)\
        .reduce((hash, value) => (Math.imul(hash, 31) + value) | 0, canvas.width))(document.querySelector('[data-testid=digits]'))";
    assert_eq!(fox.eval(drawn), tab.eval(drawn));
}

#[test]
fn in_firefox_the_schedule_answers_while_it_is_dragged() {
    let mut fox = fox!("in_firefox_the_schedule_answers");
    fox.open("?backend=cpu&count=4&steps=4&seed=7&schedule=shift:k=2");
    let before = fox.picture("schedule=shift");
    fox.eval("document.querySelector('[data-testid=schedule]').open = true");
    let slider = "#schedule-k";
    fox.wait("the schedule's slider", &format!("!!document.querySelector('{slider}')"));
    let value = fox.eval(&format!("document.querySelector('{slider}').value"));
    fox.eval("window.inputs = 0, document.addEventListener('input', () => window.inputs++), true");
    fox.drag(slider, 0.3, 0.8);
    fox.wait("another value", &format!("document.querySelector('{slider}').value !== {value}"));
    assert!(fox.eval("window.inputs").as_u64() >= Some(2), "it answers before the finger lets go");
    let k = fox.eval(&format!("document.querySelector('{slider}').value"));
    assert_ne!(fox.picture(&format!("schedule=shift:k={}", k.as_str().unwrap())), before);
    assert_eq!(fox.complaints(), Vec::<String>::new());
}

#[test]
fn in_firefox_the_timeline_leads_back_to_the_noise_by_mouse_and_by_keyboard() {
    let mut fox = fox!("in_firefox_the_timeline");
    fox.open(QUICK);
    fox.picture("seed=7");
    let said = "document.querySelector('[data-testid=timeline]').getAttribute('aria-valuetext')";
    let drawn = "document.querySelector('[data-testid=digits]').toDataURL()";
    let end = fox.eval(drawn);
    fox.drag("[data-testid=timeline]", 0.98, 0.5);
    let middle = fox.wait("half of the way", &format!("/t = 0\\.[45]/.test({said}) && {drawn}"));
    assert_ne!(middle, end);
    fox.eval("document.querySelector('[data-testid=timeline]').focus()");
    fox.press("Home");
    let noise = fox.wait("the noise", &format!("{said}.startsWith('t = 0.00') && {drawn}"));
    assert!(noise != middle && noise != end);
    fox.press("End");
    fox.wait("the digits", &format!("{said}.startsWith('t = 1.00') && {drawn} === {end}"));
    assert_eq!(fox.complaints(), Vec::<String>::new());
}

#[test]
fn in_firefox_a_point_of_the_chart_puts_its_plan_on_screen() {
    let mut fox = fox!("in_firefox_a_point_of_the_chart");
    fox.open("?backend=cpu&count=1&steps=2&guidance=1&seed=7");
    fox.picture("seed=7");
    fox.wait("the study", "!!document.querySelector('[data-testid=study-table] tbody button')");
    let before = fox.eval("location.search");
    fox.eval("document.querySelector('[data-testid=study-table] tbody button').click()");
    fox.wait("another address", &format!("location.search !== {before}"));
    fox.picture("seed=7");
    fox.eval(
        "document.querySelector('[data-testid=results]').scrollIntoView(), \
         document.querySelectorAll('details').forEach(e => e.open = true)",
    );
    assert_eq!(fox.complaints(), Vec::<String>::new());
}

#[test]
fn in_firefox_the_page_is_light_or_dark_and_fits_a_phone() {
    let mut fox = fox!("in_firefox_the_page_is_light_or_dark");
    fox.open(QUICK);
    fox.picture("seed=7");
    for (width, height) in [(360, 740), (1280, 900)] {
        fox.resize(width, height);
        fox.wait("the width", &format!("innerWidth === {width}"));
        let excess = fox.eval("document.documentElement.scrollWidth - document.documentElement.clientWidth");
        assert_eq!(excess, 0, "at {width}");
        let mut lights = Vec::new();
        for dark in [false, true] {
            fox.darken(dark);
            fox.wait("the scheme", &format!("matchMedia('(prefers-color-scheme: dark)').matches === {dark}"));
            // Two frames: one to draw, one to show.
            fox.eval(
                "new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done(true))))",
            );
            let picture = Picture::read(&fox.photograph(false)).unwrap();
            assert_eq!((picture.width, picture.height), (width as usize, height as usize));
            let sum: usize = picture.pixels.iter().flatten().map(|value| usize::from(*value)).sum();
            lights.push(sum / (3 * picture.pixels.len()));
        }
        assert!(lights[0] > 180 && lights[1] < 75, "light and dark, of 255: {lights:?}");
    }
    assert_eq!(fox.complaints(), Vec::<String>::new());
}

#[test]
fn what_complains_in_firefox_would_be_noticed() {
    let mut fox = fox!("what_complains_in_firefox");
    fox.open(QUICK);
    fox.picture("seed=7");
    assert_eq!(fox.complaints(), Vec::<String>::new());
    fox.eval(
        "document.body.append(Object.assign(document.createElement('script'), { textContent: 'inline()' }), \
         Object.assign(document.createElement('script'), { src: 'worker.js?none', type: 'module' }))",
    );
    fox.eval("void setTimeout(() => console.error('a word of the page'))");
    fox.eval("window.eval ? void Promise.reject(new Error('nobody catches this')) : 0");
    let told = |fox: &mut Fox, what: &str| {
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
        while !fox.complaints().iter().any(|line| line.contains(what)) {
            assert!(
                std::time::Instant::now() < deadline,
                "no complaint about {what}: {:?}",
                fox.complaints()
            );
        }
    };
    told(&mut fox, "Content-Security-Policy");
    told(&mut fox, "a word of the page");
    told(&mut fox, "nobody catches this");
}

#[test]
fn in_firefox_views_panes_and_the_readers_own_digit_work() {
    let mut fox = fox!("in_firefox_views");
    super::views::each_view(&mut fox);
    super::compare::equal_evaluations(&mut fox);
    super::easel::without_a_pointer(&mut fox);
}

#[test]
fn in_firefox_the_element_works_as_documented() {
    let Some((site, program)) = named_firefox("in_firefox_the_element") else { return };
    let site = super::embed::with_one(&site);
    let mut fox = Fox::new(&program, site.path());
    fox.reduce_motion();
    super::embed::attributes_methods_and_events(&mut fox);
}
