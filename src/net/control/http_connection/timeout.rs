//! Timeouts of a connection that is not a stream.

use super::super::rejected::cross_origin_of;
use super::super::service::{NO_ROUTE, Service, Task};
use super::{HttpConnection, Phase};
use crate::api::Problem;
use crate::event::Now;
use crate::net::meters::Awaited;
use crate::net::verdict::{Undecided, Verdict};

/// Grace period (ms) before the minimum body rate applies, and that rate in bytes per second.
const BODY_GRACE_MS: u64 = 5_000;
const BODY_RATE: u64 = 512;
/// How long input is read and discarded after the last response, in ms, so that the response is not lost to a reset: in
/// total, and without input.
const LINGER_MS: u64 = 30_000;
const LINGER_PAUSE_MS: u64 = 5_000;
/// A body, or a response, that has not progressed for this many ms counts as idle when descriptors run short: longer
/// than most round trips. So does a body that has been slower than the minimum rate until then.
const STILL_MS: u64 = 250;
/// How long to wait for the rest of a head that is too large, in ms, since it may say which page asked.
const ORIGIN_MS: u64 = 1_000;

/// How long to wait, in ms.
pub(in crate::net::control) struct Timeouts {
    /// For a first byte, and for a whole head from its first byte.
    pub(in crate::net::control) head_ms: u64,
    /// For more of a body.
    pub(in crate::net::control) silence_ms: u64,
    /// For a decision about who a request is from.
    pub(in crate::net::control) decision_ms: u64,
    /// For another request after an answer.
    pub(in crate::net::control) idle_ms: u64,
    /// For the peer to read any of what is waiting for it.
    pub(in crate::net::control) stall_ms: u64,
}

impl HttpConnection {
    /// Checks the timeouts: answers 408, or closes without a response. True if a timeout had passed.
    pub(in crate::net::control) fn check_time(
        &mut self,
        timeouts: &Timeouts,
        service: &Service,
        date: &str,
        now: Now,
    ) -> bool {
        let Timeouts { head_ms, silence_ms, decision_ms, idle_ms, stall_ms } = *timeouts;
        let waited = now.elapsed_ms.saturating_sub(self.since_ms);
        let silent = now.elapsed_ms.saturating_sub(self.heard_ms);
        if self.answers.is_written() {
            self.progress_ms = now.elapsed_ms;
        } else if now.elapsed_ms.saturating_sub(self.progress_ms) > stall_ms {
            self.phase = Phase::Closed;
        }
        match self.phase {
            Phase::Idle { answered: false } if waited >= head_ms => self.phase = Phase::Closed,
            Phase::Idle { answered: true } if waited >= idle_ms && !self.answers.is_awaiting() => {
                self.phase = Phase::Closed
            }
            Phase::Closing { shut: true } if waited >= LINGER_MS || waited.min(silent) >= LINGER_PAUSE_MS => {
                self.phase = Phase::Closed;
            }
            Phase::Deciding(_) if waited >= decision_ms => {
                self.identified(Verdict::Undecided(Undecided::Late), service, date, now);
            }
            // It was the server that did not read on, or has not processed the input: an event loop may hand over a
            // complete request long after it arrived.
            Phase::Head | Phase::Body if self.held_back || self.unseen => return false,
            Phase::Rejected(_) if waited >= ORIGIN_MS => self.tell_rejected(service, date, now),
            Phase::Head if waited >= head_ms => {
                let cors = &service.shared().settings.cors;
                (self.cross_origin, self.route) = (cross_origin_of(self.reader.unread(), cors), NO_ROUTE);
                self.time_out("the head was not whole in time", service, date, now);
            }
            Phase::Body if self.is_body_slow(waited) => {
                self.time_out("the body came too slowly", service, date, now);
            }
            Phase::Body if silent >= silence_ms => {
                self.time_out("the rest of the body did not come in time", service, date, now);
            }
            Phase::Closed => {}
            _ => return false,
        }
        true
    }

    /// Since when it has been idle, and what it is waiting for; `None` if a request is making progress.
    pub(in crate::net::control) fn idle_since(&self, now: Now) -> Option<(u64, Awaited)> {
        let is_still = |since_ms: u64| now.elapsed_ms.saturating_sub(since_ms) >= STILL_MS;
        if !self.answers.is_written() {
            return is_still(self.progress_ms).then_some((self.progress_ms, Awaited::Taking));
        }
        // It is the server that takes its time.
        if self.answers.is_awaiting() {
            return None;
        }
        match self.phase {
            Phase::Idle { .. } => Some((self.since_ms, Awaited::Request)),
            Phase::Head | Phase::Rejected(_) => Some((self.since_ms, Awaited::Head)),
            // It progresses in vain: its request is refused, or needs no body.
            Phase::Body if is_still(self.since_ms) && !self.wants_body() => {
                Some((self.since_ms, Awaited::Body))
            }
            Phase::Body if is_still(self.heard_ms) => Some((self.heard_ms, Awaited::Body)),
            Phase::Body => {
                let waited_ms = now.elapsed_ms.saturating_sub(self.since_ms);
                let is_slow = is_still(self.since_ms) && self.is_body_below_rate(waited_ms);
                is_slow.then_some((self.since_ms, Awaited::Body))
            }
            Phase::Closing { shut: true } => Some((self.since_ms, Awaited::Taking)),
            // Nobody has vouched for it yet, though it is the server that takes its time.
            Phase::Deciding(_) => Some((self.since_ms, Awaited::Decision)),
            Phase::Held(_) | Phase::Waiting { .. } => None,
            Phase::Closing { shut: false } | Phase::Leaving(_) | Phase::Closed => None,
        }
    }

    /// Whether the body that is arriving will be used.
    pub(super) fn wants_body(&self) -> bool {
        self.plan.as_ref().is_some_and(|plan| plan.task.as_ref().is_ok_and(Task::takes_body))
    }

    /// Whether input is waiting to be processed that may be the awaited request or body.
    pub(in crate::net::control) fn is_heard(&self) -> bool {
        let counts =
            matches!(self.phase, Phase::Idle { .. } | Phase::Head | Phase::Body) && self.answers.is_written();
        counts && (self.unseen || matches!(self.socket.peek(&mut [0]), Ok(1..)))
    }

    fn is_body_below_rate(&self, waited_ms: u64) -> bool {
        self.reader.body_received() * 1000 < BODY_RATE * waited_ms
    }

    fn is_body_slow(&self, waited_ms: u64) -> bool {
        waited_ms >= BODY_GRACE_MS && self.is_body_below_rate(waited_ms)
    }

    fn time_out(&mut self, detail: &'static str, service: &Service, date: &str, now: Now) {
        self.plan = None;
        self.answer(&Problem::new(408, detail).into(), service, false, false, date, now);
    }
}
