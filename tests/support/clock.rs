//! The one clock of the tests, and waiting with a deadline.

use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// What must come about within a test comes about within this time, or the test fails. It ends a test that hangs, and
/// is far longer than anything takes, however slow the machine is: no test waits for it and passes.
pub const PATIENCE: Duration = Duration::from_secs(60);
/// Longer than a test runs: for timeouts of a server that a test is not about, so that none of them strikes while a
/// machine that is busy elsewhere keeps the test waiting.
pub const LONG: Duration = Duration::from_secs(600);
/// How much earlier than it says a time of the server may be over: it counts in milliseconds, and its clocks are looked
/// at every so often.
pub const COARSE: Duration = Duration::from_millis(20);
/// Step of a loop that waits for something to come about.
const STEP: Duration = Duration::from_millis(2);

/// A moment by which something must have come about.
#[derive(Clone, Copy, Debug)]
pub struct Deadline(Instant);

impl Deadline {
    /// In [`PATIENCE`].
    pub fn new() -> Self {
        Self::after(PATIENCE)
    }

    /// In so much time.
    pub fn after(time: Duration) -> Self {
        Self(now() + time)
    }

    /// What is left of the time; `None` if it is over.
    pub fn left(self) -> Option<Duration> {
        self.0.checked_duration_since(now()).filter(|left| !left.is_zero())
    }
}

impl Default for Deadline {
    fn default() -> Self {
        Self::new()
    }
}

/// The monotonic clock.
#[expect(clippy::disallowed_methods, reason = "tests measure the server from outside, with one clock")]
pub fn now() -> Instant {
    Instant::now()
}

/// The time in ms since the Unix epoch.
#[expect(clippy::disallowed_methods, reason = "tests measure the server from outside, with one clock")]
pub fn unix_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("a time after 1970").as_millis() as u64
}

/// Waits until `holds` does; panics with `what` if it does not in time.
pub fn eventually(what: &str, holds: impl FnMut() -> bool) {
    within(PATIENCE, what, holds);
}

/// Waits for at most `time` until `holds` does; panics with `what` if it does not.
pub fn within(time: Duration, what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Deadline::after(time);
    while !holds() {
        assert!(deadline.left().is_some(), "not within {time:?}: {what}");
        thread::sleep(STEP);
    }
}
