//! The options as typed.

mod value;

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgGroup, Args, Parser, Subcommand};

use crate::endpoint::Endpoint;
use crate::peer::Peer;
use crate::run::{ABUSE, Scenario, TABLE};
use crate::token::TokenAlgorithm;
use value::{at_least_one, built_in, duration, header, payload, peer, rate};

#[derive(Parser)]
#[command(about, version)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Open streams on a server, read them, and check what comes
    Swarm(SwarmOptions),
    /// Publish to a server: as fast as acknowledged, or at a rate. Events are numbered from 1, so that a swarm that has heard
    /// one publisher takes the events of the next for repeats
    Publish(PublishOptions),
    /// Serve the bare limit: a fixed head, and one bare `send` for each event and stream
    Floor(FloorOptions),
    /// Play scenarios on the floor and on servers in turns, and print medians and ratios
    #[command(after_help = scenarios_help())]
    Run(RunOptions),
    /// Tables and a page with charts from the results of runs
    Report(ReportOptions),
    /// A part of a swarm that needs more descriptors than one process has
    #[command(hide = true)]
    Crew,
    /// Become a program that ends with the process that started it
    #[command(hide = true)]
    Leash(LeashOptions),
}

#[derive(Args)]
pub(crate) struct SwarmOptions {
    /// The event stream; an `n` in braces is the number of the stream, `{n/10}` and `{n%10}` are made from it
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:3000/api/sse")]
    pub(crate) url: Endpoint,
    /// A field of the request, with the same placeholders (again for more)
    #[arg(long, value_name = "NAME: VALUE", value_parser = header)]
    pub(crate) header: Vec<String>,
    /// A bearer token that every stream brings
    #[arg(long, value_name = "TOKEN", conflicts_with = "token_key")]
    pub(crate) token: Option<String>,
    /// Sign a token for each stream with the key in this file: of HS256 its bytes, less one newline at its end; of ES256 and
    /// RS256 a private key in PEM. All are signed before the first stream is opened
    #[arg(long, value_name = "FILE")]
    pub(crate) token_key: Option<PathBuf>,
    #[arg(long, value_name = "ALG", value_enum, default_value = "HS256", requires = "token_key")]
    pub(crate) token_alg: TokenAlgorithm,
    /// What the tokens say, with the placeholders of the URL; they expire after an hour unless it says another `exp` [default: in
    /// `sub` the number of the stream, and that it may subscribe to every topic of fanfare]
    #[arg(
        long,
        value_name = "JSON",
        default_value = r#"{"sub":"u-{n}","fanfare":{"subscribe":[">"]}}"#,
        hide_default_value = true,
        requires = "token_key"
    )]
    pub(crate) token_claims: String,
    /// Streams. More than the descriptor limit allows are held by several processes
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = at_least_one)]
    pub(crate) streams: usize,
    /// Number of the first stream
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) first: usize,
    /// Streams that follow the same series of events, as `publish --series` makes them [default: all the one]
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    pub(crate) group: Option<usize>,
    /// Threads of a process
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = at_least_one)]
    pub(crate) threads: usize,
    /// Source addresses, 127.0.0.1 and on; one has about 28,000 ports [default: one for each 5,000 streams]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=250))]
    pub(crate) sources: Option<u8>,
    /// Connections that a thread has under way at most, until their first event
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = at_least_one)]
    pub(crate) connecting: usize,
    /// New connections a second [default: as fast as they open]
    #[arg(long, value_name = "R", value_parser = rate)]
    pub(crate) ramp: Option<f64>,
    /// Come back with the last id where the server ends or refuses a stream, as its browser client does: after the server's `retry`,
    /// and a random part of a step that begins with 3 s and doubles with each attempt
    #[arg(long)]
    pub(crate) reconnect: bool,
    /// Bytes that the data of every event has; other events are damage [default: events of others are only counted]
    #[arg(long, value_name = "BYTES", value_parser = payload)]
    pub(crate) payload: Option<usize>,
    /// Stop after so long [default: on Ctrl-C]
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(crate) duration: Option<Duration>,
    /// Process id of the server, to measure its CPU time and memory
    #[arg(long)]
    pub(crate) pid: Option<u32>,
    /// One line of JSON instead of text
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args)]
#[command(group = ArgGroup::new("pace").multiple(false))]
#[command(group = ArgGroup::new("end").multiple(false))]
pub(crate) struct PublishOptions {
    /// Where one publishes; an `n` in braces is the number of the series, `{n/10}` and `{n%10}` are made from it
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:3000/api/sse/events")]
    pub(crate) url: Endpoint,
    #[arg(long, default_value = "POST")]
    pub(crate) method: String,
    /// A field of the request (again for more)
    #[arg(long, value_name = "NAME: VALUE", value_parser = header, default_value = "Content-Type: application/json")]
    pub(crate) header: Vec<String>,
    /// The body; `{data}` is the event's data, `{data:form}` the same percent-encoded, the number as in the URL
    #[arg(long, value_name = "TEXT", default_value = r#"{"event":"load","data":{data}}"#)]
    pub(crate) body: String,
    /// Series of events, in turn, each numbered by itself: as many as there are users or topics
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = at_least_one)]
    pub(crate) series: usize,
    /// Events a second, in an open loop: latency counts from when an event was due; a server that is busy ends the run
    #[arg(long, value_name = "R", group = "pace", value_parser = rate)]
    pub(crate) rate: Option<f64>,
    /// Requests without an answer on one connection; with more than one, too, a server that is busy ends the run
    #[arg(long, value_name = "N", group = "pace", default_value_t = 1, value_parser = at_least_one)]
    pub(crate) window: usize,
    /// Connections; each series keeps to one, unless it is the only one: then its events may overtake each other
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = at_least_one)]
    pub(crate) connections: usize,
    /// Events in one request, a body each, as lines
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = at_least_one)]
    pub(crate) batch: usize,
    /// Events in all [default: until --duration or Ctrl-C]
    #[arg(long, value_name = "N", group = "end", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) events: Option<u64>,
    /// Stop after so long
    #[arg(long, value_name = "TIME", group = "end", value_parser = duration)]
    pub(crate) duration: Option<Duration>,
    /// Bytes of an event's data
    #[arg(long, value_name = "BYTES", default_value_t = 128, value_parser = payload)]
    pub(crate) payload: usize,
    /// Give up when a request has had no answer for so long
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = duration)]
    pub(crate) patience: Duration,
    /// One line of JSON instead of text
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args)]
pub(crate) struct FloorOptions {
    /// Address to listen on; port 0 takes a free one
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:0")]
    pub(crate) listen: SocketAddr,
    /// Sending threads, each with its own share of the streams
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = at_least_one)]
    pub(crate) threads: usize,
}

#[derive(Args)]
pub(crate) struct RunOptions {
    /// Scenarios: `table` for those of the README's table, `abuse` for all attacks, `all`, or by name; the part of an attack's
    /// name before its hyphen is for all of that kind
    #[arg(value_name = "SCENARIO", required = true, value_parser = scenarios)]
    pub(crate) scenario: Vec<Scenarios>,
    /// A server that is known by name, floor or fanfare [default: both, unless there is a --peer]
    #[arg(long, value_name = "NAME", value_delimiter = ',', value_parser = built_in)]
    pub(crate) target: Vec<Peer>,
    /// A file that describes another server (again for more); those of known ones are in loadtest/peers
    #[arg(long, value_name = "FILE", value_parser = peer)]
    pub(crate) peer: Vec<Peer>,
    /// More arguments for fanfare, separated by spaces
    #[arg(long, value_name = "ARGS", default_value = "", allow_hyphen_values = true)]
    pub(crate) server_args: String,
    /// More arguments for the floor, separated by spaces
    #[arg(long, value_name = "ARGS", default_value = "", allow_hyphen_values = true)]
    pub(crate) floor_args: String,
    /// Rounds; in each the servers take turns
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = at_least_one)]
    pub(crate) rounds: usize,
    /// Streams; several numbers play each scenario with each
    #[arg(long, value_name = "N", default_value = "10000", value_delimiter = ',', value_parser = at_least_one)]
    pub(crate) streams: Vec<usize>,
    /// Threads of the swarm
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = at_least_one)]
    pub(crate) threads: usize,
    /// Connections that a thread has under way at most, until their first event
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = at_least_one)]
    pub(crate) connecting: usize,
    /// Measured events [default: as the scenario needs]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) events: Option<u64>,
    /// Events a second where the scenario has a fixed rate
    #[arg(long, value_name = "R", default_value_t = 10.0, value_parser = rate)]
    pub(crate) rate: f64,
    /// Bytes of an event's data
    #[arg(long, value_name = "BYTES", default_value_t = 128, value_parser = payload)]
    pub(crate) payload: usize,
    /// How long the scenarios last that have no number of events
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = duration)]
    pub(crate) duration: Duration,
    /// Give up on what is missing when nothing has come for so long
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = duration)]
    pub(crate) patience: Duration,
    /// The whole run stops after so long, with what it has
    #[arg(long, value_name = "TIME", default_value = "2h", value_parser = duration)]
    pub(crate) deadline: Duration,
    /// Print one table with the main figures of each scenario, instead of one with all for each
    #[arg(long)]
    pub(crate) brief: bool,
    /// Append the results to this file, as lines of JSON
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
}

#[derive(Args)]
pub(crate) struct ReportOptions {
    /// Results of runs [default: standard input]
    #[arg(value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// Print one table with the main figures of each scenario, instead of one with all for each
    #[arg(long)]
    pub(crate) brief: bool,
    /// Write a page with charts here; tables go to standard output all the same
    #[arg(long, value_name = "FILE")]
    pub(crate) html: Option<PathBuf>,
}

#[derive(Args)]
pub(crate) struct LeashOptions {
    /// Hand standard input over as a listening socket
    #[arg(long)]
    pub(crate) listener: bool,
    /// Descriptors that the program may have, and may not raise
    #[arg(long)]
    pub(crate) descriptors: Option<u64>,
    pub(crate) parent: u32,
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    pub(crate) command: Vec<OsString>,
}

/// What a name on the command line stands for.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Scenarios(Vec<Scenario>);

fn scenarios_help() -> String {
    use clap::ValueEnum as _;
    let line = |value: clap::builder::PossibleValue| {
        format!(
            "  {:<16} {}\n",
            value.get_name(),
            value.get_help().map(ToString::to_string).unwrap_or_default()
        )
    };
    let lines: String =
        Scenario::value_variants().iter().filter_map(Scenario::to_possible_value).map(line).collect();
    format!("Scenarios:\n{lines}\n{GOALS}")
}

/// One command for each goal that performance has.
const GOALS: &str = "\
Goals:
  CPU of a delivery, to the floor's     loadtest run broadcast burst --server-args '--workers 1'
  its growth with the streams           loadtest run broadcast user --streams 1000,5000,19000
  what slow clients cost the others     loadtest run slow --rate 5 --target fanfare
  how soon a herd is current again      loadtest run herd --target fanfare
  how soon a large event is there       loadtest run large
  what a replay of 60 MB takes          loadtest run replay --target fanfare
  what a restart costs                  loadtest run restart --target fanfare --streams 300,5000
  what a token costs                    loadtest run tokens --target fanfare --streams 5000
  what a stranger can do                loadtest run abuse --brief --target fanfare --duration 5s
  the README's table                    loadtest run table --brief --target floor,fanfare --peer loadtest/peers/axum.toml --server-args '--workers 1'";

fn scenarios(name: &str) -> Result<Scenarios, String> {
    use clap::ValueEnum as _;
    let all = Scenario::value_variants();
    let names = || all.iter().map(|one| one.name()).collect::<Vec<_>>().join(", ");
    Ok(Scenarios(match name {
        "table" => TABLE.to_vec(),
        "abuse" => ABUSE.to_vec(),
        "all" => all.to_vec(),
        name => match Scenario::from_str(name, false) {
            Ok(one) => vec![one],
            Err(_) => {
                let is_of =
                    |one: &&Scenario| one.name().split_once('-').is_some_and(|(kind, _)| kind == name);
                let kind: Vec<Scenario> = ABUSE.iter().filter(is_of).copied().collect();
                if kind.is_empty() {
                    return Err(format!("not one of table, abuse, all, {}", names()));
                }
                kind
            }
        },
    }))
}

impl RunOptions {
    /// In the order of the command line.
    pub(crate) fn scenarios(&self) -> Vec<Scenario> {
        self.scenario.iter().flat_map(|scenarios| scenarios.0.iter().copied()).collect()
    }

    /// Measured events of a scenario.
    pub(crate) fn events(&self, scenario: Scenario) -> u64 {
        self.events.unwrap_or(match scenario {
            // Forty times the sixteen: how it begins and ends is no part of it.
            Scenario::Burst => 640,
            Scenario::User => 100_000,
            // 60 MB.
            Scenario::Replay => 1000,
            Scenario::Topics => 20_000,
            Scenario::Ingress | Scenario::Ingress16 => 200_000,
            Scenario::Batch | Scenario::Batch16 => 2_000_000,
            Scenario::WildcardsOne | Scenario::WildcardsEight | Scenario::WildcardsShared => 5000,
            _ => 100,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn definition() {
        Cli::command().debug_assert();
    }

    /// In a help text `{n}` is a line break to clap.
    #[test]
    fn help_shows_its_placeholders() {
        for command in Cli::command().get_subcommands_mut() {
            let help = command.render_long_help().to_string();
            assert!(help.lines().all(|line| !line.ends_with('`')), "{help}");
        }
    }

    #[test]
    fn one_pace() {
        let parse = |line: &str| Cli::try_parse_from(line.split(' '));
        assert!(parse("loadtest publish --rate 10 --window 2").is_err());
        assert!(parse("loadtest publish --events 10 --duration 2s").is_err());
        assert!(parse("loadtest publish --events 0").is_err());
        assert!(parse("loadtest swarm --streams 0").is_err());
        assert!(parse("loadtest run").is_err() && parse("loadtest run nonsense").is_err());
        let Ok(Cli { command: Command::Run(options) }) = parse("loadtest run user table --streams 10,20")
        else {
            panic!("refused")
        };
        assert_eq!(options.scenarios()[..2], [Scenario::User, TABLE[0]]);
        assert_eq!((options.streams.len(), options.events(Scenario::Burst)), (2, 640));
    }
}
