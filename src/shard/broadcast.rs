//! What goes to everyone: a tape for each framing, and how far it has been given to the streams.

use std::ops::Index;
use std::sync::Arc;

use super::pass::Pass;
use super::settings::Settings;
use super::tape::{SEGMENT, Tape};
use crate::event::{Framing, PerFraming, Record};

/// The tapes of all framings, and the pass that brings them to the streams. Indexed by framing, it is the tape.
#[derive(Debug)]
pub(super) struct Broadcast {
    lanes: PerFraming<Lane>,
    pub(super) pass: Pass,
}

/// What goes to everyone in one framing.
#[derive(Debug)]
struct Lane {
    tape: Tape,
    /// Up to here every stream that is not blocked has been given the tape.
    served: u64,
    /// How far the tape has to reach before it is trimmed again.
    trim_at: u64,
}

/// Where to cut a tape that holds more than the backlog limit.
#[derive(Clone, Copy, Debug)]
pub(super) struct Excess {
    /// Slow streams that need something before this make room.
    pub(super) cut: u64,
    /// All streams that need something before this do.
    pub(super) last_cut: u64,
}

impl Broadcast {
    pub(super) fn new() -> Self {
        let lanes = PerFraming::from_fn(|framing| Lane { tape: Tape::new(framing), served: 0, trim_at: 0 });
        Self { lanes, pass: Pass::default() }
    }

    /// Adds an event to the tape of one framing.
    pub(super) fn append(&mut self, framing: Framing, record: &Arc<Record>) {
        self.lanes[framing].tape.append(record);
    }

    /// Where each tape ends.
    pub(super) fn ends(&self) -> PerFraming<u64> {
        PerFraming::from_fn(|framing| self[framing].end())
    }

    /// Whether fewer bytes than this, of each tape, are under way.
    pub(super) fn is_under(&self, quota: u64) -> bool {
        let under_way = |lane: &Lane| lane.tape.end() - lane.served;
        Framing::ALL.iter().all(|framing| under_way(&self.lanes[*framing]) < quota)
    }

    /// Every stream that is not blocked has been given the tapes. Where none is blocked, nobody needs what they hold.
    pub(super) fn all_served(&mut self, is_any_blocked: bool) {
        for framing in Framing::ALL {
            let Lane { tape, served, .. } = &mut self.lanes[framing];
            *served = tape.end();
            if !is_any_blocked {
                tape.release(tape.end());
            }
        }
    }

    /// Where a tape is to be cut, if it holds more than the backlog limit, and it is time to look.
    pub(super) fn excess(&self, framing: Framing, settings: &Settings) -> Option<Excess> {
        let Lane { tape, served, trim_at } = &self.lanes[framing];
        let within = |limit| tape.excess(limit).map(|cut| cut.min(*served));
        let cut = within(settings.max_backlog).filter(|_| tape.end() >= *trim_at)?;
        Some(Excess { cut, last_cut: within(settings.most_backlog()).unwrap_or(0) })
    }

    /// Cuts a tape as far as no stream needs it.
    pub(super) fn trim(&mut self, framing: Framing, excess: Excess, needed: u64, settings: &Settings) {
        let Lane { tape, trim_at, .. } = &mut self.lanes[framing];
        tape.release(needed);
        // Not a look at all streams for each event while some are given more time.
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
