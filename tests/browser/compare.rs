//! Panes beside each other: the same noise, equal evaluations, true counts and distances.

use super::QUICK;
use cross_tests::browser::{Driver, Page, Tab, named};

/// Opens the page and waits for the panes of a story, with all their distances.
fn told<D: Driver>(tab: &mut Page<D>, story: &str, panes: usize) {
    tab.eval("document.querySelector('[data-testid=compare]').scrollIntoView()");
    tab.wait("the first panes", "document.querySelector('[data-testid=pane]')");
    tab.eval(&format!("document.querySelector('input[name=story][value={story}]').click()"));
    let all = "[...document.querySelectorAll('[data-testid=pane]')]";
    tab.wait(
        "finished panes",
        &format!("{all}.length === {panes} && {all}.every(pane => pane.dataset.state === 'done')"),
    );
}

fn each<D: Driver>(tab: &mut Page<D>, what: &str) -> Vec<serde_json::Value> {
    let all = tab.eval(&format!("[...document.querySelectorAll('[data-testid=pane]')].map(pane => {what})"));
    all.as_array().unwrap().clone()
}

#[test]
fn equal_evaluations_are_spent_and_counted_and_a_higher_order_is_not_the_same_picture() {
    equal_evaluations(&mut tab!("equal_evaluations"));
}

/// The same in every browser.
pub(crate) fn equal_evaluations<D: Driver>(tab: &mut Page<D>) {
    tab.open(QUICK);
    tab.wait_state("done");
    told(tab, "cost", 3);
    assert_eq!(each(tab, "pane.dataset.evaluations"), ["20", "20", "20"]);
    let mut pictures = each(tab, "pane.dataset.pixelsHash");
    pictures.dedup();
    assert_eq!(pictures.len(), 3);
    // The reference is 200 evaluations away, and each pane tells how far it is from it.
    tab.wait(
        "distances",
        "[...document.querySelectorAll('[data-testid=pane]')].every(pane => pane.dataset.distance)",
    );
    for far in each(tab, "Number(pane.dataset.distance)") {
        let far = far.as_f64().unwrap();
        assert!(far > 0.0 && far < 0.5, "{far}");
    }
    assert!(tab.text("distance").contains("from the reference"), "{}", tab.text("distance"));
    tab.wait(
        "what is said when all are done",
        "/^3 panes done: 0\\.\\d{4}, 0\\.\\d{4}, 0\\.\\d{4} from the reference$/.test(document.querySelector('[data-testid=compare-ended]').textContent)",
    );
    // More evaluations for each bring all of them nearer.
    let before = each(tab, "Number(pane.dataset.distance)");
    tab.eval(
        "(slider => { slider.value = 60; slider.dispatchEvent(new Event('change')) })\
         (document.querySelector('[data-testid=compare-budget]'))",
    );
    tab.wait(
        "sixty evaluations",
        "[...document.querySelectorAll('[data-testid=pane]')].every(pane => pane.dataset.evaluations === '60' && pane.dataset.distance)",
    );
    let after = each(tab, "Number(pane.dataset.distance)");
    let nearer = before.iter().zip(&after).filter(|(before, after)| after.as_f64() < before.as_f64()).count();
    assert!(nearer >= 2, "{before:?} and then {after:?}");
    assert_eq!(tab.complaints(), Vec::<String>::new());
}

#[test]
fn a_pane_takes_another_solver_and_panes_come_and_go() {
    let mut tab = tab!("a_pane_takes_another_solver");
    tab.open(QUICK);
    tab.wait_state("done");
    told(&mut tab, "coupling", 3);
    assert_eq!(each(&mut tab, "pane.dataset.evaluations"), ["4", "4", "4"]);
    assert_eq!(tab.text("spent"), "4 steps, 4 evaluations");
    // The same solver on three models: three pictures from one noise.
    let pictures = each(&mut tab, "pane.dataset.pixelsHash");
    assert_ne!(pictures[0], pictures[1]);
    assert_ne!(pictures[1], pictures[2]);
    tab.eval(
        "(select => { select.value = 'heun'; select.dispatchEvent(new Event('change')) })\
         (document.querySelector('[data-testid=pane] [data-part=solver]'))",
    );
    tab.wait(
        "the first pane's other picture",
        &format!(
            "(pane => pane.dataset.state === 'done' && pane.dataset.pixelsHash && pane.dataset.pixelsHash !== {})\
             (document.querySelector('[data-testid=pane]'))",
            pictures[0]
        ),
    );
    assert_eq!(each(&mut tab, "pane.dataset.pixelsHash")[1], pictures[1], "the other pane stays");
    tab.eval("(add => { add.focus(); add.click() })(document.querySelector('[data-testid=compare-add]'))");
    tab.wait("a fourth pane", "document.querySelectorAll('[data-testid=pane]').length === 4");
    // Nothing more can be added; the button says so, does nothing, and keeps the focus.
    let add = "document.querySelector('[data-testid=compare-add]')";
    tab.wait("a button that is off", &format!("{add}.getAttribute('aria-disabled') === 'true'"));
    tab.eval(&format!("{add}.click()"));
    assert_eq!(tab.eval(&format!("document.activeElement === {add}")), true);
    assert_eq!(tab.eval("document.querySelectorAll('[data-testid=pane]').length"), 4);
    tab.eval(
        "(remove => { remove.focus(); remove.click() })(document.querySelector('[data-testid=pane-remove]'))",
    );
    tab.wait("three panes again", "document.querySelectorAll('[data-testid=pane]').length === 3");
    tab.wait("a button that is on", &format!("{add}.getAttribute('aria-disabled') === 'false'"));
    assert_eq!(tab.eval(&format!("document.activeElement === {add}")), true);
}

#[test]
fn latents_beside_pixels_each_with_its_own_count_and_none_for_a_random_draw() {
    let mut tab = tab!("latents_beside_pixels");
    tab.open(QUICK);
    tab.wait_state("done");
    told(&mut tab, "latent", 4);
    assert_eq!(each(&mut tab, "pane.dataset.evaluations"), ["0", "20", "20", "20"]);
    assert!(tab.text("distance").contains("no network"), "{}", tab.text("distance"));
}

#[test]
fn a_link_opens_the_same_comparison_and_what_it_cannot_show_is_said() {
    let mut tab = tab!("a_link_opens_the_same_comparison");
    tab.open(QUICK);
    tab.wait_state("done");
    told(&mut tab, "schedule", 3);
    tab.eval("document.querySelector('[data-testid=pane-remove]').click()");
    tab.wait(
        "another address",
        "location.hash.startsWith('#compare/8/') && location.hash.split('/').length === 4",
    );
    let pictures = each(&mut tab, "pane.dataset.pixelsHash");
    let link = tab.eval("location.search + location.hash");
    let link = link.as_str().unwrap();
    tab.open("robots.txt");
    tab.open(link);
    tab.wait_state("done");
    tab.eval("document.querySelector('[data-testid=compare]').scrollIntoView()");
    let same = format!(
        "JSON.stringify([...document.querySelectorAll('[data-testid=pane]')].map(pane => pane.dataset.state === 'done' && \
         pane.dataset.pixelsHash)) === '{}'",
        serde_json::to_string(&pictures).unwrap()
    );
    tab.wait("the same panes", &same);
    // A plan chosen above leaves the comparison in the address.
    tab.eval("document.querySelector('input[name=solver][value=heun]').click()");
    tab.wait(
        "the plan",
        "location.search.includes('solver=heun') && location.hash.startsWith('#compare/8/')",
    );
    tab.open("robots.txt");
    tab.open(&format!("{QUICK}#compare/8/model=mnist-unet&seed=<b>1/solver=euler"));
    tab.wait_state("done");
    let said = tab.text("notices");
    assert!(said.contains("comparison in the address") && said.contains("no “seed=<b>1”"), "{said:?}");
}
