//! Whether a stream continues where its client left off.

/// Whether a stream continues where the client left off, and if not, why.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Continuity {
    /// Everything after the given id that this client may see follows.
    Recovered,
    /// Events may be missing; the client must fetch its state anew.
    Lost(Gap),
}

impl Continuity {
    /// All values, in the order of their counters.
    pub const ALL: [Self; 6] = [
        Self::Recovered,
        Self::Lost(Gap::None),
        Self::Lost(Gap::Invalid),
        Self::Lost(Gap::Expired),
        Self::Lost(Gap::Epoch),
        Self::Lost(Gap::Future),
    ];

    /// The name in statistics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Recovered => "recovered",
            Self::Lost(gap) => gap.as_str(),
        }
    }

    /// Its index in [`ALL`](Self::ALL).
    pub fn index(self) -> usize {
        match self {
            Self::Recovered => 0,
            Self::Lost(gap) => 1 + gap as usize,
        }
    }
}

/// Why a stream does not continue where the client left off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Gap {
    /// No id was given.
    None,
    /// The given value is not an id of ours.
    Invalid,
    /// History no longer holds the events after it.
    Expired,
    /// The id belongs to an earlier history.
    Epoch,
    /// The id is beyond the newest event.
    Future,
}

impl Gap {
    /// The name on the wire.
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
