//! Parsers for the values of options.

use std::net::SocketAddr;
use std::time::Duration;

use bytesize::ByteSize;
use fanfare::{IpNetwork, IpNetworkError, Pattern, SyncPolicy};

const A_DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// A duration with its unit: `30s`, `500ms`, `5m`.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text).map_err(|error| format!("{error}; a duration is written as 30s or 500ms"))
}

/// A duration that somebody waits for: at most a day.
pub(super) fn up_to_a_day(text: &str) -> Result<Duration, String> {
    let time = duration(text)?;
    if time > A_DAY { Err("must be at most 1day".to_owned()) } else { Ok(time) }
}

/// The same, but not zero.
pub(super) fn some_time(text: &str) -> Result<Duration, String> {
    match up_to_a_day(text)? {
        Duration::ZERO => Err("must be more than nothing".to_owned()),
        time => Ok(time),
    }
}

/// A size, with or without a unit: `64MiB`, `4096`.
pub(super) fn size(text: &str) -> Result<usize, String> {
    let bytes: ByteSize =
        text.parse().map_err(|error| format!("{error}; a size is written as 64MiB or 4096"))?;
    // The parser returns the maximum for larger numbers.
    let bytes = Some(bytes.as_u64()).filter(|bytes| *bytes < u64::MAX);
    bytes
        .and_then(|bytes| usize::try_from(bytes).ok())
        .ok_or_else(|| "is more than this machine can address".to_owned())
}

/// A name and a value: `room=5`.
pub(super) fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("a pair is written as NAME=VALUE".to_owned()),
    }
}

/// An address with its port. Host names are not resolved, since their addresses may change.
pub(super) fn address(text: &str) -> Result<SocketAddr, String> {
    let wrong = |_| "an address is written as 127.0.0.1:3000, 0.0.0.0:3000 or [::]:3000".to_owned();
    text.parse().map_err(wrong)
}

/// A network, or a single address.
pub(super) fn network(text: &str) -> Result<IpNetwork, String> {
    text.parse().map_err(|error: IpNetworkError| error.to_string())
}

/// A topic pattern.
pub(super) fn pattern(text: &str) -> Result<Pattern, String> {
    Pattern::parse(text).map_err(|error| error.to_string())
}

/// When what is published must be on the disk.
pub(super) fn sync_policy(text: &str) -> Result<SyncPolicy, String> {
    match text {
        "always" => Ok(SyncPolicy::Always),
        "never" => Ok(SyncPolicy::Never),
        _ => duration(text)
            .map(SyncPolicy::Every)
            .map_err(|_| "must be always, never or a duration as 1s".to_owned()),
    }
}
