//! A run: its frames go to the film on screen, or wait off screen until they can replace the picture in place.

use super::Conductor;
use crate::film::{self, Film, Frame};
use crate::machine::{Event, Machine};
use crate::session::Tally;
use crate::{fetch, player, words};
use flow::plan::SamplePlan;
use leptos::prelude::*;
use protocol::{Backend, ToPage};
use std::time::Duration;

/// How long a picture may take to replace the one before it in place, while a slider is dragged. A run that takes longer
/// is shown as it forms.
const IN_PLACE_MS: u64 = 500;

impl Conductor {
    pub(super) fn run(&self, machine: &Machine, plan: SamplePlan) {
        let behind = &self.0;
        let session = behind.session;
        let run = behind.run.get();
        behind.running_on.set(Some(machine.backend));
        for other in behind.machines.borrow().values().filter(|other| other.backend != machine.backend) {
            other.cancel();
        }
        session.tally.set(Tally::default());
        session.failure.set(None);
        session.loading.set(None);
        if behind.dragging.get() && session.film.with_value(|film| !film.frames.is_empty()) {
            *behind.coming.borrow_mut() = Some(Film::default());
            let conductor = self.clone();
            set_timeout(
                move || {
                    if conductor.0.run.get() == run {
                        conductor.reveal();
                    }
                },
                Duration::from_millis(IN_PLACE_MS),
            );
        } else {
            session.show(|film| *film = Film::default());
            player::restart(session);
        }
        machine.sample(run, plan);
    }

    /// Shows a run that waits off screen as it forms, from the beginning.
    fn reveal(&self) {
        if let Some(coming) = self.0.coming.borrow_mut().take() {
            let session = self.0.session;
            session.stale.set(coming.frames.is_empty());
            session.show(|film| *film = coming);
            player::restart(session);
        }
    }

    /// Adds to the film that the current run makes, on screen or off.
    fn film(&self, edit: impl FnOnce(&mut Film)) {
        match &mut *self.0.coming.borrow_mut() {
            Some(coming) => edit(coming),
            None => {
                self.0.session.show(edit);
                self.0.session.stale.set(false);
            }
        }
    }

    pub(super) fn hear(&self, backend: Backend, event: Event) {
        let behind = &self.0;
        match event {
            Event::Frame(ToPage::Frame { run, t, accepted, evaluations, evaluation_ms, .. }, pixels) => {
                if run != behind.run.get() {
                    return;
                }
                let session = behind.session;
                let pixels = film::bytes(&pixels);
                self.film(|film| film.frames.push(Frame { t, pixels }));
                session.tally.update(|tally| {
                    *tally = Tally { evaluations, evaluation_ms, accepted, ..*tally };
                });
            }
            Event::Run(ToPage::Done { run, end, t, accepted, rejected, evaluations, evaluation_ms }) => {
                if run != behind.run.get() {
                    return;
                }
                let session = behind.session;
                behind.running_on.set(None);
                self.film(|film| film.complete = true);
                let in_place = behind.coming.borrow_mut().take();
                if let Some(coming) = in_place {
                    session.show(|film| *film = coming);
                    session.stale.set(false);
                }
                session.tally.set(Tally { evaluations, evaluation_ms, accepted, rejected, end: Some(end) });
                if let Some(sentence) = words::ended_early(end, t) {
                    session.notice(sentence);
                }
                player::settle(session);
                self.speak(evaluations);
                session.transferred.set(fetch::transferred());
                self.consider_gpu();
            }
            Event::Run(ToPage::Failed { run, fault }) => {
                if run != behind.run.get() {
                    return;
                }
                leptos::logging::warn!("run {run} on the {}: {fault}", backend.label());
                if backend == Backend::Gpu {
                    self.lose_gpu();
                } else {
                    self.fail(words::machine_failed(&self.label(), &fault));
                }
            }
            Event::Broken(fault) => self.lose(backend, &fault),
            Event::Frame(..) | Event::Run(_) => {}
        }
    }

    fn speak(&self, evaluations: usize) {
        let session = self.0.session;
        let sentence = session.wish.with_untracked(|wish| {
            let digits = if wish.plan.count == 1 { "digit" } else { "digits" };
            let solver = wish.plan.solver.choice().entry().label;
            format!("{} {digits}, {solver}, {evaluations} evaluations, done", wish.plan.count)
        });
        session.spoken.set(sentence);
    }

    pub(super) fn label(&self) -> String {
        let id = self.0.session.wish.with_untracked(|wish| wish.plan.model.clone());
        let lists = self.0.lists.borrow();
        let entry = lists.as_ref().and_then(|lists| lists.catalog.entry(&id));
        entry.map_or(id, |entry| entry.label.clone())
    }
}
