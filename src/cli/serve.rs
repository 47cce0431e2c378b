//! `fanfare serve`.

use std::io::{self, IsTerminal, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::process::ExitCode;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

use fanfare::{Engine, EngineBuilder, StartError};
use listenfd::ListenFd;
use sd_notify::NotifyState;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use tracing_subscriber::EnvFilter;

use super::options::{LogFormat, ServeOptions};
use super::{USAGE, fail};

pub(super) fn serve(options: ServeOptions) -> ExitCode {
    start_log(options.log_format);
    let drain_timeout = options.drain_timeout;
    let config = options.resolve();
    let (base_path, drain_delay) = (config.base_path.clone(), config.drain_delay);
    let has_keys = config.has_keys();
    let has_test = config.dev_endpoints.unwrap_or(!has_keys);
    // Before there is anything to lose by a signal.
    let signals = match Signals::new([SIGTERM, SIGINT, SIGHUP]) {
        Ok(signals) => signals,
        Err(error) => return fail(1, &format!("cannot wait for signals: {error}")),
    };
    let engine = match inherit(Engine::builder().config(config))
        .map_err(StartError::from)
        .and_then(EngineBuilder::start)
    {
        Ok(engine) => engine,
        Err(error @ (StartError::Config(_) | StartError::Keys(_))) => {
            return fail(USAGE, &format!("--{error}"));
        }
        Err(error @ StartError::OpenBeyondLoopback(_)) => return fail(USAGE, &error.to_string()),
        Err(error) => return fail(1, &error.to_string()),
    };
    greet(&engine, &base_path, has_keys, has_test);
    tell_service_manager(NotifyState::Ready);
    let signals = Requests::hear(signals);
    signals.serve_until_asked_to_end(&engine);
    tell_service_manager(NotifyState::Stopping);
    tracing::info!(
        ?drain_delay,
        ?drain_timeout,
        "asked to end: not ready; streams are ended after the drain delay"
    );
    signals.serve_for(drain_delay, &engine);
    engine.shutdown(drain_timeout);
    ExitCode::SUCCESS
}

/// Takes over the listeners that a service manager has opened (sd_listen_fds(3)): those named `control` for
/// publishers and operators.
fn inherit(mut builder: EngineBuilder) -> io::Result<EngineBuilder> {
    let names = std::env::var("LISTEN_FDNAMES").unwrap_or_default();
    let mut names = names.split(':');
    let mut inherited = ListenFd::from_env();
    for n in 0..inherited.len() {
        let is_control = names.next() == Some("control");
        if let Some(listener) = inherited.take_tcp_listener(n)? {
            builder =
                if is_control { builder.control_listener(listener) } else { builder.listener(listener) };
        }
    }
    Ok(builder)
}

/// Where there is one that wants to know (sd_notify(3)).
fn tell_service_manager(state: NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(&[state]) {
        tracing::warn!(%error, "cannot tell the service manager");
    }
}

/// Says where the server is, and what to try.
fn greet(engine: &Engine, base_path: &str, has_keys: bool, has_test: bool) {
    let origins = origins_of(engine.local_addrs());
    let Some(origin) = origins.first() else { return };
    let streams = origins.iter().map(|origin| format!("{origin}{base_path}")).collect::<Vec<_>>().join(", ");
    let control = origins_of(engine.control_addrs());
    let mut text = format!("fanfare listens on {streams}\n");
    if !control.is_empty() {
        text += &format!("Publishers and operators: {}\n", control.join(", "));
    }
    let control = control.first().unwrap_or(origin);
    let key = if has_keys { " -H \"Authorization: Bearer $TOKEN\"" } else { "" };
    let (verb, path, event) = match has_test {
        true => ("Send a test event: ", "test", r#"{"type": "notification", "message": "Test message"}"#),
        false => ("Publish an event:  ", "events", r#"{"event": "update", "data": {"price": 3}}"#),
    };
    text += &format!(
        "\nFollow the stream:   curl -N -H \"Accept: text/event-stream\"{key} {origin}{base_path}\n\
         {verb}  curl -X POST {control}{base_path}/{path}{key} -H \"Content-Type: application/json\" -d '{event}'\n"
    );
    if has_test {
        text += &format!("Open the test panel: {control}/sse-test\n");
    }
    // Nobody may be reading.
    let _ = io::stdout().write_all(text.as_bytes());
}

/// What URLs on these addresses begin with.
fn origins_of(addresses: &[SocketAddr]) -> Vec<String> {
    let Some(port) = addresses.first().map(SocketAddr::port) else { return Vec::new() };
    let localhost = [IpAddr::from(Ipv4Addr::LOCALHOST), Ipv6Addr::LOCALHOST.into()];
    let is_localhost =
        addresses.iter().all(|address| localhost.contains(&address.ip()) && address.port() == port);
    match is_localhost {
        true => vec![format!("http://localhost:{port}")],
        false => addresses.iter().map(|address| format!("http://{address}")).collect(),
    }
}

/// What the process is asked for by signals.
struct Requests {
    sender: Sender<Request>,
    receiver: Receiver<Request>,
}

enum Request {
    /// Read the keys anew.
    Reload,
    /// End: asked to by a signal, or the drain delay is over.
    End,
}

impl Requests {
    /// From now on. Asked to end again, the process ends at once, whatever it is doing.
    fn hear(mut signals: Signals) -> Self {
        let (sender, receiver) = channel();
        let requests = Self { sender: sender.clone(), receiver };
        thread::spawn(move || {
            let mut is_ending = false;
            for signal in signals.forever() {
                let request = match signal {
                    SIGHUP => Request::Reload,
                    _ if is_ending => std::process::exit(128 + signal),
                    _ => Request::End,
                };
                is_ending |= matches!(request, Request::End);
                // Once streams are ended nobody asks any more.
                let _ = sender.send(request);
            }
        });
        requests
    }

    /// Keys are read anew whenever that is asked for.
    fn serve_until_asked_to_end(&self, engine: &Engine) {
        while let Ok(Request::Reload) = self.receiver.recv() {
            match engine.reload_keys() {
                Ok(()) => tracing::info!("keys are read anew"),
                Err(error) => tracing::error!(%error, "the keys stay as they were"),
            }
        }
    }

    /// The engine says that it is not ready, and all else goes on for that time.
    fn serve_for(&self, delay: Duration, engine: &Engine) {
        engine.begin_shutdown();
        let over = self.sender.clone();
        thread::spawn(move || {
            thread::sleep(delay);
            let _ = over.send(Request::End);
        });
        self.serve_until_asked_to_end(engine);
    }
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
