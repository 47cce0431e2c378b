//! Checks that one stream receives each event once and in order.

/// How far back a late event can be told from a repeated one, in events.
const WINDOW: u64 = u128::BITS as u64;

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Arrival {
    Next,
    /// Events before this one are missing so far.
    Ahead {
        skipped: u64,
    },
    /// A missing event has arrived: it was reordered, not lost.
    Late,
    Repeat,
}

#[derive(Debug)]
pub(super) struct Order {
    /// One above the highest number so far; 0 while any number may be the first.
    next: u64,
    /// Bit k: event `next - 1 - k` has arrived.
    seen: u128,
}

impl Order {
    /// For a stream whose first event is number 1.
    pub(super) fn new() -> Self {
        Self { next: 1, seen: 0 }
    }

    /// For a stream that was opened while events were published: its first event has any number.
    pub(super) fn from_now() -> Self {
        Self { next: 0, seen: 0 }
    }

    /// Whether no event has arrived yet and any number may be first.
    pub(super) fn is_unset(&self) -> bool {
        self.next == 0
    }

    pub(super) fn arrive(&mut self, n: u64) -> Arrival {
        if self.next == 0 {
            *self = Self { next: n + 1, seen: 1 };
            return Arrival::Next;
        }
        if n >= self.next {
            let skipped = n - self.next;
            self.seen = if skipped + 1 < WINDOW { self.seen << (skipped + 1) | 1 } else { 1 };
            self.next = n + 1;
            return if skipped == 0 { Arrival::Next } else { Arrival::Ahead { skipped } };
        }
        let age = self.next - 1 - n;
        if age >= WINDOW || self.seen >> age & 1 == 1 {
            return Arrival::Repeat;
        }
        self.seen |= 1 << age;
        Arrival::Late
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Arrival::{Ahead, Late, Next, Repeat};

    #[test]
    fn arrivals() {
        let table: &[(&[u64], &[Arrival])] = &[
            (&[1, 2, 3], &[Next, Next, Next]),
            (&[1, 3, 4], &[Next, Ahead { skipped: 1 }, Next]),
            (&[1, 2, 2, 1, 3], &[Next, Next, Repeat, Repeat, Next]),
            (&[1, 3, 2, 2, 4], &[Next, Ahead { skipped: 1 }, Late, Repeat, Next]),
            (&[3, 1, 2, 3], &[Ahead { skipped: 2 }, Late, Late, Repeat]),
            (&[1, 300, 172, 171, 1], &[Next, Ahead { skipped: 298 }, Repeat, Repeat, Repeat]),
            (&[1, 129, 2, 1], &[Next, Ahead { skipped: 127 }, Late, Repeat]),
        ];
        for (numbers, expected) in table {
            let mut order = Order::new();
            let arrivals: Vec<_> = numbers.iter().map(|&n| order.arrive(n)).collect();
            assert_eq!(&arrivals, expected, "{numbers:?}");
        }
        let mut order = Order::from_now();
        let arrivals = [70, 71, 71, 69, 73].map(|n| order.arrive(n));
        assert_eq!(arrivals, [Next, Next, Repeat, Late, Ahead { skipped: 1 }]);
    }
}
