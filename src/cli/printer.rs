//! Events as lines on standard output.

use std::borrow::Cow;
use std::io::{self, Write};

use clap::ValueEnum;
use serde::Serialize;
use serde_json::value::RawValue;

use super::event_stream::StreamEvent;
use super::terminal;

/// How an event is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// A JSON object a line: id, event, data; data as JSON if it is, else as a string.
    Json,
    /// The name and the data; further lines of the data are indented. What would control a terminal is escaped.
    Text,
}

/// Prints the wanted events until their number is reached.
#[derive(Debug)]
pub(super) struct Printer {
    pub(super) format: Format,
    /// Whether to print heartbeats and `connection` events too.
    pub(super) all: bool,
    /// How many are left to print; `None`: no limit.
    pub(super) left: Option<u64>,
}

impl Printer {
    /// Prints events in one write. True if that was the last of them.
    pub(super) fn print(&mut self, events: &[StreamEvent], out: &mut impl Write) -> io::Result<bool> {
        let mut text = Vec::new();
        for event in events {
            if self.left == Some(0) {
                break;
            }
            if self.all || !matches!(&*event.event, "ping" | "connection") {
                write_event(&mut text, event, self.format)?;
                self.left = self.left.map(|left| left - 1);
            }
        }
        if !text.is_empty() {
            out.write_all(&text)?;
            out.flush()?;
        }
        Ok(self.left == Some(0))
    }
}

#[derive(Serialize)]
struct Printed<'e> {
    id: Option<&'e str>,
    event: &'e str,
    data: Data<'e>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Data<'e> {
    Json(&'e RawValue),
    Text(&'e str),
}

fn write_event(out: &mut Vec<u8>, event: &StreamEvent, format: Format) -> io::Result<()> {
    if format == Format::Text {
        write!(out, "{}: ", terminal::one_line(&event.event))?;
        for (n, line) in event.data.split('\n').enumerate() {
            let indent = if n == 0 { "" } else { "\n  " };
            write!(out, "{indent}{}", terminal::plain(line))?;
        }
        return writeln!(out);
    }
    // In JSON, a line end or a tab can only occur between values: strings escape them.
    let line = match event.data.contains(['\n', '\t']) {
        true => Cow::Owned(event.data.replace(['\n', '\t'], " ")),
        false => Cow::Borrowed(&*event.data),
    };
    // Strings, large numbers and the like must not change: print the text itself.
    let is_json = serde_json::from_str::<&RawValue>(&event.data).is_ok();
    let data = match serde_json::from_str(&line) {
        Ok(json) if is_json => Data::Json(json),
        _ => Data::Text(&event.data),
    };
    let printed = serde_json::to_string(&Printed { id: event.id.as_deref(), event: &event.event, data })?;
    writeln!(out, "{}", terminal::json(&printed))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(id: Option<&str>, event: &str, data: &str) -> StreamEvent {
        StreamEvent { id: id.map(str::to_owned), event: event.to_owned(), data: data.to_owned() }
    }

    fn printed(printer: &mut Printer, events: &[StreamEvent]) -> (String, bool) {
        let mut out = Vec::new();
        let done = printer.print(events, &mut out).unwrap();
        (String::from_utf8(out).unwrap(), done)
    }

    fn line(format: Format, data: &str) -> String {
        let mut printer = Printer { format, all: false, left: None };
        printed(&mut printer, &[event(Some("9-1"), "update", data)]).0
    }

    #[test]
    fn data_is_json_if_it_parses_and_else_text() {
        for (data, expected) in [
            ("{\"n\": 1.0e+5}", "{\"n\": 1.0e+5}"),
            ("12345678901234567890123", "12345678901234567890123"),
            ("\"a\\nb\"", "\"a\\nb\""),
            ("{\n\"a\":\n1}", "{ \"a\": 1}"),
            ("plain", "\"plain\""),
            ("\"a\nb\"", "\"\\\"a\\nb\\\"\""),
            ("", "\"\""),
            ("1 2", "\"1 2\""),
        ] {
            assert_eq!(
                line(Format::Json, data),
                format!("{{\"id\":\"9-1\",\"event\":\"update\",\"data\":{expected}}}\n")
            );
        }
    }

    #[test]
    fn text_is_indented_after_its_first_line() {
        assert_eq!(line(Format::Text, "a\nb\n"), "update: a\n  b\n  \n");
    }

    /// OSC 52 sets the clipboard, CSI repaints, U+202E turns text round.
    #[test]
    fn nothing_controls_a_terminal() {
        let evil = "\u{1b}]52;c;cm0gLXJmIH4=\u{7}\u{9b}2J\u{7f}\0\u{202e}txt.exe";
        let shown = "\\u{1b}]52;c;cm0gLXJmIH4=\\u{7}\\u{9b}2J\\u{7f}\\u{0}\\u{202e}txt.exe";
        let code = "\\u001b]52;c;cm0gLXJmIH4=\\u0007\\u009b2J\\u007f\\u0000\\u202etxt.exe";
        let all = [event(Some(evil), evil, evil), event(Some("9-1"), "a", &format!("x\ty\n{evil}"))];
        let mut printer = Printer { format: Format::Text, all: true, left: None };
        let text = printed(&mut printer, &all).0;
        assert_eq!(text, format!("{shown}: {shown}\na: x\ty\n  {shown}\n"));
        printer.format = Format::Json;
        let json = printed(&mut printer, &all[..1]).0;
        assert_eq!(json, format!("{{\"id\":\"{code}\",\"event\":\"{code}\",\"data\":\"{code}\"}}\n"));
        // In JSON that is passed on too: it says the same.
        let data = "{\"\u{9d}\":\t\"\u{7f}\u{202e}\"}";
        let code = "{\"\\u009d\": \"\\u007f\\u202e\"}";
        assert_eq!(
            line(Format::Json, data),
            format!("{{\"id\":\"9-1\",\"event\":\"update\",\"data\":{code}}}\n")
        );
    }

    #[test]
    fn what_the_server_says_of_the_stream_is_shown_where_asked_for() {
        let events = [event(None, "ping", "{}"), event(None, "connection", "{}"), event(None, "a", "1")];
        let mut printer = Printer { format: Format::Text, all: false, left: None };
        assert_eq!(printed(&mut printer, &events), ("a: 1\n".to_owned(), false));
        printer.all = true;
        assert_eq!(printed(&mut printer, &events).0, "ping: {}\nconnection: {}\na: 1\n");
    }

    #[test]
    fn enough_is_enough() {
        let events =
            [event(None, "a", "1"), event(None, "ping", "{}"), event(None, "b", "2"), event(None, "c", "3")];
        let mut printer = Printer { format: Format::Text, all: false, left: Some(3) };
        assert_eq!(printed(&mut printer, &events[..2]), ("a: 1\n".to_owned(), false));
        assert_eq!(printed(&mut printer, &events[2..]), ("b: 2\nc: 3\n".to_owned(), true));
        let mut printer = Printer { format: Format::Text, all: false, left: Some(1) };
        assert_eq!(printed(&mut printer, &events), ("a: 1\n".to_owned(), true));
    }
}
