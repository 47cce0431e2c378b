//! Why connections end.

/// Why a connection was closed. Whatever goes wrong with a stream ends it with one of these; the client's
/// own reconnect with `Last-Event-ID` heals it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CloseReason {
    /// The client went away in good order.
    PeerClosed,
    /// The connection broke: reset, timed out, unreachable.
    PeerLost,
    /// Nothing could be written for the connection timeout.
    Stalled,
    /// It fell so far behind that history no longer holds its place.
    Lagged,
    /// It sent more on an open stream than a client ever should.
    Flooded,
    /// Its permission ran out.
    Expired,
    /// It was disconnected by an administrator or the application.
    Disconnected,
    /// History did not answer it for the connection timeout.
    Unanswered,
    /// The server is shutting down.
    Draining,
    /// It opened a connection and sent no request.
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

    /// The word for logs and statistics.
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
