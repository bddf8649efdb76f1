//! The controls. Each reads and writes one part of the plan; what can be chosen comes from `flow`'s registries and
//! the manifest.

mod budget;
mod count;
mod dataset;
mod digit;
mod guidance;
mod model;
mod params;
mod picker;
mod schedule;
mod seed;
mod slider;
mod solver;

use leptos::prelude::*;

/// All controls, the most telling first.
#[component]
pub(crate) fn Controls() -> impl IntoView {
    view! {
        <form class="controls" aria-label="Settings" on:submit=|event| event.prevent_default()>
            <dataset::DataSets/>
            <digit::Digits/>
            <solver::Solvers/>
            <budget::Work/>
            <schedule::Schedules/>
            <guidance::Forms/>
            <seed::Seed/>
            <count::Count/>
            <model::Models/>
        </form>
    }
}
