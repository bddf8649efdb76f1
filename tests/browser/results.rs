//! The study's figures on the page: fetched after the first digits, drawn, and any of their plans put on screen.

use super::{copied, counted};
use cross_tests::browser::{Tab, named};
use serde_json::{Value, json};

/// Two curves with two points each, in the layout of `flow-digits study`.
fn figures(model: &str) -> Value {
    let cell = |schedule: &str, budget: usize, fid: f64| {
        let plan = format!("solver=euler&schedule={schedule}&steps={budget}&guidance=1&model={model}");
        json!({
            "model": model, "guidance": "1", "solver": "euler", "schedule": schedule, "budget": budget, "plan": plan,
            "evaluations": budget, "images": 1000, "fid": [fid, 0.9 * fid, 1.1 * fid], "accuracy": [0.9, 0.88, 0.92],
        })
    };
    let cells =
        [cell("linear", 2, 40.0), cell("linear", 3, 20.0), cell("shift", 2, 30.0), cell("shift", 3, 10.0)];
    json!({
        "format": 1, "name": "study", "title": "", "about": "", "seed": 42, "extractor": "a judge", "reference": "MNIST",
        "models": { model: "U-Net" },
        "parts": [{ "id": "schedules", "title": "Where to spend them", "about": "", "axis": "evaluations", "cells": cells }],
        "claims": [{
            "id": "c", "says": "One beats the other", "source": "somebody", "part": "schedules", "conclusion": "holds",
            "for": 2, "against": 0, "undecided": 0,
        }],
    })
}

#[test]
fn a_point_of_the_study_puts_its_plan_on_screen() {
    let Some((site, program)) = named("a_point_of_the_study") else { return };
    let site = copied(&site);
    let manifest = std::fs::read_to_string(site.path().join("models").join("manifest.json")).unwrap();
    let manifest = model_export::manifest::Manifest::parse(&manifest).unwrap();
    std::fs::write(site.path().join("results.json"), figures(&manifest.default).to_string()).unwrap();
    let list = site.path().join("site.json");
    let mut listing: Value = serde_json::from_slice(&std::fs::read(&list).unwrap()).unwrap();
    listing["results"] = json!("results.json?v=0");
    std::fs::write(list, listing.to_string()).unwrap();
    super::seal(site.path());

    let mut tab = Tab::new(&program, site.path(), &[]);
    tab.reduce_motion();
    tab.open("?backend=cpu&count=1&steps=2&guidance=2&seed=7&digit=3");
    tab.wait("the study", "!!document.querySelector('[data-testid=results]')");
    assert!(tab.text("claims").contains("What the literature says"), "{:?}", tab.text("claims"));
    let rows = "document.querySelectorAll('[data-testid=study-table] tbody tr').length";
    assert_eq!(tab.eval(rows), 2);
    // The point furthest down on the right: 3 evaluations on the schedule `shift`.
    tab.eval(
        "(area => { const box = area.getBoundingClientRect(); area.dispatchEvent(new MouseEvent('click', \
         { bubbles: true, clientX: box.right - 30, clientY: box.bottom })) })(document.querySelector('.chart .area'))",
    );
    tab.wait("the other curve", "document.querySelector('[data-testid=study-curve]').value === '1'");
    assert!(
        tab.eval("location.search").as_str().is_some_and(|search| search.contains("steps=2")),
        "not on the point"
    );
    tab.eval("document.querySelector('[data-testid=study-table] tr.touched button').click()");
    tab.picture("solver=euler&schedule=shift&steps=3&guidance=1&seed=7&digit=3&count=1");
    assert_eq!(counted(&mut tab), 3);
    assert_eq!(tab.eval("document.activeElement.className"), "screen");
    // A click on the point itself.
    tab.eval(
        "(area => { area.scrollIntoView(); const box = area.getBoundingClientRect(); area.dispatchEvent(new MouseEvent('click', \
         { bubbles: true, clientX: box.left + 3, clientY: box.top + 3 })) })(document.querySelector('.chart .area'))",
    );
    tab.picture("solver=euler&schedule=linear&steps=2&guidance=1&seed=7&digit=3&count=1");
    assert_eq!(tab.complaints(), Vec::<String>::new());
}
