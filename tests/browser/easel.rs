//! The reader's own digit, drawn with a pointer as a person would.

use super::QUICK;
use cross_tests::browser::{Driver, Page, Tab, named};
use serde_json::json;

/// Draws a stroke on the first board, through points between 0 and 1.
fn draw(tab: &mut Tab, board: usize, points: &[(f64, f64)]) {
    let area = tab.eval(&format!(
        "(area => [area.left, area.top, area.width, area.height])(document.querySelectorAll('[data-testid=board]')[{board}].getBoundingClientRect())"
    ));
    let area: Vec<f64> = area.as_array().unwrap().iter().map(|value| value.as_f64().unwrap()).collect();
    let mut send = |kind: &str, (x, y): (f64, f64)| {
        let at = json!({ "type": kind, "x": area[0] + x * area[2], "y": area[1] + y * area[3], "button": "left",
            "buttons": i32::from(kind != "mouseReleased"), "clickCount": 1, "pointerType": "mouse" });
        tab.ask("Input.dispatchMouseEvent", at);
    };
    send("mousePressed", points[0]);
    for point in &points[1..] {
        send("mouseMoved", *point);
    }
    send("mouseReleased", points[points.len() - 1]);
}

fn opened<D: Driver>(tab: &mut Page<D>) {
    tab.open(QUICK);
    tab.wait_state("done");
    tab.eval("document.querySelector('[data-testid=own]').scrollIntoView()");
    tab.wait("the board", "document.querySelector('[data-testid=board]')");
    tab.eval("document.querySelector('[data-testid=turn]').scrollIntoView()");
    // Until what is above has its size.
    tab.wait(
        "a board that stays where it is",
        "(async () => { const top = () => document.querySelector('[data-testid=board]').getBoundingClientRect().top; \
         const before = top(); await new Promise(done => setTimeout(done, 300)); return top() === before && before >= 0 })()",
    );
}

const SEVEN: [(f64, f64); 3] = [(0.3, 0.25), (0.7, 0.25), (0.45, 0.8)];

#[test]
fn a_drawn_seven_becomes_noise_and_comes_back_as_every_class() {
    let mut tab = tab!("a_drawn_seven");
    opened(&mut tab);
    assert_eq!(tab.eval("document.querySelector('[data-testid=turn-now]').disabled"), true);
    draw(&mut tab, 0, &SEVEN);
    tab.wait("ten classes", "document.querySelector('[data-testid=turn]').dataset.state === 'done'");
    // Twelve steps of four evaluations back; six of four, with both branches of guidance, forward.
    assert_eq!(tab.text("turned"), "48 evaluations back, 48 evaluations forward as ten classes.");
    assert_eq!(tab.complaints(), Vec::<String>::new());
}

#[test]
fn a_half_is_rubbed_out_and_filled_in_and_a_wipe_empties_the_board() {
    let mut tab = tab!("a_half_is_rubbed_out");
    opened(&mut tab);
    draw(&mut tab, 0, &SEVEN);
    tab.wait("a drawing", "!document.querySelector('[data-testid=hide-right]').disabled");
    tab.eval("document.querySelector('[data-testid=hide-right]').click()");
    let filled = "(part => part.dataset.state === 'done' && part.dataset.pixelsHash)(document.querySelector('[data-testid=fill]'))";
    let right = tab.wait("what fills the right half", filled);
    // The eraser works like the pen, and what it takes is filled in when it is lifted.
    tab.eval("document.querySelector('input[name=board-tool][value=\"Rub out\"]').click()");
    tab.eval("document.querySelectorAll('[data-testid=board]')[1].scrollIntoView({ block: 'center' })");
    draw(&mut tab, 1, &[(0.2, 0.2), (0.4, 0.3)]);
    let more = format!("(hash => hash && hash !== {right})({filled})");
    tab.wait("another picture", &more);
    tab.eval("document.querySelector('[data-testid=board-clear]').click()");
    tab.wait("an empty board", "document.querySelector('[data-testid=turn-now]').disabled");
    assert_eq!(tab.complaints(), Vec::<String>::new());
}

#[test]
fn without_a_pointer_a_digit_is_taken_from_above_and_two_seeds_are_joined() {
    without_a_pointer(&mut tab!("without_a_pointer"));
}

/// The same in every browser.
pub(crate) fn without_a_pointer<D: Driver>(tab: &mut Page<D>) {
    opened(tab);
    tab.eval("document.querySelector('[data-testid=board-take]').click()");
    tab.wait("a digit", "!document.querySelector('[data-testid=turn-now]').disabled");
    tab.eval("document.querySelector('[data-testid=turn-now]').click()");
    tab.wait("ten classes", "document.querySelector('[data-testid=turn]').dataset.state === 'done'");
    tab.eval("document.querySelector('[data-testid=hide-lower]').click()");
    tab.wait("what fills it", "document.querySelector('[data-testid=fill]').dataset.state === 'done'");
    tab.eval("document.querySelector('[data-testid=between-now]').click()");
    let walked = "(part => part.dataset.state === 'done' && part.dataset.pixelsHash)(document.querySelector('[data-testid=between]'))";
    let first = tab.wait("a walk", walked);
    tab.eval(
        "(field => { field.value = '99'; field.dispatchEvent(new Event('change')); \
         document.querySelector('[data-testid=between-now]').click() })(document.querySelector('[data-testid=between-seed]'))",
    );
    tab.wait("another walk", &format!("(hash => hash && hash !== {first})({walked})"));
    // What is no number is not taken, and stays to be corrected.
    tab.eval("(field => { field.value = 'x'; field.dispatchEvent(new Event('change')) })(document.querySelector('[data-testid=between-seed]'))");
    assert_eq!(tab.eval("document.querySelector('[data-testid=between-seed]').value"), "x");
    tab.wait(
        "a word",
        "document.querySelector('#between-seed-refused').innerText.includes('It still is 99')",
    );
    assert_eq!(tab.eval("document.querySelector('[data-testid=between-seed]').ariaInvalid"), "true");
}
