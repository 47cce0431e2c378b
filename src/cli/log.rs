//! The log of the server, on standard error.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::io::{self, IsTerminal};
use std::panic::{self, PanicHookInfo};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use tracing_subscriber::EnvFilter;

use super::options::LogFormat;
use super::spool::Spool;

/// How long a thread that panics waits for its message to be written.
const PANIC: Duration = Duration::from_millis(100);

/// The lines of the log on their way out. Nobody waits for them: if the reader is too slow, lines are dropped, and the
/// log says so.
pub(super) struct Log(Arc<Spool>);

impl Log {
    /// Sends everything from `tracing`, and every panic, to the log from now on.
    pub(super) fn start(format: LogFormat) -> io::Result<Self> {
        let spool = Spool::start("log", io::stderr(), |lines| {
            tracing::warn!(lines, "log lines were dropped here: standard error was not read in time");
        })?;
        let log = tracing_subscriber::fmt()
            .with_env_filter(filter())
            .with_writer(spool.clone())
            .with_ansi(io::stderr().is_terminal())
            // It would report its own failures with eprintln!, which panics if nobody reads.
            .log_internal_errors(false);
        match format {
            LogFormat::Text => log.init(),
            LogFormat::Json => log.json().init(),
        }
        let own = spool.clone();
        panic::set_hook(Box::new(move |info| tell_panic(&own, info)));
        Ok(Self(spool))
    }

    /// Writes a text of its own.
    pub(super) fn say(&self, text: &str) {
        self.0.push(text.as_bytes());
    }

    /// Returns a function that returns the number of dropped lines.
    pub(super) fn dropped(&self) -> impl Fn() -> u64 + Send + Sync + 'static {
        let spool = self.0.clone();
        move || spool.dropped()
    }

    /// Waits until everything is written, for a second at most.
    pub(super) fn finish(&self) {
        self.0.finish();
    }
}

/// The filter of the log. An empty variable counts as absent.
fn filter() -> EnvFilter {
    let wanted = std::env::var(EnvFilter::DEFAULT_ENV).unwrap_or_default();
    let wanted = Some(wanted).filter(|wanted| !wanted.is_empty());
    wanted.and_then(|wanted| EnvFilter::try_new(wanted).ok()).unwrap_or_else(|| EnvFilter::new("info"))
}

/// Logs that a thread has panicked, like the hook of the standard library but without waiting for a reader.
fn tell_panic(spool: &Spool, info: &PanicHookInfo<'_>) {
    let current = thread::current();
    let name = current.name().unwrap_or("without a name");
    let what = info.payload_as_str().unwrap_or("not with a text");
    let place = info.location().map(ToString::to_string).unwrap_or_default();
    let backtrace = Backtrace::capture();
    let backtrace = match backtrace.status() {
        BacktraceStatus::Captured => format!("\n{backtrace}"),
        _ => String::new(),
    };
    match tracing::enabled!(tracing::Level::ERROR) {
        true => tracing::error!(thread = name, place, "panicked: {what}{backtrace}"),
        false => spool.push(format!("thread {name} panicked at {place}: {what}{backtrace}\n").as_bytes()),
    }
    spool.flush(PANIC);
}
