//! Combines the answers of all event loops into one.

use std::sync::{Arc, Mutex, PoisonError};

/// Combines answers, and passes the result on when the last one is there.
struct Gathering<T, F> {
    missing: usize,
    sum: T,
    done: F,
}

/// A slot for one answer. Dropping it without an answer, as when its event loop has ended, counts as an empty answer.
pub(super) struct Share<T, F: FnOnce(T)>(Arc<Mutex<Option<Gathering<T, F>>>>);

/// Waits for this many answers, at least one.
pub(super) fn gather<T, F: FnOnce(T)>(answers: usize, start: T, done: F) -> Vec<Share<T, F>> {
    let gathering = Arc::new(Mutex::new(Some(Gathering { missing: answers, sum: start, done })));
    (0..answers).map(|_| Share(gathering.clone())).collect()
}

impl<T, F: FnOnce(T)> Share<T, F> {
    /// Adds an answer.
    pub(super) fn add(self, add: impl FnOnce(&mut T)) {
        if let Some(gathering) = &mut *self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            add(&mut gathering.sum);
        }
    }
}

impl<T, F: FnOnce(T)> Drop for Share<T, F> {
    fn drop(&mut self) {
        let mut place = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(gathering) = place.as_mut() else { return };
        gathering.missing -= 1;
        if gathering.missing == 0
            && let Some(Gathering { sum, done, .. }) = place.take()
        {
            drop(place);
            done(sum);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_answer_passes_the_sum_on_and_a_lost_one_counts_as_nothing() {
        let told = Arc::new(Mutex::new(Vec::new()));
        let mut shares = gather(3, 0, |sum| told.lock().unwrap().push(sum));
        shares.pop().unwrap().add(|sum| *sum += 2);
        drop(shares.pop());
        assert!(told.lock().unwrap().is_empty());
        shares.pop().unwrap().add(|sum| *sum += 5);
        assert_eq!(*told.lock().unwrap(), [7]);
    }
}
