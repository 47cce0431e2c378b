//! Time as a value. Only `net` reads clocks and passes the time on.

use std::time::{Duration, UNIX_EPOCH};

/// One reading of both clocks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Now {
    /// Milliseconds since the engine started, monotonic. Deadlines and intervals use this.
    pub elapsed_ms: u64,
    /// Milliseconds since the Unix epoch.
    pub unix_ms: u64,
}

/// The value of a `Date` field (RFC 9110, 5.6.7), formatted once a second.
#[derive(Debug, Default)]
pub struct HttpDate {
    second: u64,
    text: String,
}

impl HttpDate {
    /// The date at this time.
    pub fn at(&mut self, now: Now) -> &str {
        let second = now.unix_ms / 1000;
        if second != self.second || self.text.is_empty() {
            // Years beyond 9999 cannot be formatted: show the last moment that can.
            let shown = UNIX_EPOCH + Duration::from_secs(second.min(253_402_300_799));
            self.text = httpdate::fmt_http_date(shown);
            self.second = second;
        }
        &self.text
    }
}
