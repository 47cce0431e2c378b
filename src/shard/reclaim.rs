//! Closing connections to make room when descriptors run short.

use std::io::Read;

use super::Shard;
use super::close::CloseReason;
use super::deadlines::Deadline;
use super::phase::Phase;
use crate::event::Now;

/// How long a connection is safe while it waits for its first or next request, in ms: the request may be in transit.
pub const YOUNG_MS: u64 = 50;

/// Connections that were closed to make room, by how far they had come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reclaimed {
    /// Nothing had arrived.
    pub silent: u64,
    /// The request head was incomplete.
    pub head: u64,
    /// It was not decided yet who the request is from.
    pub deciding: u64,
}

impl<S: Read> Shard<S> {
    /// Closes up to `most` of the connections whose request is not known yet, oldest first. Reads from each before, so
    /// that no request is lost.
    pub fn reclaim(&mut self, most: usize, now: Now) -> Reclaimed {
        let mut reclaimed = Reclaimed::default();
        let mut left = most;
        while left > 0
            && self.unopened_since_ms().is_some_and(|since_ms| since_ms + YOUNG_MS <= now.elapsed_ms)
            && let Some(Deadline { slot, serial, .. }) = self.pop_unopened()
        {
            self.readable(slot, false, now);
            let connection = self.connections.by_serial(slot, serial);
            let closed = match connection.map(|connection| connection.phase()) {
                Some(Phase::Head(None)) => &mut reclaimed.silent,
                Some(Phase::Head(Some(_))) => &mut reclaimed.head,
                Some(Phase::Deciding(_)) => &mut reclaimed.deciding,
                _ => continue,
            };
            *closed += 1;
            left -= 1;
            self.close(slot, CloseReason::Silent);
        }
        reclaimed
    }
}

impl<S> Shard<S> {
    /// When the next of those was accepted, in ms since the start.
    pub fn unopened_since_ms(&mut self) -> Option<u64> {
        self.next_unopened().map(|(since_ms, _)| since_ms)
    }

    /// Removes the next one.
    fn pop_unopened(&mut self) -> Option<Deadline> {
        let (_, queue) = self.next_unopened()?;
        self.deadlines.unopened().into_iter().nth(queue)?.pop()
    }

    /// When the next one was accepted, and which queue holds it. Each queue is in the order of its deadlines, which are
    /// equally far off.
    fn next_unopened(&mut self) -> Option<(u64, usize)> {
        let head_ms = self.head_timeout_ms();
        let decision_ms = self.settings.decision_timeout.as_millis() as u64;
        let kinds: [(u64, Awaits); 3] =
            [(head_ms, is_silent), (head_ms, is_partial), (decision_ms, is_deciding)];
        let (connections, mut next) = (&self.connections, None);
        for (n, (queue, (timeout_ms, is_it))) in self.deadlines.unopened().into_iter().zip(kinds).enumerate()
        {
            queue.skip_while(|Deadline { slot, serial, .. }| {
                !connections.by_serial(*slot, *serial).is_some_and(|connection| is_it(connection.phase()))
            });
            let since_ms = queue.next_ms().map(|until_ms| until_ms.saturating_sub(timeout_ms));
            next = [next, since_ms.map(|since_ms| (since_ms, n))].into_iter().flatten().min();
        }
        next
    }
}

/// Whether a connection still waits for what the deadline is about.
type Awaits = fn(&Phase) -> bool;

fn is_silent(phase: &Phase) -> bool {
    matches!(phase, Phase::Head(None))
}

fn is_partial(phase: &Phase) -> bool {
    matches!(phase, Phase::Head(Some(_)))
}

fn is_deciding(phase: &Phase) -> bool {
    matches!(phase, Phase::Deciding(_))
}
