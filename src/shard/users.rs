//! The streams of each user.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use super::key_counts::{add, lock, remove};

/// Counts the streams of all event loops by user. They are counted where streams are
/// [admitted](super::Admission::admit), which limits them.
#[derive(Debug, Default)]
pub struct UserStreams(Mutex<HashMap<Arc<str>, usize>>);

impl UserStreams {
    /// How many different users have a stream open.
    pub fn users(&self) -> usize {
        lock(&self.0).len()
    }

    /// How many streams a user has open.
    pub fn streams_of(&self, user: &str) -> usize {
        lock(&self.0).get(user).copied().unwrap_or(0)
    }

    /// Counts one in, unless the user has as many as the limit.
    pub(super) fn add(&self, user: &Arc<str>, limit: usize) -> bool {
        add(&mut lock(&self.0), user, limit)
    }

    /// Counts one out.
    pub(super) fn remove(&self, user: &Arc<str>) {
        remove(&mut lock(&self.0), user);
    }
}
