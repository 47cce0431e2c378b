//! The clock of the tests, and waits with a deadline.

use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The deadline of every wait, after which the test fails. It only ends tests that hang: it is far longer than anything
/// takes even on a slow machine, and no test that passes waits for it.
pub const PATIENCE: Duration = Duration::from_secs(60);
/// Longer than a test runs: for server timeouts that a test does not examine, so that none expires while a busy machine
/// delays the test.
pub const LONG: Duration = Duration::from_secs(600);
/// How much too early a server timeout may expire: the server counts in milliseconds, and reads its clock only once per
/// turn.
pub const COARSE: Duration = Duration::from_millis(20);
/// Pause between two checks of a condition.
const STEP: Duration = Duration::from_millis(2);

/// A moment by which a wait must end.
#[derive(Clone, Copy, Debug)]
pub struct Deadline(Instant);

impl Deadline {
    /// A deadline after [`PATIENCE`].
    pub fn new() -> Self {
        Self::after(PATIENCE)
    }

    /// A deadline after `time`.
    pub fn after(time: Duration) -> Self {
        Self(now() + time)
    }

    /// The remaining time; `None` if the deadline has passed.
    pub fn left(self) -> Option<Duration> {
        self.0.checked_duration_since(now()).filter(|left| !left.is_zero())
    }
}

impl Default for Deadline {
    fn default() -> Self {
        Self::new()
    }
}

/// The time of the monotonic clock.
#[expect(clippy::disallowed_methods, reason = "tests measure the server from outside, with one clock")]
pub fn now() -> Instant {
    Instant::now()
}

/// The time in ms since the Unix epoch.
#[expect(clippy::disallowed_methods, reason = "tests measure the server from outside, with one clock")]
pub fn unix_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("a time after 1970").as_millis() as u64
}

/// Waits until `holds` returns true. Panics with `what` after [`PATIENCE`].
pub fn eventually(what: &str, holds: impl FnMut() -> bool) {
    within(PATIENCE, what, holds);
}

/// Waits until `holds` returns true. Panics with `what` after `time`.
pub fn within(time: Duration, what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Deadline::after(time);
    while !holds() {
        assert!(deadline.left().is_some(), "not within {time:?}: {what}");
        thread::sleep(STEP);
    }
}
