//! Whose turn it is. A machine computes one run at a time, and many may wait: the page's instrument, the panes of a
//! comparison, twenty elements in an article.

use super::{Client, Conductor, Engine};
use flow::plan::SamplePlan;
use futures::channel::oneshot;
use leptos::task::spawn_local;
use std::collections::VecDeque;
use std::rc::Rc;

/// The turn in progress, and who waits, each with its newest wish.
pub(super) struct Turns<C, W> {
    current: Option<(C, W)>,
    waiting: VecDeque<(C, W)>,
}

impl<C, W> Default for Turns<C, W> {
    fn default() -> Self {
        Self { current: None, waiting: VecDeque::new() }
    }
}

impl<C: Same, W> Turns<C, W> {
    /// A wish, in the place of the client's older ones. Whether the turn in progress has to end for it: because it is the
    /// client's own, or because this one is urgent; then another's wish waits once more, last.
    pub(super) fn wish(&mut self, client: C, wish: W, urgent: bool) -> bool {
        self.waiting.retain(|(other, _)| !other.same(&client));
        let own = self.current.as_ref().is_some_and(|(other, _)| other.same(&client));
        let interrupts = own || (urgent && self.current.is_some());
        if own || urgent {
            self.waiting.push_front((client, wish));
        } else {
            self.waiting.push_back((client, wish));
        }
        if interrupts
            && let Some(interrupted) = self.current.take()
            && !own
        {
            self.waiting.push_back(interrupted);
        }
        interrupts
    }

    /// The client wishes for nothing any more. Whether the turn in progress was its own.
    pub(super) fn leave(&mut self, client: &C) -> bool {
        self.waiting.retain(|(other, _)| !other.same(client));
        self.current.take_if(|(other, _)| other.same(client)).is_some()
    }

    /// The turn in progress is over.
    pub(super) fn end(&mut self) {
        self.current = None;
    }

    /// The next turn begins, if anybody waits.
    pub(super) fn next(&mut self) -> Option<&(C, W)> {
        self.current = self.waiting.pop_front();
        self.current.as_ref()
    }

    /// Whose turn it is.
    pub(super) fn current(&self) -> Option<&C> {
        self.current.as_ref().map(|(client, _)| client)
    }
}

/// Whether two handles are of the same client.
pub(super) trait Same {
    fn same(&self, other: &Self) -> bool;
}

impl<T> Same for Rc<T> {
    fn same(&self, other: &Self) -> bool {
        Rc::ptr_eq(self, other)
    }
}

impl Engine {
    /// What the run in progress still says no longer counts.
    fn interrupt(&self) {
        self.run.set(self.run.get() + 1);
        self.running_on.set(None);
        for machine in self.machines.borrow().values() {
            machine.cancel();
        }
        *self.over.borrow_mut() = None;
    }

    /// The client whose turn it is.
    pub(super) fn current(&self) -> Option<Rc<Client>> {
        self.turns.borrow().current().cloned()
    }
}

impl Conductor {
    /// Waits for a turn.
    pub(super) fn take(&self, plan: SamplePlan, urgent: bool) {
        *self.1.coming.borrow_mut() = None;
        if self.0.turns.borrow_mut().wish(self.1.clone(), plan, urgent) {
            self.0.interrupt();
        }
        if !self.0.serving.replace(true) {
            spawn_local(serve(self.0.clone()));
        }
    }

    /// Ends the client's turn, or its waiting.
    pub(super) fn leave(&self) {
        if self.0.turns.borrow_mut().leave(&self.1) {
            self.0.interrupt();
        }
    }

    /// The client's turn is over: it has what it wished for, or can't have it.
    pub(super) fn end_turn(&self) {
        let mut turns = self.0.turns.borrow_mut();
        if turns.current().is_some_and(|client| client.same(&self.1)) {
            turns.end();
            *self.0.over.borrow_mut() = None;
        }
    }
}

/// One turn after the other, until nobody waits.
async fn serve(engine: Rc<Engine>) {
    loop {
        let next = engine.turns.borrow_mut().next().map(|(client, plan)| (client.clone(), plan.clone()));
        let Some((client, plan)) = next else { break };
        let number = engine.run.get() + 1;
        engine.run.set(number);
        let (over, ended) = oneshot::channel();
        *engine.over.borrow_mut() = Some(over);
        let conductor = Conductor(engine.clone(), client);
        let prepared = conductor.prepare(&plan).await;
        if engine.run.get() != number || conductor.1.closed.get() {
            continue;
        }
        match prepared {
            Ok((machine, plan)) => {
                conductor.run(&machine, plan);
                // The other end is dropped, which is told as an error.
                let _ = ended.await;
            }
            Err(failure) => conductor.fail(failure),
        }
    }
    engine.serving.set(false);
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Same for u8 {
        fn same(&self, other: &Self) -> bool {
            self == other
        }
    }

    fn order(turns: &mut Turns<u8, char>) -> Vec<(u8, char)> {
        std::iter::from_fn(|| turns.next().copied()).collect()
    }

    #[test]
    fn wishes_are_served_in_their_order_and_only_the_newest_of_each() {
        let mut turns = Turns::default();
        for (client, wish) in [(1, 'a'), (2, 'b'), (1, 'c'), (3, 'd')] {
            assert!(!turns.wish(client, wish, false));
        }
        assert_eq!(order(&mut turns), [(2, 'b'), (1, 'c'), (3, 'd')]);
    }

    #[test]
    fn a_newer_wish_of_the_same_client_ends_its_turn_and_comes_next() {
        let mut turns = Turns::default();
        turns.wish(1, 'a', false);
        turns.wish(2, 'b', false);
        assert_eq!(turns.next(), Some(&(1, 'a')));
        assert!(turns.wish(1, 'c', false));
        assert_eq!(turns.current(), None);
        assert_eq!(order(&mut turns), [(1, 'c'), (2, 'b')]);
    }

    #[test]
    fn an_urgent_wish_goes_first_and_what_it_interrupts_is_not_lost() {
        let mut turns = Turns::default();
        turns.wish(1, 'a', false);
        turns.wish(2, 'b', false);
        turns.next();
        assert!(turns.wish(3, 'c', true));
        assert_eq!(order(&mut turns), [(3, 'c'), (2, 'b'), (1, 'a')]);
    }

    #[test]
    fn who_leaves_is_served_no_more() {
        let mut turns = Turns::default();
        turns.wish(1, 'a', false);
        turns.wish(2, 'b', false);
        turns.next();
        assert!(!turns.leave(&2));
        assert!(turns.leave(&1));
        assert_eq!(order(&mut turns), []);
    }
}
