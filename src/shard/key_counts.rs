//! Counts by key: of an address, of a user.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, MutexGuard, PoisonError};

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Increments the count of a key, unless it has reached the limit. Returns whether it did.
pub(super) fn add<K: Hash + Eq + Clone>(counts: &mut HashMap<K, usize>, key: &K, limit: usize) -> bool {
    match counts.get_mut(key) {
        Some(count) if *count >= limit => false,
        Some(count) => {
            *count += 1;
            true
        }
        None if limit == 0 => false,
        None => {
            counts.insert(key.clone(), 1);
            true
        }
    }
}

/// Decrements the count of a key, and removes the key at zero.
pub(super) fn remove<K: Hash + Eq>(counts: &mut HashMap<K, usize>, key: &K) {
    if let Some(count) = counts.get_mut(key) {
        *count -= 1;
        if *count == 0 {
            counts.remove(key);
        }
    }
}
