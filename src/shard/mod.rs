//! The engine without a body: one event loop's connections, who wants what, what each is owed, and its
//! deadlines.
//!
//! A [`Shard`] takes bytes, commands and the time. It owns no clock, no thread and no socket of its own: it is
//! generic over what it reads from and writes to, so that a simulation can drive it. The caller's contract, one
//! turn after another:
//!
//! 1. [`accept`](Shard::accept) new connections, and tell of each edge with [`readable`](Shard::readable) and
//!    [`writable`](Shard::writable).
//! 2. [`apply`](Shard::apply) commands in the order in which they came, while
//!    [`has_appetite`](Shard::has_appetite).
//! 3. [`sweep`](Shard::sweep), then [`flush`](Shard::flush), then act on each of the [`effects`](Shard::effects).
//! 4. Wait for edges and commands: not at all if `flush` said that more is to be written, else at most until
//!    [`next_deadline`](Shard::next_deadline).
//!
//! A slot that a connection leaves is reused at the earliest in the next turn.

mod admission;
mod close;
mod command;
mod connection;
mod delivery;
mod ending;
mod flush;
mod index;
mod invariants;
mod join;
mod judge;
mod names;
mod opening;
mod others;
mod outbox;
mod ping;
mod reclaim;
mod replays;
mod report;
mod settings;
mod standing;
mod sweep;
mod tape;
mod trie;

use std::collections::{BTreeSet, VecDeque};
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use slab::Slab;

pub use admission::{Admission, StreamLimits};
pub use close::CloseReason;
pub use command::{
    After, Command, Effect, HandOver, Join, Missed, Newest, Outlet, Reply, Resume, StreamToken, Who,
};
pub use judge::{Decision, Inquiry, Judge};
pub use opening::Arrival;
pub use others::{Entry, Others};
pub use reclaim::{Reclaimed, YOUNG_MS};
pub use report::{Report, Totals};
pub use settings::{Heartbeat, Settings};

use connection::{Connection, Origin};
use flush::Pass;
use index::Index;
use replays::Replays;
use standing::Standing;
use sweep::{Drainage, Pulse};
use tape::Tape;

use crate::wire::{Client, CrossOrigin, HttpDate, Now, PerFraming, Profile, Record};

/// One event loop's share of the engine. See the [module](self) for how it is driven.
pub struct Shard<S> {
    settings: Arc<Settings>,
    admission: Arc<Admission>,
    judge: Option<Arc<dyn Judge>>,
    number: u16,
    connections: Slab<Connection<S>>,
    /// Beside `connections`, by slot.
    origins: Vec<Origin>,
    index: Index,
    tapes: PerFraming<Tape>,
    /// The newest event applied.
    applied: Newest,
    serial: u32,
    /// Streams with something of their own to be written, or more than one turn's.
    queued: VecDeque<u32>,
    /// One of those is owed more than its backlog limit though its socket may take it: it is given a turn before
    /// anything more is applied.
    pressed: bool,
    /// Connections to be removed at the end of the turn.
    closed: Vec<u32>,
    /// A batch that is being published, and how much of it was.
    batch: Option<(Arc<[Arc<Record>]>, usize)>,
    pass: Pass,
    /// How far the tape has to reach before it is trimmed again.
    trim_at: PerFraming<u64>,
    pulse: Pulse,
    drainage: Option<Drainage>,
    silences: VecDeque<(u64, u32, u32)>,
    heads: VecDeque<(u64, u32, u32)>,
    decisions: VecDeque<(u64, u32, u32)>,
    lingering: VecDeque<(u64, u32, u32)>,
    expiries: BTreeSet<(u64, u32)>,
    /// Streams that are joining or lagging.
    behind: BTreeSet<u32>,
    replays: Replays,
    effects: Vec<Effect<S>>,
    anonymous: Arc<Profile>,
    standing: Standing,
    totals: Totals,
    candidates: Vec<u32>,
    input: Box<[u8]>,
    join: Vec<u8>,
    date: HttpDate,
}

/// What a connection that asks nothing is read into at once: more than a common request head.
const INPUT: usize = 16 * 1024;

impl<S> fmt::Debug for Shard<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shard")
            .field("number", &self.number)
            .field("connections", &self.connections.len())
            .finish_non_exhaustive()
    }
}

impl<S> Shard<S> {
    /// An empty shard. `applied` is the newest event of the journal that will not reach it as a command.
    pub fn new(number: u16, settings: Arc<Settings>, admission: Arc<Admission>, applied: Newest) -> Self {
        Self {
            pulse: Pulse::new(&settings),
            settings,
            admission,
            judge: None,
            number,
            connections: Slab::new(),
            origins: Vec::new(),
            index: Index::default(),
            tapes: PerFraming::from_fn(Tape::new),
            applied,
            serial: 0,
            queued: VecDeque::new(),
            pressed: false,
            closed: Vec::new(),
            batch: None,
            pass: Pass::default(),
            trim_at: PerFraming::default(),
            drainage: None,
            silences: VecDeque::new(),
            heads: VecDeque::new(),
            decisions: VecDeque::new(),
            lingering: VecDeque::new(),
            expiries: BTreeSet::new(),
            behind: BTreeSet::new(),
            replays: Replays::default(),
            effects: Vec::new(),
            anonymous: Arc::default(),
            standing: Standing::default(),
            totals: Totals::default(),
            candidates: Vec::new(),
            input: vec![0; INPUT].into_boxed_slice(),
            join: Vec::new(),
            date: HttpDate::default(),
        }
    }

    /// Who is asked whom streams are for, where their requests are not believed. Without one, such requests are handed
    /// over.
    #[must_use]
    pub fn with_judge(self, judge: Arc<dyn Judge>) -> Self {
        Self { judge: Some(judge), ..self }
    }

    /// Takes a new connection in and returns its slot. It is one of the [`Others`] until it opens a stream, and counted
    /// as such already.
    pub fn accept(&mut self, socket: S, peer: IpAddr, now: Now) -> u32 {
        self.serial = self.serial.wrapping_add(1);
        let slot = self.connections.insert(Connection::new(socket, self.serial, now.elapsed_ms)) as u32;
        let (received, cross_origin) = (0, CrossOrigin::Silent);
        let origin =
            Origin { peer, connected_unix_ms: now.unix_ms, received, expires_ms: None, cross_origin };
        match self.origins.get_mut(slot as usize) {
            Some(place) => *place = origin,
            None => {
                self.origins.push(origin);
                self.pass.grow();
            }
        }
        self.silences.push_back((now.elapsed_ms + self.head_timeout_ms(), slot, self.serial));
        slot
    }

    /// The socket of a connection, to register it.
    pub fn socket_mut(&mut self, slot: u32) -> Option<&mut S> {
        self.connections.get_mut(slot as usize).map(|connection| &mut connection.socket)
    }

    /// What the world is asked to do, since the last time; to be done in order.
    pub fn effects(&mut self) -> Vec<Effect<S>> {
        std::mem::take(&mut self.effects)
    }

    /// Connections held, whatever their state.
    pub fn len(&self) -> usize {
        self.connections.len()
    }

    /// Whether no connection is held.
    pub fn is_empty(&self) -> bool {
        self.connections.is_empty()
    }

    /// Whether streams are open or being ended: until their clients have closed, or had the time to.
    pub fn has_streams(&self) -> bool {
        self.standing.streams + self.standing.ending > 0
    }

    /// The newest event applied.
    pub fn applied(&self) -> Newest {
        self.applied
    }

    /// Events up to this one will not come as commands: they were published while no stream was here, nor a
    /// publication on its way.
    pub fn pass_over(&mut self, newest: Newest) {
        debug_assert!(!self.has_streams() && self.batch.is_none(), "an event that concerns nobody");
        if newest.position > self.applied.position {
            self.applied = newest;
        }
    }

    /// Whether nothing is left to be done until something comes from outside: a command, an edge, or the time.
    pub fn is_at_rest(&self) -> bool {
        !self.pass.is_under_way() && self.batch.is_none() && self.queued.is_empty()
    }

    fn token(&self, slot: u32, serial: u32) -> StreamToken {
        StreamToken { shard: self.number, slot, serial }
    }

    /// The view of a stream that targets and hooks see.
    fn client(&self, slot: u32) -> Option<Client> {
        let connection = self.connections.get(slot as usize)?;
        let profile = connection.profile.as_ref().unwrap_or(&self.anonymous);
        Some(Client::new(self.token(slot, connection.serial), self.settings.ids, profile.clone()))
    }

    /// What is known of the stream in a slot; of others than anonymous ones only.
    fn profile(&self, slot: u32) -> Option<&Profile> {
        profile_of(&self.connections, slot)
    }

    fn head_timeout_ms(&self) -> u64 {
        self.settings.head_timeout.as_millis() as u64
    }
}

/// What the response head of the stream in `slot` says to the page that asked.
fn cross_origin_of<'s>(settings: &'s Settings, origins: &[Origin], slot: u32) -> &'s [u8] {
    origins.get(slot as usize).map_or(b"", |origin| settings.cors.fields(origin.cross_origin))
}

fn profile_of<S>(connections: &Slab<Connection<S>>, slot: u32) -> Option<&Profile> {
    connections.get(slot as usize)?.profile.as_deref()
}
