//! The options as typed.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgGroup, Args, Parser, Subcommand};

use crate::endpoint::Endpoint;

#[derive(Parser)]
#[command(about, version)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Serve the bare limit: a fixed head, and one bare `send` for each event and stream
    Floor(FloorOptions),
    /// Open streams on a server, publish to them, check and measure
    Load(LoadOptions),
    /// Load the floor and a server in turns, and print the ratios as a Markdown table
    Compare(CompareOptions),
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
#[command(group = ArgGroup::new("pace").multiple(false))]
pub(crate) struct LoadOptions {
    /// The event stream; events are published to URL/events
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:3000/api/sse")]
    pub(crate) url: Endpoint,
    #[command(flatten)]
    pub(crate) shape: Shape,
    /// Events a second, in an open loop: latency counts from when an event was due
    #[arg(long, value_name = "R", group = "pace", value_parser = rate)]
    pub(crate) rate: Option<f64>,
    /// Events under way at most: the next is published when each stream has the one K before it [default: 1]
    #[arg(long, value_name = "K", group = "pace", value_parser = at_least_one)]
    pub(crate) in_flight: Option<usize>,
    /// Process id of the server, to measure its CPU time and memory
    #[arg(long)]
    pub(crate) pid: Option<u32>,
    /// One line of JSON instead of text
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args)]
pub(crate) struct CompareOptions {
    /// The server's binary, run as `PATH serve --listen 127.0.0.1:PORT` [default: `fanfare` beside this binary]
    #[arg(long, value_name = "PATH")]
    pub(crate) server: Option<PathBuf>,
    /// More arguments for the server, separated by spaces
    #[arg(long, value_name = "ARGS", default_value = "", allow_hyphen_values = true)]
    pub(crate) server_args: String,
    /// Path of the server's event stream
    #[arg(long, value_name = "PATH", default_value = "/api/sse")]
    pub(crate) path: String,
    /// Threads of the floor
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = at_least_one)]
    pub(crate) floor_threads: usize,
    /// Rounds; in each the floor goes first, then the server
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = at_least_one)]
    pub(crate) rounds: usize,
    /// Events under way at most
    #[arg(long, value_name = "K", default_value_t = 1, value_parser = at_least_one)]
    pub(crate) in_flight: usize,
    #[command(flatten)]
    pub(crate) shape: Shape,
}

/// What a load consists of, whatever its pace.
#[derive(Args, Clone)]
pub(crate) struct Shape {
    /// Streams
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = at_least_one)]
    pub(crate) streams: usize,
    /// Client threads
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = at_least_one)]
    pub(crate) threads: usize,
    /// Source addresses, 127.0.0.1 and on; one has about 28,000 ports [default: one for each 5,000 streams]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=250))]
    pub(crate) sources: Option<u8>,
    /// Connections that a client thread has under way at most, until their first event
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = at_least_one)]
    pub(crate) connecting: usize,
    /// Measured events
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = at_least_one)]
    pub(crate) events: usize,
    /// Events before the measured ones, one at a time: checked, not measured
    #[arg(long, value_name = "N", default_value_t = 3)]
    pub(crate) warm_up: usize,
    /// Bytes of an event's data
    #[arg(long, value_name = "BYTES", default_value_t = 128)]
    pub(crate) payload: usize,
    /// Give up on the events under way when no stream has received anything for so long
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = duration)]
    pub(crate) patience: Duration,
    /// The whole load stops after so long (in `compare`: each of its loads)
    #[arg(long, value_name = "TIME", default_value = "120s", value_parser = duration)]
    pub(crate) deadline: Duration,
}

fn at_least_one(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|&n| n > 0).ok_or_else(|| "a whole number above zero".to_owned())
}

fn rate(text: &str) -> Result<f64, String> {
    let valid = |rate: &f64| (0.001..=1e6).contains(rate);
    text.parse().ok().filter(valid).ok_or_else(|| "a number from 0.001 to 1000000".to_owned())
}

/// A number and `ms`, `s` or `m`; at most a day.
fn duration(text: &str) -> Result<Duration, String> {
    let split = text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len());
    let unit = match &text[split..] {
        "ms" => 0.001,
        "s" => 1.0,
        "m" => 60.0,
        _ => return Err("a time like 500ms, 30s or 2m".to_owned()),
    };
    let seconds = text[..split].parse::<f64>().map_err(|error| error.to_string())? * unit;
    if !(0.001..=86_400.0).contains(&seconds) {
        return Err("a time from 1ms to a day".to_owned());
    }
    Ok(Duration::from_secs_f64(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn definition() {
        Cli::command().debug_assert();
    }

    #[test]
    fn durations() {
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(duration("1.5s"), Ok(Duration::from_millis(1500)));
        assert_eq!(duration("2m"), Ok(Duration::from_secs(120)));
        for bad in ["", "5", "s", "-1s", "0s", "nans", "infs", "1h", "2000m"] {
            assert!(duration(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn one_pace() {
        assert!(Cli::try_parse_from(["loadtest", "load", "--rate", "10", "--in-flight", "2"]).is_err());
        assert!(Cli::try_parse_from(["loadtest", "load", "--in-flight", "0"]).is_err());
        assert!(Cli::try_parse_from(["loadtest", "compare", "--server-args", "--workers 2"]).is_ok());
    }
}
