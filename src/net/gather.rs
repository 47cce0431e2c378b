//! One answer out of one from each event loop.

use std::sync::{Arc, Mutex, PoisonError};

/// Adds answers up, and passes the sum on when the last is there.
pub(super) struct Gather<T, F>(Mutex<Option<Gathering<T, F>>>);

struct Gathering<T, F> {
    missing: usize,
    sum: T,
    done: F,
}

impl<T, F: FnOnce(T)> Gather<T, F> {
    /// Waits for `answers`, at least one.
    pub(super) fn new(answers: usize, start: T, done: F) -> Arc<Self> {
        Arc::new(Self(Mutex::new(Some(Gathering { missing: answers, sum: start, done }))))
    }

    pub(super) fn add(&self, add: impl FnOnce(&mut T)) {
        let mut place = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(gathering) = place.as_mut() else { return };
        add(&mut gathering.sum);
        gathering.missing -= 1;
        if gathering.missing == 0
            && let Some(Gathering { sum, done, .. }) = place.take()
        {
            drop(place);
            done(sum);
        }
    }
}
