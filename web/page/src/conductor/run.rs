//! A run: its frames go to the film on screen, or wait off screen until they can replace the picture in place.

use super::draft::filled_up;
use super::{Conductor, Engine, Errand, Rank, Way};
use crate::film::{Film, Frame};
use crate::machine::{Event, Machine};
use crate::session::{About, Tally};
use crate::{fetch, player, words};
use leptos::prelude::*;
use protocol::{Backend, ToPage};
use std::rc::Rc;
use std::time::Duration;

/// How long a picture may take to replace the one before it in place, while a slider is dragged. A run that takes longer
/// is shown as it forms.
const IN_PLACE_MS: u64 = 500;

/// How long a CPU may stay in a step of a run that is no longer wanted. It hears nothing until the step is done, and with
/// many digits that may take long; a new one with the same program is ready in less than a second.
const HEEDLESS_MS: u64 = 1_000;

impl Engine {
    /// Whoever's turn it is hears what the machine tells of it; of a machine that broke while nobody had a turn, anybody.
    pub(super) fn hear(self: &Rc<Self>, backend: Backend, event: Event) {
        let current = self.current();
        let client = match &event {
            Event::Frame(ToPage::Frame { run, .. }, _)
            | Event::Run(ToPage::Done { run, .. } | ToPage::Failed { run, .. }, _) => {
                current.filter(|_| *run == self.run.get())
            }
            _ => current.or_else(|| self.living().into_iter().next()),
        };
        if let Some(client) = client.filter(|client| !client.closed.get()) {
            Conductor(self.clone(), client).hear(backend, event);
        } else if matches!(event, Event::Broken(_)) {
            self.machines.borrow_mut().remove(backend.id());
            if backend == Backend::Gpu {
                self.chosen.set(Backend::Cpu);
                self.proven.borrow_mut().clear();
            }
        }
    }
}

impl Conductor {
    pub(super) fn run(&self, machine: &Machine, errand: Errand) {
        let behind = &self.0;
        let session = self.session();
        let run = behind.run.get();
        behind.running_on.set(Some(machine.backend));
        for other in behind.machines.borrow().values().filter(|other| other.backend != machine.backend) {
            other.cancel();
        }
        let draft = self.1.drafts.counts();
        if draft.is_none() {
            session.tally.set(Tally::default());
        }
        session.failure.set(None);
        session.loading.set(None);
        // The noise needs no network: it is on screen before the machine has time for it.
        let looks = machine.looks(&errand.plan.model);
        session.std.set_value(looks.map_or(1.0, |looks| looks.std));
        let first = match &errand.way {
            Way::Forth(start) => looks.and_then(|looks| start.first_pixels(&looks, &errand.plan)),
            Way::Back { .. } => Some(errand.bytes.clone()),
        };
        let film = Film::begun(first);
        if self.1.dragging.get() && session.film.with_value(|film| !film.frames.is_empty()) {
            *self.1.coming.borrow_mut() = Some(film);
            let conductor = self.clone();
            let reveal = move || {
                if conductor.0.run.get() == run {
                    conductor.reveal();
                }
            };
            if draft.is_none() {
                set_timeout(reveal, Duration::from_millis(IN_PLACE_MS));
            }
        } else {
            session.stale.set(film.frames.is_empty());
            session.show(|shown| *shown = film);
            player::restart(session);
        }
        let occupied = machine.begin(run, &errand, self.1.views);
        if occupied && machine.backend == Backend::Cpu {
            let (conductor, machine) = (self.clone(), machine.clone());
            let replace = move || {
                if conductor.0.run.get() == run && machine.is_heedless() {
                    conductor.dismiss(Backend::Cpu);
                    conductor.take(errand, Rank::Reader);
                }
            };
            set_timeout(replace, Duration::from_millis(HEEDLESS_MS));
        }
    }

    /// Shows a run that waits off screen as it forms, from the beginning.
    fn reveal(&self) {
        if let Some(coming) = self.1.coming.borrow_mut().take() {
            let session = self.session();
            session.stale.set(coming.frames.is_empty());
            session.show(|film| *film = coming);
            player::restart(session);
        }
    }

    /// Adds a state to the film that the current run makes, on screen or off.
    fn film(&self, frame: Frame, tally: Tally) {
        let session = self.session();
        match &mut *self.1.coming.borrow_mut() {
            Some(coming) => {
                coming.take(frame);
                if self.1.drafts.counts().is_none() {
                    session.tally.set(tally);
                }
            }
            None => {
                session.grow(frame, tally);
                if session.stale.get_untracked() {
                    session.stale.set(false);
                }
            }
        }
    }

    /// What a machine tells about the client's run, or about itself during it.
    fn hear(&self, backend: Backend, event: Event) {
        let session = self.session();
        match event {
            Event::Frame(ToPage::Frame { t, times, accepted, evaluations, evaluation_ms, .. }, bytes) => {
                let tally = Tally { evaluations, evaluation_ms, accepted, ..Tally::default() };
                let t = if self.goes_back() { 1.0 - t } else { t };
                self.film(Frame::from_message(t, times, accepted, bytes, self.1.views), tally);
            }
            Event::Run(
                ToPage::Done {
                    end,
                    t,
                    accepted,
                    rejected,
                    evaluations,
                    fewest_evaluations,
                    evaluation_ms,
                    ..
                },
                states,
            ) => {
                self.0.running_on.set(None);
                let in_place = self.1.coming.borrow_mut().take();
                let draft = self.1.drafts.counts();
                let images = session.wish.with_untracked(|wish| wish.plan.count);
                self.1.drafts.time(evaluation_ms, draft.map_or(images, |(count, _)| count));
                if draft.is_none() {
                    session.states.set_value(states);
                }
                session.show(|film| {
                    if let Some(coming) = in_place {
                        *film = match draft {
                            Some((count, whole)) => filled_up(coming, film, count, whole),
                            None => coming,
                        };
                    }
                    // Of a draft with some of the digits, more is to come.
                    film.complete = draft.is_none_or(|(count, whole)| count == whole);
                });
                session.stale.set(false);
                session.tally.set(Tally {
                    evaluations,
                    fewest_evaluations,
                    evaluation_ms,
                    accepted,
                    rejected,
                    end: Some(end),
                });
                let early = if self.goes_back() { None } else { words::ended_early(end, t) };
                if let Some(sentence) = early {
                    session.notice(About::Run, sentence);
                }
                player::settle(session);
                if draft.is_some() {
                    self.end_turn();
                    return self.drafted();
                }
                self.speak(fewest_evaluations, evaluations);
                session.transferred.set(fetch::transferred());
                self.end_turn();
                self.consider_gpu();
            }
            Event::Run(ToPage::Failed { run, fault }, _) => {
                leptos::logging::warn!("run {run} on the {}: {fault}", backend.label());
                if backend == Backend::Gpu {
                    self.lose_gpu();
                } else {
                    self.fail(words::machine_failed(&self.label(), &fault));
                }
            }
            Event::Broken(fault) => self.lose(backend, &fault),
            Event::Frame(..) | Event::Run(..) => {}
        }
    }

    /// Whether the client's run goes from pictures to noise.
    fn goes_back(&self) -> bool {
        self.1.newest.borrow().as_ref().is_some_and(|errand| matches!(errand.way, Way::Back { .. }))
    }

    fn speak(&self, fewest: usize, most: usize) {
        let session = self.session();
        // Not by a memo: nobody owns what is made in a machine's message, and it would stay.
        let sentence = session.wish.with_untracked(|wish| {
            let lists = self.0.stock.lists();
            let entry = lists.as_ref().and_then(|lists| lists.catalog.entry(&wish.plan.model));
            let noun = entry.map(|entry| entry.data_set()).unwrap_or_default().noun();
            let digits = words::counted(wish.plan.count, noun);
            let solver = wish.plan.solver.choice().entry().label;
            format!("{digits}, {solver}, {}, done", words::spread(fewest, most, "evaluation"))
        });
        session.spoken.set(sentence);
    }

    pub(super) fn label(&self) -> String {
        let id = self.session().wish.with_untracked(|wish| wish.plan.model.clone());
        let lists = self.0.stock.lists();
        let entry = lists.as_ref().and_then(|lists| lists.catalog.entry(&id));
        entry.map_or(id, |entry| entry.label.clone())
    }
}
