//! From a command to the queues of streams.

use std::io::Write;
use std::sync::Arc;

use super::Shard;
use super::applied::Batch;
use super::command::{Command, DisconnectTarget, Newest};
use super::outbox::Piece;
use crate::event::{ClientId, Framing, Now, PerFraming, Record, Selector, Target};

impl<S: Write> Shard<S> {
    /// Applies a command. Publications and joins must come in the order in which the journal sent them.
    pub fn apply(&mut self, command: Command, now: Now) {
        match command {
            Command::Publish(record) => self.publish(&record, now),
            Command::PublishBatch(records) => {
                self.applied.batch = Some(Batch { records, published: 0 });
                self.go_on_with_batch(now);
            }
            Command::Join(join) => self.join(join, now),
            Command::Decided(token, decision) => self.decided(token, decision, now),
            Command::Ping(user) => self.ping(user.as_deref(), now),
            Command::Disconnect(DisconnectTarget::User(user), reply) => {
                reply(self.disconnect_user(&user, now))
            }
            Command::Disconnect(DisconnectTarget::Client(client), reply) => {
                reply(self.disconnect_client(client, now))
            }
            Command::Report(reply) => reply(self.report(now)),
            Command::Drain(spread) => self.begin_drain(spread),
        }
        self.debug_check();
    }

    /// Whether the next command may be applied. Not while so much is in progress, to all streams or to one, that
    /// streams which only wait for their turn would look slow.
    pub fn accepts_commands(&self) -> bool {
        self.applied.batch.is_none() && self.is_under_quota()
    }

    fn is_under_quota(&self) -> bool {
        !self.write_queue.is_pressed() && self.tapes.is_under(self.settings.pass_quota().max(1))
    }

    /// A batch is one command, but at any time no larger than a single one.
    pub(super) fn go_on_with_batch(&mut self, now: Now) {
        while self.is_under_quota() {
            let Some(Batch { records, published }) = self.applied.batch.take() else { return };
            let Some(record) = records.get(published) else { return };
            self.publish(record, now);
            self.applied.batch = Some(Batch { records, published: published + 1 });
        }
    }

    fn publish(&mut self, record: &Arc<Record>, now: Now) {
        self.applied.newest = Newest::of(record);
        if record.is_transient() && !self.connections.counts().behind().is_empty() {
            self.count_missed(&record.target);
        }
        if record.target.to.is_everyone() {
            self.broadcast(record, now);
        } else {
            let mut slots = std::mem::take(&mut self.scratch.candidates);
            self.find(&record.target.to, &mut slots);
            slots.retain(|slot| self.is_live(*slot));
            self.narrow(&record.target, &mut slots);
            for &slot in &slots {
                self.enqueue(slot, record, now);
            }
            self.scratch.candidates = slots;
        }
    }

    /// Delivers to everyone: appends to the shared tape, which all streams read except those excluded.
    fn broadcast(&mut self, record: &Arc<Record>, now: Now) {
        let mut excepted = std::mem::take(&mut self.scratch.candidates);
        excepted.clear();
        if !record.target.except.is_empty() {
            self.find_excepted(&record.target, &mut excepted);
        }
        let begins = self.tapes.ends();
        for framing in Framing::ALL {
            let live = self.connections.counts().live[framing];
            if live > 0 {
                self.tapes.append(framing, record);
                self.totals.deliveries += live as u64;
            }
        }
        for &slot in &excepted {
            self.skip(slot, begins);
        }
        self.scratch.candidates = excepted;
        self.tapes.pass.restart(self.connections.slots());
        self.trim(now);
    }

    /// Makes a stream skip the newest event on the tape, which begins at these offsets.
    fn skip(&mut self, slot: u32, begins: PerFraming<u64>) {
        let Some(connection) = self.connections.listed_mut(slot) else { return };
        let framing = connection.framing;
        // Streams that are not live do not read the tape.
        let Some(is_owed) = connection.skip(begins[framing], self.tapes[framing].end()) else { return };
        self.totals.deliveries -= 1;
        if is_owed {
            self.write_queue.push(slot, connection);
        }
    }

    /// Delivers to one stream: appends to what is queued for it.
    pub(super) fn enqueue(&mut self, slot: u32, record: &Arc<Record>, now: Now) {
        let Some(connection) = self.connections.listed_mut(slot) else { return };
        let tape = &self.tapes[connection.framing];
        connection.push(Piece::Record(record.clone()), tape);
        self.totals.deliveries += 1;
        let backlog = connection.backlog(tape);
        if backlog <= self.settings.max_backlog {
            self.write_queue.push(slot, connection);
        } else if !connection.blocked {
            self.write_queue.press();
            self.write_queue.push(slot, connection);
        } else if backlog > self.settings.most_backlog() || connection.is_slow(now) {
            self.lag(slot);
        }
    }

    /// The slots of live streams that a selector may match.
    fn find(&self, selector: &Selector, slots: &mut Vec<u32>) {
        if self.index.candidates(selector, |slot| self.connections.profile(slot), slots).is_none() {
            slots.extend(self.connections.iter().map(|(slot, _)| slot));
            return;
        }
        if !selector.clients.is_empty() {
            slots.extend(selector.clients.iter().filter_map(|id| self.slot_of(*id)));
            slots.sort_unstable();
            slots.dedup();
        }
    }

    /// Finds the streams that a target excludes, sorted. Uses the index, since comparing topics with the patterns of
    /// each stream would take much longer.
    fn find_excepted(&self, target: &Target, slots: &mut Vec<u32>) {
        let mut found = Vec::new();
        for except in &target.except {
            found.clear();
            self.find(&except.to, &mut found);
            self.narrow(except, &mut found);
            slots.append(&mut found);
        }
        slots.sort_unstable();
        slots.dedup();
    }

    fn is_live(&self, slot: u32) -> bool {
        self.connections.listed(slot).is_some_and(|connection| connection.cursor().is_some())
    }

    /// Removes from the streams that the index found those that the target's conditions or exclusions rule out.
    fn narrow(&self, target: &Target, slots: &mut Vec<u32>) {
        if target.is_plain() {
            return;
        }
        // For a few streams, comparing each is cheaper than finding every excluded stream.
        if slots.len() <= FEW {
            return slots
                .retain(|slot| self.client(*slot).is_some_and(|client| target.matches_named(&client)));
        }
        if target.is_narrowed() {
            slots.retain(|slot| self.client(*slot).is_some_and(|client| target.to.narrows_to(&client)));
        }
        let mut excepted = Vec::new();
        self.find_excepted(target, &mut excepted);
        slots.retain(|slot| excepted.binary_search(slot).is_err());
    }

    /// Events with a `ttl` of 0 are not kept for a stream that is behind; the loss is counted.
    fn count_missed(&mut self, target: &Target) {
        let mut slots = Vec::new();
        let behind = self.connections.counts().behind();
        if target.is_everyone() {
            self.totals.transient_missed += behind.len() as u64;
            return;
        } else if target.to.everyone {
            slots.extend(behind);
        } else {
            self.find(&target.to, &mut slots);
            slots.retain(|slot| behind.contains(slot));
        }
        self.narrow(target, &mut slots);
        self.totals.transient_missed += slots.len() as u64;
    }

    /// Keeps the tapes within the backlog limit: slow streams that are further behind are sent back to history. Streams
    /// that still read have more time.
    fn trim(&mut self, now: Now) {
        for framing in Framing::ALL {
            let Some(excess) = self.tapes.excess(framing, &self.settings) else { continue };
            let mut needed = excess.cut;
            for slot in 0..self.connections.slots() as u32 {
                let Some(connection) = self.connections.get(slot) else { continue };
                let needs = connection.needs();
                if connection.framing != framing || needs >= excess.cut {
                    continue;
                }
                match needs < excess.last_cut || connection.is_slow(now) {
                    true => self.make_room(slot),
                    false => needed = needed.min(needs),
                }
            }
            self.tapes.trim(framing, excess, needed, &self.settings);
        }
    }
}

/// Up to this many streams are compared one by one.
const FEW: usize = 4;

impl<S> Shard<S> {
    /// The slot of a stream of this shard, if it still exists.
    pub(super) fn slot_of(&self, id: ClientId) -> Option<u32> {
        let token = self.settings.ids.open(id)?;
        self.connections.by_token(token).map(|_| token.slot)
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::net::{IpAddr, Ipv4Addr};

    use super::super::{Admission, Arrival, Settings, StreamLimits};
    use super::*;
    use crate::api::{CrossOrigin, LastEventId};
    use crate::event::{Draft, Event, EventId, Framing, Pattern, Profile, Publication, Topic};

    /// Takes everything.
    struct Sink;

    impl Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    const NOW: Now = Now { elapsed_ms: 1, unix_ms: 1 };

    /// A hundred streams that follow `room.*` and 63 other patterns, each other one also `side.N.*`.
    fn shard(last_event_id: LastEventId) -> Shard<Sink> {
        let none = usize::MAX;
        let admission = Admission::new(StreamLimits { total: none, per_address: none, per_user: none });
        let mut shard =
            Shard::new(0, Arc::new(Settings::for_tests()), Arc::new(admission), Newest::before_first(1));
        for n in 0..100 {
            let others = (0..62).map(|k| format!("*.x{k}.*"));
            let own = if n % 2 == 0 { format!("side.{n}.*") } else { "none.*".to_owned() };
            let texts = others.chain(["room.*".to_owned(), own]);
            let topics = texts.map(|text| Pattern::parse(&text).unwrap()).collect();
            shard.adopt(
                Sink,
                Arrival {
                    peer: IpAddr::V4(Ipv4Addr::LOCALHOST),
                    framing: Framing::Chunked,
                    last_event_id,
                    profile: Profile {
                        topics,
                        meta: [("k".into(), "v".into())].into(),
                        ..Profile::default()
                    },
                    expires_unix_ms: None,
                    cross_origin: CrossOrigin::Silent,
                },
                NOW,
            );
        }
        shard
    }

    #[test]
    fn topics_that_are_excepted_are_not_held_against_the_patterns_of_each_stream() {
        let topic = |text: &str| Target::topic(Topic::parse(text).unwrap());
        let sides = |to: Target, count: usize| {
            let topics = (0..count).map(|n| Topic::parse(&format!("side.{n}.z")).unwrap());
            to.except(topics.fold(topic("side.x.z"), Target::or_topic))
        };
        let deaf = Target::all().with_meta("k", "v").except(topic("side.2.z"));
        let cases = [
            (sides(Target::all(), 99), 50),
            (sides(topic("room.a"), 99), 50),
            (sides(topic("room.a"), 40), 80),
            (sides(Target::all().with_meta("k", "v"), 99), 50),
            (sides(Target::all().with_meta("k", "w"), 99), 0),
            (topic("room.a").except(topic("room.b").with_meta("k", "w")), 100),
            (topic("room.a").except(topic("room.b").with_meta("k", "v")), 0),
            // The exception has an exception.
            (topic("room.a").except(deaf), 1),
        ];
        let (mut live, mut behind) =
            (shard(LastEventId::None), shard(LastEventId::Id(EventId { epoch: 1, seq: 0 })));
        for (n, (target, meant)) in (1..).zip(cases) {
            let mut publication = Publication::new(Event::text("message", "x").unwrap(), target);
            let seal = |publication| Arc::new(Draft::from(publication).seal(n, EventId { epoch: 1, seq: n }));
            let record = seal(publication.clone());
            publication.ttl = Some(std::time::Duration::ZERO);
            let transient = seal(publication);
            let before = Pattern::comparisons();
            let (delivered, missed) = (live.totals.deliveries, behind.totals.transient_missed);
            live.apply(Command::Publish(record.clone()), NOW);
            behind.apply(Command::Publish(transient), NOW);
            let compared = Pattern::comparisons() - before;
            assert_eq!(live.totals.deliveries - delivered, meant, "{:?}", record.target);
            assert_eq!(behind.totals.transient_missed - missed, meant, "{:?}", record.target);
            assert!(compared <= 2 * 64 * FEW, "{compared} comparisons for {:?}", record.target);
            while live.flush(usize::MAX, NOW) {}
        }
    }
}
