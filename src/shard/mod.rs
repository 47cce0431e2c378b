//! The engine core: the connections of one event loop, their subscriptions, the data queued for each, and their
//! deadlines.
//!
//! A [`Shard`] takes bytes, commands and the time. It owns no clock, no thread and no socket of its own: it is generic
//! over what it reads from and writes to, so that a simulation can drive it. In each turn the caller must:
//!
//! 1. [`accept`](Shard::accept) new connections, and report readiness with [`readable`](Shard::readable) and
//!    [`writable`](Shard::writable).
//! 2. [`apply`](Shard::apply) commands in the order of their arrival, while
//!    [`accepts_commands`](Shard::accepts_commands).
//! 3. [`sweep`](Shard::sweep), then [`flush`](Shard::flush), then carry out the [`effects`](Shard::effects).
//! 4. Wait for readiness and commands: not at all if `flush` returned true, else at most until
//!    [`next_deadline`](Shard::next_deadline).
//!
//! The slot of a connection that leaves is reused in the next turn at the earliest.
//!
//! # Layout
//!
//! - Connections: `table` (by slot), `connection` (one), `phase` (its states; `transitions`), `counts`, `close`.
//! - Requests: `opening` (`arrival`), `judge` (`decision`), `admission`, `users`, `others` (`key_counts`).
//! - Subscriptions: `index`, `names`, `trie`.
//! - Data for streams: `delivery`, `broadcast` (`tape`, `pass`), `outbox`, `write_queue`, `flush`.
//! - History: `join`, `replays`.
//! - Time: `deadlines`, `sweep`, `drain`, `reclaim`; `ending`.

mod admission;
mod applied;
mod arrival;
mod broadcast;
mod close;
mod command;
mod connection;
mod counts;
mod deadlines;
mod decision;
mod delivery;
mod drain;
mod ending;
mod flush;
mod index;
mod invariants;
mod join;
mod judge;
mod key_counts;
mod names;
mod opening;
mod others;
mod outbox;
mod pass;
mod phase;
mod ping;
mod reclaim;
mod replays;
mod report;
mod scratch;
mod settings;
mod sweep;
mod table;
mod tape;
mod trie;
mod users;
mod write_queue;

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

pub use admission::{Admission, StreamLimits};
pub use arrival::Arrival;
pub use close::CloseReason;
pub use command::{
    After, Command, DisconnectTarget, Effect, HandOver, Join, Missed, Newest, Reply, Resume, ShardSender,
    StreamToken,
};
pub use decision::{Decision, Inquiry};
pub use judge::Judge;
pub use others::{Entry, Others};
pub use reclaim::{Reclaimed, YOUNG_MS};
pub use report::{Report, Totals};
pub use settings::{Heartbeat, Settings};
pub use users::UserStreams;

use applied::Applied;
use broadcast::Broadcast;
use deadlines::Deadlines;
use drain::Drain;
use index::Index;
use replays::Replays;
use scratch::Scratch;
use sweep::Sweeper;
use table::{ConnectionMeta, ConnectionTable};
use write_queue::WriteQueue;

use crate::event::{Client, Now};

/// The connections of one event loop. The [module documentation](self) says how to drive it.
pub struct Shard<S> {
    settings: Arc<Settings>,
    admission: Arc<Admission>,
    judge: Option<Arc<dyn Judge>>,
    connections: ConnectionTable<S>,
    /// Which streams an event is for.
    index: Index,
    /// How far publications have been applied.
    applied: Applied,
    /// Events for all streams.
    tapes: Broadcast,
    /// Streams with data of their own to write, or with more than one turn's worth.
    write_queue: WriteQueue,
    /// Streams that wait for history.
    replays: Replays,
    deadlines: Deadlines,
    sweeper: Sweeper,
    drain: Option<Drain>,
    effects: Vec<Effect<S>>,
    totals: Totals,
    scratch: Scratch,
}

impl<S> fmt::Debug for Shard<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shard").field("connections", &self.connections.len()).finish_non_exhaustive()
    }
}

impl<S> Shard<S> {
    /// Creates an empty shard. `applied` is the newest event of the journal that will not arrive as a command.
    pub fn new(number: u16, settings: Arc<Settings>, admission: Arc<Admission>, applied: Newest) -> Self {
        Self {
            sweeper: Sweeper::new(&settings),
            settings,
            admission,
            judge: None,
            connections: ConnectionTable::new(number),
            index: Index::default(),
            applied: Applied { newest: applied, batch: None },
            tapes: Broadcast::new(),
            write_queue: WriteQueue::default(),
            replays: Replays::default(),
            deadlines: Deadlines::default(),
            drain: None,
            effects: Vec::new(),
            totals: Totals::default(),
            scratch: Scratch::new(),
        }
    }

    /// Sets the judge that decides who a stream is for, where the server is not open. Without one, requests for streams
    /// are handed over to the control thread.
    #[must_use]
    pub fn with_judge(self, judge: Arc<dyn Judge>) -> Self {
        Self { judge: Some(judge), ..self }
    }

    /// Adds a new connection and returns its slot. It counts as one of the [`Others`] until it opens a stream.
    pub fn accept(&mut self, socket: S, peer: IpAddr, now: Now) -> u32 {
        let slots = self.connections.slots();
        let slot = self.connections.insert(socket, ConnectionMeta::new(peer, now), now);
        if self.connections.slots() > slots {
            self.tapes.pass.grow();
        }
        if let Some(connection) = self.connections.listed(slot) {
            self.deadlines.silent.push(now.elapsed_ms + self.head_timeout_ms(), slot, connection);
        }
        slot
    }

    /// The socket of a connection, to register it.
    pub fn socket_mut(&mut self, slot: u32) -> Option<&mut S> {
        self.connections.get_mut(slot).map(|connection| &mut connection.socket)
    }

    /// Takes the effects queued since the last call. The caller carries them out in order.
    pub fn effects(&mut self) -> Vec<Effect<S>> {
        std::mem::take(&mut self.effects)
    }

    /// Number of connections, in any state.
    pub fn len(&self) -> usize {
        self.connections.len()
    }

    /// Whether there is no connection.
    pub fn is_empty(&self) -> bool {
        self.connections.is_empty()
    }

    /// Whether streams are open or ending. An ending stream counts until its client has closed or run out of time.
    pub fn has_streams(&self) -> bool {
        self.connections.counts().streams + self.connections.counts().ending > 0
    }

    /// The newest event applied.
    pub fn applied(&self) -> Newest {
        self.applied.newest
    }

    /// Skips events that will not arrive as commands: they were published while no stream was open here and no
    /// publication was in the inbox.
    pub fn pass_over(&mut self, newest: Newest) {
        debug_assert!(!self.has_streams() && self.applied.batch.is_none(), "an event that concerns nobody");
        if newest.position > self.applied.newest.position {
            self.applied.newest = newest;
        }
    }

    /// Whether there is nothing to do until a command, readiness or a deadline comes.
    pub fn is_at_rest(&self) -> bool {
        !self.tapes.pass.is_under_way() && self.applied.batch.is_none() && self.write_queue.is_empty()
    }

    /// The stream in a listed slot as targets and hooks see it.
    fn client(&self, slot: u32) -> Option<Client> {
        self.connections.client(slot, self.settings.ids)
    }

    /// Queues a stream for writing in this turn.
    fn schedule_write(&mut self, slot: u32) {
        if let Some(connection) = self.connections.listed_mut(slot) {
            self.write_queue.push(slot, connection);
        }
    }

    fn head_timeout_ms(&self) -> u64 {
        self.settings.head_timeout.as_millis() as u64
    }
}
