//! Answers while a slider is dragged, for machines that can't draw every picture in no time: so many of the digits as are
//! done within a blink, the others faded, and the newest position as soon as the one before is drawn. Letting go draws all.
//!
//! A run that a newer position ends before it is complete would show nothing for as long as the hand moves.

use super::{Conductor, Errand, Rank};
use crate::film::Film;
use crate::session::About;
use flow::plan::SamplePlan;
use flow::schedule::KnotTable;
use leptos::prelude::*;
use std::cell::{Cell, RefCell};

/// How long a draft may take.
const BLINK_MS: f64 = 300.0;
/// What one evaluation of one image is taken to need before one was timed.
const USUAL_MS: f64 = 5.0;
/// How much of a digit's ink is left where a draft has nothing newer.
const FADED: f32 = 0.35;

/// A client's drafts.
#[derive(Default)]
pub(super) struct Drafts {
    /// The whole plan of the draft that is drawn or waits, and its own count.
    of: RefCell<Option<(SamplePlan, usize)>>,
    /// Whether it is complete.
    drawn: Cell<bool>,
    /// Milliseconds for one evaluation of one image, as timed last; 0 before.
    image_ms: Cell<f64>,
}

impl Drafts {
    /// No draft is wanted any more.
    pub(super) fn end(&self) {
        *self.of.borrow_mut() = None;
    }

    /// Notes how fast the machine was.
    pub(super) fn time(&self, evaluation_ms: f64, images: usize) {
        self.image_ms.set(evaluation_ms / images.max(1) as f64);
    }

    /// How many images of a plan can be drawn in a blink.
    fn count(&self, plan: &SamplePlan, knots: &KnotTable) -> usize {
        let image_ms = if self.image_ms.get() > 0.0 { self.image_ms.get() } else { USUAL_MS };
        // An adaptive solver's evaluations are not known ahead; it is taken to need some.
        let evaluations = plan.expected_evaluations(knots).unwrap_or(40).max(1);
        ((BLINK_MS / (evaluations as f64 * image_ms)) as usize).clamp(1, plan.count)
    }

    /// The number of images that a draft has, and that of all, while one is drawn or waits.
    pub(super) fn counts(&self) -> Option<(usize, usize)> {
        self.of.borrow().as_ref().map(|(plan, count)| (*count, plan.count))
    }
}

impl Conductor {
    /// Asks for a draft, or for the next one as soon as the one before it is drawn.
    pub(crate) fn drag(&self, errand: impl Into<Errand>, rank: Rank) {
        let session = self.session();
        session.spoken.set(String::new());
        session.replace_notices(About::Run, Vec::new());
        session.show(|film| film.complete = false);
        let errand = errand.into();
        let drawing = self.1.drafts.of.borrow().is_some() && !self.1.drafts.drawn.get();
        *self.1.newest.borrow_mut() = Some(errand);
        if !drawing {
            self.draft(rank);
        }
    }

    fn draft(&self, rank: Rank) {
        let Some(errand) = self.1.newest.borrow().clone() else { return };
        let knots = self.0.stock.lists().and_then(|lists| {
            let entry = lists.catalog.entry(&errand.plan.model)?;
            Some(entry.knots.clone())
        });
        let drafts = &self.1.drafts;
        let count = drafts.count(&errand.plan, &knots.unwrap_or_default());
        *drafts.of.borrow_mut() = Some((errand.plan.clone(), count));
        drafts.drawn.set(false);
        self.1.dragging.set(true);
        let plan = SamplePlan { count, ..errand.plan.clone() };
        self.take(Errand { plan, ..errand }, rank);
    }

    /// A draft is drawn. Draws the next, if the slider has moved on.
    pub(super) fn drafted(&self) {
        self.1.drafts.drawn.set(true);
        let now = self.1.drafts.of.borrow().as_ref().map(|(plan, _)| plan.clone());
        let newest = self.1.newest.borrow().as_ref().map(|errand| errand.plan.clone());
        if now != newest {
            self.draft(Rank::Reader);
        }
    }

    /// The slider was let go: all images are drawn, unless the last draft was of all and is there.
    pub(crate) fn settle_draft(&self) {
        if self.1.closed.get() {
            return;
        }
        let Some((plan, count)) = self.1.drafts.of.borrow().clone() else { return };
        let Some(newest) = self.1.newest.borrow().clone() else { return };
        if self.1.drafts.drawn.get() && plan == newest.plan && count == plan.count {
            self.1.drafts.end();
        } else {
            self.wish(newest, true, Rank::Reader);
        }
    }
}

/// A draft of so many images with the rest of them, faded, as they were before. `shown` is what was on screen.
pub(super) fn filled_up(mut draft: Film, shown: &Film, count: usize, whole: usize) -> Film {
    let before = shown.frames.last().map(|frame| &frame.pixels[..]).unwrap_or_default();
    for frame in &mut draft.frames {
        if !frame.times.is_empty() {
            frame.times.resize(whole, frame.t);
        }
        let size = frame.pixels.len() / count.max(1);
        let rest = (frame.pixels.len()..whole * size).map(|at| before.get(at).copied().unwrap_or(0));
        let rest: Vec<u8> = rest.map(|ink| (f32::from(ink) * FADED) as u8).collect();
        frame.pixels.extend_from_slice(&rest);
        if !frame.estimate.is_empty() {
            frame.estimate.extend_from_slice(&rest);
            frame.velocity.resize(frame.estimate.len(), 128);
        }
    }
    draft
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::film::Frame;

    #[test]
    fn a_blink_holds_as_many_images_as_the_machine_was_timed_to_draw() {
        let drafts = Drafts::default();
        let plan: SamplePlan = "solver=euler&schedule=linear&steps=10&guidance=1&count=16".parse().unwrap();
        assert_eq!(drafts.count(&plan, &KnotTable::default()), 6);
        drafts.time(160.0, 16);
        assert_eq!(drafts.count(&plan, &KnotTable::default()), 3);
        drafts.time(16_000.0, 16);
        assert_eq!(drafts.count(&plan, &KnotTable::default()), 1);
        drafts.time(1.6, 16);
        assert_eq!(drafts.count(&plan, &KnotTable::default()), 16);
    }

    #[test]
    fn what_a_draft_has_not_is_faded_and_as_it_was() {
        let film = |pixels: Vec<u8>| Film::begun(Some(pixels));
        let mut draft = film(vec![9, 9]);
        draft.frames.push(Frame::from_message(1.0, vec![1.0], 1, vec![7, 7, 5, 5, 3, 3], true));
        let filled = filled_up(draft, &film(vec![100, 100, 200, 200]), 1, 2);
        assert_eq!(filled.frames[0].pixels, [9, 9, 70, 70]);
        let last = &filled.frames[1];
        assert_eq!((&last.pixels[..], &last.times[..]), (&[7, 7, 70, 70][..], &[1.0, 1.0][..]));
        assert_eq!((&last.estimate[..], &last.velocity[..]), (&[5, 5, 70, 70][..], &[3, 3, 128, 128][..]));
        // Where nothing was on screen, there is paper.
        assert_eq!(filled_up(film(vec![9]), &Film::default(), 1, 2).frames[0].pixels, [9, 0]);
    }
}
