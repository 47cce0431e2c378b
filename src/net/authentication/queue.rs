//! A queue that is fair to addresses.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;

/// Limits of the queue.
#[derive(Clone, Copy, Debug)]
pub(super) struct QueueLimits {
    /// Maximum number waiting, in total.
    pub(super) total: usize,
    /// Maximum number waiting per address.
    pub(super) per_address: usize,
    /// Maximum bytes waiting, in total.
    pub(super) bytes: usize,
    /// Maximum number in progress per address.
    pub(super) under_way: usize,
}

/// Jobs by address. Addresses take turns, so that an address with thousands of jobs delays the only job of another by
/// one job; the jobs of one address keep their order.
#[derive(Debug)]
pub(super) struct Queue<J> {
    limits: QueueLimits,
    addresses: HashMap<IpAddr, Address<J>>,
    /// Addresses with a job waiting that may have one more in progress.
    turns: VecDeque<IpAddr>,
    waiting: usize,
    bytes: usize,
}

#[derive(Debug)]
struct Address<J> {
    /// With their bytes.
    jobs: VecDeque<(J, usize)>,
    under_way: usize,
    /// Whether it is in the list of turns.
    listed: bool,
}

impl<J> Queue<J> {
    pub(super) fn new(limits: QueueLimits) -> Self {
        let (addresses, turns) = (HashMap::new(), VecDeque::new());
        Self { limits, addresses, turns, waiting: 0, bytes: 0 }
    }

    /// Number of waiting jobs.
    pub(super) fn waiting(&self) -> usize {
        self.waiting
    }

    /// Queues a job of this address and size; false if there is no room for it.
    pub(super) fn push(&mut self, address: IpAddr, job: J, bytes: usize) -> bool {
        let of_address = self.addresses.get(&address).map_or(0, |address| address.jobs.len());
        let full = self.waiting >= self.limits.total
            || of_address >= self.limits.per_address
            || self.bytes.saturating_add(bytes) > self.limits.bytes;
        if full {
            return false;
        }
        let entry = self.addresses.entry(address);
        let entry = entry.or_insert_with(|| Address { jobs: VecDeque::new(), under_way: 0, listed: false });
        entry.jobs.push_back((job, bytes));
        self.waiting += 1;
        self.bytes += bytes;
        self.list(address);
        true
    }

    /// Removes and returns the next job and its address, for which [`done`](Self::done) must be called.
    pub(super) fn pop(&mut self) -> Option<(IpAddr, J)> {
        let address = self.turns.pop_front()?;
        let entry = self.addresses.get_mut(&address)?;
        entry.listed = false;
        let (job, bytes) = entry.jobs.pop_front()?;
        entry.under_way += 1;
        self.waiting -= 1;
        self.bytes -= bytes;
        self.list(address);
        Some((address, job))
    }

    /// Notes that a job of this address is no longer in progress.
    pub(super) fn done(&mut self, address: IpAddr) {
        let Some(entry) = self.addresses.get_mut(&address) else { return };
        entry.under_way -= 1;
        if entry.under_way == 0 && entry.jobs.is_empty() {
            self.addresses.remove(&address);
        } else {
            self.list(address);
        }
    }

    /// Removes all waiting jobs.
    pub(super) fn clear(&mut self) {
        self.addresses.values_mut().for_each(|address| address.jobs.clear());
        (self.waiting, self.bytes) = (0, 0);
        self.addresses.retain(|_, address| address.under_way > 0);
        self.addresses.values_mut().for_each(|address| address.listed = false);
        self.turns.clear();
    }

    /// Gives an address a turn, unless it has one, or nothing to do, or enough in progress.
    fn list(&mut self, address: IpAddr) {
        let Some(entry) = self.addresses.get_mut(&address) else { return };
        if !entry.listed && !entry.jobs.is_empty() && entry.under_way < self.limits.under_way {
            entry.listed = true;
            self.turns.push_back(address);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: QueueLimits = QueueLimits { total: 10, per_address: 6, bytes: 100, under_way: 3 };

    fn address(n: u8) -> IpAddr {
        IpAddr::from([10, 0, 0, n])
    }

    fn drained(queue: &mut Queue<u32>) -> Vec<u32> {
        let next = || {
            let (address, job) = queue.pop()?;
            queue.done(address);
            Some(job)
        };
        std::iter::from_fn(next).collect()
    }

    #[test]
    fn addresses_take_turns_and_each_keeps_its_order() {
        let mut queue = Queue::new(LIMITS);
        for (n, job) in [(1, 10), (1, 11), (1, 12), (1, 13), (2, 20), (3, 30), (3, 31)] {
            assert!(queue.push(address(n), job, 1));
        }
        assert_eq!(queue.waiting(), 7);
        assert_eq!(drained(&mut queue), [10, 20, 30, 11, 31, 12, 13]);
        assert_eq!((queue.waiting(), queue.bytes, queue.addresses.len()), (0, 0, 0));
    }

    #[test]
    fn each_limit_leaves_room_for_others() {
        let mut queue = Queue::new(LIMITS);
        let taken = (0..9).filter(|job| queue.push(address(1), *job, 1)).count();
        assert_eq!(taken, 6, "of one address");
        assert!(queue.push(address(2), 20, 1), "of another");
        assert!(!queue.push(address(3), 30, 94) && queue.push(address(3), 30, 93), "bytes");
        queue.pop();
        assert!(
            queue.push(address(1), 9, 0) && !queue.push(address(1), 9, 0),
            "what is under way does not wait"
        );
        let mut queue = Queue::new(LIMITS);
        let taken = (0..20).filter(|n| queue.push(address(*n), 0, 1)).count();
        assert_eq!(taken, 10, "in all");
    }

    #[test]
    fn an_address_has_so_many_under_way_and_others_go_on() {
        let mut queue = Queue::new(LIMITS);
        (0..5).for_each(|job| assert!(queue.push(address(1), job, 1)));
        let first: Vec<_> = std::iter::from_fn(|| queue.pop()).collect();
        assert_eq!(first.iter().map(|(_, job)| *job).collect::<Vec<_>>(), [0, 1, 2]);
        assert!(queue.push(address(2), 20, 1));
        assert_eq!(queue.pop(), Some((address(2), 20)));
        queue.done(address(1));
        assert_eq!(queue.pop(), Some((address(1), 3)));
        assert_eq!(queue.pop(), None);
        (0..3).for_each(|_| queue.done(address(1)));
        assert_eq!(queue.pop(), Some((address(1), 4)));
        queue.done(address(1));
        queue.done(address(2));
        assert!(queue.addresses.is_empty());
    }

    #[test]
    fn whatever_happens_nothing_is_lost_and_nobody_is_forgotten() {
        let mut rng = fastrand::Rng::with_seed(11);
        let mut queue = Queue::new(QueueLimits { total: 50, per_address: 20, bytes: 1_000, under_way: 2 });
        let (mut under_way, mut pushed, mut popped) = (Vec::new(), 0, 0);
        for step in 0..20_000 {
            match rng.u32(..10) {
                0..4 => pushed += usize::from(queue.push(address(rng.u8(..5)), step, rng.usize(..60))),
                4..8 => {
                    if let Some((address, _)) = queue.pop() {
                        popped += 1;
                        under_way.push(address);
                    }
                }
                _ if !under_way.is_empty() => queue.done(under_way.swap_remove(rng.usize(..under_way.len()))),
                _ => {}
            }
            assert_eq!(queue.waiting(), pushed - popped);
            let held: usize = queue.addresses.values().flat_map(|a| &a.jobs).map(|(_, bytes)| bytes).sum();
            assert_eq!(queue.bytes, held);
            for (address, entry) in &queue.addresses {
                let may = !entry.jobs.is_empty() && entry.under_way < 2;
                assert_eq!((entry.listed, queue.turns.contains(address)), (may, may));
                assert!(entry.under_way > 0 || !entry.jobs.is_empty());
            }
        }
        assert!(popped > 1_000);
        queue.clear();
        under_way.into_iter().for_each(|address| queue.done(address));
        assert!(queue.addresses.is_empty() && queue.pop().is_none() && queue.waiting() == 0);
    }
}
