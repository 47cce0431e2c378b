//! Events for all streams: a tape per framing, and how far it has been handed to the streams.

use std::ops::Index;
use std::sync::Arc;

use super::pass::Pass;
use super::settings::Settings;
use super::tape::{SEGMENT, Tape};
use crate::event::{Framing, PerFraming, Record};

/// The tapes of all framings, and the pass that hands them to the streams. Indexing by framing returns the tape.
#[derive(Debug)]
pub(super) struct Broadcast {
    lanes: PerFraming<Lane>,
    pub(super) pass: Pass,
}

/// Events for all streams in one framing.
#[derive(Debug)]
struct Lane {
    tape: Tape,
    /// Every stream that is not blocked has been handed the tape up to here.
    served: u64,
    /// The end that the tape must reach before it is trimmed again.
    trim_at: u64,
}

/// Where to cut a tape that holds more than the backlog limit.
#[derive(Clone, Copy, Debug)]
pub(super) struct Excess {
    /// Slow streams that need bytes before this offset are sent back to history.
    pub(super) cut: u64,
    /// So are all other streams that need bytes before this one.
    pub(super) last_cut: u64,
}

impl Broadcast {
    pub(super) fn new() -> Self {
        let lanes = PerFraming::from_fn(|framing| Lane { tape: Tape::new(framing), served: 0, trim_at: 0 });
        Self { lanes, pass: Pass::default() }
    }

    /// Appends an event to the tape of one framing.
    pub(super) fn append(&mut self, framing: Framing, record: &Arc<Record>) {
        self.lanes[framing].tape.append(record);
    }

    /// Where each tape ends.
    pub(super) fn ends(&self) -> PerFraming<u64> {
        PerFraming::from_fn(|framing| self[framing].end())
    }

    /// Whether fewer bytes than this are in progress on each tape.
    pub(super) fn is_under(&self, quota: u64) -> bool {
        let under_way = |lane: &Lane| lane.tape.end() - lane.served;
        Framing::ALL.iter().all(|framing| under_way(&self.lanes[*framing]) < quota)
    }

    /// Notes that every stream that is not blocked has been handed the tapes. If none is blocked, the contents are no
    /// longer needed.
    pub(super) fn all_served(&mut self, is_any_blocked: bool) {
        for framing in Framing::ALL {
            let Lane { tape, served, .. } = &mut self.lanes[framing];
            *served = tape.end();
            if !is_any_blocked {
                tape.release(tape.end());
            }
        }
    }

    /// Where to cut a tape, if it exceeds the backlog limit and it is time to check.
    pub(super) fn excess(&self, framing: Framing, settings: &Settings) -> Option<Excess> {
        let Lane { tape, served, trim_at } = &self.lanes[framing];
        let within = |limit| tape.excess(limit).map(|cut| cut.min(*served));
        let cut = within(settings.max_backlog).filter(|_| tape.end() >= *trim_at)?;
        Some(Excess { cut, last_cut: within(settings.most_backlog()).unwrap_or(0) })
    }

    /// Removes what no stream needs from a tape.
    pub(super) fn trim(&mut self, framing: Framing, excess: Excess, needed: u64, settings: &Settings) {
        let Lane { tape, trim_at, .. } = &mut self.lanes[framing];
        tape.release(needed);
        // Do not check all streams for each event while some have more time.
        let pause = if needed < excess.cut { SEGMENT.min(settings.max_backlog / 4) } else { 0 };
        *trim_at = tape.end() + pause as u64;
    }
}

impl Index<Framing> for Broadcast {
    type Output = Tape;

    fn index(&self, framing: Framing) -> &Tape {
        &self.lanes[framing].tape
    }
}
