//! `fanfare publish`.

use std::io::{self, IsTerminal, Read, Write};
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use clap::Args;
use serde_json::Value;
use serde_json::value::RawValue;

use super::batch::{Batches, Line};
use super::exit::{FAILED, USAGE, fail, notice};
use super::failure::Failure;
use super::message::{Content, MessageOptions, json};
use super::remote::{Remote, RemoteOptions};
use super::terminal::one_line;

/// Most bytes that are read as the data or text of one event.
const MAX_INPUT: u64 = 64 * 1024 * 1024;
/// How often in a row a batch is refused for now before that is final.
const MAX_TRIES: u32 = 10;
/// How long to wait where a server does not say.
const PAUSE: Duration = Duration::from_secs(1);
/// How long to wait at most, whatever a server says.
const MAX_PAUSE: Duration = Duration::from_secs(60);
/// Refusals of a batch that may be for the sake of one line.
const OF_A_LINE: [u16; 4] = [400, 403, 413, 422];

const AFTER_HELP: &str = "Prints the id of the event; with --ndjson, the server's answer to each batch of lines.\n\
                          Exit status: 0 published; 1 refused, or no answer; 2 wrong options.";

/// What to publish, and where.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct PublishOptions {
    #[command(flatten)]
    message: MessageOptions,
    /// Its data; - reads it from standard input, as does neither this nor --text
    #[arg(long, value_name = "JSON", allow_negative_numbers = true, conflicts_with = "text")]
    data: Option<String>,
    /// Its data as text, sent line by line; - reads it from standard input, less a final line end
    #[arg(long, value_name = "TEXT")]
    text: Option<String>,
    /// Read publications from standard input, one a line, and publish each as it comes. Ends at a line that is
    /// refused: those before it are published, those after it are not
    #[arg(long, conflicts_with_all = ["MessageOptions", "data", "text"])]
    ndjson: bool,
    #[command(flatten)]
    remote: RemoteOptions,
}

pub(super) fn publish(options: PublishOptions) -> ExitCode {
    if options.ndjson {
        return match publish_lines(&Remote::for_requests(options.remote)) {
            Ok(()) => ExitCode::SUCCESS,
            Err(message) => fail(FAILED, &message),
        };
    }
    let content = match content(options.data, options.text) {
        Ok(content) => content,
        Err((status, message)) => return fail(status, &message),
    };
    let message = match options.message.with(&content) {
        Ok(message) => message,
        Err(message) => return fail(USAGE, &message),
    };
    match Remote::for_requests(options.remote).publish("application/json", &message) {
        Ok(answer) => {
            print(id(&answer).as_deref().unwrap_or(&answer));
            ExitCode::SUCCESS
        }
        Err(failure) => fail(FAILED, &failure.to_string()),
    }
}

/// What the event says: from an option, or from standard input. Else the exit status and what was wrong.
fn content(data: Option<String>, text: Option<String>) -> Result<Content, (u8, String)> {
    let from_option = |data: &str| json(data).map_err(|error| (USAGE, format!("--data: {error}")));
    match (data.as_deref(), text) {
        (_, Some(text)) if text == "-" => {
            let mut text = input()?;
            let length = text.strip_suffix('\n').map(|text| text.strip_suffix('\r').unwrap_or(text).len());
            text.truncate(length.unwrap_or(text.len()));
            Ok(Content::Text(text))
        }
        (_, Some(text)) => Ok(Content::Text(text)),
        (Some(data), None) if data != "-" => from_option(data).map(Content::Data),
        (None, None) if io::stdin().is_terminal() => {
            Err((USAGE, "nothing to publish: --data, --text or standard input is needed".to_owned()))
        }
        (_, None) => input().and_then(|data| input_json(&data)).map(Content::Data),
    }
}

fn input_json(data: &str) -> Result<Box<RawValue>, (u8, String)> {
    json(data).map_err(|error| (FAILED, format!("standard input: {error}; text is published with --text -")))
}

/// All of standard input.
fn input() -> Result<String, (u8, String)> {
    let failed = |what: &str| (FAILED, format!("standard input: {what}"));
    let mut bytes = Vec::new();
    let read = io::stdin().lock().take(MAX_INPUT + 1).read_to_end(&mut bytes);
    read.map_err(|error| failed(&error.to_string()))?;
    if bytes.len() as u64 > MAX_INPUT {
        return Err(failed("is over 64 MiB"));
    }
    String::from_utf8(bytes).map_err(|_| failed("is not UTF-8"))
}

/// The id in an answer.
fn id(answer: &str) -> Option<String> {
    let answer: Value = serde_json::from_str(answer).ok()?;
    answer["id"].as_str().map(str::to_owned)
}

/// Until the input ends, or a line is refused.
fn publish_lines(remote: &Remote) -> Result<(), String> {
    let batches =
        Batches::read(io::stdin()).map_err(|error| format!("cannot read standard input: {error}"))?;
    for batch in batches {
        send(remote, &batch.lines)?;
        if let Some(fault) = batch.fault {
            return Err(format!("line {}: {}", fault.number, fault.what));
        }
    }
    Ok(())
}

/// Sends lines, all or nothing; if they are refused, and it may be for one of them, in halves, so that what comes
/// before that one is published, and it is found.
fn send(remote: &Remote, lines: &[Line]) -> Result<(), String> {
    let (Some(first), Some(last)) = (lines.first(), lines.last()) else { return Ok(()) };
    match post(remote, lines) {
        Ok(answer) => {
            print(answer.trim_end());
            Ok(())
        }
        Err(Failure::Refused(refusal)) if lines.len() > 1 && OF_A_LINE.contains(&refusal.status) => {
            let (before, after) = lines.split_at(lines.len() / 2);
            send(remote, before)?;
            send(remote, after)
        }
        Err(failure) => {
            let place = match first.number == last.number {
                true => format!("line {}", first.number),
                false => format!("lines {} to {}", first.number, last.number),
            };
            let doubt = match failure {
                Failure::Lost { may_have_arrived: true, .. } => "; this may have been published",
                _ => "",
            };
            Err(format!("{place}: {failure}{doubt}"))
        }
    }
}

/// Posts lines, and again if they are refused for now, which says that nothing of them was published.
fn post(remote: &Remote, lines: &[Line]) -> Result<String, Failure> {
    let body: String = lines.iter().flat_map(|line| [&*line.text, "\n"]).collect();
    let mut tries = 1;
    loop {
        match remote.publish("application/x-ndjson", &body) {
            Err(Failure::Refused(refusal)) if matches!(refusal.status, 429 | 503) && tries < MAX_TRIES => {
                let pause = refusal.retry_after.unwrap_or(PAUSE).min(MAX_PAUSE);
                notice(&format!("{refusal}; again in {}", humantime::format_duration(pause)));
                thread::sleep(pause);
                tries += 1;
            }
            result => return result,
        }
    }
}

/// Who publishes may not care for ids, so what is not read is not missed.
fn print(line: &str) {
    let mut stdout = io::stdout().lock();
    let _ = writeln!(stdout, "{}", one_line(line)).and_then(|()| stdout.flush());
}
