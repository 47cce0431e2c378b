//! The memory that request bodies in progress may use.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Bytes of incomplete bodies, on all connections together.
///
/// A body that arrives whole within one turn of the control thread never counts: small publications go through even
/// when others use all of the memory.
#[derive(Debug)]
pub(in crate::net) struct BodyTotal {
    limit: usize,
    bytes: AtomicUsize,
}

/// The part of the total that the body of one connection uses. Dropping it gives the memory back.
#[derive(Debug)]
pub(super) struct BodyShare {
    total: Arc<BodyTotal>,
    bytes: usize,
}

impl BodyTotal {
    pub(in crate::net) fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self { limit, bytes: AtomicUsize::new(0) })
    }

    /// Bytes in use.
    pub(in crate::net) fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Maximum bytes.
    pub(in crate::net) fn limit(&self) -> usize {
        self.limit
    }

    pub(super) fn share(self: &Arc<Self>) -> BodyShare {
        BodyShare { total: self.clone(), bytes: 0 }
    }
}

impl BodyShare {
    /// Replaces the bytes in use for this connection by a new number. If that exceeds the limit, returns false and the
    /// connection uses none from now on. Only the control thread takes memory, so the check and the count need not be
    /// atomic.
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
