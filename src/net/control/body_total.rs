//! The memory that bodies of requests may take while they are under way.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Bytes that bodies take which have not arrived whole, on all connections together.
///
/// A body that arrives whole within one turn of the control thread never counts: small publications go through
/// while others have taken all there is.
#[derive(Debug)]
pub(in crate::net) struct BodyTotal {
    limit: usize,
    bytes: AtomicUsize,
}

/// What the body of one connection takes of the total. Dropped, it is given back.
#[derive(Debug)]
pub(super) struct BodyShare {
    total: Arc<BodyTotal>,
    bytes: usize,
}

impl BodyTotal {
    pub(in crate::net) fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self { limit, bytes: AtomicUsize::new(0) })
    }

    /// Bytes taken now.
    pub(in crate::net) fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Bytes that may be taken at most.
    pub(in crate::net) fn limit(&self) -> usize {
        self.limit
    }

    pub(super) fn share(self: &Arc<Self>) -> BodyShare {
        BodyShare { total: self.clone(), bytes: 0 }
    }
}

impl BodyShare {
    /// Takes so many bytes instead of those taken so far; false, and none at all from now on, where that is over
    /// the limit. Only the control thread takes any, so the check and the count need not be one step.
    pub(super) fn resize(&mut self, bytes: usize) -> bool {
        let others = self.total.bytes().saturating_sub(self.bytes);
        let fits = bytes == 0 || others.saturating_add(bytes) <= self.total.limit;
        self.bytes = if fits { bytes } else { 0 };
        self.total.bytes.store(others + self.bytes, Ordering::Relaxed);
        fits
    }
}

impl Drop for BodyShare {
    fn drop(&mut self) {
        self.resize(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_add_up_to_the_limit_and_are_given_back() {
        let total = BodyTotal::new(100);
        let (mut a, mut b) = (total.share(), total.share());
        assert!(a.resize(60) && b.resize(40));
        assert!(!a.resize(61), "one more is refused");
        assert_eq!(total.bytes(), 40, "and what it had is free");
        assert!(a.resize(60) && a.resize(10) && b.resize(90));
        drop(b);
        assert_eq!(total.bytes(), 10);
        assert!(a.resize(100));
        drop(a);
        assert_eq!(total.bytes(), 0);
    }
}
