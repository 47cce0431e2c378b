//! The streams to write to in this turn.

use std::collections::VecDeque;

use super::connection::Connection;

/// Streams with data of their own to write, or with more than one turn's worth, in the order of their turns.
///
/// A closed connection stays in the queue until its turn, which may be after its removal. So a slot may be empty, or
/// belong to another connection, which is not `queued`.
#[derive(Debug, Default)]
pub(super) struct WriteQueue {
    slots: VecDeque<u32>,
    /// One of those exceeds its backlog limit though its socket may accept more: it gets a turn before anything else is
    /// applied.
    pressed: bool,
}

impl WriteQueue {
    /// Queues a stream, unless it is queued or blocked.
    pub(super) fn push<S>(&mut self, slot: u32, connection: &mut Connection<S>) {
        if !connection.queued && !connection.blocked {
            connection.queued = true;
            self.slots.push_back(slot);
        }
    }

    /// Removes and returns the next slot.
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

    /// Notes that a queued stream exceeds its backlog limit.
    pub(super) fn press(&mut self) {
        self.pressed = true;
    }

    pub(super) fn is_pressed(&self) -> bool {
        self.pressed
    }

    /// After some streams had their turns, checks whether one is left that exceeds its limit.
    pub(super) fn relax(&mut self, is_over_limit: impl Fn(u32) -> bool) {
        if self.pressed {
            self.pressed = self.slots.iter().any(|slot| is_over_limit(*slot));
        }
    }
}
