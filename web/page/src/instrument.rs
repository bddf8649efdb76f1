//! One instrument: a session, its place in the engine's queue, and what follows every change of the plan. The page's own
//! instrument, the panes of a comparison and the elements in other people's articles are all this.

use crate::conductor::{Conductor, Engine, Rank};
use crate::session::{About, Change, Session, Wish};
use crate::settle::settled;
use flow::plan::SamplePlan;
use leptos::prelude::*;
use send_wrapper::SendWrapper;
use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

/// How long after the last key a slider counts as let go.
const NUDGED: Duration = Duration::from_millis(400);

/// What an instrument begins with.
pub(crate) struct Setting {
    /// Whether it names a model; else the manifest says which comes first.
    pub(crate) names_model: bool,
    /// Whether its runs bring estimates and velocities along.
    pub(crate) views: bool,
    /// How much its runs matter, where no reader has just asked for one.
    pub(crate) rank: Rank,
}

/// Begins to follow a session's wish: whatever is wished for is sampled, after what its model can't do was put right. `told`
/// hears of every wish before that. The instrument ends with the owner in which this is called.
pub(crate) fn begin(
    engine: &Rc<Engine>,
    session: Session,
    setting: &Setting,
    told: impl Fn(&SamplePlan, Option<Change>) + 'static,
) {
    let conductor = Conductor::new(engine, session, setting.names_model, setting.views);
    let rank = setting.rank;
    let to_close = SendWrapper::new(conductor.clone());
    on_cleanup(move || to_close.close());
    let sentences = StoredValue::new(Vec::new());
    let nudges = Rc::new(Cell::new(0_u32));
    Effect::new(move |before: Option<Option<(SamplePlan, u64)>>| {
        let Wish { plan, change } = session.wish.get();
        let retries = session.retries.get();
        let before = before.flatten();
        // What the model can't do is not asked for. While the models are not known, the conductor looks after that.
        let possible =
            session.catalog.with_untracked(|catalog| catalog.as_ref().map(|catalog| settled(&plan, catalog)));
        if let Some((possible, why)) = possible.filter(|(possible, _)| *possible != plan) {
            sentences.set_value(why);
            session.wish.set(Wish { plan: possible, change });
            return before;
        }
        told(&plan, change);
        // A gesture that ends where it was asks for nothing new.
        let wished = (plan, retries);
        if before.as_ref() != Some(&wished) {
            let again = before.as_ref().is_some_and(|(_, before)| *before != retries);
            let rank = if change.is_some() || again { Rank::Reader } else { rank };
            if change.is_some_and(Change::is_passing) && !again {
                conductor.drag(wished.0.clone(), rank);
            } else {
                conductor.wish(wished.0.clone(), false, rank);
            }
        } else if change == Some(Change::Made) {
            conductor.settle_draft();
        }
        if matches!(change, Some(Change::Nudged(..))) {
            // Keys are not let go, only not pressed any more.
            let (conductor, serial) = (SendWrapper::new(conductor.clone()), nudges.get() + 1);
            nudges.set(serial);
            let nudges = SendWrapper::new(nudges.clone());
            set_timeout(
                move || {
                    if nudges.get() == serial {
                        conductor.settle_draft()
                    }
                },
                NUDGED,
            );
        }
        // After the wish: it ends what was told of the one before.
        for sentence in sentences.try_update_value(std::mem::take).unwrap_or_default() {
            session.notice(About::Run, sentence);
        }
        Some(wished)
    });
}
