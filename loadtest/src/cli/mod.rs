//! The command line.

mod value;

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgGroup, Args, Parser, Subcommand};

use crate::endpoint::Endpoint;
use crate::peer::Peer;
use crate::scenario::{ABUSE, Scenario, TABLE};
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
    /// Open streams on a server, read them, and check the events
    Swarm(SwarmOptions),
    /// Publish to a server as fast as it acknowledges, or at a rate. Each run numbers its events from 1, so a swarm that has
    /// read the events of one run counts those of the next as repeats
    Publish(PublishOptions),
    /// Serve the floor: a fixed response head, and one `send` for each event and stream
    Floor(FloorOptions),
    /// Run scenarios on the floor and on servers in turn, and print medians and ratios
    #[command(after_help = scenarios_help())]
    Run(RunOptions),
    /// Make tables, and a page with charts, from the results of runs
    Report(ReportOptions),
    /// Run workers of a swarm that needs more descriptors than one process may open
    #[command(hide = true)]
    Worker,
    /// Replace this process by a program that ends when the parent ends
    #[command(hide = true)]
    Tether(TetherOptions),
}

#[derive(Args)]
pub(crate) struct SwarmOptions {
    /// URL of the event stream. An `n` in braces stands for the number of the stream; `{n/10}` and `{n%10}` work, too
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:3000/api/sse")]
    pub(crate) url: Endpoint,
    /// A header field of the request, with the same placeholders; may be repeated
    #[arg(long, value_name = "NAME: VALUE", value_parser = header)]
    pub(crate) header: Vec<String>,
    /// Bearer token that every stream sends
    #[arg(long, value_name = "TOKEN", conflicts_with = "token_key")]
    pub(crate) token: Option<String>,
    /// Sign a token for each stream with the key in this file. HS256 uses the bytes of the file without one newline at its
    /// end; ES256 and RS256 use a private key in PEM. All tokens are signed before the first stream is opened
    #[arg(long, value_name = "FILE")]
    pub(crate) token_key: Option<PathBuf>,
    #[arg(long, value_name = "ALG", value_enum, default_value = "HS256", requires = "token_key")]
    pub(crate) token_alg: TokenAlgorithm,
    /// Claims of the tokens, with the placeholders of the URL. Tokens expire after an hour unless the claims have an `exp`
    /// [default: the number of the stream as `sub`, and permission to subscribe to every topic of fanfare]
    #[arg(
        long,
        value_name = "JSON",
        default_value = r#"{"sub":"u-{n}","fanfare":{"subscribe":[">"]}}"#,
        hide_default_value = true,
        requires = "token_key"
    )]
    pub(crate) token_claims: String,
    /// Number of streams. If the descriptor limit is lower, several processes share them
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = at_least_one)]
    pub(crate) streams: usize,
    /// The first stream's number
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) first: usize,
    /// Streams that follow the same series of events, see `publish --series` [default: all]
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    pub(crate) group: Option<usize>,
    /// Threads of each process
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = at_least_one)]
    pub(crate) threads: usize,
    /// Source addresses, from 127.0.0.1 on; each has about 28,000 ports [default: one for each 5,000 streams]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=250))]
    pub(crate) sources: Option<u8>,
    /// Most streams that a thread opens at once; a stream is open when its first event arrives
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = at_least_one)]
    pub(crate) connecting: usize,
    /// New connections per second [default: no limit]
    #[arg(long, value_name = "R", value_parser = rate)]
    pub(crate) ramp: Option<f64>,
    /// Reconnect with the last id when the server ends or refuses a stream, as the browser client does: after the server's
    /// `retry` plus a random part of a delay that starts at 3 s and doubles with each attempt
    #[arg(long)]
    pub(crate) reconnect: bool,
    /// Bytes of each event's data; any other event counts as damaged [default: any size; events of other publishers are counted]
    #[arg(long, value_name = "BYTES", value_parser = payload)]
    pub(crate) payload: Option<usize>,
    /// Stop after this time [default: on Ctrl-C]
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(crate) duration: Option<Duration>,
    /// Process id of the server, for its CPU time and memory
    #[arg(long)]
    pub(crate) pid: Option<u32>,
    /// Print one line of JSON instead of text
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args)]
#[command(group = ArgGroup::new("pace").multiple(false))]
#[command(group = ArgGroup::new("end").multiple(false))]
pub(crate) struct PublishOptions {
    /// URL to publish to. An `n` in braces stands for the number of the series; `{n/10}` and `{n%10}` work, too
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:3000/api/sse/events")]
    pub(crate) url: Endpoint,
    #[arg(long, default_value = "POST")]
    pub(crate) method: String,
    /// A header field of the request; may be repeated
    #[arg(long, value_name = "NAME: VALUE", value_parser = header, default_value = "Content-Type: application/json")]
    pub(crate) header: Vec<String>,
    /// Body of the request; `{data}` stands for the event's data, `{data:form}` for it percent-encoded, numbers as in the URL
    #[arg(long, value_name = "TEXT", default_value = r#"{"event":"load","data":{data}}"#)]
    pub(crate) body: String,
    /// Number of series of events, one for each user or topic. Events go to them in turn; each series has its own numbers
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = at_least_one)]
    pub(crate) series: usize,
    /// Events per second, in an open loop: latency counts from when an event was due; an answer 429 or 503 ends the run
    #[arg(long, value_name = "R", group = "pace", value_parser = rate)]
    pub(crate) rate: Option<f64>,
    /// Most unanswered requests on one connection. With more than one, an answer 429 or 503 ends the run
    #[arg(long, value_name = "N", group = "pace", default_value_t = 1, value_parser = at_least_one)]
    pub(crate) window: usize,
    /// Number of connections. Each series uses one of them, except a single series, whose events may then arrive out of order
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = at_least_one)]
    pub(crate) connections: usize,
    /// Events in one request: one body per line
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = at_least_one)]
    pub(crate) batch: usize,
    /// Total number of events [default: until --duration or Ctrl-C]
    #[arg(long, value_name = "N", group = "end", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) events: Option<u64>,
    /// Stop after this time
    #[arg(long, value_name = "TIME", group = "end", value_parser = duration)]
    pub(crate) duration: Option<Duration>,
    /// Bytes of an event's data
    #[arg(long, value_name = "BYTES", default_value_t = 128, value_parser = payload)]
    pub(crate) payload: usize,
    /// Give up when a request is unanswered for this time
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = duration)]
    pub(crate) patience: Duration,
    /// Print one line of JSON instead of text
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args)]
pub(crate) struct FloorOptions {
    /// Address to listen on; port 0 takes a free one
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:0")]
    pub(crate) listen: SocketAddr,
    /// Number of threads; the streams are spread over them
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = at_least_one)]
    pub(crate) threads: usize,
}

#[derive(Args)]
pub(crate) struct RunOptions {
    /// Scenarios by name; `table` for those in the README's table, `abuse` for all attacks, `all` for all. The part of an
    /// attack's name before its hyphen stands for all attacks of that kind
    #[arg(value_name = "SCENARIO", required = true, value_parser = scenarios)]
    pub(crate) scenario: Vec<Scenarios>,
    /// A built-in server, floor or fanfare [default: both, unless --peer is given]
    #[arg(long, value_name = "NAME", value_delimiter = ',', value_parser = built_in)]
    pub(crate) target: Vec<Peer>,
    /// A file that describes another server; may be repeated. loadtest/peers has files for some servers
    #[arg(long, value_name = "FILE", value_parser = peer)]
    pub(crate) peer: Vec<Peer>,
    /// Further arguments for fanfare, separated by spaces; {folder} is an empty folder for each server, removed at the end
    #[arg(long, value_name = "ARGS", default_value = "", allow_hyphen_values = true)]
    pub(crate) server_args: String,
    /// Further arguments for the floor, separated by spaces
    #[arg(long, value_name = "ARGS", default_value = "", allow_hyphen_values = true)]
    pub(crate) floor_args: String,
    /// Number of rounds; each round runs every server
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = at_least_one)]
    pub(crate) rounds: usize,
    /// Number of streams; with several numbers, each scenario is run with each
    #[arg(long, value_name = "N", default_value = "10000", value_delimiter = ',', value_parser = at_least_one)]
    pub(crate) streams: Vec<usize>,
    /// Number of threads of the swarm
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = at_least_one)]
    pub(crate) threads: usize,
    /// Most streams that a thread opens at once; a stream is open when its first event arrives
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = at_least_one)]
    pub(crate) connecting: usize,
    /// Number of measured events [default: depends on the scenario]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) events: Option<u64>,
    /// Events per second in scenarios with a fixed rate
    #[arg(long, value_name = "R", default_value_t = 10.0, value_parser = rate)]
    pub(crate) rate: f64,
    /// Bytes of an event's data
    #[arg(long, value_name = "BYTES", default_value_t = 128, value_parser = payload)]
    pub(crate) payload: usize,
    /// Duration of scenarios that have no number of events
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = duration)]
    pub(crate) duration: Duration,
    /// Stop waiting for missing events when nothing has arrived for this time
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = duration)]
    pub(crate) patience: Duration,
    /// End the whole run after this time, and report the results so far
    #[arg(long, value_name = "TIME", default_value = "2h", value_parser = duration)]
    pub(crate) deadline: Duration,
    /// Print one table with the main figures of all scenarios, instead of one table for each scenario
    #[arg(long)]
    pub(crate) brief: bool,
    /// Append the results to this file as lines of JSON
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
}

#[derive(Args)]
pub(crate) struct ReportOptions {
    /// Results of runs [default: standard input]
    #[arg(value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// Print one table with the main figures of all scenarios, instead of one table for each scenario
    #[arg(long)]
    pub(crate) brief: bool,
    /// Also write a page with charts to this file
    #[arg(long, value_name = "FILE")]
    pub(crate) html: Option<PathBuf>,
}

#[derive(Args)]
pub(crate) struct TetherOptions {
    /// Pass standard input on as a listening socket
    #[arg(long)]
    pub(crate) listener: bool,
    /// Descriptor limit of the program, soft and hard
    #[arg(long)]
    pub(crate) descriptors: Option<u64>,
    pub(crate) parent: u32,
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    pub(crate) command: Vec<OsString>,
}

/// The scenarios that one argument names.
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

/// One command for each performance goal.
const GOALS: &str = "\
Goals:
  CPU of a delivery, against the floor  loadtest run broadcast burst --server-args '--workers 1'
  its growth with the streams           loadtest run broadcast user --streams 1000,5000,19000
  what slow clients cost other clients  loadtest run slow --rate 5 --target fanfare
  time until all clients have caught up loadtest run herd --target fanfare
  the same from a history on disk       loadtest run archive --target fanfare
  cost of a history on disk             loadtest run ingress16 batch16 --target fanfare --server-args '--history-dir {folder}'
  latency of a large event              loadtest run large
  time of a replay of 60 MB             loadtest run replay --target fanfare
  cost of a restart                     loadtest run restart --target fanfare --streams 300,5000
  cost of a token                       loadtest run tokens --target fanfare --streams 5000
  effect of attacks                     loadtest run abuse --brief --target fanfare --duration 5s
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
        self.events.unwrap_or_else(|| scenario.default_events())
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
