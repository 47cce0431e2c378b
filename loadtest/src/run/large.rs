//! Events, and replays, that are larger than what a socket takes at once.

use anyhow::Result;

use super::audience::Audience;
use super::course::{Course, WARM_UP};
use super::stage::Stage;
use crate::clock;
use crate::figure::ratio;
use crate::publish::Pace;
use crate::swarm::{Command, Tally};

/// Bytes of an event's data, and its figures. A megabyte is a million bytes, so that the publication fits into a body of
/// 1 MiB, a common limit of servers.
const SIZES: [(usize, [&str; 2]); 3] = [
    (64 * 1024, ["whole_64k_p50_ms", "whole_64k_p99_ms"]),
    (256 * 1024, ["whole_256k_p50_ms", "whole_256k_p99_ms"]),
    (1_000_000, ["whole_1m_p50_ms", "whole_1m_p99_ms"]),
];
/// Payload for many streams.
const READERS_PAYLOAD: usize = 256 * 1024;
const READERS_FIGURES: [&str; 2] = ["readers_p50_ms", "readers_p99_ms"];
/// Most streams, whatever the number requested.
pub(super) const READERS: usize = 100;
/// Bytes of each replayed event's data.
pub(super) const REPLAYED_PAYLOAD: usize = 60_000;

/// Measures one stream with one event in flight at a time, then many streams at a rate.
pub(super) fn large(stage: &mut Stage<'_>, streams: usize, rate: f64, events: u64) -> Result<()> {
    stage.open(Audience::All, 1)?;
    for (bytes, keys) in SIZES {
        stage.set_payload(bytes)?;
        stage.publish(Course::warm_up(WARM_UP))?;
        let measured = stage.publish(Course::measured(Pace::InFlight(1), events))?;
        set_whole(stage, keys, &measured.tally)?;
    }
    stage.close()?;
    stage.set_payload(READERS_PAYLOAD)?;
    stage.open(Audience::All, streams.min(READERS))?;
    // Other scenarios measure the cost of a stream, with more streams.
    stage.figures.retain(|key, _| key.starts_with("whole_"));
    stage.publish(Course::warm_up(WARM_UP))?;
    let measured = stage.publish(Course::measured(Pace::Rate(rate), events))?;
    set_whole(stage, READERS_FIGURES, &measured.tally)?;
    stage.set_each("delivery_cpu_us", measured.server_cpu, measured.tally.measured);
    stage.set_each("client_cpu_us", Some(measured.client_cpu), measured.tally.measured);
    stage.latency = Some(measured.tally.latency);
    Ok(())
}

fn set_whole(stage: &mut Stage<'_>, [half, most]: [&str; 2], tally: &Tally) -> Result<()> {
    let times = tally.latency.times()?;
    stage.set(half, times.millis(0.5));
    stage.set(most, times.millis(0.99));
    Ok(())
}

/// Measures one stream that has missed all events, and reconnects.
pub(super) fn replay(stage: &mut Stage<'_>, events: u64) -> Result<()> {
    stage.open(Audience::All, 1)?;
    stage.figures.clear();
    stage.publish(Course::warm_up(WARM_UP))?;
    stage.disconnect()?;
    stage.publish_unheard(Course::measured(Pace::Acknowledged, events))?;
    let began = clock::nanos();
    stage.command(Command::Connect)?;
    stage.wait_open()?;
    stage.wait_received()?;
    let tally = stage.mark()?;
    let seconds = clock::seconds(tally.last_delivery.saturating_sub(began));
    let bytes = tally.measured * REPLAYED_PAYLOAD as u64;
    stage.set("replay_mb_per_second", ratio(bytes as f64 / 1e6, seconds));
    Ok(())
}
