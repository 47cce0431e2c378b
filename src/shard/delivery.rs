//! From a command to what each stream is owed.

use std::io::Write;
use std::sync::Arc;

use super::command::{Command, Who};
use super::connection::Phase;
use super::outbox::Piece;
use super::tape::SEGMENT;
use super::{FRAMINGS, Shard, tape_of};
use crate::wire::{ClientId, Now, Record, Selector, Target};

impl<S: Write> Shard<S> {
    /// Acts on a command. Publications and joins must come in the order in which the journal sent them.
    pub fn apply(&mut self, command: Command, now: Now) {
        match command {
            Command::Publish(record) => self.publish(&record, now),
            Command::PublishBatch(records) => {
                self.batch = Some((records, 0));
                self.go_on_with_batch(now);
            }
            Command::Join(join) => self.join(join, now),
            Command::Ping(user) => self.ping(user.as_deref(), now),
            Command::Disconnect(Who::User(user), reply) => reply(self.disconnect_user(&user, now)),
            Command::Disconnect(Who::Client(client), reply) => reply(self.disconnect_client(client, now)),
            Command::Report(reply) => reply(self.report(now)),
            Command::Drain(spread) => self.drain(spread),
        }
        self.debug_check();
    }

    /// Whether the next command may be applied. Not while so much is under way, to everybody or to one, that streams
    /// which only wait for their turn would look slow.
    pub fn has_appetite(&self) -> bool {
        self.batch.is_none() && self.is_under_quota()
    }

    fn is_under_quota(&self) -> bool {
        if self.pressed {
            return false;
        }
        let under_way = |framing| tape_of(&self.tapes, framing).end() - self.pass.served[framing as usize];
        FRAMINGS.iter().all(|framing| under_way(*framing) < self.settings.pass_quota().max(1))
    }

    /// A batch is one command, but no larger than another at a time.
    pub(super) fn go_on_with_batch(&mut self, now: Now) {
        while self.is_under_quota() {
            let Some((records, at)) = self.batch.take() else { return };
            let Some(record) = records.get(at) else { return };
            self.publish(record, now);
            self.batch = Some((records, at + 1));
        }
    }

    fn publish(&mut self, record: &Arc<Record>, now: Now) {
        self.applied = record.seq;
        if record.is_transient() && !self.behind.is_empty() {
            self.count_missed(&record.target);
        }
        if record.target.to.is_everyone() {
            self.broadcast(record, now);
        } else {
            let mut slots = std::mem::take(&mut self.candidates);
            self.find(&record.target.to, &mut slots);
            for &slot in &slots {
                if self.is_meant(slot, &record.target) {
                    self.owe(slot, record, now);
                }
            }
            self.candidates = slots;
        }
    }

    /// For everyone: joined to the common tape, which all but the excepted are owed.
    fn broadcast(&mut self, record: &Arc<Record>, now: Now) {
        let mut excepted = std::mem::take(&mut self.candidates);
        excepted.clear();
        if !record.target.except.is_empty() {
            self.find_excepted(&record.target, &mut excepted);
        }
        let begins = FRAMINGS.map(|framing| tape_of(&self.tapes, framing).end());
        for framing in FRAMINGS {
            let live = self.standing.live[framing as usize];
            if live > 0 {
                self.tapes[framing as usize].append(record);
                self.totals.deliveries += live as u64;
            }
        }
        for &slot in &excepted {
            self.skip(slot, begins);
        }
        self.candidates = excepted;
        self.pass.restart(self.origins.len());
        self.trim(now);
    }

    /// Passes a stream over for the newest event on the tape, which began at these offsets.
    fn skip(&mut self, slot: u32, begins: [u64; 2]) {
        let Some(connection) = self.connections.get_mut(slot as usize) else { return };
        let Phase::Streaming { cursor } = &mut connection.phase else { return };
        let (framing, from) = (connection.framing, *cursor);
        let begin = begins[framing as usize];
        *cursor = tape_of(&self.tapes, framing).end();
        self.totals.deliveries -= 1;
        if from < begin {
            connection.outbox.get_or_insert_default().push(Piece::Tape { from, to: begin }, framing);
            self.queue(slot);
        }
    }

    /// For one stream: put behind what it is owed already.
    pub(super) fn owe(&mut self, slot: u32, record: &Arc<Record>, now: Now) {
        let Some(connection) = self.connections.get_mut(slot as usize) else { return };
        let tape = tape_of(&self.tapes, connection.framing);
        connection.push(Piece::Record(record.clone()), tape);
        self.totals.deliveries += 1;
        let backlog = connection.backlog(tape);
        if backlog <= self.settings.max_backlog {
            self.queue(slot);
        } else if !connection.blocked {
            self.pressed = true;
            self.queue(slot);
        } else if backlog > self.settings.most_backlog() || connection.is_slow(now) {
            self.lag(slot);
        }
    }

    /// The slots of live streams that a selector may mean.
    fn find(&self, selector: &Selector, slots: &mut Vec<u32>) {
        if self.index.candidates(selector, |slot| self.profile(slot), slots).is_none() {
            slots.extend(self.connections.iter().map(|(slot, _)| slot as u32));
            return;
        }
        if !selector.clients.is_empty() {
            slots.extend(selector.clients.iter().filter_map(|id| self.slot_of(*id)));
            slots.sort_unstable();
            slots.dedup();
        }
    }

    fn find_excepted(&self, target: &Target, slots: &mut Vec<u32>) {
        let mut found = Vec::new();
        for except in &target.except {
            self.find(&except.to, &mut found);
            slots.append(&mut found);
        }
        slots.sort_unstable();
        slots.dedup();
        slots.retain(|slot| {
            let client = self.client(*slot);
            client.is_some_and(|client| target.except.iter().any(|except| except.matches(&client)))
        });
    }

    /// Whether a live stream that the index has found is one of those meant.
    fn is_meant(&self, slot: u32, target: &Target) -> bool {
        let live =
            self.connections.get(slot as usize).is_some_and(|connection| connection.cursor().is_some());
        live && (target.is_plain() || self.client(slot).is_some_and(|client| target.matches_named(&client)))
    }

    /// What history never holds is not owed to a stream that is behind; it is counted.
    fn count_missed(&mut self, target: &Target) {
        let meant = |slot: &&u32| self.client(**slot).is_some_and(|client| target.matches(&client));
        let missed = self.behind.iter().filter(meant);
        self.totals.transient_missed += missed.count() as u64;
    }

    /// Keeps what the tapes hold within the backlog limit: slow streams further behind keep a cursor. Those that
    /// still take what they are given have more time.
    fn trim(&mut self, now: Now) {
        for framing in FRAMINGS {
            let tape = tape_of(&self.tapes, framing);
            let (served, end) = (self.pass.served[framing as usize], tape.end());
            let within = |limit| tape.excess(limit).map(|cut| cut.min(served));
            let Some(cut) =
                within(self.settings.max_backlog).filter(|_| end >= self.trim_at[framing as usize])
            else {
                continue;
            };
            let last_cut = within(self.settings.most_backlog()).unwrap_or(0);
            let mut needed = cut;
            for slot in 0..self.origins.len() as u32 {
                let Some(connection) = self.connections.get(slot as usize) else { continue };
                let needs = connection.needs();
                if connection.framing != framing || needs >= cut {
                    continue;
                }
                match needs < last_cut || connection.is_slow(now) {
                    true => self.make_room(slot),
                    false => needed = needed.min(needs),
                }
            }
            self.tapes[framing as usize].release(needed);
            // Not a look at all streams for each event while some are given more time.
            let pause = if needed < cut { SEGMENT.min(self.settings.max_backlog / 4) } else { 0 };
            self.trim_at[framing as usize] = end + pause as u64;
        }
    }
}

impl<S> Shard<S> {
    /// The slot of a stream of this shard, if it is still there.
    pub(super) fn slot_of(&self, id: ClientId) -> Option<u32> {
        let token = self.settings.ids.open(id).filter(|token| token.shard == self.number)?;
        let connection = self.connections.get(token.slot as usize)?;
        (connection.serial == token.serial).then_some(token.slot)
    }
}
