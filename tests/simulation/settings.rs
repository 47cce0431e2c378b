//! What shards are told, where a test wants nothing else.

use std::time::Duration;

use fanfare::shard::Settings;

/// Unix ms at which the virtual clock starts.
pub(crate) const EPOCH: u64 = 1_790_000_000_000;
pub(crate) const HEARTBEAT_MS: u64 = 3_000;
pub(crate) const TIMEOUT_MS: u64 = 10_000;

pub(crate) fn settings() -> Settings {
    Settings {
        loopback_host: true,
        heartbeat_interval: Duration::from_millis(HEARTBEAT_MS),
        connection_timeout: Duration::from_millis(TIMEOUT_MS),
        head_timeout: Duration::from_secs(5),
        max_backlog: 16 * 1024,
        ..Settings::for_tests()
    }
}

#[test]
fn who_is_refused_does_not_come_back_within_a_second() {
    for (ms, chance, expected) in [
        (3000, 0.0, 3000),
        (3000, 1.0, 12_000),
        (20, 0.0, 1000),
        (20, 0.5, 2500),
        (86_400_000, 0.5, 86_400_000),
    ] {
        let settings = Settings { retry: Duration::from_millis(ms), ..settings() };
        assert_eq!(settings.refusal_retry(chance).as_millis(), expected, "{ms} {chance}");
    }
}
