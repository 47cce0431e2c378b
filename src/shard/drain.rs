//! Shutdown of a shard: its streams are told, and ended.

use std::io::Write;
use std::time::Duration;

use super::Shard;
use super::close::CloseReason;
use super::decision::Decision;
use super::phase::{Partial, Phase};
use crate::event::{Now, Refusal, ServerEvent};

/// A shutdown in progress.
#[derive(Debug)]
pub(super) struct Drain {
    /// Clients reconnect spread over this time.
    spread_ms: u64,
    /// The slot up to which streams are ended.
    at: usize,
    /// Whether streams that are behind may catch up with history first.
    awaits_replays: bool,
}

/// Maximum number of streams that a drain ends in a turn: ending all at once would delay everything else.
const GOODBYES: usize = 1024;
/// Shortest time before clients reconnect after a drain: the next process should be up by then.
const SOONEST_MS: u64 = 1_000;

impl<S: Write> Shard<S> {
    /// Ends all streams; those that are behind, once they have caught up with history. Their clients reconnect spread
    /// over this time.
    pub(super) fn begin_drain(&mut self, spread: Duration) {
        let spread_ms = spread.as_millis() as u64;
        self.drain = Some(Drain { spread_ms, at: 0, awaits_replays: true });
        // A connection without a stream cannot open one any more; the control thread tells it so.
        for slot in 0..self.connections.slots() as u32 {
            let Some(connection) = self.connections.get_mut(slot) else { continue };
            if let Some(partial) = connection.state.head_mut() {
                let Partial { bytes, first_byte_ms, .. } =
                    partial.take().map_or_else(Partial::default, |p| *p);
                self.hand_over(slot, bytes, first_byte_ms, Some(Refusal::Draining), None);
            } else if matches!(connection.phase(), Phase::Deciding(_)) {
                // There is no time to find out who it is from; the next server will.
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

    /// Whether a shutdown has not told all streams yet.
    pub fn has_streams_to_dismiss(&self) -> bool {
        self.drain.as_ref().is_some_and(|drain| drain.at < self.connections.slots())
    }

    /// Tells a stream of the shutdown, and ends it. A stream that is behind continues until
    /// [`caught_up`](Self::caught_up).
    pub(super) fn dismiss(&mut self, slot: u32, now: Now) {
        let Some(Drain { spread_ms, awaits_replays, .. }) = self.drain else { return };
        if awaits_replays && self.connections.counts().behind().contains(&slot) {
            return;
        }
        let retry = Duration::from_millis(SOONEST_MS.saturating_add(fastrand::u64(0..=spread_ms)));
        self.end(slot, CloseReason::Draining, Some(ServerEvent::Draining { retry }), now);
    }

    /// Ends a stream that has caught up with history, if a shutdown has passed its slot and waits for it.
    pub(super) fn caught_up(&mut self, slot: u32, now: Now) {
        if self.drain.as_ref().is_some_and(|drain| (slot as usize) < drain.at) {
            self.dismiss(slot, now);
        }
    }

    /// Ends the streams that are still behind: the time for the shutdown is over. Their clients resume after the last
    /// id that they were sent.
    pub fn cut_replays(&mut self, now: Now) {
        let Some(drain) = &mut self.drain else { return };
        drain.awaits_replays = false;
        let behind: Vec<u32> = self.connections.counts().behind().iter().copied().collect();
        behind.into_iter().for_each(|slot| self.dismiss(slot, now));
        self.debug_check();
    }
}
