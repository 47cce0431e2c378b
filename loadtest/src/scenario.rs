//! The scenarios by name, and how many events each measures. How each is run is in `run`.

use clap::ValueEnum;

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Scenario {
    /// Open all streams as fast as possible
    Connect,
    /// Open all streams without tokens, with tokens that the server has not seen, and with the same tokens again; each alone
    /// and while an honest client publishes
    Tokens,
    /// Memory of open, idle streams
    Idle,
    /// Memory of idle streams with a user, a session and a topic
    Identified,
    /// Send every event to every stream, the next once all streams have it
    Broadcast,
    /// The same with up to 16 events in flight
    Burst,
    /// Broadcast at a fixed rate (--rate); latency counts from the time at which each event was due
    Latency,
    /// Send 64 KiB, 256 KiB and 1 MB events to one stream, then 256 KiB events to 100 at a fixed rate; latency of the whole event
    Large,
    /// Send each event to one user, as fast as acknowledged
    User,
    /// Send each event to one topic of ten streams, as fast as acknowledged
    Topics,
    /// Publish over one connection without any streams, as fast as acknowledged
    Ingress,
    /// The same over 16 connections
    Ingress16,
    /// The same over one connection, with 100 events per request
    Batch,
    /// The same over 16 connections, with 100 events per request
    Batch16,
    /// Broadcast at a fixed rate while one stream in 100 stops reading, and then resumes
    Slow,
    /// Close all streams, publish 100 events, and reopen all with Last-Event-ID while publishing continues
    Herd,
    /// The same from a history on disk: what was missed is not in memory
    Archive,
    /// Reopen one stream that has missed 60 MB
    Replay,
    /// Restart the server with SIGTERM, with SIGKILL, and with a listening socket that is passed on, while streams reconnect as
    /// browsers do; time until all are open again
    Restart,
    /// Send only heartbeats, one per second
    Heartbeats,
    /// Close and open 500 streams per second while publishing
    Churn,
    /// Publish one event per second for a long time (--duration)
    Soak,
    /// Attacks, each measured by an honest publisher and honest subscribers, before and during it (--duration). This one: 500
    /// bodies of 1 MiB without their last byte, to a path that does not exist
    BodiesRefused,
    /// The same bodies to the publish endpoint, without a key
    BodiesKeyless,
    /// The same bodies with a valid key
    BodiesUnderway,
    /// Tokens with forged ES256 signatures over 16 pipelining connections, each from its own address
    #[value(name = "forged-es256")]
    ForgedEs256,
    /// The same for a 4096-bit RSA key
    #[value(name = "forged-rs256")]
    ForgedRs256,
    /// The same from one address
    ForgedShared,
    /// 1,200 connections from many addresses to a server with 600 descriptors, idle after one request
    IdlingAsked,
    /// The same, idle from the start
    IdlingSilent,
    /// The same, idle after half a request head
    IdlingHeads,
    /// The same, idle after one request, from one address
    IdlingShared,
    /// A subscriber with 64 patterns that reconnects with an old id in a loop
    WildcardsOne,
    /// Eight of them, each from its own address
    WildcardsEight,
    /// Eight of them from one address
    WildcardsShared,
}

/// The scenarios of the README's table.
pub(crate) const TABLE: &[Scenario] = &[
    Scenario::Connect,
    Scenario::Idle,
    Scenario::Identified,
    Scenario::Broadcast,
    Scenario::Burst,
    Scenario::Latency,
    Scenario::Large,
    Scenario::User,
    Scenario::Ingress16,
];

/// The attacks, in the order of their table.
pub(crate) const ABUSE: &[Scenario] = &[
    Scenario::BodiesRefused,
    Scenario::BodiesKeyless,
    Scenario::BodiesUnderway,
    Scenario::ForgedEs256,
    Scenario::ForgedRs256,
    Scenario::ForgedShared,
    Scenario::IdlingAsked,
    Scenario::IdlingSilent,
    Scenario::IdlingHeads,
    Scenario::IdlingShared,
    Scenario::WildcardsOne,
    Scenario::WildcardsEight,
    Scenario::WildcardsShared,
];

impl Scenario {
    /// The name on the command line and in results.
    pub(crate) fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }

    /// The number of measured events, unless the command line gives another.
    pub(crate) fn default_events(self) -> u64 {
        match self {
            // Forty bursts, so that the first and the last weigh little.
            Self::Burst => 640,
            Self::User => 100_000,
            // 60 MB.
            Self::Replay => 1000,
            Self::Topics => 20_000,
            Self::Ingress | Self::Ingress16 => 200_000,
            Self::Batch | Self::Batch16 => 2_000_000,
            Self::WildcardsOne | Self::WildcardsEight | Self::WildcardsShared => 5000,
            _ => 100,
        }
    }
}
