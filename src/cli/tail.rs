//! `fanfare tail`.

use std::io::{self, ErrorKind, Read};
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use clap::Args;
use serde::Deserialize;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use ureq::BodyReader;

use super::backoff::Backoff;
use super::event_stream::{EventStream, StreamEvent};
use super::exit::{FAILED, fail, notice};
use super::failure::reason;
use super::printer::{Format, Printer};
use super::remote::{Opened, Remote, RemoteOptions};
use super::terminal::one_line;
use super::value::{duration, pair, some_time};

const AFTER_HELP: &str = "Whenever the stream is lost it is opened again, and goes on where it was. Gaps and refusals \
                          are told on standard error.\n\
                          Exit status: 0 ended by --count, by a signal, by the server for good (204), or as nobody \
                          reads; 1 refused for good; 2 wrong options.";

/// What to follow, and how to print it.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct TailOptions {
    /// Topic, or pattern of topics, to subscribe to; again for more
    #[arg(long, value_name = "PATTERN")]
    topic: Vec<String>,
    /// User to be, where the server is open
    #[arg(long, value_name = "ID")]
    user_id: Option<String>,
    /// Session to be, where the server is open
    #[arg(long, value_name = "ID")]
    session_id: Option<String>,
    /// Metadata to have, where the server is open; again for more
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
    meta: Vec<(String, String)>,
    /// Begin after this event
    #[arg(long, value_name = "ID", value_parser = event_id)]
    last_event_id: Option<String>,
    /// Begin with all that history holds
    #[arg(long, conflicts_with_all = ["last_event_id", "since"])]
    earliest: bool,
    /// Begin with what was published this long ago, as 10m, and history holds
    #[arg(long, value_name = "TIME", value_parser = duration, conflicts_with = "last_event_id")]
    since: Option<Duration>,
    /// End after so many events
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
    /// How events are printed
    #[arg(long, default_value = "json")]
    format: Format,
    /// Print heartbeats (ping) and what the server says of the stream (connection) too
    #[arg(long)]
    all: bool,
    /// End with status 1 where the stream is lost
    #[arg(long)]
    no_reconnect: bool,
    /// How long nothing may come, not even a heartbeat, before the stream is taken for lost; or off
    #[arg(long, value_name = "TIME", value_parser = silence, default_value = "90s")]
    heartbeat_timeout: Silence,
    #[command(flatten)]
    remote: RemoteOptions,
}

/// How long a stream may be silent.
#[derive(Clone, Copy, Debug)]
struct Silence(Option<Duration>);

pub(super) fn tail(options: TailOptions) -> ExitCode {
    if let Err(error) = end_on_signals() {
        return fail(FAILED, &format!("cannot wait for signals: {error}"));
    }
    match Tail::new(options).run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => fail(FAILED, &message),
    }
}

/// Ends the process between two lines, or, asked again, at once.
fn end_on_signals() -> io::Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM])?;
    thread::Builder::new().name("signals".to_owned()).spawn(move || {
        let mut signals = signals.forever();
        signals.next();
        // Whoever writes holds the lock for whole lines, and for as long as nobody reads them.
        thread::spawn(|| {
            let _stdout = io::stdout().lock();
            std::process::exit(0);
        });
        if let Some(signal) = signals.next() {
            std::process::exit(128 + signal);
        }
    })?;
    Ok(())
}

/// A stream that is followed over all its connections.
struct Tail {
    remote: Remote,
    query: Vec<(String, String)>,
    last_event_id: Option<String>,
    /// There was a stream before, or the first one is to begin in history: a gap is told.
    has_followed: bool,
    reconnects: bool,
    backoff: Backoff,
    printer: Printer,
}

/// How following a stream ended.
enum End {
    /// Everything that was asked for is printed, or nobody reads it.
    Done,
    /// It can be opened again.
    Lost(String),
}

/// What the server says of a stream.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Greeting {
    status: Option<String>,
    recovered: Option<bool>,
    reason: Option<String>,
}

impl Tail {
    fn new(options: TailOptions) -> Self {
        let mut query: Vec<(String, String)> = Vec::new();
        query.extend(options.topic.into_iter().map(|topic| ("topic".to_owned(), topic)));
        query.extend(options.user_id.map(|id| ("userId".to_owned(), id)));
        query.extend(options.session_id.map(|id| ("sessionId".to_owned(), id)));
        let in_history = options.earliest || options.since.is_some();
        query.extend(options.earliest.then(|| ("lastEventId".to_owned(), "earliest".to_owned())));
        query.extend(options.since.map(|time| ("since".to_owned(), format!("{}ms", time.as_millis()))));
        query.extend(options.meta.into_iter().map(|(name, value)| (format!("meta.{name}"), value)));
        Self {
            remote: Remote::for_streams(options.remote, options.heartbeat_timeout.0),
            query,
            last_event_id: options.last_event_id,
            has_followed: in_history,
            reconnects: !options.no_reconnect,
            backoff: Backoff::default(),
            printer: Printer { format: options.format, all: options.all, left: options.count },
        }
    }

    /// Until there is nothing more to do, or it cannot be done.
    fn run(&mut self) -> Result<(), String> {
        loop {
            let (lost, retry_after) = match self.remote.open(&self.query, self.last_event_id.as_deref()) {
                Ok(Opened::Over) => return Ok(()),
                Ok(Opened::Stream(stream)) => match self.follow(stream)? {
                    End::Done => return Ok(()),
                    End::Lost(why) => (why, None),
                },
                Err(failure) if failure.is_passing() => (failure.to_string(), failure.retry_after()),
                Err(failure) => return Err(failure.to_string()),
            };
            if !self.reconnects {
                return Err(lost);
            }
            let delay = self.backoff.next(retry_after.unwrap_or_default(), fastrand::f64());
            let told = Duration::from_millis(u64::try_from(delay.as_millis()).unwrap_or(u64::MAX));
            notice(&format!("{lost}; again in {}", humantime::format_duration(told)));
            thread::sleep(delay);
        }
    }

    /// Until the stream ends.
    fn follow(&mut self, mut input: BodyReader<'static>) -> Result<End, String> {
        let mut stream = EventStream::after(self.last_event_id.clone());
        let (mut buffer, mut events) = (vec![0; 64 * 1024], Vec::new());
        let mut said = None;
        loop {
            let count = match input.read(&mut buffer) {
                Ok(0) => return Ok(End::Lost(said.unwrap_or_else(|| "the stream ended".to_owned()))),
                Ok(count) => count,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Ok(End::Lost(format!("the stream broke: {}", cause(error)))),
            };
            events.clear();
            let pushed = stream.push(&buffer[..count], &mut events);
            pushed.map_err(|_| "an event is over 64 MiB".to_owned())?;
            for event in &events {
                said = self.attend(event).or(said);
            }
            match self.printer.print(&events, &mut io::stdout().lock()) {
                Ok(true) => return Ok(End::Done),
                Ok(false) => {}
                Err(error) if error.kind() == ErrorKind::BrokenPipe => return Ok(End::Done),
                Err(error) => return Err(format!("cannot write: {error}")),
            }
            // Only what is printed need not come again.
            self.last_event_id.clone_from(&stream.last_event_id);
            self.backoff.retry = stream.retry.unwrap_or(self.backoff.retry);
        }
    }

    /// Takes note of what an event says of the stream: of a gap at once; what it says of its end is returned.
    fn attend(&mut self, event: &StreamEvent) -> Option<String> {
        let greeting = match &*event.event {
            "connection" => serde_json::from_str(&event.data).unwrap_or_default(),
            _ => Greeting::default(),
        };
        match greeting.status.as_deref() {
            Some("refused") => {
                let why = greeting.reason.unwrap_or_default();
                return Some(format!("the stream is refused for now: {}", one_line(&why)));
            }
            Some("draining") => return Some("the stream ended: the server is shutting down".to_owned()),
            _ => {}
        }
        let is_back = std::mem::replace(&mut self.has_followed, true) || self.last_event_id.is_some();
        if is_back && greeting.recovered == Some(false) {
            let why = greeting.reason.unwrap_or_default();
            notice(&format!("gap: events may be missing here ({})", one_line(&why)));
        }
        match &*event.event {
            "connection" => self.backoff.opened(),
            _ => self.backoff.brought(),
        }
        None
    }
}

/// What went wrong, less the wrapping that reading put around it.
fn cause(error: io::Error) -> String {
    let text = error.to_string();
    error.downcast::<ureq::Error>().map_or(text, |error| reason(&error))
}

/// An id that can be sent.
fn event_id(text: &str) -> Result<String, String> {
    match text.chars().any(char::is_control) {
        true => Err("an id has no control characters".to_owned()),
        false => Ok(text.to_owned()),
    }
}

fn silence(text: &str) -> Result<Silence, String> {
    match text {
        "off" => Ok(Silence(None)),
        text => some_time(text).map(|time| Silence(Some(time))),
    }
}
