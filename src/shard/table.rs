//! The connections of a shard by slot, and the ways to look one up.
//!
//! The way that a caller uses says what it knows of the slot:
//!
//! - [`listed`](ConnectionTable::listed): the shard itself has the slot in the index, for instance, or has just visited
//!   it. The connection exists; if not, that is a bug, and panics in debug builds.
//! - [`by_token`](ConnectionTable::by_token), and [`by_serial`](ConnectionTable::by_serial) where the shard is known:
//!   slot and serial come from a client's id, the journal or a deadline. The connection may have left, and another may
//!   have its slot.
//! - [`get`](ConnectionTable::get): nothing is known, as in a walk over all slots, or on an edge of a socket.

use std::net::IpAddr;
use std::num::NonZero;
use std::sync::Arc;

use slab::Slab;

use super::command::StreamToken;
use super::connection::Connection;
use super::counts::StateCounts;
use crate::api::CrossOrigin;
use crate::event::{Client, ClientKey, Now, Profile};

/// The connections of one shard, and counts of their states.
#[derive(Debug)]
pub(super) struct ConnectionTable<S> {
    /// The number of the shard, for tokens.
    shard: u16,
    connections: Slab<Connection<S>>,
    /// The cold parts, by slot. There is one for every slot that was ever used.
    metas: Vec<ConnectionMeta>,
    /// The serial of the newest connection.
    serial: u32,
    /// Connections to be removed at the end of the turn.
    closed: Vec<u32>,
    counts: StateCounts,
    /// The profile of anonymous streams.
    anonymous: Arc<Profile>,
}

/// The cold part of a connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct ConnectionMeta {
    pub(super) peer: IpAddr,
    pub(super) connected_unix_ms: u64,
    /// Bytes that the client sent on its open stream, up to the limit.
    pub(super) received: u16,
    /// When its permission ends, in ms since the start.
    pub(super) expires_ms: Option<NonZero<u64>>,
    /// What its response head tells the page that asked.
    pub(super) cross_origin: CrossOrigin,
}

const _: () = assert!(size_of::<ConnectionMeta>() <= 40, "there is one for each connection");

impl ConnectionMeta {
    /// The cold part of a connection that was just accepted.
    pub(super) fn new(peer: IpAddr, now: Now) -> Self {
        let (received, expires_ms, cross_origin) = (0, None, CrossOrigin::Silent);
        Self { peer, connected_unix_ms: now.unix_ms, received, expires_ms, cross_origin }
    }
}

impl<S> ConnectionTable<S> {
    /// An empty table for the shard with this number.
    pub(super) fn new(shard: u16) -> Self {
        Self {
            shard,
            connections: Slab::new(),
            metas: Vec::new(),
            serial: 0,
            closed: Vec::new(),
            counts: StateCounts::default(),
            anonymous: Arc::default(),
        }
    }

    /// Adds a connection whose request is not yet known; returns its slot.
    pub(super) fn insert(&mut self, socket: S, meta: ConnectionMeta, now: Now) -> u32 {
        self.serial = self.serial.wrapping_add(1);
        let slot = self.connections.insert(Connection::new(socket, self.serial, now.elapsed_ms));
        match self.metas.get_mut(slot) {
            Some(place) => *place = meta,
            None => self.metas.push(meta),
        }
        slot as u32
    }

    /// Number of connections, in any state.
    pub(super) fn len(&self) -> usize {
        self.connections.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.connections.is_empty()
    }

    /// Number of slots that were ever used: the end of a walk over all connections.
    pub(super) fn slots(&self) -> usize {
        self.metas.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, &Connection<S>)> {
        self.connections.iter().map(|(slot, connection)| (slot as u32, connection))
    }

    /// The connection in any slot, if there is one.
    pub(super) fn get(&self, slot: u32) -> Option<&Connection<S>> {
        self.connections.get(slot as usize)
    }

    pub(super) fn get_mut(&mut self, slot: u32) -> Option<&mut Connection<S>> {
        self.connections.get_mut(slot as usize)
    }

    /// The connection that a token names, if it is on this shard and still exists.
    pub(super) fn by_token(&self, token: StreamToken) -> Option<&Connection<S>> {
        self.by_serial(token.slot, token.serial).filter(|_| token.shard == self.shard)
    }

    /// The connection with this slot and serial, if it still exists.
    pub(super) fn by_serial(&self, slot: u32, serial: u32) -> Option<&Connection<S>> {
        self.get(slot).filter(|connection| connection.serial == serial)
    }

    pub(super) fn by_serial_mut(&mut self, slot: u32, serial: u32) -> Option<&mut Connection<S>> {
        self.get_mut(slot).filter(|connection| connection.serial == serial)
    }

    /// The token of the present or past connection with this slot and serial.
    pub(super) fn token_of(&self, slot: u32, serial: u32) -> StreamToken {
        StreamToken { shard: self.shard, slot, serial }
    }

    /// The connection in a slot that the shard itself lists, so it exists.
    pub(super) fn listed(&self, slot: u32) -> Option<&Connection<S>> {
        let connection = self.connections.get(slot as usize);
        debug_assert!(connection.is_some(), "slot {slot} is listed, but nobody is there");
        connection
    }

    pub(super) fn listed_mut(&mut self, slot: u32) -> Option<&mut Connection<S>> {
        let connection = self.connections.get_mut(slot as usize);
        debug_assert!(connection.is_some(), "slot {slot} is listed, but nobody is there");
        connection
    }

    /// For [transitions](super::phase), which change the counts too.
    pub(super) fn listed_with_counts(&mut self, slot: u32) -> Option<(&mut Connection<S>, &mut StateCounts)> {
        let connection = self.connections.get_mut(slot as usize);
        debug_assert!(connection.is_some(), "slot {slot} is listed, but nobody is there");
        Some((connection?, &mut self.counts))
    }

    /// The cold part of a connection that is listed.
    pub(super) fn meta(&self, slot: u32) -> Option<&ConnectionMeta> {
        let meta = self.metas.get(slot as usize);
        debug_assert!(meta.is_some(), "slot {slot} is listed, but was never used");
        meta
    }

    pub(super) fn meta_mut(&mut self, slot: u32) -> Option<&mut ConnectionMeta> {
        let meta = self.metas.get_mut(slot as usize);
        debug_assert!(meta.is_some(), "slot {slot} is listed, but was never used");
        meta
    }

    pub(super) fn counts(&self) -> &StateCounts {
        &self.counts
    }

    /// Counts a stream with this profile in (1) or out (-1).
    pub(super) fn count_profile(&mut self, profile: &Profile, change: isize) {
        self.counts.count_profile(profile, change);
    }

    /// Notes whether the socket of a listed connection is full.
    pub(super) fn set_blocked(&mut self, slot: u32, is_blocked: bool) {
        let Some((connection, counts)) = self.listed_with_counts(slot) else { return };
        if connection.blocked != is_blocked {
            connection.blocked = is_blocked;
            counts.count_blocked(is_blocked);
        }
    }

    /// The name of a listed connection outside of the shard.
    pub(super) fn token(&self, slot: u32) -> Option<StreamToken> {
        Some(self.token_of(slot, self.listed(slot)?.serial))
    }

    /// The profile of a listed stream that is not anonymous.
    pub(super) fn profile(&self, slot: u32) -> Option<&Profile> {
        self.listed(slot)?.profile.as_deref()
    }

    /// The profile of a listed stream.
    pub(super) fn profile_or_anonymous(&self, slot: u32) -> Option<&Arc<Profile>> {
        Some(self.listed(slot)?.profile.as_ref().unwrap_or(&self.anonymous))
    }

    /// A listed stream as targets and hooks see it.
    pub(super) fn client(&self, slot: u32, ids: ClientKey) -> Option<Client> {
        let connection = self.listed(slot)?;
        let token = self.token_of(slot, connection.serial);
        Some(Client::new(token, ids, connection.profile.as_ref().unwrap_or(&self.anonymous).clone()))
    }

    /// Removes a listed connection that is handed over. No queue or index knows it, so its slot is free at once.
    pub(super) fn take(&mut self, slot: u32) -> Option<(S, IpAddr)> {
        debug_assert!(self.listed(slot).is_some_and(|connection| connection.phase().is_unopened()));
        let peer = self.meta(slot)?.peer;
        Some((self.connections.try_remove(slot as usize)?.socket, peer))
    }

    /// For the [transition](super::phase) to `Closed`.
    pub(super) fn list_closed(&mut self, slot: u32) {
        self.closed.push(slot);
    }

    /// Removes the connections closed in this turn, in one place. Dropping them closes their sockets.
    pub(super) fn reap(&mut self) {
        for slot in self.closed.drain(..) {
            let removed = self.connections.try_remove(slot as usize);
            debug_assert!(
                removed.is_some(),
                "slot {slot} was closed, and is gone before the end of the turn"
            );
        }
    }
}
