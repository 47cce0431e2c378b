//! How each scenario is run: a sequence of steps on a stage.

use std::time::Duration;

use anyhow::{Result, ensure};

use super::abuse;
use super::audience::Audience;
use super::course::{Course, WARM_UP};
use super::large::{self, READERS, REPLAYED_PAYLOAD};
use super::restart;
use super::stage::Stage;
use super::tokens;
use crate::cli::RunOptions;
use crate::clock;
use crate::figure::ratio;
use crate::peer::Peer;
use crate::publish::Pace;
use crate::scenario::Scenario;
use crate::swarm::Command;

const MANY: usize = 16;
const LINES: usize = 100;
const BURST: u64 = 16;
/// Events that the streams of `herd` have missed when they reconnect.
const MISSED: u64 = 100;
/// Events that the streams of `archive` have missed: several times what is held in memory of a history on disk.
const ARCHIVED: u64 = 600;
/// One stream in this many does not read.
const STALLED: usize = 100;
/// Payload in `slow`: it fills the kernel's buffers before the events end.
const STALLED_PAYLOAD: usize = 16 * 1024;
const CHURN_PER_SECOND: f64 = 500.0;
const HEARTBEAT_SECONDS: u64 = 1;
/// Size of the history in `replay`: several times what is replayed.
const HISTORY_BYTES: usize = 256 * 1024 * 1024;

impl Scenario {
    /// Why this peer cannot run the scenario; `None` if it can.
    pub(super) fn excludes(self, peer: &Peer) -> Option<&'static str> {
        let reason = match self {
            _ if self.is_secured() && peer.secured.is_none() => "its file has no [secured]",
            Self::Tokens if peer.user.is_none() => "its file has no [user]",
            _ if self.is_of_wildcards() && peer.wildcards.is_none() => "its file has no [wildcards]",
            _ if self.is_of_wildcards() && !peer.resumes => "it does not resume",
            Self::User if peer.user.is_none() => "its file has no [user]",
            Self::Topics if peer.topic.is_none() => "its file has no [topic]",
            Self::Identified if peer.identified.is_none() => "its file has no [identified]",
            Self::Batch | Self::Batch16 if peer.batch.is_none() => "its file has no [batch]",
            Self::Herd if !peer.resumes => "it does not resume",
            Self::Heartbeats if peer.heartbeat.is_empty() => "its file has no `heartbeat`",
            Self::Archive if !peer.resumes => "it does not resume",
            Self::Archive if peer.archive.is_empty() => "its file has no `archive`",
            Self::Replay if !peer.resumes => "it does not resume",
            Self::Replay if peer.history.is_empty() => "its file has no `history`",
            Self::Restart if peer.start.is_empty() => "it already runs",
            _ => return None,
        };
        Some(reason)
    }

    /// Further arguments of the server.
    pub(super) fn arguments(self, peer: &Peer) -> Vec<String> {
        let seconds = HEARTBEAT_SECONDS.to_string();
        match self {
            Self::Heartbeats => {
                peer.heartbeat.iter().map(|text| text.replace("{seconds}", &seconds)).collect()
            }
            Self::Replay => {
                peer.history.iter().map(|text| text.replace("{bytes}", &HISTORY_BYTES.to_string())).collect()
            }
            Self::Archive => peer.archive.clone(),
            _ => Vec::new(),
        }
    }

    /// Whether the server is started with keys.
    pub(super) fn is_secured(self) -> bool {
        self == Self::Tokens || self.is_abuse()
    }

    /// Whether each stream must receive everything from the first event on.
    pub(super) fn is_whole(self) -> bool {
        !matches!(self, Self::Churn)
    }

    /// Bytes of an event's data.
    pub(super) fn payload(self, options: &RunOptions) -> usize {
        match self {
            Self::Slow => options.payload.max(STALLED_PAYLOAD),
            Self::Replay => REPLAYED_PAYLOAD,
            _ => options.payload,
        }
    }

    /// The load in words: the options that the figures depend on.
    pub(super) fn load(self, options: &RunOptions, streams: usize) -> String {
        let bytes = self.payload(options);
        let events = |count: u64| format!("{count} events of {bytes} B");
        let what = match self {
            Self::Connect | Self::Idle | Self::Identified => String::new(),
            Self::Broadcast | Self::Burst => events(options.events(self)),
            Self::Latency | Self::Slow => {
                format!("{} at {} a second", events(options.events(self)), options.rate)
            }
            Self::User | Self::Topics => format!("{}, {MANY} connections", events(options.events(self))),
            Self::Ingress | Self::Batch => events(options.events(self)),
            Self::Ingress16 | Self::Batch16 => {
                format!("{}, {MANY} connections", events(options.events(self)))
            }
            Self::Large => {
                let (events, readers) = (options.events(self), streams.min(READERS));
                return format!(
                    "1 stream, {events} events of each size; {readers} streams, {events} events at {} a second",
                    options.rate
                );
            }
            Self::Replay => return format!("1 stream, {}", events(options.events(self))),
            Self::Restart => format!("events of {bytes} B at {} a second while they come back", options.rate),
            Self::Herd => format!("{MISSED} events of {bytes} B missed, more at {} a second", options.rate),
            Self::Archive => {
                format!("{ARCHIVED} events of {bytes} B missed, more at {} a second", options.rate)
            }
            Self::Heartbeats => format!("{:?}", options.duration),
            Self::Churn => {
                format!("{CHURN_PER_SECOND} a second closed and opened, for {:?}", options.duration)
            }
            Self::Soak => format!("one event of {bytes} B a second for {:?}", options.duration),
            Self::Tokens => {
                format!("publishes of {bytes} B at most {} a second meanwhile", tokens::PUBLISHES)
            }
            _ => {
                let streams = streams.min(abuse::SUBSCRIBERS);
                let honest = format!("{streams} streams, {} events of {bytes} B a second", abuse::PUBLISHES);
                return format!("{honest}, for {:?}; {}", options.duration, self.attackers());
            }
        };
        match self {
            Self::Ingress | Self::Ingress16 | Self::Batch | Self::Batch16 => what,
            _ if what.is_empty() => format!("{streams} streams"),
            _ => format!("{streams} streams, {what}"),
        }
    }

    pub(super) fn play(self, stage: &mut Stage<'_>, options: &RunOptions, streams: usize) -> Result<()> {
        let events = options.events(self);
        match self {
            Self::Connect => stage.open(Audience::All, streams),
            Self::Idle => {
                stage.open(Audience::All, streams)?;
                stage.publish(Course::warm_up(WARM_UP))?;
                stage.rest();
                stage.set_memory("stream_bytes_used")
            }
            Self::Identified => stage.open(Audience::Identified, streams),
            Self::Broadcast => broadcast(stage, streams, Pace::InFlight(1), events),
            Self::Burst => broadcast(stage, streams, Pace::InFlight(BURST), events),
            Self::Latency => broadcast(stage, streams, Pace::Rate(options.rate), events),
            Self::User => targeted(stage, Audience::Users, streams, events),
            Self::Topics => targeted(stage, Audience::Topics, streams, events),
            Self::Ingress => ingress(stage, events, 1, 1),
            Self::Ingress16 => ingress(stage, events, MANY, 1),
            Self::Batch => ingress(stage, events, 1, LINES),
            Self::Batch16 => ingress(stage, events, MANY, LINES),
            Self::Large => large::large(stage, streams, options.rate, events),
            Self::Replay => large::replay(stage, events),
            Self::Restart => restart::restart(stage, streams, options.rate),
            Self::Slow => slow(stage, streams, options.rate, events),
            Self::Herd => herd(stage, streams, options, MISSED),
            Self::Archive => herd(stage, streams, options, ARCHIVED),
            Self::Heartbeats => heartbeats(stage, streams, options.duration),
            Self::Churn => churn(stage, streams, options),
            Self::Soak => soak(stage, streams, options.duration),
            Self::Tokens => tokens::tokens(stage, streams),
            _ => abuse::abuse(stage, self, streams, options),
        }
    }
}

fn broadcast(stage: &mut Stage<'_>, streams: usize, pace: Pace, events: u64) -> Result<()> {
    stage.open(Audience::All, streams)?;
    stage.publish(Course::warm_up(WARM_UP))?;
    let measured = stage.publish(Course::measured(pace, events))?;
    stage.set_delivery(&measured)
}

fn targeted(stage: &mut Stage<'_>, audience: Audience, streams: usize, events: u64) -> Result<()> {
    stage.open(audience, streams)?;
    let course = Course { connections: MANY, ..Course::measured(Pace::Acknowledged, events) };
    let measured = stage.publish(course)?;
    stage.set_publishing(&measured);
    stage.set_delivery(&measured)
}

fn ingress(stage: &mut Stage<'_>, events: u64, connections: usize, batch: usize) -> Result<()> {
    let course = Course { connections, batch, ..Course::measured(Pace::Acknowledged, events) };
    let measured = stage.publish(course)?;
    if batch == 1 {
        stage.set_publishing(&measured);
    } else {
        let accepted = measured.published.accepted;
        stage.set("events_per_second", ratio(accepted as f64, measured.seconds));
        stage.set_each("event_cpu_us", measured.server_cpu, accepted);
    }
    ensure!(measured.published.accepted == events || stage.is_stopped(), "not every event was accepted");
    Ok(())
}

/// Measures twice: with all streams reading, and with some that do not.
fn slow(stage: &mut Stage<'_>, streams: usize, rate: f64, events: u64) -> Result<()> {
    stage.open(Audience::All, streams)?;
    stage.publish(Course::warm_up(WARM_UP))?;
    let course = Course::measured(Pace::Rate(rate), events);
    stage.rest();
    stage.begin_growth()?;
    let before = stage.publish(course)?;
    stage.set("p99_before_ms", before.tally.latency.times()?.millis(0.99));
    stage.rest();
    stage.set_growth("memory_growth_before_bytes", "kernel_growth_before_bytes")?;
    stage.begin_growth()?;
    stage.command(Command::Stall { every: STALLED })?;
    let measured = stage.publish_stalled(course, streams.div_ceil(STALLED) as u64)?;
    stage.set_delivery(&measured)?;
    stage.set_growth("memory_growth_bytes", "kernel_growth_bytes")?;
    stage.set_unread("unread_bytes");
    stage.command(Command::Stall { every: 0 })?;
    stage.wait_received()
}

fn herd(stage: &mut Stage<'_>, streams: usize, options: &RunOptions, missed: u64) -> Result<()> {
    stage.open(Audience::All, streams)?;
    stage.publish(Course::warm_up(WARM_UP))?;
    stage.disconnect()?;
    stage.publish_unheard(Course::measured(Pace::Acknowledged, missed))?;
    stage.watch();
    let began = clock::nanos();
    let cpu = stage.cpu_of(|stage| {
        stage.command(Command::Connect)?;
        // Publishing continues while they reconnect.
        let more = (options.rate * 2.0) as u64;
        stage.publish(Course {
            is_measured: false,
            ..Course::measured(Pace::Rate(options.rate), more.max(1))
        })?;
        Ok(())
    })?;
    let reached = stage.reached().unwrap_or_else(clock::nanos);
    stage.set("catch_up_seconds", clock::seconds(reached.saturating_sub(began)));
    stage.set_each("reconnect_cpu_us", cpu, streams as u64);
    Ok(())
}

fn heartbeats(stage: &mut Stage<'_>, streams: usize, time: Duration) -> Result<()> {
    stage.open(Audience::All, streams)?;
    stage.mark()?;
    let cpu = stage.cpu_of(|stage| stage.wait_for(time))?;
    let tally = stage.mark()?;
    stage.set("heartbeats", tally.heartbeats as f64);
    stage.set_each("heartbeat_cpu_us", cpu, tally.heartbeats);
    // One may fall before the first mark, and one after the last.
    let due = (time.as_secs() / HEARTBEAT_SECONDS).saturating_sub(2);
    let least = u64::from(tally.least_heartbeats.unwrap_or_default());
    ensure!(
        least >= due || stage.is_stopped(),
        "a stream got {least} heartbeats in {time:?}: at least {due} were due"
    );
    Ok(())
}

fn churn(stage: &mut Stage<'_>, streams: usize, options: &RunOptions) -> Result<()> {
    stage.open(Audience::All, streams)?;
    stage.publish(Course::warm_up(WARM_UP))?;
    let events = (options.rate * options.duration.as_secs_f64()).max(1.0) as u64;
    let course = Course::measured(Pace::Rate(options.rate), events);
    let measured = stage.publish_changing(course, CHURN_PER_SECOND)?;
    stage.set_delivery(&measured)
}

fn soak(stage: &mut Stage<'_>, streams: usize, time: Duration) -> Result<()> {
    stage.open(Audience::All, streams)?;
    stage.publish(Course::warm_up(WARM_UP))?;
    stage.rest();
    stage.begin_growth()?;
    let measured = stage.publish(Course::measured(Pace::Rate(1.0), time.as_secs().max(1)))?;
    stage.rest();
    stage.set_growth("memory_growth_bytes", "kernel_growth_bytes")?;
    stage.set_delivery(&measured)
}
