//! Finds out who a stream is for, where the request itself does not say.

use std::net::IpAddr;
use std::sync::Arc;

use super::Shard;
use super::arrival::Arrival;
use super::command::{Effect, StreamToken};
use super::deadlines::Deadline;
use super::decision::{Decision, Inquiry};
use super::opening::StreamRequest;
use super::phase::{Phase, Undecided};
use super::settings::MAX_RECEIVED;
use crate::api::{StreamGrant, Subscription};
use crate::event::{Now, Refusal};
use crate::http::{Head, KeptHead};

/// Decides who requests for streams are from. It must not block.
pub trait Judge: Send + Sync {
    /// Decides about a request from this address; `None` if that takes long. The shard then sends an [`Inquiry`] and
    /// gets the answer by a [`Command`](super::Command).
    fn judge(&self, head: &Head<'_>, peer: IpAddr, asked: &Subscription, now: Now) -> Option<Decision>;
}

impl<S> Shard<S> {
    /// Lets a request wait for a decision that takes long.
    pub(super) fn inquire(
        &mut self,
        slot: u32,
        request: StreamRequest,
        bytes: &[u8],
        first_byte_ms: u64,
        now: Now,
    ) {
        let StreamRequest { arrival, outline } = request;
        let Some(connection) = self.connections.listed(slot) else { return };
        let token = self.connections.token_of(slot, connection.serial);
        let head = Arc::new(KeptHead::new(bytes, outline));
        let inquiry = Inquiry { token, request: Arc::downgrade(&head), peer: arrival.peer };
        let deadline_ms = now.elapsed_ms + self.settings.decision_timeout.as_millis() as u64;
        self.deadlines.decision.push(deadline_ms, slot, connection);
        let behind = Vec::new();
        self.connections.await_decision(slot, Undecided { head, arrival, behind, first_byte_ms });
        self.effects.push(Effect::Inquire(inquiry));
    }

    /// Keeps what follows a request that waits for a decision: it may be the next request, if this one is refused. If
    /// it is more than any client sends, the connection goes to the control thread, which does not read on while it
    /// waits.
    pub(super) fn keep_behind(&mut self, slot: u32, bytes: &[u8]) {
        let connection = self.connections.listed_mut(slot);
        let Some(undecided) = connection.and_then(|connection| connection.state.undecided_mut()) else {
            return;
        };
        undecided.behind.extend_from_slice(bytes);
        if undecided.behind.len() > usize::from(MAX_RECEIVED) {
            self.give_up_deciding(slot, None);
        }
    }

    /// Handles the answer to an [`Inquiry`].
    pub(super) fn decided(&mut self, token: StreamToken, decision: Decision, now: Now) {
        let slot = token.slot;
        // The connection may have left in the meantime.
        let connection = self.connections.by_token(token);
        let Some(Phase::Deciding(undecided)) = connection.map(|connection| connection.phase()) else {
            return;
        };
        let (arrival, behind) = (undecided.arrival.clone(), undecided.behind.len());
        match self.settle(slot, arrival, decision, now) {
            Err(decision) => self.give_up_deciding(slot, Some(decision)),
            Ok(()) => self.discard(slot, behind),
        }
    }

    /// Opens a stream that is permitted and admitted, or returns what to answer instead.
    pub(super) fn settle(
        &mut self,
        slot: u32,
        arrival: Arrival,
        decision: Decision,
        now: Now,
    ) -> Result<(), Decision> {
        let Decision::Permitted(StreamGrant { profile, expires_unix_ms }) = decision else {
            return Err(decision);
        };
        self.admission.admit(arrival.peer, profile.user.as_ref()).map_err(Decision::Refused)?;
        if let Some(meta) = self.connections.meta(slot) {
            self.admission.others().leave(meta.peer);
        }
        self.open(slot, Arrival { profile, expires_unix_ms, ..arrival }, now);
        Ok(())
    }

    /// Hands a connection that waits for a decision over to the control thread, with the decision, if there is one by
    /// now.
    pub(super) fn give_up_deciding(&mut self, slot: u32, decision: Option<Decision>) {
        let phase = self.connections.listed(slot).map(|connection| connection.phase());
        let Some(Phase::Deciding(undecided)) = phase else { return };
        let bytes = [undecided.head.bytes(), &undecided.behind].concat();
        let first_byte_ms = undecided.first_byte_ms;
        self.hand_over(slot, bytes, first_byte_ms, None, decision);
    }

    /// Refuses requests that were not decided in time. Their clients reconnect, and ask again.
    pub(super) fn sweep_decisions(&mut self, now: Now) {
        while let Some(Deadline { slot, serial, .. }) = self.deadlines.decision.pop_due(now.elapsed_ms) {
            if self.connections.by_serial(slot, serial).is_some() {
                self.give_up_deciding(slot, Some(Decision::Refused(Refusal::Auth)));
            }
        }
    }
}
