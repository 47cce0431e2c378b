//! The streams that are to be written to in this turn.

use std::collections::VecDeque;

use super::connection::Connection;

/// Streams with something of their own to be written, or more than one turn's, in the order of their turns.
///
/// A connection that is closed stays in it until its turn, which may be after its removal. So a slot in here may be
/// empty, or another connection's: that one is not `queued`.
#[derive(Debug, Default)]
pub(super) struct WriteQueue {
    slots: VecDeque<u32>,
    /// One of those is owed more than its backlog limit though its socket may take it: it is given a turn before
    /// anything more is applied.
    pressed: bool,
}

impl WriteQueue {
    /// Lists a stream, unless it is listed or its socket takes no more.
    pub(super) fn push<S>(&mut self, slot: u32, connection: &mut Connection<S>) {
        if !connection.queued && !connection.blocked {
            connection.queued = true;
            self.slots.push_back(slot);
        }
    }

    /// The slot whose turn it is.
    pub(super) fn pop(&mut self) -> Option<u32> {
        self.slots.pop_front()
    }

    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    pub(super) fn contains(&self, slot: u32) -> bool {
        self.slots.contains(&slot)
    }

    /// A stream that is listed is owed more than its backlog limit.
    pub(super) fn press(&mut self) {
        self.pressed = true;
    }

    pub(super) fn is_pressed(&self) -> bool {
        self.pressed
    }

    /// After some had their turns, looks whether one is left that is over its limit.
    pub(super) fn relax(&mut self, is_over_limit: impl Fn(u32) -> bool) {
        if self.pressed {
            self.pressed = self.slots.iter().any(|slot| is_over_limit(*slot));
        }
    }
}
