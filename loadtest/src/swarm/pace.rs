//! Limits something to a rate, without a burst after a pause.

const SECOND: f64 = 1e9;

/// A limit to a rate; `None` in `per_second` for no limit.
pub(super) struct Ramp {
    per_second: Option<f64>,
    /// When the next one is allowed, in nanoseconds.
    next: u64,
}

impl Ramp {
    /// Unused allowance is kept for 20 ms, the time that a loop may sleep.
    const KEPT: u64 = 20_000_000;

    pub(super) fn new(per_second: Option<f64>, now: u64) -> Self {
        Self { per_second, next: now }
    }

    /// Whether one is allowed now.
    pub(super) fn take(&mut self, now: u64) -> bool {
        let Some(per_second) = self.per_second else { return true };
        if per_second <= 0.0 || now < self.next {
            return false;
        }
        self.next = self.next.max(now.saturating_sub(Self::KEPT)) + (SECOND / per_second) as u64;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_has_so_many() {
        let mut ramp = Ramp::new(Some(1000.0), 0);
        let mut count = 0;
        for millis in 0..1000 {
            while ramp.take(millis * 1_000_000) {
                count += 1;
            }
        }
        assert_eq!(count, 1000);
        // A pause of ten seconds earns no burst.
        let late = 11_000_000_000;
        let burst = (0..1000).take_while(|_| ramp.take(late)).count();
        assert_eq!(burst, 21);
    }

    #[test]
    fn none_and_any() {
        assert!(!Ramp::new(Some(0.0), 0).take(u64::MAX));
        assert!((0..1000).all(|_| Ramp::new(None, 0).take(0)));
    }
}
