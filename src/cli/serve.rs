//! `fanfare serve`.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::process::ExitCode;

use fanfare::{Engine, EngineBuilder, StartError};
use listenfd::ListenFd;
use sd_notify::NotifyState;

use super::exit::{FAILED, USAGE, fail};
use super::log::Log;
use super::options::{LogFormat, ServeOptions};
use super::requests::{self, Requests};
use super::spool::Spool;

pub(super) fn serve(options: ServeOptions) -> ExitCode {
    let started = Log::start(options.log_format)
        .and_then(|log| Ok((log, Spool::start("output", io::stdout(), |_| ())?)))
        .map_err(|error| format!("cannot start: {error}"));
    let (log, output) = match started {
        Ok(started) => started,
        Err(message) => return fail(FAILED, &message),
    };
    let status = match run(options, &log, &output) {
        Ok(()) => ExitCode::SUCCESS,
        Err((status, message)) => {
            log.say(&format!("fanfare: {message}\n"));
            ExitCode::from(status)
        }
    };
    log.finish();
    output.finish();
    status
}

/// Serves until asked to end. On error, returns the exit status and a message.
fn run(options: ServeOptions, log: &Log, output: &Spool) -> Result<(), (u8, String)> {
    let (drain_timeout, log_format) = (options.drain_timeout, options.log_format);
    let config = options.resolve();
    let (base_path, drain_delay) = (config.base_path.clone(), config.drain_delay);
    let has_keys = config.has_keys();
    let has_test = config.dev_endpoints.unwrap_or(!has_keys);
    // Before a signal could lose anything.
    let caught = requests::catch().map_err(|error| (FAILED, format!("cannot wait for signals: {error}")))?;
    let builder = Engine::builder().config(config).log_lines_dropped(log.dropped());
    let engine = inherit(builder).map_err(StartError::from).and_then(EngineBuilder::start);
    let engine = engine.map_err(|error| match error {
        StartError::Config(_) | StartError::Keys(_) | StartError::History { .. } => {
            (USAGE, format!("--{error}"))
        }
        StartError::OpenBeyondLoopback(_) => (USAGE, error.to_string()),
        _ => (FAILED, error.to_string()),
    })?;
    output.push(greeting(&engine, &base_path, has_keys, has_test).as_bytes());
    if let LogFormat::Json = log_format {
        // For readers of the log alone.
        let (addresses, control) = (engine.local_addrs(), engine.control_addrs());
        tracing::info!(?addresses, ?control, base_path, "listening");
    }
    tell_service_manager(NotifyState::Ready);
    let requests = Requests::hear(caught);
    requests.serve_until_asked_to_end(&engine);
    tell_service_manager(NotifyState::Stopping);
    tracing::info!(
        ?drain_delay,
        ?drain_timeout,
        "asked to end: not ready; streams are ended after the drain delay"
    );
    requests.serve_for(drain_delay, &engine);
    engine.shutdown(drain_timeout);
    Ok(())
}

/// Takes over the listeners that a service manager has opened (sd_listen_fds(3)): those named `control` are for
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

/// Notifies the service manager, if there is one (sd_notify(3)).
fn tell_service_manager(state: NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(&[state]) {
        tracing::warn!(%error, "cannot notify the service manager");
    }
}

/// The text that says where the server is, and what to try.
fn greeting(engine: &Engine, base_path: &str, has_keys: bool, has_test: bool) -> String {
    let origins = origins_of(engine.local_addrs());
    let Some(origin) = origins.first() else { return String::new() };
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
    text
}

/// The origins of URLs on these addresses.
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
