//! From the first byte of a connection to an open stream, or to the control thread.

use std::io::{self, Read};
use std::num::NonZero;
use std::sync::Arc;

use super::Shard;
use super::arrival::Arrival;
use super::close::CloseReason;
use super::command::{After, Effect, HandOver};
use super::decision::Decision;
use super::outbox::Piece;
use super::phase::{Partial, Phase};
use super::settings::MAX_RECEIVED;
use crate::api::{LastEventId, StreamGrant, Subscription, write_head};
use crate::event::{Continuity, EventId, Framing, Gap, Now, Refusal, ServerEvent};
use crate::http::is_loopback_host;
use crate::http::{BodyFraming, Head, HeadScanner, Method, Outline, Scan};

/// A valid request for a stream.
pub(super) struct StreamRequest {
    /// What it asks for, but not yet who it is for.
    pub(super) arrival: Arrival,
    pub(super) outline: Outline,
}

impl<S: Read> Shard<S> {
    /// The connection in `slot` is readable, or its peer has `hung_up`.
    pub fn readable(&mut self, slot: u32, hung_up: bool, now: Now) {
        let mut input = std::mem::take(&mut self.scratch.input);
        // What is read may cause the connection to be handed over.
        while let Some(connection) = self.connections.get_mut(slot) {
            if matches!(connection.phase(), Phase::Closed) {
                break;
            }
            match connection.socket.read(&mut input) {
                Ok(0) => self.close(slot, CloseReason::PeerClosed),
                Ok(count) => {
                    self.receive(slot, &input[..count], now);
                    // A short read has emptied the socket; more data causes another edge.
                    if count < input.len() && !hung_up {
                        break;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => self.close(slot, CloseReason::PeerLost),
            }
        }
        self.scratch.input = input;
        self.debug_check();
    }
}

impl<S> Shard<S> {
    /// Adds a stream that was judged and admitted on another thread.
    pub fn adopt(&mut self, socket: S, arrival: Arrival, now: Now) -> u32 {
        let slot = self.accept(socket, arrival.peer, now);
        self.open(slot, arrival, now);
        if self.is_draining() {
            self.dismiss(slot, now);
        }
        self.debug_check();
        slot
    }

    fn receive(&mut self, slot: u32, bytes: &[u8], now: Now) {
        let Some(connection) = self.connections.listed_mut(slot) else { return };
        let Some(partial) = connection.state.head_mut() else {
            return match connection.phase() {
                Phase::Deciding(_) => self.keep_behind(slot, bytes),
                _ => self.discard(slot, bytes.len()),
            };
        };
        // Usually the head arrives whole, and is parsed where it was read.
        let Some(mut waiting) = partial.take() else {
            let mut scanner = HeadScanner::default();
            match scanner.scan(bytes, &self.settings.requests) {
                Scan::Incomplete => self.await_head(slot, bytes.to_vec(), scanner, None, now),
                verdict => self.decide(slot, verdict, bytes, now.elapsed_ms, None, now),
            }
            return;
        };
        if waiting.bytes.is_empty() {
            waiting.first_byte_ms = now.elapsed_ms;
        }
        waiting.bytes.extend_from_slice(bytes);
        match waiting.scanner.scan(&waiting.bytes, &self.settings.requests) {
            Scan::Incomplete => *partial = Some(waiting),
            verdict => {
                let Partial { bytes, first_byte_ms, refusal, .. } = *waiting;
                self.decide(slot, verdict, &bytes, first_byte_ms, refusal, now);
            }
        }
    }

    fn await_head(
        &mut self,
        slot: u32,
        bytes: Vec<u8>,
        scanner: HeadScanner,
        refusal: Option<Refusal>,
        now: Now,
    ) {
        let Some(connection) = self.connections.listed(slot) else { return };
        self.deadlines.head.push(now.elapsed_ms + self.head_timeout_ms(), slot, connection);
        let partial = Partial { bytes, scanner, first_byte_ms: now.elapsed_ms, refusal };
        self.connections.await_head(slot, partial);
    }

    /// Refuses whatever the new connection in `slot` will ask for: there is only room to say so.
    pub fn refuse_when_known(&mut self, slot: u32, reason: Refusal, now: Now) {
        self.await_head(slot, Vec::new(), HeadScanner::default(), Some(reason), now);
    }

    /// Closes a connection that cannot be served.
    pub fn abandon(&mut self, slot: u32) {
        self.close(slot, CloseReason::PeerLost);
    }

    /// Opens the stream that a complete head asks for, once it is known who it is from. Everything else, and anything
    /// doubtful, goes to the control thread, which parses the same bytes again and answers.
    fn decide(
        &mut self,
        slot: u32,
        verdict: Scan,
        bytes: &[u8],
        first_byte_ms: u64,
        refusal: Option<Refusal>,
        now: Now,
    ) {
        let asked = match (verdict, refusal) {
            (Scan::Complete(outline), None) => self.asked(slot, bytes, outline, now),
            _ => None,
        };
        let decision = match asked {
            None => None,
            Some((StreamRequest { arrival, outline }, Some(decision))) => {
                match self.settle(slot, arrival, decision, now) {
                    Ok(()) => return self.discard(slot, bytes.len() - outline.length),
                    Err(decision) => Some(decision),
                }
            }
            Some((request, None)) if request.outline.length == bytes.len() => {
                return self.inquire(slot, request, bytes, first_byte_ms, now);
            }
            // Other requests wait behind it.
            Some((_, None)) => None,
        };
        self.hand_over(slot, bytes.to_vec(), first_byte_ms, refusal, decision);
    }

    /// The stream that a head asks for, if it asks for nothing else, and the decision about it, if there is one at
    /// once.
    fn asked(
        &self,
        slot: u32,
        bytes: &[u8],
        outline: Outline,
        now: Now,
    ) -> Option<(StreamRequest, Option<Decision>)> {
        let settings = &self.settings;
        let head = Head::parse(bytes, &outline).ok()?;
        let plain = (settings.open || self.judge.is_some())
            && head.method == Method::Get
            && settings.routes.is_stream(head.path)
            && head.body == BodyFraming::Empty
            && !head.expects_continue
            && !head.expects_unknown
            && (!settings.open || !settings.loopback_host || head.host.is_none_or(is_loopback_host));
        if !plain {
            return None;
        }
        let mut subscription =
            Subscription::from_head(&head, settings.parameters, &settings.topics, now).ok()?;
        let peer = settings.proxies.client(self.connections.meta(slot)?.peer, &head);
        let cross_origin = settings.cors.judge(head.only_field("origin"));
        let decision = match &self.judge {
            Some(judge) if !settings.open => judge.judge(&head, peer, &subscription, now),
            _ => {
                let (profile, expires_unix_ms) = (std::mem::take(&mut subscription.claims), None);
                Some(Decision::Permitted(StreamGrant { profile, expires_unix_ms }))
            }
        };
        let Subscription { framing, last_event_id, .. } = subscription;
        let StreamGrant { profile, expires_unix_ms } = StreamGrant::default();
        let arrival = Arrival { peer, framing, last_event_id, profile, expires_unix_ms, cross_origin };
        Some((StreamRequest { arrival, outline }, decision))
    }

    pub(super) fn open(&mut self, slot: u32, arrival: Arrival, now: Now) {
        let Arrival { peer, framing, last_event_id, profile, expires_unix_ms, cross_origin } = arrival;
        self.connections.count_profile(&profile, 1);
        let profile = (!profile.is_anonymous()).then(|| Arc::new(profile));
        if let Some(profile) = &profile {
            self.index.insert(slot, profile, |slot| self.connections.profile(slot));
        }
        let Some(connection) = self.connections.listed_mut(slot) else { return };
        (connection.framing, connection.profile) = (framing, profile);
        let expires_ms = expires_unix_ms
            .and_then(|at| NonZero::new((now.elapsed_ms + at.saturating_sub(now.unix_ms)).max(1)));
        if let Some(at) = expires_ms {
            self.deadlines.expiry.insert((at.get(), slot));
        }
        if let Some(meta) = self.connections.meta_mut(slot) {
            (meta.peer, meta.connected_unix_ms, meta.received) = (peer, now.unix_ms, 0);
            (meta.expires_ms, meta.cross_origin) = (expires_ms, cross_origin);
        }
        self.totals.opened += 1;
        match last_event_id {
            LastEventId::None => self.go_live(slot, Gap::None, now),
            LastEventId::Invalid => self.go_live(slot, Gap::Invalid, now),
            LastEventId::Id(id) => self.begin_after(slot, After::Id(id)),
            LastEventId::Earliest => self.begin_after(slot, After::Earliest),
            LastEventId::Since(unix_ms) => self.begin_after(slot, After::Since(unix_ms)),
        }
        if self.settings.watch {
            self.effects.extend(self.client(slot).map(Effect::Connected));
        }
    }

    /// Starts a stream with what history holds.
    fn begin_after(&mut self, slot: u32, after: After) {
        self.connections.join(slot);
        self.ask(slot, after);
    }

    /// Starts a stream without a position in history at the position of this shard.
    fn go_live(&mut self, slot: u32, gap: Gap, now: Now) {
        self.greet(slot, self.applied.newest.id, Continuity::Lost(gap), now);
        self.subscribe(slot);
    }

    /// Subscribes a stream: it gets everything published from now on.
    pub(super) fn subscribe(&mut self, slot: u32) {
        let Some(connection) = self.connections.listed(slot) else { return };
        let cursor = self.tapes[connection.framing].end();
        self.connections.stream(slot, cursor);
        self.schedule_write(slot);
    }

    /// Queues the response head and the first event as one piece, so that they are sent in one write.
    pub(super) fn greet(&mut self, slot: u32, id: EventId, continuity: Continuity, now: Now) {
        let Some(client) = self.client(slot) else { return };
        let Some(framing) = self.connections.listed(slot).map(|connection| connection.framing) else {
            return;
        };
        let mut bytes = Vec::with_capacity(512);
        self.write_response_head(slot, framing, false, &mut bytes, now);
        self.totals.greeted[continuity.index()] += 1;
        let retry = self.settings.retry;
        ServerEvent::Connected { retry, id, client: &client, continuity }.write(framing, &mut bytes);
        if let Some(connection) = self.connections.listed_mut(slot) {
            connection.push(Piece::Own(bytes.into()), &self.tapes[framing]);
        }
    }

    /// The head of a stream's response; `is_over` if the stream ends at once.
    pub(super) fn write_response_head(
        &mut self,
        slot: u32,
        framing: Framing,
        is_over: bool,
        out: &mut Vec<u8>,
        now: Now,
    ) {
        let Some(meta) = self.connections.meta(slot) else { return };
        let cross_origin = self.settings.cors.fields(meta.cross_origin);
        write_head(out, framing, is_over, self.scratch.date.at(now), cross_origin);
    }

    /// Ignores what a client sends on its open stream, up to [`MAX_RECEIVED`] bytes.
    pub fn discard(&mut self, slot: u32, count: usize) {
        let Some(meta) = self.connections.meta_mut(slot) else { return };
        meta.received = meta.received.saturating_add(u16::try_from(count).unwrap_or(u16::MAX));
        if meta.received > MAX_RECEIVED {
            self.close(slot, CloseReason::Flooded);
        }
    }

    /// Hands a connection over. Its slot is free at once, since no queue or index knows it.
    pub(super) fn hand_over(
        &mut self,
        slot: u32,
        bytes: Vec<u8>,
        first_byte_ms: u64,
        refusal: Option<Refusal>,
        decision: Option<Decision>,
    ) {
        let Some((socket, peer)) = self.connections.take(slot) else { return };
        let leaving = HandOver { socket, peer, bytes, first_byte_ms, refusal, decision };
        self.effects.push(Effect::HandOver(leaving));
    }
}
