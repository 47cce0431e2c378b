//! Randomness that no other process shares.

use std::io;

/// Bits that the system has drawn. What is seeded by the time is the same in processes that start together.
pub(crate) fn random() -> io::Result<u64> {
    getrandom::u64().map_err(|error| io::Error::other(error.to_string()))
}
