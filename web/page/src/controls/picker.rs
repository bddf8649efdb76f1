//! One choice out of many, kept small: what is chosen in one line, and all that could be chosen behind it, in groups.
//!
//! It is a disclosure with radio buttons inside, so that the browser brings the manners: Tab and Enter open it, arrows
//! choose while the digits answer, Escape closes it, and opening one closes the others. On a wide window it stays open
//! for comparing; on a phone, where it covers the digits, a touch chooses and closes.

use crate::part::Part;
use crate::session::{Change, Session};
use flow::registry::Entry;
use leptos::html;
use leptos::prelude::*;

/// One thing that can be chosen.
pub(crate) struct Row {
    /// Its entry in the registry.
    pub(crate) entry: &'static Entry,
    /// What it costs, or nothing.
    pub(crate) note: String,
    /// What it looks like.
    pub(crate) drawing: Option<AnyView>,
    /// Why it can't be chosen now; empty when it can.
    pub(crate) unavailable: Signal<String>,
}

impl Row {
    /// An entry that can always be chosen, without a picture.
    pub(crate) fn plain(entry: &'static Entry, note: String) -> Self {
        Self { entry, note, drawing: None, unavailable: Signal::stored(String::new()) }
    }
}

/// Rows under one heading.
pub(crate) struct Group {
    /// The heading, if one is needed.
    pub(crate) heading: Option<&'static str>,
    /// What can be chosen.
    pub(crate) rows: Vec<Row>,
}

/// How the rows lie.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Layout {
    /// One below the other: label and note.
    List,
    /// Side by side: drawing and label.
    Drawings,
    /// One below the other: label, and what it does below.
    Explained,
}

impl Layout {
    fn class(self) -> &'static str {
        match self {
            Self::List => "options list",
            Self::Drawings => "options drawings",
            Self::Explained => "options list explained",
        }
    }
}

/// Instruments narrower than this, in pixels, have one column: see the style sheet, which says 54rem.
const ONE_COLUMN: i32 = 54 * 16;

/// A part of the plan, chosen from its registry.
#[component]
pub(crate) fn Picker(
    /// The part.
    part: Part,
    /// All that can be chosen.
    groups: Vec<Group>,
    /// How it lies.
    layout: Layout,
    /// What stands before the chosen label: a drawing.
    #[prop(optional)]
    drawing: Option<AnyView>,
    /// What stands after it: a cost.
    #[prop(into)]
    note: Signal<String>,
    /// What the notes of all rows are about.
    #[prop(optional)]
    notes: &'static str,
) -> impl IntoView {
    let session = expect_context::<Session>();
    let chosen = session.part(move |plan| part.choice(plan).entry());
    let details = NodeRef::<html::Details>::new();
    let summary = NodeRef::<html::Summary>::new();
    let close = move || {
        if let Some(details) = details.get_untracked() {
            details.set_open(false);
        }
        if let Some(summary) = summary.get_untracked() {
            // It fails only for elements that can't have the focus.
            let _ = summary.focus();
        }
    };
    // Arrows choose, too; then the reader is not done yet.
    let by_key = StoredValue::new(false);
    let choose = move |id: &'static str| {
        session.change(Change::Made, |plan| part.choose(plan, id));
        let instrument =
            details.get_untracked().and_then(|details| details.closest(".instrument").ok().flatten());
        let one_column = instrument.is_some_and(|instrument| instrument.client_width() < ONE_COLUMN);
        if one_column && !by_key.get_value() {
            close();
        }
    };
    let on_key = move |event: leptos::ev::KeyboardEvent| {
        by_key.set_value(true);
        let open = details.get_untracked().is_some_and(|details| details.open());
        let on_choice = event.target() != event.current_target()
            && event_target::<web_sys::HtmlElement>(&event).tag_name() == "INPUT";
        match event.key().as_str() {
            "Escape" if open => close(),
            "Enter" if on_choice => {
                event.prevent_default();
                close();
            }
            _ => {}
        }
    };
    let groups = groups
        .into_iter()
        .map(|Group { heading, rows }| {
            let rows = rows
                .into_iter()
                .map(|row| view! { <Choice part=part row=row explained={layout == Layout::Explained} chosen=chosen choose=choose/> })
                .collect_view();
            view! {
                <fieldset class="group">
                    <legend class:visually-hidden=heading.is_none()>{heading.unwrap_or(part.label())}</legend>
                    <div class=layout.class()>{rows}</div>
                </fieldset>
            }
        })
        .collect_view();
    let entry = move |read: fn(&Entry) -> &'static str| move || read(chosen.get());
    view! {
        <details class="picker" name="picker" node_ref=details data-testid=part.field()
            on:keydown=on_key on:pointerdown=move |_| by_key.set_value(false)>
            <summary node_ref=summary>
                <span class="name">{part.label()}</span>
                <span class="chosen">
                    {drawing}
                    <span class="label">{entry(|entry| entry.label)}</span>
                    <span class="cost">{note}</span>
                </span>
            </summary>
            <div class="all">
                {(!notes.is_empty()).then(|| view! { <p class="notes">{notes}</p> })}
                {groups}
                <dl class="facts">
                    <dt>"When"</dt><dd>{entry(|entry| entry.when)}</dd>
                    <dt>"Formula"</dt><dd class="formula">{entry(|entry| entry.formula)}</dd>
                    <dt>"Source"</dt><dd>{entry(|entry| entry.source)}</dd>
                </dl>
            </div>
        </details>
    }
}

/// One row.
#[component]
fn Choice(
    part: Part,
    row: Row,
    explained: bool,
    chosen: Memo<&'static Entry>,
    choose: impl Fn(&'static str) + Copy + Send + 'static,
) -> impl IntoView {
    let Row { entry, note, drawing, unavailable } = row;
    let why = move || {
        let why = unavailable.get();
        if why.is_empty() && explained { entry.about.to_owned() } else { why }
    };
    let has_more = move || explained || unavailable.with(|why| !why.is_empty());
    view! {
        <label class="choice">
            <input type="radio" name=part.field() value=entry.id
                disabled=move || unavailable.with(|why| !why.is_empty())
                prop:checked=move || chosen.get().id == entry.id
                on:change=move |_| choose(entry.id)/>
            <span class="face">
                {drawing}
                <span class="label">{entry.label}</span>
                <span class="cost">{note}</span>
                {move || has_more().then(|| view! { <span class="more">{why()}</span> })}
            </span>
        </label>
    }
}
