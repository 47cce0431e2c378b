//! Attacks on a server, and their effect on an honest publisher and honest subscribers.

use anyhow::{Context as _, Result};

use super::audience::Audience;
use super::course::{Course, Measured, WARM_UP};
use super::stage::Stage;
use super::wildcards;
use crate::attack::{Attack, Plan, Script, Tally};
use crate::cli::RunOptions;
use crate::publish::Pace;
use crate::scenario::Scenario;
use crate::token::TokenAlgorithm;
use crate::usage::Peak;

/// Most honest subscribers, whatever the number of streams.
pub(super) const SUBSCRIBERS: usize = 50;
/// Honest publishes per second, each to all honest subscribers.
pub(super) const PUBLISHES: f64 = 100.0;
/// Slow bodies: connections, and the bytes that each announces.
const BODIES: usize = 500;
const BODY: usize = 1024 * 1024;
/// Forged tokens: connections, and unanswered requests on each.
const FORGERS: usize = 16;
const FORGED: usize = 16;
/// Idle connections: connections, and the server's descriptor limit.
const IDLERS: usize = 1200;
const DESCRIPTORS: u64 = 600;
/// Number of addresses of attackers that an address limit must not catch.
const MANY: u8 = 200;
const NOWHERE: &str = "/nowhere";
/// Status codes with their own figure.
const STATUSES: [u16; 10] = [200, 202, 400, 401, 403, 404, 408, 413, 429, 503];

/// One attack.
#[derive(Clone, Copy, Debug)]
struct Abuse {
    kind: Kind,
    connections: usize,
    sources: u8,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Bodies(Bodies),
    Forged(TokenAlgorithm),
    Idling(Idling),
    Wildcards,
}

/// Where incomplete bodies are sent.
#[derive(Clone, Copy, Debug)]
enum Bodies {
    /// To a path that does not exist.
    Nowhere,
    Keyless,
    /// With a valid key.
    Allowed,
}

#[derive(Clone, Copy, Debug)]
enum Idling {
    /// After one answered request.
    Asked,
    Silent,
    /// After half a request head.
    Heads,
}

impl Scenario {
    fn abuse(self) -> Option<Abuse> {
        let (kind, connections, sources) = match self {
            Self::BodiesRefused => (Kind::Bodies(Bodies::Nowhere), BODIES, MANY),
            Self::BodiesKeyless => (Kind::Bodies(Bodies::Keyless), BODIES, MANY),
            Self::BodiesUnderway => (Kind::Bodies(Bodies::Allowed), BODIES, MANY),
            Self::ForgedEs256 => (Kind::Forged(TokenAlgorithm::Es256), FORGERS, FORGERS as u8),
            Self::ForgedRs256 => (Kind::Forged(TokenAlgorithm::Rs256), FORGERS, FORGERS as u8),
            Self::ForgedShared => (Kind::Forged(TokenAlgorithm::Rs256), FORGERS, 1),
            Self::IdlingAsked => (Kind::Idling(Idling::Asked), IDLERS, MANY),
            Self::IdlingSilent => (Kind::Idling(Idling::Silent), IDLERS, MANY),
            Self::IdlingHeads => (Kind::Idling(Idling::Heads), IDLERS, MANY),
            Self::IdlingShared => (Kind::Idling(Idling::Asked), IDLERS, 1),
            Self::WildcardsOne => (Kind::Wildcards, 1, 1),
            Self::WildcardsEight => (Kind::Wildcards, 8, 8),
            Self::WildcardsShared => (Kind::Wildcards, 8, 1),
            _ => return None,
        };
        Some(Abuse { kind, connections, sources })
    }

    pub(super) fn is_abuse(self) -> bool {
        self.abuse().is_some()
    }

    /// The server's descriptor limit, if the attack needs one.
    pub(super) fn descriptors(self) -> Option<u64> {
        matches!(self.abuse()?.kind, Kind::Idling(_)).then_some(DESCRIPTORS)
    }

    pub(super) fn is_of_wildcards(self) -> bool {
        self.abuse().is_some_and(|abuse| matches!(abuse.kind, Kind::Wildcards))
    }

    /// The attackers in words; empty if this is no attack.
    pub(super) fn attackers(self) -> String {
        let Some(Abuse { kind, connections, sources }) = self.abuse() else { return String::new() };
        let from = if sources == 1 { "one address".to_owned() } else { format!("{sources} addresses") };
        let more = match kind {
            Kind::Bodies(_) => format!(", {BODY} B announced by each"),
            Kind::Forged(_) => format!(", {FORGED} requests under way on each"),
            Kind::Idling(_) => format!(", {DESCRIPTORS} descriptors"),
            Kind::Wildcards => format!(", {} patterns each", wildcards::PATTERNS),
        };
        format!("{connections} attackers from {from}{more}")
    }
}

/// Measures the same honest load alone and during the attack. Whatever was due during the attack counts, however late.
pub(super) fn abuse(
    stage: &mut Stage<'_>,
    scenario: Scenario,
    streams: usize,
    options: &RunOptions,
) -> Result<()> {
    let abuse = scenario.abuse().context("no attack")?;
    let access = stage.access.context("the server has no keys")?;
    let streams = streams.min(SUBSCRIBERS);
    stage.tokens = access.tokens(streams, "honest")?;
    stage.open(Audience::All, streams)?;
    stage.figures.clear();
    stage.publish(Course::warm_up(WARM_UP))?;
    let script = match abuse.kind {
        Kind::Wildcards => wildcards::prepare(stage, options.events(scenario))?,
        kind => script(stage, kind)?,
    };
    let plan = Plan {
        address: stage.server.address,
        connections: abuse.connections,
        sources: abuse.sources,
        script,
    };
    let events = (PUBLISHES * options.duration.as_secs_f64()).max(1.0) as u64;
    let is_single = matches!(abuse.kind, Kind::Idling(_));
    let course =
        Course { is_single, grace: options.duration, ..Course::measured(Pace::Steady(PUBLISHES), events) };
    stage.rest();
    let before = stage.publish(course)?;
    set_times(stage, &BEFORE, &before)?;
    let peak = Peak::start(stage.server.pids())?;
    let attack = Attack::start(plan, options.duration)?;
    let during = stage.publish(course)?;
    let tally = attack.finish()?;
    if let Some(growth) = peak.growth() {
        stage.set("memory_peak_bytes", growth as f64);
    }
    set_times(stage, &DURING, &during)?;
    stage.set("busy", during.published.busy as f64);
    stage.latency = Some(during.tally.latency);
    set_tally(stage, &tally);
    Ok(())
}

fn script(stage: &Stage<'_>, kind: Kind) -> Result<Script> {
    let access = stage.access.context("the server has no keys")?;
    let (host, all) = (stage.server.address, &stage.peer.all);
    let (stream, publish) = (all.stream.text(0), all.publish.text(0));
    let post = |target: &str, more: &str, bytes: usize| {
        let fields = format!("Host: {host}\r\nContent-Type: application/json\r\n{more}");
        format!("POST {target} HTTP/1.1\r\n{fields}Content-Length: {bytes}\r\n")
    };
    let get = |target: &str| format!("GET {target} HTTP/1.1\r\nHost: {host}\r\nAccept: */*\r\n");
    Ok(match kind {
        Kind::Bodies(bodies) => {
            let key = format!("{}\r\n", access.publisher_field());
            let head = match bodies {
                Bodies::Nowhere => post(NOWHERE, "", BODY),
                Bodies::Keyless => post(&publish, "", BODY),
                Bodies::Allowed => post(&publish, &key, BODY),
            };
            Script::Body { head: format!("{head}\r\n"), bytes: BODY }
        }
        Kind::Forged(algorithm) => {
            let requests = vec![post(&publish, "", 0), get(&stream)];
            Script::Forge { requests, forger: access.forger(algorithm)?, window: FORGED }
        }
        Kind::Idling(Idling::Asked) => Script::Once { opening: format!("{}\r\n", get(access.health())) },
        Kind::Idling(Idling::Silent) | Kind::Wildcards => Script::Once { opening: String::new() },
        Kind::Idling(Idling::Heads) => Script::Once { opening: format!("{}X-Half: ", get(&stream)) },
    })
}

/// The keys of one phase's figures: publishes, from request to answer, and deliveries.
struct Keys {
    publish: [&'static str; 3],
    delivery: [&'static str; 3],
}

const BEFORE: Keys = Keys {
    publish: ["publish_before_p50_ms", "publish_before_p99_ms", "publish_before_max_ms"],
    delivery: ["delivery_before_p50_ms", "delivery_before_p99_ms", "delivery_before_max_ms"],
};
const DURING: Keys = Keys {
    publish: ["publish_during_p50_ms", "publish_during_p99_ms", "publish_during_max_ms"],
    delivery: ["delivery_during_p50_ms", "delivery_during_p99_ms", "delivery_during_max_ms"],
};

fn set_times(stage: &mut Stage<'_>, keys: &Keys, measured: &Measured) -> Result<()> {
    let delivery = measured.tally.latency.times()?;
    let publish = &measured.published.acknowledgement;
    for (times, [half, most, longest]) in [(publish, keys.publish), (&delivery, keys.delivery)] {
        stage.set(half, times.millis(0.5));
        stage.set(most, times.millis(0.99));
        stage.set(longest, times.max_millis());
    }
    Ok(())
}

fn set_tally(stage: &mut Stage<'_>, tally: &Tally) {
    let Tally { connections, requests, statuses, refused, closed, failed, held } = tally;
    let figures = [
        ("attack_connections", connections),
        ("attack_requests", requests),
        ("attack_refused", refused),
        ("attack_closed", closed),
        ("attack_failed", failed),
        ("attack_held", held),
    ];
    for (key, &value) in figures {
        stage.set(key, value as f64);
    }
    let mut others = 0;
    for (&status, &count) in statuses {
        match STATUSES.contains(&status) {
            true => stage.set(&format!("attack_status_{status}"), count as f64),
            false => others += count,
        }
    }
    if others > 0 {
        stage.set("attack_status_other", others as f64);
    }
}
