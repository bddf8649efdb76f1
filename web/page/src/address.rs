//! The plan in the address bar: a link opens the same digits, back and forward work.
//!
//! The query is the plan's own text form. Only `backend` stands beside it: it forces a machine, and is no part of a plan
//! because the picture does not depend on it.

use crate::session::Change;
use flow::plan::SamplePlan;
use leptos::prelude::window;
use protocol::Backend;
use wasm_bindgen::JsValue;

/// The field that forces a machine.
pub(crate) const BACKEND: &str = "backend";

/// What an address asks for.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Asked {
    /// The plan; defaults where the address says nothing, or nothing that can be read.
    pub(crate) plan: SamplePlan,
    /// Whether it names a model.
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
    let names_model = rest.iter().any(|part| part.starts_with("model="));
    let (plan, unread) = SamplePlan::parse_with_unknown(&rest.join("&"));
    faults.extend(unread);
    Asked { plan, names_model, backend, faults }
}

/// The query of a plan.
pub(crate) fn query(plan: &SamplePlan, backend: Option<Backend>) -> String {
    let forced = backend.map_or_else(String::new, |backend| format!("&{BACKEND}={}", backend.id()));
    format!("?{plan}{forced}")
}

/// What the address bar asks for now.
pub(crate) fn read() -> Asked {
    parse(&window().location().search().unwrap_or_default())
}

/// Writes addresses: one entry in the history for each change that was made, however long the dragging.
#[derive(Default)]
pub(crate) struct Writer {
    dragging: bool,
}

impl Writer {
    /// Lets the address follow a plan. `None` only makes it complete, without an entry in the history.
    pub(crate) fn write(&mut self, plan: &SamplePlan, backend: Option<Backend>, change: Option<Change>) {
        let location = window().location();
        let query = query(plan, backend);
        if location.search().is_ok_and(|now| now == query) {
            self.dragging = change == Some(Change::Dragging);
            return;
        }
        let Ok(history) = window().history() else { return };
        let url = format!("{query}{}", location.hash().unwrap_or_default());
        // A browser may refuse when the address changes too often; the next change catches up.
        let _ = if change.is_some() && !self.dragging {
            history.push_state_with_url(&JsValue::NULL, "", Some(&url))
        } else {
            history.replace_state_with_url(&JsValue::NULL, "", Some(&url))
        };
        self.dragging = change == Some(Change::Dragging);
    }
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
}
