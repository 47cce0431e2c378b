//! Limits the number of connections, and decides who makes room when there are too many.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use super::descriptors;
use crate::api::ListenerKind;
use crate::event::Now;

/// Descriptors for everything else that opens one while the server runs: key files, the program around it.
const SPARE: usize = 8;
/// Descriptors that only connections of the control listeners may use.
const CONTROL_SHARE: usize = 16;
/// If the limit is small, these are at most one in this many.
const SMALLEST_PART: usize = 16;
/// Connections are closed to make room when fewer than one in this many are left, and this many at a time.
const BATCH_PART: usize = 32;
/// A lasting state is logged again only if it was over for this long, in ms.
const QUIET_MS: u64 = 60_000;
/// No connection is idle.
const NEVER: u64 = u64::MAX;

/// Counts the connections of all threads, streams or not, against the descriptors available to them.
///
/// Each thread with connections is a holder: the event loops by their numbers, and then the control thread.
pub(super) struct Sockets {
    /// Maximum number of connections.
    limit: AtomicUsize,
    /// Of those, the number reserved for the control listeners.
    control_share: AtomicUsize,
    front: AtomicUsize,
    control: AtomicUsize,
    /// By holder: since when its next connection to close has been idle, in ms since the start.
    idle_since_ms: Box<[AtomicU64]>,
    /// Whether a holder has been asked to make room and has not done so yet.
    is_asked: AtomicBool,
    shortage: Remark,
    crowding: Remark,
}

/// Whether there is room for one more connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Room {
    Plenty,
    /// Yes, but others should be closed.
    Little,
    None,
}

impl Sockets {
    /// For this many holders. There is no limit until [`measure`](Self::measure) is called.
    pub(super) fn new(holders: usize) -> Self {
        Self {
            limit: AtomicUsize::new(usize::MAX),
            control_share: AtomicUsize::new(0),
            front: AtomicUsize::new(0),
            control: AtomicUsize::new(0),
            idle_since_ms: (0..holders).map(|_| AtomicU64::new(NEVER)).collect(),
            is_asked: AtomicBool::new(false),
            shortage: Remark::default(),
            crowding: Remark::default(),
        }
    }

    /// Sets the limit to the descriptors that are free now, when everything but connections has what it needs.
    pub(super) fn measure(&self, has_control_listeners: bool) {
        let limit = descriptors::limit().and_then(|limit| usize::try_from(limit).ok());
        let (Some(limit), Some(open)) = (limit, descriptors::count_open()) else { return };
        let part = |most: usize| most.min(limit / SMALLEST_PART);
        let share = if has_control_listeners { part(CONTROL_SHARE) } else { 0 };
        self.set(limit.saturating_sub(open + part(SPARE)).max(1), share);
    }

    fn set(&self, limit: usize, control_share: usize) {
        self.limit.store(limit, Ordering::Relaxed);
        self.control_share.store(control_share, Ordering::Relaxed);
    }

    fn count(&self, listener_kind: ListenerKind) -> &AtomicUsize {
        match listener_kind {
            ListenerKind::Public => &self.front,
            ListenerKind::Control => &self.control,
        }
    }

    /// Adds a connection.
    pub(super) fn opened(&self, listener_kind: ListenerKind) {
        self.count(listener_kind).fetch_add(1, Ordering::Relaxed);
    }

    /// Removes this many connections.
    pub(super) fn closed(&self, listener_kind: ListenerKind, connections: usize) {
        if connections > 0 {
            self.count(listener_kind).fetch_sub(connections, Ordering::Relaxed);
        }
    }

    /// Whether there is room for a connection of this kind of listener.
    pub(super) fn room(&self, listener_kind: ListenerKind) -> Room {
        let (front, control) = (self.front.load(Ordering::Relaxed), self.control.load(Ordering::Relaxed));
        let share = self.control_share.load(Ordering::Relaxed);
        let taken = match listener_kind {
            ListenerKind::Control if control < share => return Room::Plenty,
            ListenerKind::Control => front.saturating_add(control),
            ListenerKind::Public => front.saturating_add(control.max(share)),
        };
        match self.limit.load(Ordering::Relaxed).saturating_sub(taken) {
            0 => Room::None,
            left if left <= self.batch() => Room::Little,
            _ => Room::Plenty,
        }
    }

    /// How many connections to close at once.
    pub(super) fn batch(&self) -> usize {
        (self.limit.load(Ordering::Relaxed) / BATCH_PART).max(1)
    }

    /// Notes since when a holder's next connection to close has been idle.
    pub(super) fn set_idle(&self, holder: usize, since_ms: Option<u64>) {
        if let Some(place) = self.idle_since_ms.get(holder) {
            place.store(since_ms.unwrap_or(NEVER), Ordering::Relaxed);
        }
    }

    /// Notes that a holder has one more connection that may become idle.
    pub(super) fn may_idle(&self, holder: usize, since_ms: u64) {
        if let Some(place) = self.idle_since_ms.get(holder) {
            place.fetch_min(since_ms, Ordering::Relaxed);
        }
    }

    /// Returns who must make room, if anybody.
    pub(super) fn ask(&self) -> Asked {
        let since_ms = self.idle_since_ms.iter().map(|since_ms| since_ms.load(Ordering::Relaxed));
        match since_ms.enumerate().min_by_key(|(_, since_ms)| *since_ms) {
            None | Some((_, NEVER)) => Asked::Nobody,
            Some(_) if self.is_asked.swap(true, Ordering::AcqRel) => Asked::Already,
            Some((holder, _)) => Asked::Holder(holder),
        }
    }

    /// Notes that a holder has made as much room as it could.
    pub(super) fn answered(&self) {
        self.is_asked.store(false, Ordering::Release);
    }

    /// Logs, once, that descriptors run short.
    pub(super) fn tell_shortage(&self, now: Now) {
        if self.shortage.is_due(now) {
            tracing::warn!(
                limit = self.limit.load(Ordering::Relaxed),
                "descriptors run short: those connections are closed that are no streams and have been idle for longest"
            );
        }
    }

    /// Logs, once, that an address has more connections than allowed.
    pub(super) fn tell_crowding(&self, peer: std::net::IpAddr, now: Now) {
        if self.crowding.is_due(now) {
            tracing::warn!(%peer, "more connections from one address than max-other-connections-per-ip; they are refused");
        }
    }
}

/// Who makes room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// This holder; the caller must tell it.
    Holder(usize),
    /// A holder that was told before, and has not done it yet.
    Already,
    /// Nobody has an idle connection.
    Nobody,
}

/// A state that is logged when it begins.
#[derive(Debug, Default)]
struct Remark {
    /// When the state was last observed, in ms since the start, plus 1.
    last_ms: AtomicU64,
}

impl Remark {
    fn is_due(&self, now: Now) -> bool {
        let last_ms = self.last_ms.swap(now.elapsed_ms + 1, Ordering::Relaxed);
        last_ms == 0 || now.elapsed_ms + 1 > last_ms + QUIET_MS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now(elapsed_ms: u64) -> Now {
        Now { elapsed_ms, unix_ms: 0 }
    }

    #[test]
    fn some_room_is_the_control_listeners_alone() {
        let sockets = Sockets::new(2);
        assert_eq!(sockets.room(ListenerKind::Public), Room::Plenty, "no limit is known");
        sockets.set(64, 4);
        (0..57).for_each(|_| sockets.opened(ListenerKind::Public));
        assert_eq!(sockets.room(ListenerKind::Public), Room::Plenty);
        sockets.opened(ListenerKind::Public);
        assert_eq!(sockets.room(ListenerKind::Public), Room::Little);
        (0..2).for_each(|_| sockets.opened(ListenerKind::Public));
        assert_eq!(
            (sockets.room(ListenerKind::Public), sockets.room(ListenerKind::Control)),
            (Room::None, Room::Plenty)
        );
        (0..4).for_each(|_| sockets.opened(ListenerKind::Control));
        assert_eq!(
            (sockets.room(ListenerKind::Public), sockets.room(ListenerKind::Control)),
            (Room::None, Room::None)
        );
        sockets.closed(ListenerKind::Public, 10);
        assert_eq!(
            (sockets.room(ListenerKind::Public), sockets.room(ListenerKind::Control)),
            (Room::Plenty, Room::Plenty)
        );
        (0..10).for_each(|_| sockets.opened(ListenerKind::Control));
        assert_eq!(
            (sockets.room(ListenerKind::Public), sockets.room(ListenerKind::Control)),
            (Room::None, Room::None)
        );
    }

    #[test]
    fn the_holder_of_the_longest_idle_is_asked_and_only_once() {
        let sockets = Sockets::new(3);
        assert_eq!(sockets.ask(), Asked::Nobody);
        sockets.set_idle(0, Some(700));
        sockets.may_idle(2, 300);
        sockets.may_idle(2, 900);
        assert_eq!([sockets.ask(), sockets.ask()], [Asked::Holder(2), Asked::Already]);
        sockets.set_idle(2, None);
        sockets.answered();
        assert_eq!(sockets.ask(), Asked::Holder(0));
    }

    #[test]
    fn what_lasts_is_said_once() {
        let remark = Remark::default();
        let times = [0, 1, 50_000, 100_000, 160_000, 220_001, 220_002];
        assert_eq!(times.map(|at| remark.is_due(now(at))), [true, false, false, false, false, true, false]);
    }
}
