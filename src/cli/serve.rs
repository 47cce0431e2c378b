//! `fanfare serve`.

use std::io::{self, IsTerminal, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::process::ExitCode;
use std::thread;

use fanfare::{Engine, StartError};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use tracing_subscriber::EnvFilter;

use super::options::{LogFormat, ServeOptions};
use super::{USAGE, fail};

pub(super) fn serve(options: ServeOptions) -> ExitCode {
    start_log(options.log_format);
    let drain_timeout = options.drain_timeout;
    let config = match options.resolve() {
        Ok(config) => config,
        Err(error) => return fail(USAGE, &format!("--{error}")),
    };
    let base_path = config.base_path.clone();
    // Before there is anything to lose by a signal.
    let signals = match Signals::new([SIGTERM, SIGINT]) {
        Ok(signals) => signals,
        Err(error) => return fail(1, &format!("cannot wait for signals: {error}")),
    };
    let engine = match Engine::builder().config(config).start() {
        Ok(engine) => engine,
        Err(error @ (StartError::Config(_) | StartError::OpenBeyondLoopback(_))) => {
            return fail(USAGE, &error.to_string());
        }
        Err(error) => return fail(1, &error.to_string()),
    };
    greet(&engine, &base_path);
    wait(signals);
    tracing::info!(?drain_timeout, "asked to end: streams are ended over the drain timeout");
    engine.shutdown(drain_timeout);
    ExitCode::SUCCESS
}

/// Says where the server is, and what to try.
fn greet(engine: &Engine, base_path: &str) {
    let addresses = engine.local_addrs();
    let Some(port) = addresses.first().map(|address| address.port()) else { return };
    let localhost = [IpAddr::from(Ipv4Addr::LOCALHOST), Ipv6Addr::LOCALHOST.into()];
    let is_localhost =
        addresses.iter().all(|address| localhost.contains(&address.ip()) && address.port() == port);
    let origins = match is_localhost {
        true => vec![format!("http://localhost:{port}")],
        false => addresses.iter().map(|address| format!("http://{address}")).collect(),
    };
    let (origin, streams) = (&origins[0], origins.iter().map(|origin| format!("{origin}{base_path}")));
    let streams = streams.collect::<Vec<_>>().join(", ");
    // Nobody may be reading.
    let _ = writeln!(
        io::stdout(),
        "fanfare listens on {streams}\n\n\
         Follow the stream:   curl -N -H \"Accept: text/event-stream\" {origin}{base_path}\n\
         Send a test event:   curl -X POST {origin}{base_path}/test -H \"Content-Type: application/json\" \
         -d '{{\"type\": \"notification\", \"message\": \"Test message\"}}'"
    );
}

/// Until asked to end. Asked again, the process ends at once.
fn wait(mut signals: Signals) {
    signals.forever().next();
    thread::spawn(move || {
        if let Some(signal) = signals.forever().next() {
            std::process::exit(128 + signal);
        }
    });
}

fn start_log(format: LogFormat) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        // It would report its own failures with eprintln!, which panics where nobody reads.
        .log_internal_errors(false);
    match format {
        LogFormat::Text => log.init(),
        LogFormat::Json => log.json().init(),
    }
}
