//! What is on screen, as signals. Controls and panels read and write only this; the conductor does the rest.

use crate::catalog::{Catalog, DataSet, Entry};
use crate::film::{Film, Frame};
use crate::words::Failure;
use flow::plan::SamplePlan;
use flow::schedule::KnotTable;
use leptos::html;
use leptos::prelude::*;
use protocol::{Backend, RunEnd};
use std::cell::Cell;
use wasm_bindgen::JsCast;

/// How settled a change is: a slider that is being dragged changes many times before it rests.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Change {
    /// In the middle of a gesture: the address follows, without an entry in the history for each position.
    Dragging,
    /// One position further on the slider of this field and parameter, by a key. Several in a row are one gesture.
    Nudged(&'static str, &'static str),
    /// Made: back and forward stop here.
    Made,
}

impl Change {
    /// Whether more of the same is likely to follow at once.
    pub(crate) fn is_passing(self) -> bool {
        self != Self::Made
    }
}

/// What a notice is about: it goes when that is over, or when the reader puts it away.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum About {
    /// What the address asks for, until another does.
    Address,
    /// The run on screen, until the next.
    Run,
    /// A machine.
    Machine,
}

/// A sentence about something that is not as asked, while everything goes on.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Notice {
    /// What it is about.
    pub(crate) about: About,
    /// The sentence.
    pub(crate) sentence: String,
}

/// What is shown of a run.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) enum View {
    /// The state on its way: x_t.
    #[default]
    State,
    /// Where it would arrive, going straight on.
    Estimate,
    /// The velocity of each pixel, by colour.
    Velocity,
    /// The state, and arrows: where its ink is being carried.
    Arrows,
}

impl View {
    /// All of them, in the order in which they are offered.
    pub(crate) const ALL: [Self; 4] = [Self::State, Self::Estimate, Self::Velocity, Self::Arrows];

    /// The name in attributes and tests.
    pub(crate) fn id(self) -> &'static str {
        match self {
            Self::State => "state",
            Self::Estimate => "estimate",
            Self::Velocity => "velocity",
            Self::Arrows => "arrows",
        }
    }

    /// The name a reader sees.
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::State => "Picture",
            Self::Estimate => "Estimate of the end",
            Self::Velocity => "Velocity",
            Self::Arrows => "Arrows",
        }
    }
}

/// The plan, and how it came to be.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Wish {
    /// What to sample.
    pub(crate) plan: SamplePlan,
    /// How the address should follow; `None` when it came from there.
    pub(crate) change: Option<Change>,
}

/// Bytes that are coming.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Loading {
    /// Bytes that arrived.
    pub(crate) arrived: u64,
    /// Bytes of everything that is coming, as the lists announce them.
    pub(crate) total: u64,
}

/// The machine that computes, as far as the page knows it.
#[derive(Clone, PartialEq, Debug, Default)]
pub(crate) struct Badge {
    /// What it computes with; `None` before one is ready.
    pub(crate) backend: Option<Backend>,
    /// Why this one, as a sentence.
    pub(crate) reason: String,
}

/// Numbers of the current run.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub(crate) struct Tally {
    /// Evaluations so far; those of the image that cost most.
    pub(crate) evaluations: usize,
    /// Those of the image that cost least, once the run has ended.
    pub(crate) fewest_evaluations: usize,
    /// Mean milliseconds per evaluation.
    pub(crate) evaluation_ms: f64,
    /// Steps accepted.
    pub(crate) accepted: usize,
    /// Steps rejected.
    pub(crate) rejected: usize,
    /// How it ended.
    pub(crate) end: Option<RunEnd>,
}

/// The instrument's state.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum State {
    /// Bytes are coming, or are being checked.
    Loading,
    /// Digits are forming, or are being played back.
    Running,
    /// They have formed.
    Done,
    /// There is nothing to show.
    Error,
}

impl State {
    /// The value of `data-state`.
    pub(crate) fn id(self) -> &'static str {
        match self {
            Self::Loading => "loading",
            Self::Running => "running",
            Self::Done => "done",
            Self::Error => "error",
        }
    }
}

/// What all instruments of a document share: there is one list of models and one machine.
#[derive(Clone, Copy)]
pub(crate) struct Shared {
    /// The models, once known.
    pub(crate) catalog: RwSignal<Option<Catalog>>,
    /// Where the study's figures are, if the site has any.
    pub(crate) results: RwSignal<Option<String>>,
    /// The machine.
    pub(crate) badge: RwSignal<Badge>,
    /// Bytes that came over the network.
    pub(crate) transferred: RwSignal<u64>,
    /// Whether the reader asked for little motion.
    pub(crate) still: RwSignal<bool>,
}

impl Shared {
    /// Before anything is known.
    pub(crate) fn new() -> Self {
        Self {
            catalog: RwSignal::new(None),
            results: RwSignal::new(None),
            badge: RwSignal::new(Badge::default()),
            transferred: RwSignal::new(0),
            still: RwSignal::new(false),
        }
    }
}

/// All signals of one instrument.
#[derive(Clone, Copy)]
pub(crate) struct Session {
    /// What to sample.
    pub(crate) wish: RwSignal<Wish>,
    /// The models, once known.
    pub(crate) catalog: RwSignal<Option<Catalog>>,
    /// Where the study's figures are, if the site has any.
    pub(crate) results: RwSignal<Option<String>>,
    /// What is coming.
    pub(crate) loading: RwSignal<Option<Loading>>,
    /// Why there is nothing to show.
    pub(crate) failure: RwSignal<Option<Failure>>,
    /// What is not as asked.
    pub(crate) notices: RwSignal<Vec<Notice>>,
    /// The machine.
    pub(crate) badge: RwSignal<Badge>,
    /// The run's numbers.
    pub(crate) tally: RwSignal<Tally>,
    /// The run's states. Read it after [`Session::filmed`], which says that it changed.
    pub(crate) film: StoredValue<Film>,
    /// Whether the film on screen is of an older wish, kept until the newer one has something to show.
    pub(crate) stale: RwSignal<bool>,
    /// Counts changes of the film.
    pub(crate) filmed: RwSignal<u64>,
    /// Numbers of a state that is in the film already, and not told yet.
    untold: StoredValue<Option<Tally>>,
    /// Where on the way the picture is: 0 noise, 1 data.
    pub(crate) playhead: RwSignal<f64>,
    /// Whether the playhead moves by itself.
    pub(crate) playing: RwSignal<bool>,
    /// How fast it moves; 1 takes about a second.
    pub(crate) speed: RwSignal<f64>,
    /// What is shown of the run.
    pub(crate) view: RwSignal<View>,
    /// The numbers of the final states, in model units, image after image; empty until the run is done.
    pub(crate) states: StoredValue<Vec<f32>>,
    /// How many pixel values (0 paper, 1 ink) a model unit is.
    pub(crate) std: StoredValue<f32>,
    /// Whether the reader asked for little motion.
    pub(crate) still: RwSignal<bool>,
    /// For the live region.
    pub(crate) spoken: RwSignal<String>,
    /// Counts what the reader asks to try again.
    pub(crate) retries: RwSignal<u64>,
    /// Bytes that came over the network.
    pub(crate) transferred: RwSignal<u64>,
    /// Where the picture is, for the focus when what had it goes away.
    pub(crate) screen: NodeRef<html::Div>,
    /// Counts changes of the look: size, colours.
    pub(crate) appearance: RwSignal<u32>,
    /// What the picture is called, where that is not what its plan says.
    pub(crate) label: StoredValue<Option<&'static str>>,
    /// Tells the ids of this instrument from those of others in the same document.
    pub(crate) number: u32,
    /// Whether somebody else moves the playhead: then a run begins where it is.
    pub(crate) follows: bool,
}

thread_local! {
    static NUMBERS: Cell<u32> = const { Cell::new(0) };
}

impl Session {
    /// A session that begins with this plan.
    pub(crate) fn new(shared: Shared, plan: SamplePlan) -> Self {
        let Shared { catalog, results, badge, transferred, still } = shared;
        Self {
            wish: RwSignal::new(Wish { plan, change: None }),
            catalog,
            results,
            loading: RwSignal::new(Some(Loading { arrived: 0, total: 0 })),
            failure: RwSignal::new(None),
            notices: RwSignal::new(Vec::new()),
            badge,
            tally: RwSignal::new(Tally::default()),
            film: StoredValue::new(Film::default()),
            stale: RwSignal::new(false),
            filmed: RwSignal::new(0),
            untold: StoredValue::new(None),
            playhead: RwSignal::new(0.0),
            playing: RwSignal::new(false),
            speed: RwSignal::new(1.0),
            view: RwSignal::new(View::State),
            states: StoredValue::new(Vec::new()),
            std: StoredValue::new(1.0),
            still,
            spoken: RwSignal::new(String::new()),
            retries: RwSignal::new(0),
            transferred,
            screen: NodeRef::new(),
            appearance: RwSignal::new(0),
            label: StoredValue::new(None),
            number: NUMBERS.replace(NUMBERS.get() + 1),
            follows: false,
        }
    }

    /// The same with a playhead that others share and somebody else moves.
    pub(crate) fn following(self, playhead: RwSignal<f64>, playing: RwSignal<bool>) -> Self {
        Self { playhead, playing, follows: true, ..self }
    }

    /// The fingerprint of the run's last state, once it is complete.
    pub(crate) fn fingerprint(self) -> Option<String> {
        self.filmed.track();
        self.film.with_value(|film| film.complete.then(|| film.hash()))
    }

    /// Gives the focus to something of the same document.
    pub(crate) fn focus_in(self, selector: &str) {
        let found = document().query_selector(selector).ok().flatten();
        if let Some(element) = found.and_then(|found| found.dyn_into::<web_sys::HtmlElement>().ok()) {
            // It fails only for elements that can't have the focus.
            let _ = element.focus();
        }
    }

    /// Gives the screen the focus, when what had it goes away: else it would be lost, and Tab begin at the top again.
    pub(crate) fn focus_screen(self) {
        if let Some(screen) = self.screen.get_untracked() {
            // It fails only for elements that can't have the focus.
            let _ = screen.focus();
        }
    }

    /// Changes the plan, if the change makes a difference or settles one.
    pub(crate) fn change(self, change: Change, edit: impl FnOnce(&mut SamplePlan)) {
        let before = self.wish.get_untracked();
        let mut plan = before.plan.clone();
        edit(&mut plan);
        if plan != before.plan || (before.change == Some(Change::Dragging) && change == Change::Made) {
            self.wish.set(Wish { plan, change: Some(change) });
        }
    }

    /// The plan, or a part of it, as a signal that changes only when the part does.
    pub(crate) fn part<T>(self, read: impl Fn(&SamplePlan) -> T + Send + Sync + 'static) -> Memo<T>
    where
        T: PartialEq + Send + Sync + 'static,
    {
        Memo::new(move |_| self.wish.with(|wish| read(&wish.plan)))
    }

    /// The catalog's entry of the plan's model, or a part of it; the default while it is not known.
    pub(crate) fn of_model<T>(self, read: impl Fn(&Catalog, &Entry) -> T + Send + Sync + 'static) -> Memo<T>
    where
        T: PartialEq + Default + Send + Sync + 'static,
    {
        let model = self.part(|plan| plan.model.clone());
        Memo::new(move |_| {
            let found = self.catalog.with(|catalog| {
                let catalog = catalog.as_ref()?;
                Some(read(catalog, model.with(|model| catalog.entry(model))?))
            });
            found.unwrap_or_default()
        })
    }

    /// What the plan's model was trained on.
    pub(crate) fn data_set(self) -> Memo<DataSet> {
        self.of_model(|_, entry| entry.data_set())
    }

    /// The knots that were fitted to the plan's model.
    pub(crate) fn knots(self) -> Memo<KnotTable> {
        self.of_model(|_, entry| entry.knots.clone())
    }

    /// How many evaluations the plan will take an image, where that is known beforehand.
    pub(crate) fn expected(self) -> Memo<Option<usize>> {
        let (knots, plan) = (self.knots(), self.part(SamplePlan::clone));
        let decoded_only = self.of_model(|_, entry| !entry.is_evaluated());
        Memo::new(move |_| match decoded_only.get() {
            true => Some(0),
            false => plan.with(|plan| knots.with(|knots| plan.expected_evaluations(knots))),
        })
    }

    /// Tells the reader something that is not an error, once.
    pub(crate) fn notice(self, about: About, sentence: String) {
        let notice = Notice { about, sentence };
        if self.notices.with_untracked(|notices| !notices.contains(&notice)) {
            self.notices.update(|notices| notices.push(notice));
        }
    }

    /// Puts these notices in the place of all that are about the same.
    pub(crate) fn replace_notices(self, about: About, sentences: Vec<String>) {
        let before = self.notices.get_untracked();
        let mut notices = before.clone();
        notices.retain(|notice| notice.about != about);
        notices.extend(sentences.into_iter().map(|sentence| Notice { about, sentence }));
        if notices != before {
            self.notices.set(notices);
        }
    }

    /// Puts another film on screen, or changes it.
    pub(crate) fn show(self, edit: impl FnOnce(&mut Film)) {
        self.untold.set_value(None);
        self.film.update_value(edit);
        self.filmed.update(|version| *version += 1);
    }

    /// Adds a state to the film on screen. It is told when the browser paints next, however many come before that:
    /// states may come faster than anybody can see them.
    pub(crate) fn grow(self, frame: Frame, tally: Tally) {
        self.film.update_value(|film| film.take(frame));
        let told = self.untold.with_value(Option::is_none);
        self.untold.set_value(Some(tally));
        if told {
            request_animation_frame(move || {
                // Nothing, if the instrument has gone away since.
                let untold = self.untold.try_update_value(Option::take).flatten();
                if let Some(tally) = untold {
                    self.tally.set(tally);
                    self.filmed.update(|version| *version += 1);
                }
            });
        }
    }

    /// Asks for the same plan once more.
    pub(crate) fn retry(self) {
        self.failure.set(None);
        self.loading.set(Some(Loading { arrived: 0, total: 0 }));
        self.retries.update(|retries| *retries += 1);
    }

    /// The instrument's state.
    pub(crate) fn state(self) -> State {
        if self.failure.with(Option::is_some) {
            return State::Error;
        }
        if self.loading.with(Option::is_some) {
            return State::Loading;
        }
        self.filmed.track();
        let complete = self.film.with_value(|film| film.complete);
        if complete && !self.playing.get() { State::Done } else { State::Running }
    }
}
