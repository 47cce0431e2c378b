//! Streams that are refused for now.

/// Why a stream is refused for now: the client may come back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// As many streams as allowed are open.
    Full,
    /// The server is shutting down.
    Draining,
    /// Too many streams from this address.
    Address,
    /// Too many streams of this user.
    User,
    /// Out of file descriptors.
    Descriptors,
    /// History did not answer in time.
    History,
    /// Whoever says who asks could not say so in time, or has too many others to say it of.
    Auth,
}

impl Refusal {
    /// All there are, in the order of their counters.
    pub const ALL: [Self; 7] =
        [Self::Full, Self::Draining, Self::Address, Self::User, Self::Descriptors, Self::History, Self::Auth];

    /// Its place among all.
    pub fn index(self) -> usize {
        self as usize
    }

    /// The word on the wire.
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
