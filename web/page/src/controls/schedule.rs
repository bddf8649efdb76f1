//! Where the steps fall: schedules by a small drawing of their curve, the chosen one large, its parameters beside it.

use super::slider::Slider;
use crate::plot::{self, SchedulePlot};
use crate::session::{Change, Session};
use flow::plan::Budget;
use flow::registry::ParamSpec;
use flow::schedule::Schedule;
use leptos::prelude::*;

/// Side of the small drawings, in their own units.
const SMALL: f64 = 20.0;

/// All schedules of the registry.
#[component]
pub(crate) fn Schedules() -> impl IntoView {
    let session = expect_context::<Session>();
    let chosen = session.part(|plan| plan.schedule.clone());
    let steps = session.part(|plan| match plan.budget {
        Budget::Steps(steps) => Some(steps),
        Budget::Tolerance(_) => None,
    });
    let faces = Schedule::all()
        .map(|schedule| {
            let entry = schedule.choice().entry();
            let curve = plot::path(&schedule, SMALL);
            let choose = move |_| session.change(Change::Made, |plan| plan.schedule = schedule.clone());
            view! {
                <label class="choice">
                    <input type="radio" name="schedule" value=entry.id
                        prop:checked=move || chosen.with(|chosen| chosen.id() == entry.id) on:change=choose/>
                    <span class="face">
                        <svg viewBox="0 0 20 20" aria-hidden="true"><path d=curve></path></svg>
                        {entry.label}
                    </span>
                </label>
            }
        })
        .collect_view();
    // A change of a parameter leaves its slider in place.
    let specs = session.part(|plan| plan.schedule.choice().entry().params);
    let params = move || specs.get().iter().map(|spec| view! { <Param spec=spec/> }).collect_view();
    let about = move || match steps.get() {
        Some(_) => chosen.with(|chosen| chosen.choice().entry().about),
        None => "With a tolerance the solver chooses its own steps, and the schedule rests.",
    };
    view! {
        <fieldset data-testid="schedule">
            <legend>"Schedule"</legend>
            <div class="choices curves">{faces}</div>
            <div class="plot">
                <figure><SchedulePlot schedule=chosen steps=steps/></figure>
                <div class="params">
                    <p class="about">{about}</p>
                    {params}
                </div>
            </div>
        </fieldset>
    }
}

#[component]
fn Param(spec: &'static ParamSpec) -> impl IntoView {
    let session = expect_context::<Session>();
    let value = session.part(|plan| plan.schedule.choice().get(spec.name).unwrap_or(spec.default));
    view! {
        <Slider id=spec.name label=spec.label about=spec.about min=spec.min max=Signal::derive(|| spec.max)
            step=spec.step position=value said=Signal::derive(move || value.get().to_string())
            moved=move |(value, change): (f64, Change)| {
                session.change(change, |plan| {
                    // Refused only when another schedule was chosen meanwhile.
                    if let Ok(schedule) = plan.schedule.with(spec.name, value) {
                        plan.schedule = schedule;
                    }
                });
            }/>
    }
}
