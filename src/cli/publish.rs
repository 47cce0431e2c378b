//! `fanfare publish`.

use std::io::{self, IsTerminal, Read, Write};
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use clap::{Args, value_parser};
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
/// How long to wait before the second try where a server does not say; doubled with each.
const PAUSE: Duration = Duration::from_millis(200);
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
    /// Key that makes repeating it safe, 1 to 255 bytes: within its window a server publishes only one event with it
    /// [default: one that nobody else has]
    #[arg(long, value_name = "KEY", value_parser = key, conflicts_with = "ndjson")]
    idempotency_key: Option<String>,
    /// How often to try at most, where the server is not reached, is too busy or does not answer, 1 to 1000; no event is
    /// published twice by that
    #[arg(long, value_name = "N", value_parser = value_parser!(u32).range(1..=1000), default_value = "5")]
    tries: u32,
    #[command(flatten)]
    remote: RemoteOptions,
}

/// A server, and how often to try.
struct Target {
    remote: Remote,
    tries: u32,
}

pub(super) fn publish(options: PublishOptions) -> ExitCode {
    let to = Target { remote: Remote::for_requests(options.remote), tries: options.tries };
    if options.ndjson {
        return match publish_lines(&to) {
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
    let key = options.idempotency_key.unwrap_or_else(new_key);
    match to.post("application/json", &message, &key) {
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
fn publish_lines(to: &Target) -> Result<(), String> {
    let batches =
        Batches::read(io::stdin()).map_err(|error| format!("cannot read standard input: {error}"))?;
    for batch in batches {
        send(to, &batch.lines)?;
        if let Some(fault) = batch.fault {
            return Err(format!("line {}: {}", fault.number, fault.what));
        }
    }
    Ok(())
}

/// Sends lines, all or nothing; if they are refused, and it may be for one of them, in halves, so that what comes
/// before that one is published, and it is found.
fn send(to: &Target, lines: &[Line]) -> Result<(), String> {
    let (Some(first), Some(last)) = (lines.first(), lines.last()) else { return Ok(()) };
    let body: String = lines.iter().flat_map(|line| [&*line.text, "\n"]).collect();
    match to.post("application/x-ndjson", &body, &new_key()) {
        Ok(answer) => {
            print(answer.trim_end());
            Ok(())
        }
        Err(Failure::Refused(refusal)) if lines.len() > 1 && OF_A_LINE.contains(&refusal.status) => {
            let (before, after) = lines.split_at(lines.len() / 2);
            send(to, before)?;
            send(to, after)
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

impl Target {
    /// Posts a body, and again where that may succeed. The key says that it is the same.
    fn post(&self, content_type: &'static str, body: &str, key: &str) -> Result<String, Failure> {
        let mut tries = 1;
        loop {
            match self.remote.publish(content_type, body, key) {
                Err(failure) if failure.is_passing() && tries < self.tries => {
                    let pause = pause(failure.retry_after(), tries, fastrand::f64());
                    notice(&format!("{failure}; again in {}", humantime::format_duration(pause)));
                    thread::sleep(pause);
                    tries += 1;
                }
                result => return result,
            }
        }
    }
}

/// How long to wait after so many tries: what the server says, or longer with each, and up to half of that more, so that
/// publishers that failed together do not all come back together. `chance` is between 0 and 1.
fn pause(told: Option<Duration>, tries: u32, chance: f64) -> Duration {
    let pause = told.unwrap_or_else(|| PAUSE.saturating_mul(2_u32.saturating_pow(tries - 1))).min(MAX_PAUSE);
    let ms = pause.as_millis() as u64;
    Duration::from_millis(ms + (ms as f64 / 2.0 * chance) as u64)
}

/// A key that nobody else has.
fn new_key() -> String {
    format!("{:032x}", fastrand::u128(..))
}

/// A key that can stand in a field.
fn key(text: &str) -> Result<String, String> {
    let is_plain = text.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    match text.len() {
        1..=255 if is_plain => Ok(text.to_owned()),
        1..=255 => Err("must be printable ASCII".to_owned()),
        _ => Err("must have 1 to 255 bytes".to_owned()),
    }
}

/// Who publishes may not care for ids, so what is not read is not missed.
fn print(line: &str) {
    let mut stdout = io::stdout().lock();
    let _ = writeln!(stdout, "{}", one_line(line)).and_then(|()| stdout.flush());
}
