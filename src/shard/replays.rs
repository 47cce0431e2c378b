//! The order in which streams are given history.
//!
//! The loop compares each event of a replay with the patterns of its stream, which delays all other streams of the
//! loop. So the comparisons of the replays that are in progress are limited, in total and per network (an IPv4 address
//! or an IPv6 /64), and networks take turns. A client that reconnects in a loop, or with many streams, delays only
//! itself.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;

use super::command::After;
use crate::wire::client_network;

/// The streams that wait for a replay, and the requests to the journal that are in progress.
#[derive(Debug, Default)]
pub(super) struct Replays {
    networks: HashMap<IpAddr, Network>,
    /// Networks with a waiting stream that are below their limit, in the order of their turns.
    turns: VecDeque<IpAddr>,
    /// By slot and serial. The limit on comparisons keeps this small.
    under_way: HashMap<(u32, u32), UnderWay>,
    /// Comparisons in progress, of all networks.
    effort: usize,
    /// Waiting streams of all networks.
    waiting: usize,
}

#[derive(Debug, Default)]
struct Network {
    /// In the order of their requests.
    waiting: VecDeque<Ask>,
    /// Comparisons in progress.
    effort: usize,
    /// Whether it is in `turns`.
    listed: bool,
}

/// A request to the journal that has not been answered.
#[derive(Clone, Copy, Debug)]
struct UnderWay {
    address: IpAddr,
    /// Maximum number of comparisons for its events.
    effort: usize,
    /// When the journal was asked, in ms since the start.
    asked_ms: u64,
}

/// A stream's request for the events after a position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ask {
    pub(super) slot: u32,
    pub(super) serial: u32,
    pub(super) after: After,
}

/// One network may have this fraction of the comparisons.
const NETWORKS: usize = 4;
/// Number of events, of one topic each, that a request allows comparisons for.
const EVENTS: usize = 128;

impl Replays {
    pub(super) fn push(&mut self, address: IpAddr, ask: Ask) {
        let address = client_network(address);
        let network = self.networks.entry(address).or_default();
        network.waiting.push_back(ask);
        self.waiting += 1;
        if !std::mem::replace(&mut network.listed, true) {
            self.turns.push_back(address);
        }
    }

    /// Number of waiting requests, including those of streams that have ended.
    pub(super) fn waiting(&self) -> usize {
        self.waiting
    }

    /// Takes the next request that fits into `limit`, the maximum number of comparisons in progress; returns it and its
    /// maximum number of comparisons. `patterns` is the number of patterns of a stream, `None` if it has ended.
    pub(super) fn next(
        &mut self,
        limit: usize,
        now_ms: u64,
        patterns: impl Fn(Ask) -> Option<usize>,
    ) -> Option<(Ask, usize)> {
        let share = (limit / NETWORKS).max(1);
        while let Some(address) = self.turns.pop_front() {
            let Some(network) = self.networks.get_mut(&address) else { continue };
            network.listed = false;
            while network.waiting.front().is_some_and(|ask| patterns(*ask).is_none()) {
                network.waiting.pop_front();
                self.waiting -= 1;
            }
            let Some(&ask) = network.waiting.front() else {
                self.forget(address);
                continue;
            };
            let effort = (EVENTS * (1 + patterns(ask).unwrap_or(0))).min(share);
            if network.effort > 0 && network.effort + effort > share {
                // `done` puts it back into `turns`.
                continue;
            }
            if self.effort > 0 && self.effort + effort > limit {
                network.listed = true;
                self.turns.push_front(address);
                return None;
            }
            network.waiting.pop_front();
            network.effort += effort;
            network.listed = !network.waiting.is_empty();
            if network.listed {
                self.turns.push_back(address);
            }
            self.waiting -= 1;
            self.effort += effort;
            let under_way = UnderWay { address, effort, asked_ms: now_ms };
            self.under_way.insert((ask.slot, ask.serial), under_way);
            return Some((ask, effort));
        }
        None
    }

    /// The journal's answer to this stream has been processed.
    pub(super) fn done(&mut self, slot: u32, serial: u32) {
        let Some(UnderWay { address, effort, .. }) = self.under_way.remove(&(slot, serial)) else { return };
        self.effort -= effort;
        let Some(network) = self.networks.get_mut(&address) else { return };
        network.effort -= effort;
        if !network.waiting.is_empty() && !std::mem::replace(&mut network.listed, true) {
            self.turns.push_back(address);
        }
        self.forget(address);
    }

    /// Gives up the requests that were sent to the journal before `before_ms`; returns the slot and serial of each.
    pub(super) fn take_overdue(&mut self, before_ms: u64) -> Vec<(u32, u32)> {
        let overdue = self.under_way.iter().filter(|(_, under_way)| under_way.asked_ms < before_ms);
        let overdue: Vec<_> = overdue.map(|(stream, _)| *stream).collect();
        overdue.iter().for_each(|(slot, serial)| self.done(*slot, *serial));
        overdue
    }

    /// Removes the requests of streams that have ended.
    pub(super) fn retain(&mut self, is_there: impl Fn(Ask) -> bool) {
        for network in self.networks.values_mut() {
            network.waiting.retain(|ask| is_there(*ask));
            network.waiting.shrink_to_fit();
        }
        self.waiting = self.networks.values().map(|network| network.waiting.len()).sum();
    }

    /// Removes a network that has no request.
    fn forget(&mut self, address: IpAddr) {
        let is_over = |network: &Network| network.waiting.is_empty() && network.effort == 0;
        if self.networks.get(&address).is_some_and(is_over) {
            self.networks.remove(&address);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: usize = 4096;

    fn address(n: u8) -> IpAddr {
        IpAddr::from([127, 0, 0, n])
    }

    fn ask(slot: u32) -> Ask {
        Ask { slot, serial: 1, after: After::Position(u64::from(slot)) }
    }

    /// Slots from 1,000 on have 64 patterns; those from 5,000 on have gone.
    fn patterns(ask: Ask) -> Option<usize> {
        match ask.slot {
            0..1_000 => Some(0),
            1_000..5_000 => Some(64),
            _ => None,
        }
    }

    fn all(replays: &mut Replays) -> Vec<u32> {
        std::iter::from_fn(|| replays.next(LIMIT, 0, patterns)).map(|(ask, _)| ask.slot).collect()
    }

    #[test]
    fn whoever_comes_with_many_streams_waits_for_itself() {
        let mut replays = Replays::default();
        (1_000..2_000).for_each(|slot| replays.push(address(1), ask(slot)));
        replays.push(address(2), ask(1));
        replays.push(address(3), ask(2));
        assert_eq!(all(&mut replays), [1_000, 1, 2], "one of those with patterns is a network's share");
        assert_eq!(all(&mut replays), [0; 0]);
        replays.done(1, 1);
        replays.push(address(2), ask(3));
        assert_eq!(all(&mut replays), [3]);
        replays.done(1_000, 1);
        assert_eq!(all(&mut replays), [1_001]);
        assert_eq!(replays.waiting(), 998);
    }

    #[test]
    fn all_networks_together_have_a_limit_and_take_turns() {
        let mut replays = Replays::default();
        for n in 0..10 {
            (0..3).for_each(|k| replays.push(address(n), ask(1_000 + u32::from(n) * 10 + k)));
        }
        let mut asked = Vec::new();
        while replays.waiting() > 0 {
            let slots = all(&mut replays);
            assert_eq!(slots.len(), NETWORKS, "as many as have room");
            asked.extend(slots.iter().map(|slot| slot % 10));
            slots
                .iter()
                .take(if replays.waiting() < 3 { 2 } else { 4 })
                .for_each(|slot| replays.done(*slot, 1));
            if replays.waiting() == 2 {
                asked.extend(all(&mut replays).iter().map(|slot| slot % 10));
            }
        }
        assert_eq!(asked.len(), 30);
        assert!(asked.is_sorted(), "nobody is asked a second time before all were once: {asked:?}");
    }

    #[test]
    fn nothing_is_kept_of_whoever_has_gone() {
        let mut replays = Replays::default();
        (5_000..5_100).for_each(|slot| replays.push(address(1), ask(slot)));
        replays.push(address(1), ask(7));
        assert_eq!(all(&mut replays), [7], "those who have gone are passed over at once");
        (1_000..1_100).for_each(|slot| replays.push(address(1), ask(slot)));
        (5_000..5_100).for_each(|slot| replays.push(address(1), ask(slot)));
        replays.retain(|ask| patterns(ask).is_some());
        assert_eq!(replays.waiting(), 100);
        replays.retain(|_| false);
        replays.done(7, 1);
        assert_eq!(all(&mut replays), [0; 0]);
        assert!(replays.networks.is_empty() && replays.turns.is_empty() && replays.under_way.is_empty());
        assert_eq!((replays.effort, replays.waiting()), (0, 0));
    }

    #[test]
    fn an_ipv6_network_is_one() {
        let mut replays = Replays::default();
        for (n, text) in ["2001:db8::1", "2001:db8::ffff:1", "2001:db8:0:1::1"].into_iter().enumerate() {
            replays.push(text.parse().unwrap(), ask(1_000 + n as u32));
        }
        assert_eq!(all(&mut replays), [1_000, 1_002], "the second waits for the first");
    }

    #[test]
    fn an_answer_that_does_not_come_gives_way_after_a_time() {
        let mut replays = Replays::default();
        (1_000..1_004).for_each(|slot| replays.push(address(1), ask(slot)));
        let mut next = |now_ms| replays.next(LIMIT, now_ms, patterns).map(|(ask, _)| ask.slot);
        assert_eq!([next(10), next(500)], [Some(1_000), None]);
        assert_eq!(replays.take_overdue(10), []);
        assert_eq!(replays.take_overdue(11), [(1_000, 1)]);
        let mut next = |now_ms| replays.next(LIMIT, now_ms, patterns).map(|(ask, _)| ask.slot);
        assert_eq!([next(600), next(600)], [Some(1_001), None]);
        // It comes after all.
        replays.done(1_000, 1);
        assert_eq!(replays.take_overdue(600), [], "the time of the next one began when it asked");
        assert_eq!(replays.effort, LIMIT / NETWORKS);
    }
}
