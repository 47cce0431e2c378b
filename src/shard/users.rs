//! Number of streams of each user.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use super::key_counts::{add, lock, remove};

/// Counts the streams of all event loops by user. [`admit`](super::Admission::admit) does the counting, against a
/// limit.
#[derive(Debug, Default)]
pub struct UserStreams(Mutex<HashMap<Arc<str>, usize>>);

impl UserStreams {
    /// How many users have a stream open.
    pub fn users(&self) -> usize {
        lock(&self.0).len()
    }

    /// How many streams a user has open.
    pub fn streams_of(&self, user: &str) -> usize {
        lock(&self.0).get(user).copied().unwrap_or(0)
    }

    /// Counts a stream of a user, unless there are as many as the limit.
    pub(super) fn add(&self, user: &Arc<str>, limit: usize) -> bool {
        add(&mut lock(&self.0), user, limit)
    }

    /// Removes a stream of a user.
    pub(super) fn remove(&self, user: &Arc<str>) {
        remove(&mut lock(&self.0), user);
    }
}
