//! The order in which streams are given history.
//!
//! The loop compares each event of a replay with the patterns of its stream, which delays all other streams of the
//! loop. So the comparisons of the replays that are in progress are limited, in total and per network (an IPv4 address
//! or an IPv6 /64), and networks take turns. A client that reconnects in a loop, or with many streams, delays only
//! its own network.
//!
//! Within a network the comparisons are shared fairly between classes of streams with about the same number of
//! patterns (start-time fair queueing), and the streams of a class take turns. So a stream with few patterns does not
//! wait for hundreds with many, nor do those wait for ever: each of at most [`CLASSES`] classes has its share.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;

use smallvec::SmallVec;

use super::command::After;
use crate::http::client_network;

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
    /// Mostly one.
    classes: SmallVec<[Class; 1]>,
    /// What the class had spent whose turn was last, before that turn.
    level: u64,
    /// Comparisons in progress.
    effort: usize,
    /// Whether it is in `turns`.
    listed: bool,
}

/// The waiting streams of a network that have about the same number of patterns.
#[derive(Debug)]
struct Class {
    number: u32,
    /// In the order of their requests.
    waiting: VecDeque<Ask>,
    /// Comparisons, those in progress included. A class that comes late begins near the others.
    spent: u64,
}

/// A request to the journal that has not been answered.
#[derive(Clone, Copy, Debug)]
struct UnderWay {
    address: IpAddr,
    patterns: usize,
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
    /// The number of its patterns.
    pub(super) patterns: usize,
}

/// One network may have this fraction of the comparisons.
const NETWORKS: usize = 4;
/// Number of events, of one topic each, that a request allows comparisons for.
const EVENTS: usize = 128;
/// An answer takes about as long as so many comparisons, whatever is in it.
const ANSWER: u64 = 256;
/// Maximum number of classes of a network. The number of patterns doubles from one to the next.
const CLASSES: u32 = 7;

impl Replays {
    pub(super) fn push(&mut self, address: IpAddr, ask: Ask, limit: usize) {
        let address = client_network(address);
        let network = self.networks.entry(address).or_default();
        network.push(ask, share_of(limit));
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
    /// maximum number of comparisons. `is_there` tells whether a stream has not ended.
    pub(super) fn next(
        &mut self,
        limit: usize,
        now_ms: u64,
        is_there: impl Fn(Ask) -> bool,
    ) -> Option<(Ask, usize)> {
        let share = share_of(limit);
        while let Some(address) = self.turns.pop_front() {
            let Some(network) = self.networks.get_mut(&address) else { continue };
            network.listed = false;
            self.waiting -= network.pass_over(&is_there);
            let Some((class, effort)) = network.first(share) else {
                self.forget(address);
                continue;
            };
            if network.effort > 0 && network.effort + effort > share {
                // `done` puts it back into `turns`.
                continue;
            }
            if self.effort > 0 && self.effort + effort > limit {
                network.listed = true;
                self.turns.push_front(address);
                return None;
            }
            let Some(ask) = network.take(class, effort) else { continue };
            network.listed = network.is_waiting();
            if network.listed {
                self.turns.push_back(address);
            }
            self.waiting -= 1;
            self.effort += effort;
            let under_way = UnderWay { address, patterns: ask.patterns, effort, asked_ms: now_ms };
            self.under_way.insert((ask.slot, ask.serial), under_way);
            return Some((ask, effort));
        }
        None
    }

    /// The journal's answer to this stream has been processed. `spent` is the number of comparisons for a stream with so
    /// many patterns.
    pub(super) fn done(&mut self, slot: u32, serial: u32, spent: impl FnOnce(usize) -> usize) {
        let Some(UnderWay { address, patterns, effort, .. }) = self.under_way.remove(&(slot, serial)) else {
            return;
        };
        self.effort -= effort;
        let Some(network) = self.networks.get_mut(&address) else { return };
        network.settle(patterns, effort, spent(patterns));
        if network.is_waiting() && !std::mem::replace(&mut network.listed, true) {
            self.turns.push_back(address);
        }
        self.forget(address);
    }

    /// Gives up the requests that were sent to the journal before `before_ms`; returns the slot and serial of each.
    pub(super) fn take_overdue(&mut self, before_ms: u64) -> Vec<(u32, u32)> {
        let overdue = self.under_way.iter().filter(|(_, under_way)| under_way.asked_ms < before_ms);
        let overdue: Vec<_> = overdue.map(|(stream, _)| *stream).collect();
        overdue.iter().for_each(|(slot, serial)| self.done(*slot, *serial, |_| 0));
        overdue
    }

    /// Removes the requests of streams that have ended.
    pub(super) fn retain(&mut self, is_there: impl Fn(Ask) -> bool) {
        for class in self.networks.values_mut().flat_map(|network| &mut network.classes) {
            class.waiting.retain(|ask| is_there(*ask));
            class.waiting.shrink_to_fit();
        }
        self.waiting = self.networks.values().map(Network::waiting).sum();
    }

    /// Removes a network that has no request.
    fn forget(&mut self, address: IpAddr) {
        let is_over = |network: &Network| !network.is_waiting() && network.effort == 0;
        if self.networks.get(&address).is_some_and(is_over) {
            self.networks.remove(&address);
        }
    }
}

/// The maximum number of comparisons in progress of a network.
fn share_of(limit: usize) -> usize {
    (limit / NETWORKS).max(1)
}

impl Network {
    fn push(&mut self, ask: Ask, share: usize) {
        // A class that was idle has not saved up more than a share; one that waits for its client, or for the journal,
        // does not lose its place to others that use the time.
        let least = self.level.saturating_sub(share as u64);
        let class = self.class(Class::number_of(ask.patterns));
        if class.waiting.is_empty() {
            class.spent = class.spent.max(least);
        }
        class.waiting.push_back(ask);
    }

    fn class(&mut self, number: u32) -> &mut Class {
        let place = self.classes.iter().position(|class| class.number == number);
        let place = place.unwrap_or_else(|| {
            self.classes.push(Class { number, waiting: VecDeque::new(), spent: 0 });
            self.classes.len() - 1
        });
        &mut self.classes[place]
    }

    /// Removes ended streams that are next in their classes; returns their number.
    fn pass_over(&mut self, is_there: impl Fn(Ask) -> bool) -> usize {
        let mut count = 0;
        for class in &mut self.classes {
            while class.waiting.pop_front_if(|ask| !is_there(*ask)).is_some() {
                count += 1;
            }
        }
        count
    }

    /// The place of the class that has spent least, of those with a waiting stream, and the number of comparisons for
    /// its next stream.
    fn first(&self, share: usize) -> Option<(usize, usize)> {
        let waiting = self.classes.iter().enumerate().filter(|(_, class)| !class.waiting.is_empty());
        let (place, class) = waiting.clone().min_by_key(|(_, class)| (class.spent, class.number))?;
        let ask = class.waiting.front()?;
        // What a class is behind the others it makes up for in few answers, each of which takes a turn of the loop.
        let others = waiting.filter(|(other, _)| *other != place).map(|(_, class)| class.spent);
        let behind = others.min().map_or(0, |spent| usize::try_from(spent - class.spent).unwrap_or(share));
        let effort = (EVENTS * (1 + ask.patterns)).max(behind.min(share / 2)).min(share);
        Some((place, effort))
    }

    fn take(&mut self, place: usize, effort: usize) -> Option<Ask> {
        let class = self.classes.get_mut(place)?;
        let ask = class.waiting.pop_front()?;
        self.level = self.level.max(class.spent);
        class.spent += effort as u64;
        self.effort += effort;
        Some(ask)
    }

    /// A request that may have taken `effort` comparisons has taken `spent`.
    fn settle(&mut self, patterns: usize, effort: usize, spent: usize) {
        self.effort -= effort;
        let class = self.class(Class::number_of(patterns));
        class.spent = class.spent.saturating_sub(effort as u64) + spent as u64 + ANSWER;
    }

    fn waiting(&self) -> usize {
        self.classes.iter().map(|class| class.waiting.len()).sum()
    }

    fn is_waiting(&self) -> bool {
        self.classes.iter().any(|class| !class.waiting.is_empty())
    }
}

impl Class {
    fn number_of(patterns: usize) -> u32 {
        (1 + patterns).ilog2().min(CLASSES - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: usize = 4096;
    const SHARE: usize = LIMIT / NETWORKS;

    fn address(n: u8) -> IpAddr {
        IpAddr::from([127, 0, 0, n])
    }

    /// Slots from 1,000 on have 64 patterns.
    fn ask(slot: u32) -> Ask {
        let patterns = if slot < 1_000 { 0 } else { 64 };
        Ask { slot, serial: 1, after: After::Position(u64::from(slot)), patterns }
    }

    /// Those from 5,000 on have gone.
    fn is_there(ask: Ask) -> bool {
        ask.slot < 5_000
    }

    fn push(replays: &mut Replays, n: u8, slot: u32) {
        replays.push(address(n), ask(slot), LIMIT);
    }

    fn done(replays: &mut Replays, slot: u32) {
        replays.done(slot, 1, |_| 0);
    }

    fn all(replays: &mut Replays) -> Vec<u32> {
        std::iter::from_fn(|| replays.next(LIMIT, 0, is_there)).map(|(ask, _)| ask.slot).collect()
    }

    #[test]
    fn whoever_comes_with_many_streams_waits_for_itself() {
        let mut replays = Replays::default();
        (1_000..2_000).for_each(|slot| push(&mut replays, 1, slot));
        push(&mut replays, 2, 1);
        push(&mut replays, 3, 2);
        assert_eq!(all(&mut replays), [1_000, 1, 2], "one of those with patterns is a network's share");
        assert_eq!(all(&mut replays), [0; 0]);
        done(&mut replays, 1);
        push(&mut replays, 2, 3);
        assert_eq!(all(&mut replays), [3]);
        done(&mut replays, 1_000);
        assert_eq!(all(&mut replays), [1_001]);
        assert_eq!(replays.waiting(), 998);
    }

    #[test]
    fn all_networks_together_have_a_limit_and_take_turns() {
        let mut replays = Replays::default();
        for n in 0..10 {
            (0..3).for_each(|k| push(&mut replays, n, 1_000 + u32::from(n) * 10 + k));
        }
        let mut asked = Vec::new();
        while replays.waiting() > 0 {
            let slots = all(&mut replays);
            assert_eq!(slots.len(), NETWORKS, "as many as have room");
            asked.extend(slots.iter().map(|slot| slot % 10));
            slots
                .iter()
                .take(if replays.waiting() < 3 { 2 } else { 4 })
                .for_each(|slot| done(&mut replays, *slot));
            if replays.waiting() == 2 {
                asked.extend(all(&mut replays).iter().map(|slot| slot % 10));
            }
        }
        assert_eq!(asked.len(), 30);
        assert!(asked.is_sorted(), "nobody is asked a second time before all were once: {asked:?}");
    }

    /// Streams of one address whose replays never end.
    struct Crowd {
        replays: Replays,
        patterns: Vec<usize>,
        under_way: VecDeque<(Ask, usize)>,
        /// Of each stream: answers, and comparisons for these.
        served: Vec<(usize, usize)>,
    }

    impl Crowd {
        fn new(patterns: impl IntoIterator<Item = usize>) -> Self {
            let patterns: Vec<_> = patterns.into_iter().collect();
            let (replays, under_way) = (Replays::default(), VecDeque::new());
            let mut crowd = Self { replays, served: vec![(0, 0); patterns.len()], patterns, under_way };
            (0..crowd.patterns.len()).for_each(|stream| crowd.ask(stream));
            crowd
        }

        fn ask(&mut self, stream: usize) {
            let patterns = self.patterns[stream];
            self.replays.push(address(1), Ask { patterns, ..ask(stream as u32) }, LIMIT);
        }

        /// Asks for as many as may be under way, and answers the first of them. Its events take as many comparisons as
        /// they may, or none.
        fn step(&mut self, is_full: impl Fn(usize) -> bool) {
            self.under_way.extend(std::iter::from_fn(|| self.replays.next(LIMIT, 0, is_there)));
            let (ask, effort) = self.under_way.pop_front().expect("one of them is served");
            let (stream, all) = (ask.slot as usize, self.under_way.iter().map(|(_, effort)| effort));
            assert!(all.sum::<usize>() + effort <= SHARE || self.under_way.is_empty());
            let spent = if is_full(stream) { effort } else { 0 };
            self.replays.done(ask.slot, ask.serial, |_| spent);
            self.served[stream].0 += 1;
            self.served[stream].1 += spent;
            self.ask(stream);
        }

        fn total(&self) -> usize {
            self.served.iter().map(|(_, comparisons)| comparisons).sum()
        }
    }

    #[test]
    fn a_stream_with_few_patterns_does_not_wait_for_hundreds_with_many() {
        for many in [3, 7, 64] {
            let mut crowd = Crowd::new([many; 300].into_iter().chain([2]));
            for _ in 0..150 {
                crowd.step(|_| true);
            }
            for _ in 0..4_000 {
                crowd.step(|_| true);
                let (answers, own) = crowd.served[300];
                let others = crowd.total() - own;
                // An answer counts for a little more than its comparisons.
                let most = own + answers * ANSWER as usize + 2 * SHARE;
                assert!(others <= most, "{others} comparisons for others, {own} for one of {many}");
            }
            let least = crowd.served[..300].iter().map(|(answers, _)| *answers).min();
            assert!(crowd.served[300].0 > 1_000 && least >= Some(2), "those with many have their turns");
        }
    }

    #[test]
    fn a_stream_with_many_patterns_is_not_starved_by_hundreds_with_few() {
        let mut crowd = Crowd::new([0; 300].into_iter().chain([64]));
        for _ in 0..10_000 {
            crowd.step(|_| true);
            let (answers, own) = crowd.served[300];
            let others = crowd.total() - own;
            assert!(others <= own + answers * ANSWER as usize + 2 * SHARE, "{others} and {own}");
        }
    }

    #[test]
    fn those_with_nothing_to_compare_have_no_more_than_their_turns_either() {
        let mut crowd = Crowd::new([64; 300].into_iter().chain([2]));
        for _ in 0..4_000 {
            crowd.step(|stream| stream == 300);
        }
        let (answers, _) = crowd.served[300];
        assert!(answers >= 1_000, "{answers} of 4,000");
    }

    #[test]
    fn a_class_that_comes_late_begins_near_the_others() {
        let mut crowd = Crowd::new([64; 10]);
        for _ in 0..1_000 {
            crowd.step(|_| true);
        }
        crowd.patterns.extend([0; 10]);
        crowd.served.resize(20, (0, 0));
        (10..20).for_each(|stream| crowd.ask(stream));
        let before = crowd.served[..10].iter().map(|(answers, _)| answers).sum::<usize>();
        for _ in 0..100 {
            crowd.step(|_| true);
        }
        let after = crowd.served[..10].iter().map(|(answers, _)| answers).sum::<usize>();
        assert!(after - before >= 10, "it has not saved up what it did not use");
    }

    #[test]
    fn nothing_is_kept_of_whoever_has_gone() {
        let mut replays = Replays::default();
        (5_000..5_100).for_each(|slot| push(&mut replays, 1, slot));
        push(&mut replays, 1, 7);
        assert_eq!(all(&mut replays), [7], "those who have gone are passed over at once");
        (1_000..1_100).for_each(|slot| push(&mut replays, 1, slot));
        (5_000..5_100).for_each(|slot| push(&mut replays, 1, slot));
        replays.retain(is_there);
        assert_eq!(replays.waiting(), 100);
        replays.retain(|_| false);
        done(&mut replays, 7);
        assert_eq!(all(&mut replays), [0; 0]);
        assert!(replays.networks.is_empty() && replays.turns.is_empty() && replays.under_way.is_empty());
        assert_eq!((replays.effort, replays.waiting()), (0, 0));
    }

    #[test]
    fn an_ipv6_network_is_one() {
        let mut replays = Replays::default();
        for (n, text) in ["2001:db8::1", "2001:db8::ffff:1", "2001:db8:0:1::1"].into_iter().enumerate() {
            replays.push(text.parse().unwrap(), ask(1_000 + n as u32), LIMIT);
        }
        assert_eq!(all(&mut replays), [1_000, 1_002], "the second waits for the first");
    }

    #[test]
    fn an_answer_that_does_not_come_gives_way_after_a_time() {
        let mut replays = Replays::default();
        (1_000..1_004).for_each(|slot| push(&mut replays, 1, slot));
        let mut next = |now_ms| replays.next(LIMIT, now_ms, is_there).map(|(ask, _)| ask.slot);
        assert_eq!([next(10), next(500)], [Some(1_000), None]);
        assert_eq!(replays.take_overdue(10), []);
        assert_eq!(replays.take_overdue(11), [(1_000, 1)]);
        let mut next = |now_ms| replays.next(LIMIT, now_ms, is_there).map(|(ask, _)| ask.slot);
        assert_eq!([next(600), next(600)], [Some(1_001), None]);
        // It comes after all.
        done(&mut replays, 1_000);
        assert_eq!(replays.take_overdue(600), [], "the time of the next one began when it asked");
        assert_eq!(replays.effort, LIMIT / NETWORKS);
    }
}
