//! The plan in the address bar: a link opens the same digits, back and forward work.
//!
//! The query is the plan's own text form. Only `backend` stands beside it: it forces a machine, and is no part of a plan
//! because the picture does not depend on it.

use crate::lineup::Lineup;
use crate::session::Change;
use flow::plan::SamplePlan;
use leptos::prelude::{set_timeout, window};
use protocol::Backend;
use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;
use wasm_bindgen::JsValue;

/// The field that forces a machine.
pub(crate) const BACKEND: &str = "backend";

/// Fields that mail programs, social networks and search engines hang on links. They are not for us, and their reader did
/// not write them: they are passed over in silence, and not handed on.
const TRACKING: [&str; 24] = [
    "_ga",
    "_gl",
    "_hsenc",
    "_hsmi",
    "dclid",
    "fbclid",
    "gad_source",
    "gbraid",
    "gclid",
    "gclsrc",
    "igsh",
    "igshid",
    "li_fat_id",
    "mc_cid",
    "mc_eid",
    "mkt_tok",
    "msclkid",
    "ref",
    "ref_src",
    "ref_url",
    "si",
    "ttclid",
    "twclid",
    "wbraid",
];

fn is_tracking(part: &str) -> bool {
    let name = part.split_once('=').map_or(part, |(name, _)| name);
    name.starts_with("utm_") || TRACKING.contains(&name)
}

/// What an address asks for.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Asked {
    /// The plan; defaults where the address says nothing, or nothing that can be read.
    pub(crate) plan: SamplePlan,
    /// Whether it names a model; a name that can't be one does not count.
    pub(crate) names_model: bool,
    /// The machine that it forces.
    pub(crate) backend: Option<Backend>,
    /// What could not be read.
    pub(crate) faults: Vec<flow::Error>,
}

/// Reads a query, with or without its `?`.
pub(crate) fn parse(query: &str) -> Asked {
    let mut backend = None;
    let mut faults = Vec::new();
    let mut rest = Vec::new();
    for part in query.trim_start_matches('?').split('&').filter(|part| !part.is_empty()) {
        match part.split_once('=') {
            _ if is_tracking(part) => {}
            Some((BACKEND, id)) => {
                backend = Backend::ALL.into_iter().find(|backend| backend.id() == id);
                if backend.is_none() {
                    faults.push(flow::Error::Plan {
                        field: BACKEND.to_owned(),
                        got: id.to_owned(),
                        accepts: Backend::ALL.map(Backend::id).join(" or "),
                    });
                }
            }
            _ => rest.push(part),
        }
    }
    let (plan, unread) = SamplePlan::parse_with_unknown(&rest.join("&"));
    let is_about_model =
        |fault: &flow::Error| matches!(fault, flow::Error::Plan { field, .. } if field == "model");
    let names_model =
        rest.iter().any(|part| part.starts_with("model=")) && !unread.iter().any(is_about_model);
    faults.extend(unread);
    Asked { plan, names_model, backend, faults }
}

/// The query of a plan.
pub(crate) fn query(plan: &SamplePlan, backend: Option<Backend>) -> String {
    let forced = backend.map_or_else(String::new, |backend| format!("&{BACKEND}={}", backend.id()));
    format!("?{plan}{forced}")
}

/// The plan as attributes of an element, each with a space before it. Values have no character that would need escaping in
/// quotes; a test holds them to that.
pub(crate) fn attributes(plan: &SamplePlan) -> String {
    let text = plan.to_string();
    let fields = text.split('&').filter_map(|field| field.split_once('='));
    fields.map(|(name, value)| format!(" {name}=\"{value}\"")).collect()
}

/// What the address bar asks for now.
pub(crate) fn read() -> Asked {
    parse(&window().location().search().unwrap_or_default())
}

/// Keys pressed on one slider within this time of each other are one gesture.
const NUDGES_MS: f64 = 1_000.0;

/// What the reader is in the middle of.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
enum Gesture {
    #[default]
    None,
    /// A slider is being dragged.
    Drag,
    /// Keys move the slider of this field and parameter; the last one at this time.
    Keys(&'static str, &'static str, f64),
}

impl Gesture {
    /// Goes on with a change; whether it belongs to the gesture before it.
    fn goes_on(&mut self, change: Change, now_ms: f64) -> bool {
        let before = *self;
        let joins = match (before, change) {
            (Self::Drag, Change::Dragging | Change::Made) => true,
            (Self::Keys(field, parameter, then_ms), Change::Nudged(same_field, same_parameter)) => {
                (field, parameter) == (same_field, same_parameter) && now_ms - then_ms <= NUDGES_MS
            }
            _ => false,
        };
        *self = match change {
            Change::Dragging => Self::Drag,
            Change::Nudged(field, parameter) => Self::Keys(field, parameter, now_ms),
            Change::Made => Self::None,
        };
        joins
    }
}

/// Between two addresses that only follow a gesture. Browsers pass over what comes more often than about twenty times a
/// second for a while, and say nothing.
const BETWEEN_MS: f64 = 150.0;

/// Writes addresses: one entry in the history for each change that was made, however long the dragging.
#[derive(Default)]
pub(crate) struct Writer {
    gesture: Gesture,
    written_ms: f64,
    /// What a gesture has come to since, and is still to be written.
    later: Option<String>,
}

impl Writer {
    /// Lets the address follow a plan. `None` only makes it complete, without an entry in the history.
    pub(crate) fn write(
        writer: &Rc<RefCell<Self>>,
        plan: &SamplePlan,
        backend: Option<Backend>,
        change: Option<Change>,
    ) {
        let now_ms = window().performance().map_or(0.0, |clock| clock.now());
        let mut this = writer.borrow_mut();
        let adds = match change {
            Some(change) => !this.gesture.goes_on(change, now_ms),
            None => {
                this.gesture = Gesture::None;
                false
            }
        };
        let query = query(plan, backend);
        let waits = BETWEEN_MS - (now_ms - this.written_ms);
        if !adds && waits > 0.0 && change.is_some_and(Change::is_passing) {
            if this.later.replace(query).is_none() {
                let writer = writer.clone();
                let write = move || {
                    let mut this = writer.borrow_mut();
                    if let Some(query) = this.later.take() {
                        this.put(&query, false);
                    }
                };
                set_timeout(write, Duration::from_secs_f64(waits / 1_000.0));
            }
            return;
        }
        this.later = None;
        this.put(&query, adds);
    }

    fn put(&mut self, query: &str, adds: bool) {
        let location = window().location();
        if location.search().is_ok_and(|now| now == query) {
            return;
        }
        self.written_ms = window().performance().map_or(0.0, |clock| clock.now());
        let Ok(history) = window().history() else { return };
        let url = format!("{query}{}", location.hash().unwrap_or_default());
        // A browser may refuse when the address changes too often; the next change catches up.
        let _ = if adds {
            history.push_state_with_url(&JsValue::NULL, "", Some(&url))
        } else {
            history.replace_state_with_url(&JsValue::NULL, "", Some(&url))
        };
    }
}

/// What stands behind the `#`, with it. Browsers write some signs as `%3C`; what is no such writing is left as it is.
pub(crate) fn fragment() -> String {
    let hash = window().location().hash().unwrap_or_default();
    js_sys::decode_uri_component(&hash).map_or(hash, String::from)
}

/// Lets what stands behind the `#` follow, without an entry in the history; empty, it goes. One that is about something else stays.
pub(crate) fn put_fragment(fragment: &str) {
    let location = window().location();
    let now = self::fragment();
    let is_anothers = fragment.is_empty() && Lineup::parse(&now).is_none();
    if now == fragment || is_anothers {
        return;
    }
    let Ok(history) = window().history() else { return };
    let path = [location.pathname(), location.search()].map(Result::unwrap_or_default).concat();
    // A browser may refuse when the address changes too often; the next change catches up.
    let _ = history.replace_state_with_url(&JsValue::NULL, "", Some(&format!("{path}{fragment}")));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_reads_back_to_the_plan_and_the_backend_it_was_written_from() {
        let plan: SamplePlan =
            "solver=dopri5&schedule=shift:k=3&tol=0.01&guidance=1.5&seed=7&digit=3&count=4".parse().unwrap();
        for backend in [None, Some(Backend::Cpu), Some(Backend::Gpu)] {
            let asked = parse(&query(&plan, backend));
            assert_eq!((asked.plan, asked.backend, asked.faults), (plan.clone(), backend, vec![]));
        }
    }

    #[test]
    fn attributes_hold_the_plan_and_nothing_that_would_need_escaping() {
        let plan: SamplePlan =
            "schedule=shift:k=5&guidance=interval:lo=0.2,hi=0.7&model=a_b.c".parse().unwrap();
        let written = attributes(&plan);
        assert!(
            written.contains(" schedule=\"shift:k=5\"") && written.contains(" model=\"a_b.c\""),
            "{written}"
        );
        assert!(!written.contains(['<', '>', '&', '\'']), "{written}");
        assert!(parse("model=a%22b").faults.len() == 1, "no model has a quote in its name");
    }

    #[test]
    fn an_empty_address_asks_for_the_defaults() {
        let asked = parse("");
        assert_eq!(asked.plan, SamplePlan::default());
        assert_eq!((asked.names_model, asked.backend, asked.faults.len()), (false, None, 0));
    }

    #[test]
    fn what_cannot_be_read_is_reported_and_the_rest_is_taken() {
        let asked = parse("?solver=heum&seed=5&backend=tpu");
        assert_eq!(asked.plan.seed, 5);
        assert_eq!(asked.plan.solver, SamplePlan::default().solver);
        assert!(
            matches!(&asked.faults[..], [
                flow::Error::Plan { field, got, .. },
                flow::Error::UnknownId { nearest: Some("heun"), .. },
            ] if field == "backend" && got == "tpu"),
            "{:?}",
            asked.faults
        );
    }
    #[test]
    fn what_trackers_hang_on_a_link_is_passed_over_in_silence() {
        let asked = parse("?utm_source=news&seed=5&fbclid=abc&utm_campaign=x&gclid=1&ref=y");
        assert_eq!((asked.plan.seed, asked.faults), (5, vec![]));
        // A slip is still told.
        assert_eq!(parse("?sede=5").faults.len(), 1);
    }

    #[test]
    fn a_name_that_no_model_can_have_names_none() {
        assert!(parse("?model=mnist-unet").names_model);
        let asked = parse("?model=no%2Fmodel");
        assert_eq!((asked.names_model, asked.faults.len()), (false, 1));
    }

    #[test]
    fn a_drag_is_one_gesture_until_it_is_let_go() {
        let mut gesture = Gesture::None;
        let joined = [Change::Dragging, Change::Dragging, Change::Made, Change::Dragging, Change::Made]
            .map(|change| gesture.goes_on(change, 0.0));
        assert_eq!(joined, [false, true, true, false, true]);
    }

    #[test]
    fn keys_on_one_slider_are_one_gesture_while_they_follow_each_other() {
        let mut gesture = Gesture::None;
        let nudges = [
            ("steps", "", 0.0),
            ("steps", "", 900.0),
            ("steps", "", 1_800.0),
            ("steps", "", 3_000.0),
            ("guidance", "lo", 3_100.0),
            ("guidance", "hi", 3_200.0),
        ];
        let joined =
            nudges.map(|(field, parameter, at_ms)| gesture.goes_on(Change::Nudged(field, parameter), at_ms));
        assert_eq!(joined, [false, true, true, false, false, false]);
        assert!(!gesture.goes_on(Change::Made, 3_200.0), "a choice elsewhere is a gesture of its own");
    }
}
