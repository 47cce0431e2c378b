//! Turns of the connections of the control thread.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;

/// Connections with something to do, in the order of their turns.
///
/// Connections to the listeners for operators come first, then those that have become active since their last turn,
/// then those that had more to do than a turn takes (as in flow queuing: RFC 8290, 4.2). So a client that sends one
/// request at a time does not wait for clients that send without end, however many these are.
#[derive(Default)]
pub(super) struct Turns {
    control: VecDeque<usize>,
    fresh: VecDeque<usize>,
    busy: VecDeque<usize>,
    /// By slot: whether it is in a queue. A connection that has left may still be in one.
    listed: Vec<bool>,
    count: usize,
    /// By network, the number of connections taken as fresh since the turn began; only if there are many.
    taken: HashMap<IpAddr, usize>,
    is_crowded: bool,
}

/// Maximum number of connections of one network that are taken as fresh in a turn; more count as busy.
const FRESH: usize = 16;

impl Turns {
    /// Whether no connection has anything to do.
    pub(super) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Number of connections that have something to do.
    pub(super) fn len(&self) -> usize {
        self.count
    }

    /// Notes that a connection may have something to do.
    pub(super) fn add(&mut self, slot: usize, is_control: bool) {
        if self.list(slot) {
            if is_control { &mut self.control } else { &mut self.fresh }.push_back(slot);
        }
    }

    /// Notes that a connection has had its turn, and has more to do.
    pub(super) fn put_back(&mut self, slot: usize, is_control: bool) {
        if self.list(slot) {
            if is_control { &mut self.control } else { &mut self.busy }.push_back(slot);
        }
    }

    /// Notes that a connection has left.
    pub(super) fn forget(&mut self, slot: usize) {
        self.unlist(slot);
    }

    /// Begins a turn of the thread.
    pub(super) fn begin(&mut self) {
        self.taken.clear();
        self.is_crowded = self.fresh.len() > FRESH;
    }

    /// Removes and returns the next connection. `network` returns the network of a connection.
    pub(super) fn next(&mut self, network: impl Fn(usize) -> Option<IpAddr>) -> Option<usize> {
        while let Some(slot) = self.control.pop_front() {
            if self.unlist(slot) {
                return Some(slot);
            }
        }
        while let Some(slot) = self.fresh.pop_front() {
            if self.is_crowded
                && self.is_listed(slot)
                && let Some(network) = network(slot)
            {
                let taken = self.taken.entry(network).or_default();
                *taken += 1;
                if *taken > FRESH {
                    self.busy.push_back(slot);
                    continue;
                }
            }
            if self.unlist(slot) {
                return Some(slot);
            }
        }
        self.next_busy()
    }

    /// Removes and returns the first of those that have had turns before: one gets a turn whatever else there is.
    pub(super) fn next_busy(&mut self) -> Option<usize> {
        while let Some(slot) = self.busy.pop_front() {
            if self.unlist(slot) {
                return Some(slot);
            }
        }
        None
    }

    fn is_listed(&self, slot: usize) -> bool {
        self.listed.get(slot).is_some_and(|listed| *listed)
    }

    /// False if it is already in a queue.
    fn list(&mut self, slot: usize) -> bool {
        if self.listed.len() <= slot {
            self.listed.resize(slot + 1, false);
        }
        let is_new = !std::mem::replace(&mut self.listed[slot], true);
        self.count += usize::from(is_new);
        is_new
    }

    /// False if it was in no queue.
    fn unlist(&mut self, slot: usize) -> bool {
        let was_listed = self.listed.get_mut(slot).is_some_and(std::mem::take);
        self.count -= usize::from(was_listed);
        was_listed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(slot: usize) -> Option<IpAddr> {
        Some(IpAddr::from([10, 0, 0, (slot / 1000) as u8]))
    }

    fn all(turns: &mut Turns) -> Vec<usize> {
        turns.begin();
        std::iter::from_fn(|| turns.next(from)).collect()
    }

    #[test]
    fn who_asks_without_end_comes_after_who_asks_once() {
        let mut turns = Turns::default();
        (0..100).for_each(|slot| turns.put_back(slot, false));
        turns.add(2000, false);
        turns.add(3000, true);
        // It stands in a queue already.
        turns.add(7, false);
        assert_eq!(turns.len(), 102);
        let order = all(&mut turns);
        assert_eq!(order[..4], [3000, 2000, 0, 1]);
        assert_eq!((order.len(), turns.is_empty()), (102, true));
    }

    #[test]
    fn many_of_one_network_do_not_keep_others_waiting() {
        let mut turns = Turns::default();
        (0..500).for_each(|slot| turns.add(slot, false));
        turns.add(1000, false);
        turns.put_back(2000, false);
        let order = all(&mut turns);
        let at = |slot| order.iter().position(|one| *one == slot);
        assert_eq!((at(1000), at(2000)), (Some(FRESH), Some(FRESH + 1)));
        assert_eq!(order.len(), 502);
    }

    #[test]
    fn a_slot_that_is_used_anew_has_one_turn() {
        let mut turns = Turns::default();
        (0..3).for_each(|slot| turns.add(slot, false));
        turns.forget(1);
        assert_eq!(turns.len(), 2);
        turns.put_back(1, false);
        assert_eq!(all(&mut turns), [0, 1, 2]);
        assert!(turns.is_empty());
        turns.forget(1);
        assert!(turns.is_empty());
    }

    #[test]
    fn the_busy_have_turns_however_many_come_anew() {
        let mut turns = Turns::default();
        turns.put_back(9, false);
        (1000..1100).for_each(|slot| turns.add(slot, false));
        turns.begin();
        assert_eq!((turns.next(from), turns.next_busy(), turns.next_busy()), (Some(1000), Some(9), None));
    }
}
