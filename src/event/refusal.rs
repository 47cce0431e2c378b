//! Temporary refusals of streams.

/// Why a stream is refused temporarily. The client may try again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// The maximum number of streams is open.
    Full,
    /// The server is shutting down.
    Draining,
    /// Too many streams from this address.
    Address,
    /// Too many streams of one user.
    User,
    /// Out of file descriptors.
    Descriptors,
    /// History did not answer in time.
    History,
    /// Authentication did not decide in time, or has too many requests waiting.
    Auth,
}

impl Refusal {
    /// All reasons, in the order of their counters.
    pub const ALL: [Self; 7] =
        [Self::Full, Self::Draining, Self::Address, Self::User, Self::Descriptors, Self::History, Self::Auth];

    /// Its index in [`ALL`](Self::ALL).
    pub fn index(self) -> usize {
        self as usize
    }

    /// The name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Draining => "draining",
            Self::Address => "address",
            Self::User => "user",
            Self::Descriptors => "descriptors",
            Self::History => "history",
            Self::Auth => "auth",
        }
    }
}
