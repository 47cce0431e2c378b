//! A walk over all streams that hands each what goes to everyone.

/// A walk over all streams, in slot order, that writes to each what the tape holds for it.
///
/// The walk is circular: an event published during a walk does not start another, but extends this one until it has
/// visited every slot again.
#[derive(Debug, Default)]
pub(super) struct Pass {
    /// The current slot.
    at: usize,
    /// Number of slots left to visit.
    left: usize,
}

impl Pass {
    /// Extends the walk: there is something new for everyone in this many slots.
    pub(super) fn restart(&mut self, slots: usize) {
        self.left = slots;
    }

    /// Adds a slot, which may lie before those that are left.
    pub(super) fn grow(&mut self) {
        if self.is_under_way() {
            self.left += 1;
        }
    }

    pub(super) fn is_under_way(&self) -> bool {
        self.left > 0
    }

    /// The next slot to visit, out of this many.
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
