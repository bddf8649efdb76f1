//! Everything that is registered, on the page: from its address, in its picker, by its sliders, and at its true price.
//!
//! The site is a copy with a second model beside the first, which names it as its weaker one and has fitted knots.

use std::collections::BTreeMap;
use std::path::Path;

use super::{copied, counted};
use cross_tests::browser::{Tab, named};
use flow::controller::Controller;
use flow::guidance::Guidance;
use flow::plan::SamplePlan;
use flow::registry::{Choice, Entry};
use flow::schedule::{KnotTable, Schedule};
use flow::solver::Solver;
use model_export::Precision;
use model_export::manifest::{FittedKnots, Manifest, sha256_hex};

/// The numbers of steps that are fitted in the copy.
const FITTED: [usize; 3] = [2, 4, 7];
/// The second model's id.
const SECOND: &str = "second";

/// A copy of the site, and its manifest.
struct Site {
    folder: tempfile::TempDir,
    manifest: Manifest,
}

impl Site {
    /// The second model is the first one with all weights a little smaller: another network, and a worse one.
    fn with_two_models(site: &Path) -> Self {
        let folder = copied(site);
        let models = folder.path().join("models");
        let place = models.join("manifest.json");
        let mut manifest = Manifest::parse(&std::fs::read_to_string(&place).unwrap()).unwrap();
        let index = manifest.models.iter().position(|entry| entry.id == manifest.default).unwrap();
        let first = &mut manifest.models[index];
        let mut file = first.open(&std::fs::read(models.join(&first.file)).unwrap()).unwrap();
        file.header.name = SECOND.to_owned();
        file.tensors.values_mut().flat_map(|tensor| &mut tensor.data).for_each(|weight| *weight *= 0.97);
        let bytes = model_export::write(&file.header, &file.tensors, Precision::F16).unwrap();
        let mut second = first.clone();
        first.weak = Some(SECOND.to_owned());
        first.knots = Some(FittedKnots { plan: "solver=heun".to_owned(), rows: fitted() });
        second.id = SECOND.to_owned();
        second.label = "The second".to_owned();
        second.file = format!("{SECOND}.safetensors");
        (second.bytes, second.sha256) = (bytes.len() as u64, sha256_hex(&bytes));
        second.precision = Precision::F16;
        (second.self_test, second.knots, second.weak) = (None, None, None);
        std::fs::write(models.join(&second.file), bytes).unwrap();
        manifest.models.retain(|entry| entry.id == manifest.default);
        manifest.models.push(second);
        std::fs::write(place, manifest.to_text()).unwrap();
        super::seal(folder.path());
        Self { folder, manifest }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The last part of the address of the second model's file.
    fn second_url(&self) -> String {
        let entry = self.manifest.entry(SECOND).unwrap();
        format!("models/{}?v={}", entry.file, &entry.sha256[..8])
    }

    fn second_file(&self) -> std::path::PathBuf {
        self.path().join("models").join(&self.manifest.entry(SECOND).unwrap().file)
    }
}

fn fitted() -> BTreeMap<usize, Vec<f64>> {
    let row = |n: usize| (0..=n).map(|i| 1.0 - (1.0 - i as f64 / n as f64).powi(2)).collect();
    FITTED.into_iter().map(|n| (n, row(n))).collect()
}

fn knots() -> KnotTable {
    KnotTable::new(fitted()).unwrap()
}

/// Goes to another address without loading the page anew, as back and forward do.
fn visit(tab: &mut Tab, query: &str) {
    tab.eval(&format!(
        "history.pushState(null, '', '{query}'), dispatchEvent(new PopStateEvent('popstate')), true"
    ));
}

/// The plan in the address.
fn plan(tab: &mut Tab) -> SamplePlan {
    let query = tab.eval("location.search.slice(1).replace(/&backend=cpu/, '')");
    query.as_str().unwrap().parse().unwrap()
}

/// What can be chosen in an address: the plan's field, an entry, and the rest of the plan.
fn everything() -> Vec<(&'static str, &'static Entry, &'static str)> {
    let few = "steps=2&guidance=1";
    let mut all = Vec::new();
    all.extend(Solver::all().map(|solver| ("solver", solver.choice().entry(), "steps=4&guidance=1")));
    all.extend(Schedule::all().map(|schedule| ("schedule", schedule.choice().entry(), few)));
    all.extend(Guidance::all().map(|guidance| ("guidance", guidance.choice().entry(), "steps=2")));
    let adaptive = "solver=bosh3&tol=0.3&guidance=1";
    all.extend(Controller::all().map(|controller| ("controller", controller.choice().entry(), adaptive)));
    all
}

fn choice<'a>(plan: &'a SamplePlan, field: &str) -> &'a Choice {
    match field {
        "solver" => plan.solver.choice(),
        "schedule" => plan.schedule.choice(),
        "guidance" => plan.guidance.choice(),
        _ => plan.controller.choice(),
    }
}

#[test]
fn every_entry_of_every_registry_opens_from_its_address_and_costs_what_it_should() {
    let Some((site, program)) = named("every_entry_of_every_registry") else { return };
    let site = Site::with_two_models(&site);
    let mut tab = Tab::new(&program, site.path(), &[]);
    tab.reduce_motion();
    let mut opened = Vec::new();
    for (field, entry, rest) in everything() {
        let (id, query) = (entry.id, format!("?backend=cpu&count=1&{field}={}&{rest}", entry.id));
        // The first of each kind by a real link, the others by the same reader of addresses.
        if opened.contains(&field) {
            visit(&mut tab, &query);
        } else {
            tab.open(&query);
            opened.push(field);
        }
        let hash = tab.picture("count=1");
        assert!(!hash.is_empty(), "{field}={id}");
        let shown = plan(&mut tab);
        assert_eq!(choice(&shown, field).entry().id, id, "{shown}");
        assert_eq!(tab.text("notices"), "", "{field}={id}");
        if let Some(expected) = shown.expected_evaluations(&knots()) {
            assert_eq!(counted(&mut tab), expected, "{shown}");
            assert_eq!(tab.text("evaluations"), expected.to_string(), "{shown}");
        } else {
            assert_eq!(field, "controller", "{shown}");
            assert!(counted(&mut tab) > 0);
        }
        let checked = format!("document.querySelector('input[name={field}]:checked').value");
        assert_eq!(tab.eval(&checked), id, "not chosen in its picker");
        let label = format!("document.querySelector('[data-testid={field}] summary .label').innerText");
        assert_eq!(tab.eval(&label), entry.label);
    }
    assert_eq!(tab.complaints(), Vec::<String>::new());
}

#[test]
fn every_parameter_of_every_registry_has_a_slider_that_answers() {
    let Some((site, program)) = named("every_parameter_of_every_registry") else { return };
    let site = Site::with_two_models(&site);
    let mut tab = Tab::new(&program, site.path(), &[]);
    tab.reduce_motion();
    tab.open("?backend=cpu&count=1&steps=1&guidance=1");
    tab.picture("count=1");
    let mut moved = 0;
    for (field, entry, rest) in everything() {
        for spec in entry.params {
            let slider = format!("{field}-{}", spec.name);
            visit(&mut tab, &format!("?backend=cpu&count=1&{field}={}&{rest}", entry.id));
            let before = tab.picture(&format!("{field}="));
            let value = choice(&plan(&mut tab), field).get(spec.name).unwrap();
            tab.eval(&format!("document.getElementById('{slider}').focus()"));
            tab.press(if value < spec.max { "ArrowRight" } else { "ArrowLeft" });
            tab.wait(
                &format!("answer of {slider} of {}", entry.id),
                &format!("document.querySelector('output[for={slider}]').innerText !== '{value}'"),
            );
            let after = tab.picture("count=1");
            let now = choice(&plan(&mut tab), field).get(spec.name).unwrap();
            assert_ne!(now, value, "{slider} of {}", entry.id);
            let said = tab.eval(&format!("document.querySelector('output[for={slider}]').innerText"));
            assert_eq!(said, now.to_string());
            // Another value is another picture, where one step of a slider can make a difference at all.
            moved += usize::from(before != after);
        }
    }
    assert!(moved >= 8, "only {moved} sliders changed the picture");
    assert_eq!(tab.complaints(), Vec::<String>::new());
}

#[test]
fn autoguidance_fetches_the_weaker_model_verifies_it_and_steers_away_from_it() {
    let Some((site, program)) = named("autoguidance_fetches") else { return };
    let site = Site::with_two_models(&site);
    let mut tab = Tab::new(&program, site.path(), &[]);
    tab.reduce_motion();
    tab.open("?backend=cpu&count=2&steps=2&guidance=1");
    let alone = tab.picture("guidance=1");
    let wanted = site.second_url();
    assert!(!tab.requested().iter().any(|url| url.ends_with(&wanted)), "fetched before it is needed");
    tab.eval("document.querySelector('input[name=guidance][value=autoguidance]').click()");
    // The scale stays: at 1 nothing is steered.
    assert_eq!(tab.picture("guidance=autoguidance:scale=1"), alone);
    visit(&mut tab, "?backend=cpu&count=2&steps=2&guidance=autoguidance");
    let steered = tab.picture("guidance=autoguidance&");
    assert_ne!(steered, alone);
    assert_eq!(counted(&mut tab), 8, "two steps of Heun, each look at two models");
    assert_eq!(tab.requested().iter().filter(|url| url.ends_with(&wanted)).count(), 1);
    assert!(tab.text("weaker").contains("The second"), "{:?}", tab.text("weaker"));
    // At scale 0 the weaker model draws alone: its own picture.
    visit(&mut tab, "?backend=cpu&count=2&steps=2&guidance=autoguidance:scale=0");
    let weaker = tab.picture("scale=0");
    visit(&mut tab, "?backend=cpu&count=2&steps=2&guidance=1&model=second");
    assert_eq!(tab.picture("model=second"), weaker);
    assert_eq!(tab.complaints(), Vec::<String>::new());

    // The second model has no weaker one: autoguidance is not to be had, and says why.
    let unavailable = "document.querySelector('input[name=guidance][value=autoguidance]:disabled')";
    tab.wait("autoguidance disabled", &format!("!!{unavailable}"));
    let why = tab.eval(&format!("{unavailable}.closest('label').textContent"));
    assert!(why.as_str().unwrap().contains("no weaker one"), "{why}");
    visit(&mut tab, "?backend=cpu&count=2&steps=2&guidance=autoguidance:scale=3&model=second");
    tab.picture("guidance=3");
    assert!(tab.text("notices").contains("comes with none"), "{:?}", tab.text("notices"));
}

#[test]
fn a_damaged_weaker_model_is_refused_by_name_and_the_first_still_draws() {
    let Some((site, program)) = named("a_damaged_weaker_model") else { return };
    let site = Site::with_two_models(&site);
    let mut bytes = std::fs::read(site.second_file()).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(site.second_file(), bytes).unwrap();
    let mut tab = Tab::new(&program, site.path(), &[]);
    tab.reduce_motion();
    tab.open("?backend=cpu&count=1&steps=2&guidance=autoguidance");
    tab.wait_state("error");
    let said = tab.text("error");
    assert!(said.contains("fingerprint") && said.contains("The second"), "{said:?}");
    visit(&mut tab, "?backend=cpu&count=1&steps=2&guidance=1");
    tab.picture("guidance=1");
}

#[test]
fn a_fitted_schedule_offers_the_steps_that_were_fitted_and_says_what_it_took_instead() {
    let Some((site, program)) = named("a_fitted_schedule") else { return };
    let site = Site::with_two_models(&site);
    let mut tab = Tab::new(&program, site.path(), &[]);
    tab.reduce_motion();
    tab.open("?backend=cpu&count=1&steps=5&guidance=1&schedule=optimal");
    tab.picture("schedule=optimal&steps=4");
    assert!(tab.text("notices").contains("2, 4 and 7 steps, not for 5"), "{:?}", tab.text("notices"));
    tab.eval("document.getElementById('steps').focus()");
    tab.press("ArrowRight");
    tab.picture("steps=7");
    let ticks = tab.eval("document.querySelector('.knots').getAttribute('d').match(/M/g).length");
    assert_eq!(ticks, 8);
    // Another model has no knots.
    visit(&mut tab, "?backend=cpu&count=1&steps=4&guidance=1&schedule=optimal&model=second");
    tab.picture("schedule=inverse-cubic");
    assert!(tab.text("notices").contains("No knots were fitted"), "{:?}", tab.text("notices"));
    assert_eq!(tab.complaints(), Vec::<String>::new());
}

#[test]
fn each_digit_takes_its_own_steps_under_a_tolerance_and_the_badge_tells_the_range() {
    let Some((site, program)) = named("each_digit_takes_its_own_steps") else { return };
    let mut tab = Tab::new(&program, &site, &[]);
    tab.reduce_motion();
    tab.open("?backend=cpu&count=9&solver=bosh3&tol=0.02&guidance=1");
    tab.picture("tol=0.02");
    let most = counted(&mut tab);
    let said = tab.text("evaluations");
    let (fewest, last) = said.split_once(" to ").unwrap_or_else(|| panic!("{said:?} is no range"));
    assert_eq!(last, most.to_string());
    assert!(fewest.parse::<usize>().unwrap() < most);
    assert!(tab.text("status").contains(&format!("{said} evaluations")), "{}", tab.text("status"));
}

#[test]
fn a_picker_opens_chooses_and_closes_by_the_keyboard_and_on_a_phone_by_one_touch() {
    let mut tab = tab!("a_picker_opens");
    tab.open("?backend=cpu&count=1&steps=2&guidance=1");
    tab.picture("solver=heun");
    let open = "document.querySelector('[data-testid=solver]').open";
    tab.eval("document.querySelector('[data-testid=solver] summary').focus()");
    tab.press(" ");
    tab.wait("an open picker", open);
    tab.press("Tab");
    assert_eq!(tab.eval("document.activeElement.value"), "heun");
    tab.press("ArrowUp");
    let solver = tab.eval("document.querySelector('input[name=solver]:checked').value");
    tab.picture(&format!("solver={}", solver.as_str().unwrap()));
    assert_eq!(tab.eval(open), true, "arrows only look");
    tab.press("Escape");
    tab.wait("a closed picker", &format!("!{open}"));
    assert_eq!(tab.eval("document.activeElement.tagName"), "SUMMARY");

    // One opens, the other closes.
    tab.eval("document.querySelector('[data-testid=solver]').open = true");
    tab.eval("document.querySelector('[data-testid=schedule]').open = true");
    tab.wait("only one open", &format!("!{open}"));
    tab.resize(390, 844);
    tab.eval("document.querySelector('[data-testid=solver]').open = true");
    tab.eval(
        "(row => { row.dispatchEvent(new PointerEvent('pointerdown', { bubbles: true })); row.click() })\
         (document.querySelector('input[name=solver][value=rk4]'))",
    );
    tab.picture("solver=rk4");
    tab.wait("a picker that a touch closed", &format!("!{open}"));
}
