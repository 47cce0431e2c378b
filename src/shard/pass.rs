//! A walk over all streams, to give each what went to everyone.

/// A walk over all streams, in the order of their slots, to give each what it is owed of the tape.
///
/// It goes round: what is published while it is under way starts no walk of its own, but makes this one go
/// on until it has come by everybody again.
#[derive(Debug, Default)]
pub(super) struct Pass {
    /// The slot it is at.
    at: usize,
    /// Slots that it still has to come by.
    left: usize,
}

impl Pass {
    /// Something more is for everyone in so many slots.
    pub(super) fn restart(&mut self, slots: usize) {
        self.left = slots;
    }

    /// There is one slot more to come by, which may lie before those that are left.
    pub(super) fn grow(&mut self) {
        if self.is_under_way() {
            self.left += 1;
        }
    }

    pub(super) fn is_under_way(&self) -> bool {
        self.left > 0
    }

    /// The slot that it comes by next, of so many.
    pub(super) fn next(&mut self, slots: usize) -> Option<u32> {
        self.left = self.left.checked_sub(1)?;
        if self.at >= slots {
            self.at = 0;
        }
        let slot = self.at;
        self.at += 1;
        Some(slot as u32)
    }
}
