//! Requests that wait for a decision about who they are from.

use std::net::IpAddr;
use std::sync::Arc;

use super::super::problems::bodies_are_full;
use super::super::service::{Known, Service};
use super::{HttpConnection, Phase, expects};
use crate::api::Scope;
use crate::event::Now;
use crate::net::authentication::{Job, Waiting};
use crate::net::message::Asker;
use crate::net::verdict::{Undecided, Verdict};

/// Bytes after a head that may be kept without counting while it is not known who it is from.
const FREE: usize = 4 * 1024;

impl HttpConnection {
    /// Asks who the last request is from; its body can wait.
    pub(super) fn identify(
        &mut self,
        asker: Asker,
        peer: IpAddr,
        scope: Scope,
        service: &Service,
        date: &str,
        now: Now,
    ) {
        let Some(head) = self.reader.keep_head() else { return self.phase = Phase::Closed };
        let head = Arc::new(head);
        let request = Arc::downgrade(&head);
        self.enter(Phase::Deciding(head), now);
        let shared = service.shared();
        let job = Job { request, peer, asker: Waiting::HttpConnection(asker, scope) };
        if !shared.authentication.put(job, shared.clock.elapsed()) {
            self.identified(Verdict::Undecided(Undecided::Full), service, date, now);
        }
    }

    /// Whether the connection waits for the decision about this request. A thread that takes too long answers when the
    /// next request, which may be from somebody else, is waiting.
    pub(in crate::net::control) fn is_deciding(&self, request: u32) -> bool {
        matches!(self.phase, Phase::Deciding(_)) && self.request == request
    }

    /// Continues with a request once it is known who it is from, or no longer waited for.
    pub(in crate::net::control) fn identified(
        &mut self,
        verdict: Verdict,
        service: &Service,
        date: &str,
        now: Now,
    ) {
        let Phase::Deciding(kept) = &self.phase else { return };
        let kept = kept.clone();
        let Ok(head) = kept.head() else { return self.phase = Phase::Closed };
        let plan = service.plan(&head, self.peer, self.listener_kind, Known::Verdict(verdict), now);
        self.begin(plan, expects(&head), service, date, now);
    }

    /// Gives up waiting: the connection is broken.
    pub(in crate::net::control) fn abandon_decision(&mut self) {
        if let Phase::Deciding(_) = self.phase {
            self.phase = Phase::Closed;
        }
    }

    /// Keeps what is left waiting after a turn within its limits. Nothing else counts, so that small publications
    /// always go through.
    pub(in crate::net::control) fn bound_body(&mut self, service: &Service, date: &str, now: Now) {
        self.reader.shrink();
        let held = match self.phase {
            // Keep little of what followed a head as long as nobody has vouched for it.
            Phase::Deciding(_) => Some(self.reader.buffered()).filter(|bytes| *bytes > FREE).unwrap_or(0),
            _ => self.reader.body_held(),
        };
        if self.share.resize(held) {
            return;
        }
        if let Phase::Deciding(_) = self.phase {
            self.identified(Verdict::Undecided(Undecided::Full), service, date, now);
        } else if let Some(plan) = &mut self.plan {
            plan.task = Err(bodies_are_full());
            self.reader.discard_body();
        }
    }
}
