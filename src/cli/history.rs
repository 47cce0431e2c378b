//! `fanfare history`.

use std::io::{self, ErrorKind, Write};
use std::process::ExitCode;

use clap::{Args, value_parser};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::exit::{FAILED, fail, notice};
use super::remote::{Remote, RemoteOptions};
use super::terminal;

const AFTER_HELP: &str = "Prints a JSON object a line: id, event, data or text, to, publishedAt (Unix ms). Needs the \
                          scope admin.\n\
                          Exit status: 0 printed, or nobody reads; 1 refused, or no answer; 2 wrong options.";
/// Events that are asked for at once.
const PAGE: u64 = 1_000;

/// What to print of what history holds.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct HistoryOptions {
    /// Begin after the event with this id; earliest: with the oldest that is held
    #[arg(long, value_name = "ID", default_value = "earliest")]
    after: String,
    /// End after so many events
    #[arg(long, value_name = "N", value_parser = value_parser!(u64).range(1..))]
    limit: Option<u64>,
    /// Only what is addressed to a topic that this pattern matches; again for more, united with the others
    #[arg(long, value_name = "PATTERN")]
    topic: Vec<String>,
    /// Only what is addressed to this user
    #[arg(long, value_name = "ID")]
    user: Option<String>,
    /// Only what is addressed to this session
    #[arg(long, value_name = "ID")]
    session: Option<String>,
    #[command(flatten)]
    remote: RemoteOptions,
}

/// An answer of the server.
#[derive(Deserialize)]
struct Page<'a> {
    #[serde(borrow)]
    events: Vec<&'a RawValue>,
    next: Option<String>,
    reason: Option<String>,
}

pub(super) fn history(options: HistoryOptions) -> ExitCode {
    let mut filter: Vec<(&str, String)> = Vec::new();
    filter.extend(options.topic.into_iter().map(|topic| ("topic", topic)));
    filter.extend(options.user.map(|user| ("user", user)));
    filter.extend(options.session.map(|session| ("session", session)));
    match print_all(&Remote::for_requests(options.remote), &filter, options.after, options.limit) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => fail(FAILED, &message),
    }
}

/// Prints page after page, until nothing follows or as many are printed as are wanted.
fn print_all(
    remote: &Remote,
    filter: &[(&str, String)],
    mut after: String,
    mut left: Option<u64>,
) -> Result<(), String> {
    let mut is_first = true;
    while left != Some(0) {
        let limit = left.map_or(PAGE, |left| left.min(PAGE));
        let place = [("after", after.clone()), ("limit", limit.to_string())];
        let query: Vec<_> = filter.iter().chain(&place).cloned().collect();
        let answer = remote.history(&query).map_err(|failure| failure.to_string())?;
        let page: Page<'_> = serde_json::from_str(&answer)
            .map_err(|error| format!("the answer is not understood: {error}"))?;
        if let Some(reason) = page.reason.filter(|_| std::mem::replace(&mut is_first, false)) {
            notice(&format!("events are missing at the beginning ({})", terminal::one_line(&reason)));
        }
        is_first = false;
        match print(&page.events) {
            Err(error) if error.kind() == ErrorKind::BrokenPipe => return Ok(()),
            printed => printed.map_err(|error| format!("cannot write: {error}"))?,
        }
        left = left.map(|left| left.saturating_sub(page.events.len() as u64));
        match page.next {
            Some(next) if next != after => after = next,
            _ => return Ok(()),
        }
    }
    Ok(())
}

fn print(events: &[&RawValue]) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    for event in events {
        // In JSON, a line end or a tab can only occur between values: strings escape them.
        let line = event.get().replace(['\n', '\r', '\t'], " ");
        writeln!(stdout, "{}", terminal::json(&line))?;
    }
    stdout.flush()
}
