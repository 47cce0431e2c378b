//! Whether a stream goes on where its client left off.

/// Whether a stream goes on where the client left off, and if not, why.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Continuity {
    /// Everything after the given id that this client may see follows.
    Recovered,
    /// It does not; the client must fetch its state anew.
    Lost(Gap),
}

impl Continuity {
    /// All there are, in the order of their counters.
    pub const ALL: [Self; 6] = [
        Self::Recovered,
        Self::Lost(Gap::None),
        Self::Lost(Gap::Invalid),
        Self::Lost(Gap::Expired),
        Self::Lost(Gap::Epoch),
        Self::Lost(Gap::Future),
    ];

    /// The word for statistics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Recovered => "recovered",
            Self::Lost(gap) => gap.as_str(),
        }
    }

    /// Its place among all.
    pub fn index(self) -> usize {
        match self {
            Self::Recovered => 0,
            Self::Lost(gap) => 1 + gap as usize,
        }
    }
}

/// Why a stream does not go on where the client left off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Gap {
    /// No id was given.
    None,
    /// What was given is not an id of ours.
    Invalid,
    /// History no longer holds what came after it.
    Expired,
    /// It is of an earlier history.
    Epoch,
    /// It is beyond the newest event.
    Future,
}

impl Gap {
    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Invalid => "invalid",
            Self::Expired => "expired",
            Self::Epoch => "epoch",
            Self::Future => "future",
        }
    }
}
