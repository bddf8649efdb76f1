//! Where the steps fall: schedules by a small drawing of their curve, the chosen one large, its parameters beside it.

use super::params::Params;
use super::picker::{Group, Layout, Picker, Row};
use crate::part::Part;
use crate::plot::{SchedulePlot, SmallPlot};
use crate::session::Session;
use flow::plan::Budget;
use flow::schedule::Schedule;
use leptos::prelude::*;

/// All schedules of the registry.
#[component]
pub(crate) fn Schedules() -> impl IntoView {
    let session = expect_context::<Session>();
    let chosen = session.part(|plan| plan.schedule.clone());
    let steps = session.part(|plan| match plan.budget {
        Budget::Steps(steps) => Some(steps),
        Budget::Tolerance(_) => None,
    });
    let fitted = session.knots();
    let rows = Schedule::all()
        .map(|schedule| {
            let (entry, needs_knots) = (schedule.choice().entry(), schedule.fitted());
            let drawing = view! { <SmallPlot schedule=Signal::stored(schedule) fitted=fitted/> }.into_any();
            let unavailable = Signal::derive(move || {
                let missing = needs_knots && fitted.with(flow::schedule::KnotTable::is_empty);
                if missing { "not fitted to this model".to_owned() } else { String::new() }
            });
            Row { entry, note: String::new(), drawing: Some(drawing), unavailable }
        })
        .collect();
    let groups = vec![Group { heading: None, rows }];
    let drawing = view! { <SmallPlot schedule=chosen fitted=fitted/> }.into_any();
    let about = move || match steps.get() {
        Some(_) => chosen.with(|chosen| chosen.choice().entry().about),
        None => "With a tolerance the solver chooses its own steps, and the schedule rests.",
    };
    view! {
        <div class="control" class:resting=move || steps.get().is_none()>
            <Picker part=Part::Schedule groups=groups layout=Layout::Drawings drawing=drawing note=String::new()/>
            <div class="plot">
                <figure><SchedulePlot schedule=chosen fitted=fitted steps=steps/></figure>
                <div class="params">
                    <p class="about">{about}</p>
                    <Params part=Part::Schedule/>
                </div>
            </div>
        </div>
    }
}
