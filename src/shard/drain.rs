//! Shutdown of a shard: its streams are told, and end.

use std::io::Write;
use std::time::Duration;

use super::Shard;
use super::close::CloseReason;
use super::decision::Decision;
use super::phase::{Partial, Phase};
use crate::event::{Now, Refusal, ServerEvent};

/// A shutdown under way.
#[derive(Debug)]
pub(super) struct Drain {
    /// Clients come back spread over so much time.
    spread_ms: u64,
    /// The slot up to which streams are ended.
    at: usize,
    /// Streams that are behind end once they have caught up with history.
    awaits_replays: bool,
}

/// Streams that a drain ends in a turn: all at once would keep the loop from everything else.
const GOODBYES: usize = 1024;
/// What clients wait at least before they come back from a drain: the next process is to be up by then.
const SOONEST_MS: u64 = 1_000;

impl<S: Write> Shard<S> {
    /// Ends all streams; those that are behind, once they have caught up with history. Their clients come back spread
    /// over a time.
    pub(super) fn begin_drain(&mut self, spread: Duration) {
        let spread_ms = spread.as_millis() as u64;
        self.drain = Some(Drain { spread_ms, at: 0, awaits_replays: true });
        // What is not a stream yet will not be one; the control thread says so.
        for slot in 0..self.connections.slots() as u32 {
            let Some(connection) = self.connections.get_mut(slot) else { continue };
            if let Some(partial) = connection.state.head_mut() {
                let Partial { bytes, first_byte_ms, .. } =
                    partial.take().map_or_else(Partial::default, |p| *p);
                self.hand_over(slot, bytes, first_byte_ms, Some(Refusal::Draining), None);
            } else if matches!(connection.phase(), Phase::Deciding(_)) {
                // There is no time to find out who it is; the next server will.
                self.give_up_deciding(slot, Some(Decision::Refused(Refusal::Draining)));
            }
        }
    }

    pub(super) fn go_on_draining(&mut self, now: Now) {
        let Some(drain) = &mut self.drain else { return };
        let slots = drain.at..self.connections.slots().min(drain.at + GOODBYES);
        drain.at = slots.end;
        for slot in slots.map(|slot| slot as u32) {
            if self.connections.get(slot).is_some() {
                self.dismiss(slot, now);
            }
        }
    }
}

impl<S> Shard<S> {
    /// Whether a shutdown is under way.
    pub(super) fn is_draining(&self) -> bool {
        self.drain.is_some()
    }

    /// Whether a shutdown has streams left that were not told.
    pub fn has_streams_to_dismiss(&self) -> bool {
        self.drain.as_ref().is_some_and(|drain| drain.at < self.connections.slots())
    }

    /// Tells a stream of the drain, and ends it. A stream that is behind goes on: [`caught_up`](Self::caught_up) ends it.
    pub(super) fn dismiss(&mut self, slot: u32, now: Now) {
        let Some(Drain { spread_ms, awaits_replays, .. }) = self.drain else { return };
        if awaits_replays && self.connections.counts().behind().contains(&slot) {
            return;
        }
        let retry = Duration::from_millis(SOONEST_MS.saturating_add(fastrand::u64(0..=spread_ms)));
        self.end(slot, CloseReason::Draining, Some(ServerEvent::Draining { retry }), now);
    }

    /// A stream has everything that history holds for it: a shutdown that has come past its slot has waited for that.
    pub(super) fn caught_up(&mut self, slot: u32, now: Now) {
        if self.drain.as_ref().is_some_and(|drain| (slot as usize) < drain.at) {
            self.dismiss(slot, now);
        }
    }

    /// The time for a shutdown is over: ends the streams that are behind where they are. Whatever they were not sent is
    /// after the last id that they were sent.
    pub fn cut_replays(&mut self, now: Now) {
        let Some(drain) = &mut self.drain else { return };
        drain.awaits_replays = false;
        let behind: Vec<u32> = self.connections.counts().behind().iter().copied().collect();
        behind.into_iter().for_each(|slot| self.dismiss(slot, now));
        self.debug_check();
    }
}
