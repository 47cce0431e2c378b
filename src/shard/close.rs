//! Why connections end.

/// Why a connection was closed. Every failure of a stream ends it with one of these; the client reconnects with
/// `Last-Event-ID` and misses nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CloseReason {
    /// The client closed the connection.
    PeerClosed,
    /// The connection broke: reset, timed out, unreachable.
    PeerLost,
    /// No bytes could be written for the connection timeout.
    Stalled,
    /// The stream fell so far behind that history no longer holds its position.
    Lagged,
    /// The client sent more on an open stream than any client should.
    Flooded,
    /// The permission of the stream expired.
    Expired,
    /// An administrator or the application disconnected it.
    Disconnected,
    /// History did not answer within the connection timeout.
    Unanswered,
    /// The server is shutting down.
    Draining,
    /// The client sent no request.
    Silent,
}

impl CloseReason {
    /// All reasons, in the order of their counters.
    pub const ALL: &'static [Self] = &[
        Self::PeerClosed,
        Self::PeerLost,
        Self::Stalled,
        Self::Lagged,
        Self::Flooded,
        Self::Expired,
        Self::Disconnected,
        Self::Unanswered,
        Self::Draining,
        Self::Silent,
    ];

    /// The name in logs and statistics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::PeerClosed => "peer_closed",
            Self::PeerLost => "peer_lost",
            Self::Stalled => "stalled",
            Self::Lagged => "lagged",
            Self::Flooded => "flooded",
            Self::Expired => "expired",
            Self::Disconnected => "disconnected",
            Self::Unanswered => "unanswered",
            Self::Draining => "draining",
            Self::Silent => "silent",
        }
    }

    pub(super) fn index(self) -> usize {
        self as usize
    }
}
