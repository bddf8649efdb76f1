//! Whose turn it is. A machine computes one run at a time, and many may wait: the page's instrument, the panes of a
//! comparison, twenty elements in an article.

use super::prepare::needed;
use super::{Client, Conductor, Engine, Errand};
use futures::channel::oneshot;
use futures::future::{Either, select};
use leptos::prelude::set_timeout;
use leptos::task::spawn_local;
use std::collections::VecDeque;
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

/// How long a turn has the network to itself.
const ALONE: Duration = Duration::from_secs(2);

/// How much a wish matters, the most first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Rank {
    /// A reader has just made it, and waits.
    Reader,
    /// It is to be seen, but nobody made it just now.
    Seen,
    /// Nobody waits for it.
    Background,
}

/// A wish in the queue.
type Turn<C, W> = (C, W, Rank);

/// The turn in progress, and who waits, each with its newest wish; those that matter most are in front.
pub(super) struct Turns<C, W> {
    current: Option<Turn<C, W>>,
    waiting: VecDeque<Turn<C, W>>,
}

impl<C, W> Default for Turns<C, W> {
    fn default() -> Self {
        Self { current: None, waiting: VecDeque::new() }
    }
}

impl<C: Same, W> Turns<C, W> {
    /// A wish, in the place of the client's older ones. Whether the turn in progress has to end for it: because it is the
    /// client's own, because a reader has just made this one, or because it matters more; then another's wish waits once
    /// more, the first of its rank.
    pub(super) fn wish(&mut self, client: C, wish: W, rank: Rank) -> bool {
        self.waiting.retain(|(other, ..)| !other.same(&client));
        let interrupted = self
            .current
            .take_if(|(other, _, theirs)| other.same(&client) || rank == Rank::Reader || rank < *theirs);
        let interrupts = interrupted.is_some();
        let mut own = false;
        if let Some(turn) = interrupted {
            own = turn.0.same(&client);
            if !own {
                self.put(turn, true);
            }
        }
        self.put((client, wish, rank), own || rank == Rank::Reader);
        interrupts
    }

    /// Into the queue, before or behind those of the same rank.
    fn put(&mut self, turn: Turn<C, W>, first: bool) {
        let rank = turn.2;
        let place =
            self.waiting.iter().position(|(.., other)| if first { *other >= rank } else { *other > rank });
        self.waiting.insert(place.unwrap_or(self.waiting.len()), turn);
    }

    /// The client wishes for nothing any more. Whether the turn in progress was its own.
    pub(super) fn leave(&mut self, client: &C) -> bool {
        self.waiting.retain(|(other, ..)| !other.same(client));
        self.current.take_if(|(other, ..)| other.same(client)).is_some()
    }

    /// The turn in progress is over.
    pub(super) fn end(&mut self) {
        self.current = None;
    }

    /// The next turn begins, if anybody waits: of the first that is ready, or else of the first.
    pub(super) fn next(&mut self, ready: impl Fn(&C, &W) -> bool) -> Option<&Turn<C, W>> {
        let place = self.waiting.iter().position(|(client, wish, _)| ready(client, wish));
        self.current = self.waiting.remove(place.unwrap_or(0));
        self.current.as_ref()
    }

    /// The wish in progress, put right.
    pub(super) fn amend(&mut self, client: &C, wish: impl FnOnce(&mut W)) {
        if let Some((_, current, _)) = self.current.as_mut().filter(|(current, ..)| current.same(client)) {
            wish(current);
        }
    }

    /// Ends a turn that keeps others waiting who are ready: because it is not, or because it matters less. Whether it did.
    pub(super) fn make_room(&mut self, ready: impl Fn(&C, &W) -> bool) -> bool {
        let Some((client, wish, rank)) = &self.current else { return false };
        let keeps_waiting = if ready(client, wish) { Some(*rank) } else { None };
        let better = |(client, wish, theirs): &Turn<C, W>| {
            keeps_waiting.is_none_or(|rank| *theirs < rank) && ready(client, wish)
        };
        let ends = self.waiting.iter().any(better);
        if let Some(turn) = self.current.take_if(|_| ends) {
            self.put(turn, true);
        }
        ends
    }

    /// Who waits, and for what.
    fn waiting(&self) -> impl Iterator<Item = (&C, &W)> {
        self.waiting.iter().map(|(client, wish, _)| (client, wish))
    }

    /// Whose turn it is.
    pub(super) fn current(&self) -> Option<&C> {
        self.current.as_ref().map(|(client, ..)| client)
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

    /// The model files that a wish needs, as far as the lists are known.
    fn files(&self, client: &Client, errand: &Errand) -> Option<Vec<String>> {
        let lists = self.stock.lists()?;
        let catalog = &lists.catalog;
        let id = if client.names_model.get() { &errand.plan.model } else { &catalog.default };
        let entry = catalog.entry(id).or_else(|| catalog.entry(&catalog.default))?;
        Some(needed(catalog, entry, &errand.plan).iter().map(|entry| entry.url()).collect())
    }

    /// Whether everything is here that a wish needs: it can be granted without the network.
    fn is_ready(&self, client: &Client, errand: &Errand) -> bool {
        self.machines.borrow().contains_key(self.chosen.get().id())
            && self.files(client, errand).is_some_and(|files| files.iter().all(|url| self.stock.has(url)))
    }

    /// A turn that waits long for the network keeps the wire to itself no more: what the others need is sent for as well.
    fn share_the_wire(self: &Rc<Self>, number: u64) {
        let engine = self.clone();
        let late = move || {
            if engine.run.get() != number || engine.running_on.get().is_some() {
                return;
            }
            let turns = engine.turns.borrow();
            let files = turns.waiting().filter_map(|(client, errand)| engine.files(client, errand));
            engine.send_for(files.flatten());
            engine.share_the_wire(number);
        };
        set_timeout(late, ALONE);
    }

    /// A turn that waits for the network, or matters less, ends for one that does not.
    pub(super) fn make_room(&self) {
        if self.turns.borrow_mut().make_room(|client, errand| self.is_ready(client, errand)) {
            self.interrupt();
        }
    }

    /// The client whose turn it is.
    pub(super) fn current(&self) -> Option<Rc<Client>> {
        self.turns.borrow().current().cloned()
    }
}

impl Conductor {
    /// Waits for a turn.
    pub(super) fn take(&self, errand: Errand, rank: Rank) {
        *self.1.coming.borrow_mut() = None;
        if self.0.turns.borrow_mut().wish(self.1.clone(), errand, rank) {
            self.0.interrupt();
        } else {
            self.0.make_room();
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

/// One turn after the other, until nobody waits. A turn can be ended while it waits for the network; what it waits for goes
/// on coming.
async fn serve(engine: Rc<Engine>) {
    loop {
        let next = {
            let mut turns = engine.turns.borrow_mut();
            let next = turns.next(|client, errand| engine.is_ready(client, errand));
            next.map(|(client, errand, _)| (client.clone(), errand.clone()))
        };
        let Some((client, errand)) = next else { break };
        let number = engine.run.get() + 1;
        engine.run.set(number);
        let (over, mut ended) = oneshot::channel::<()>();
        *engine.over.borrow_mut() = Some(over);
        let conductor = Conductor(engine.clone(), client);
        engine.share_the_wire(number);
        let prepared = match select(pin!(conductor.prepare(&errand.plan)), &mut ended).await {
            Either::Left((prepared, _)) => prepared,
            Either::Right(_) => continue,
        };
        if engine.run.get() != number || conductor.1.closed.get() {
            continue;
        }
        match prepared {
            Ok((machine, plan)) => {
                conductor.run(&machine, Errand { plan, ..errand });
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

    use Rank::{Background, Reader, Seen};

    fn order(turns: &mut Turns<u8, char>) -> Vec<(u8, char)> {
        std::iter::from_fn(|| turns.next(|_, _| true).map(|(client, wish, _)| (*client, *wish))).collect()
    }

    #[test]
    fn wishes_are_served_in_their_order_and_only_the_newest_of_each() {
        let mut turns = Turns::default();
        for (client, wish) in [(1, 'a'), (2, 'b'), (1, 'c'), (3, 'd')] {
            assert!(!turns.wish(client, wish, Seen));
        }
        assert_eq!(order(&mut turns), [(2, 'b'), (1, 'c'), (3, 'd')]);
    }

    #[test]
    fn a_newer_wish_of_the_same_client_ends_its_turn_and_comes_next() {
        let mut turns = Turns::default();
        turns.wish(1, 'a', Seen);
        turns.wish(2, 'b', Seen);
        assert_eq!(turns.next(|_, _| true), Some(&(1, 'a', Seen)));
        assert!(turns.wish(1, 'c', Seen));
        assert_eq!(turns.current(), None);
        assert_eq!(order(&mut turns), [(1, 'c'), (2, 'b')]);
    }

    #[test]
    fn what_a_reader_has_just_wished_goes_first_and_what_it_interrupts_comes_next() {
        let mut turns = Turns::default();
        turns.wish(1, 'a', Reader);
        turns.wish(2, 'b', Seen);
        turns.wish(4, 'd', Background);
        turns.next(|_, _| true);
        assert!(turns.wish(3, 'c', Reader));
        assert_eq!(order(&mut turns), [(3, 'c'), (1, 'a'), (2, 'b'), (4, 'd')]);
    }

    #[test]
    fn what_nobody_waits_for_makes_room_for_what_is_seen_and_goes_on_after_it() {
        let mut turns = Turns::default();
        turns.wish(1, 'a', Background);
        turns.wish(2, 'b', Background);
        turns.next(|_, _| true);
        assert!(turns.wish(3, 'c', Seen));
        assert!(!turns.wish(4, 'd', Background));
        assert_eq!(order(&mut turns), [(3, 'c'), (1, 'a'), (2, 'b'), (4, 'd')]);
    }

    #[test]
    fn who_waits_for_the_network_lets_others_go_ahead_and_keeps_its_place() {
        let mut turns = Turns::default();
        turns.wish(1, 'a', Seen);
        turns.wish(2, 'b', Seen);
        turns.wish(3, 'c', Seen);
        let all_but_a = |_: &u8, wish: &char| *wish != 'a';
        assert_eq!(turns.next(|_, _| false), Some(&(1, 'a', Seen)), "somebody has to fetch");
        assert!(turns.make_room(all_but_a));
        assert_eq!(turns.current(), None);
        assert_eq!(turns.next(all_but_a), Some(&(2, 'b', Seen)));
        assert!(!turns.make_room(all_but_a), "one that is ready is not ended for its equal");
        assert_eq!(order(&mut turns), [(1, 'a'), (3, 'c')]);
    }

    #[test]
    fn what_was_fetched_for_a_reader_ends_what_matters_less() {
        let mut turns = Turns::default();
        turns.wish(1, 'a', Reader);
        turns.wish(2, 'b', Background);
        assert_eq!(turns.next(|_, wish| *wish == 'b'), Some(&(2, 'b', Background)));
        assert!(turns.make_room(|_, _| true));
        assert_eq!(order(&mut turns), [(1, 'a'), (2, 'b')]);
    }

    #[test]
    fn a_wish_that_was_put_right_waits_as_it_was_put_right() {
        let mut turns = Turns::default();
        turns.wish(1, 'a', Seen);
        turns.next(|_, _| true);
        turns.amend(&1, |wish| *wish = 'z');
        turns.amend(&2, |wish| *wish = 'y');
        turns.wish(2, 'b', Reader);
        assert_eq!(order(&mut turns), [(2, 'b'), (1, 'z')]);
    }

    #[test]
    fn who_leaves_is_served_no_more() {
        let mut turns = Turns::default();
        turns.wish(1, 'a', Seen);
        turns.wish(2, 'b', Seen);
        turns.next(|_, _| true);
        assert!(!turns.leave(&2));
        assert!(turns.leave(&1));
        assert_eq!(order(&mut turns), []);
    }
}
