//! An independent event stream parser (WHATWG HTML 9.2.6), strict where a browser is lenient.
//!
//! It shares no code with the server. [`EventStream::faults`] has what a browser would ignore silently.

#![allow(dead_code, unreachable_pub, reason = "shared by test binaries that each use a part of it")]

/// An event as a browser would dispatch it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The `id` field of this block, if it had one.
    pub id: Option<String>,
    /// The value that a browser would send as `Last-Event-ID` after this event.
    pub last_event_id: String,
    /// The name; `message` if the block has none.
    pub event: String,
    /// The lines of data, joined by LF.
    pub data: String,
    /// The `retry` field of this block, if it had one.
    pub retry: Option<u64>,
}

/// Parses an event stream incrementally.
#[derive(Debug, Default)]
pub struct EventStream {
    line: Vec<u8>,
    after_cr: bool,
    started: bool,
    id: Option<String>,
    last_event_id: String,
    event: String,
    data: Option<String>,
    retry: Option<u64>,
    fields: usize,
    /// Comment lines, without their colon.
    pub comments: Vec<String>,
    /// Faults of the stream.
    pub faults: Vec<String>,
    messages: Vec<Message>,
}

impl EventStream {
    /// A parser at the start of a stream.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes bytes, split anywhere, and returns the events that they complete.
    pub fn push(&mut self, bytes: &[u8]) -> Vec<Message> {
        for &byte in bytes {
            let after_cr = std::mem::replace(&mut self.after_cr, byte == b'\r');
            match byte {
                b'\n' if after_cr => {}
                b'\n' | b'\r' => self.end_line(),
                _ => self.line.push(byte),
            }
        }
        std::mem::take(&mut self.messages)
    }

    /// Whether the last block is complete, so that nothing is lost if the stream ends here.
    pub fn is_at_boundary(&self) -> bool {
        self.line.is_empty() && self.fields == 0
    }

    fn fault(&mut self, what: impl Into<String>) {
        self.faults.push(what.into());
    }

    fn end_line(&mut self) {
        let bytes = std::mem::take(&mut self.line);
        let line = String::from_utf8(bytes).unwrap_or_else(|error| {
            self.fault("not UTF-8");
            String::from_utf8_lossy(error.as_bytes()).into_owned()
        });
        let first = !std::mem::replace(&mut self.started, true);
        let line = line.strip_prefix('\u{feff}').filter(|_| first).unwrap_or(&line);
        if line.is_empty() {
            return self.dispatch();
        }
        if let Some(comment) = line.strip_prefix(':') {
            return self.comments.push(comment.to_owned());
        }
        self.fields += 1;
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        self.field(field, value);
    }

    fn field(&mut self, field: &str, value: &str) {
        match field {
            "event" => value.clone_into(&mut self.event),
            "data" => match &mut self.data {
                None => self.data = Some(value.to_owned()),
                Some(data) => {
                    data.push('\n');
                    data.push_str(value);
                }
            },
            "id" if value.contains('\0') => self.fault("an id with NUL"),
            "id" => {
                if self.id.replace(value.to_owned()).is_some() {
                    self.fault("two ids in a block");
                }
                value.clone_into(&mut self.last_event_id);
            }
            "retry" => match value.parse() {
                Ok(ms) if value.bytes().all(|byte| byte.is_ascii_digit()) => self.retry = Some(ms),
                _ => self.fault(format!("retry: {value:?}")),
            },
            _ => self.fault(format!("unknown field {field:?}")),
        }
    }

    fn dispatch(&mut self) {
        let fields = std::mem::take(&mut self.fields);
        let event = std::mem::take(&mut self.event);
        let (id, retry) = (self.id.take(), self.retry.take());
        let Some(data) = self.data.take() else {
            if fields > 0 {
                self.fault("a block without data, which some clients see as an empty event");
            }
            return;
        };
        let event = if event.is_empty() { "message".to_owned() } else { event };
        self.messages.push(Message { id, last_event_id: self.last_event_id.clone(), event, data, retry });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Event, data and id of each event, after checking that they are the same wherever the input is split.
    fn parse(input: &[u8]) -> (Vec<(String, String, String)>, Vec<String>) {
        let brief = |messages: Vec<Message>| {
            messages.into_iter().map(|m| (m.event, m.data, m.last_event_id)).collect::<Vec<_>>()
        };
        let mut whole = EventStream::new();
        let expected = brief(whole.push(input));
        for cut in 0..=input.len() {
            let mut stream = EventStream::new();
            let mut got = brief(stream.push(&input[..cut]));
            got.extend(brief(stream.push(&input[cut..])));
            assert_eq!(got, expected, "cut at {cut}");
            assert_eq!(stream.faults, whole.faults);
        }
        (expected, whole.faults)
    }

    fn events(input: &str) -> Vec<(String, String, String)> {
        parse(input.as_bytes()).0
    }

    fn event(name: &str, data: &str, id: &str) -> (String, String, String) {
        (name.into(), data.into(), id.into())
    }

    #[test]
    fn the_examples_of_the_specification() {
        let stocks = "data: YHOO\ndata: +2\ndata: 10\n\n";
        assert_eq!(events(stocks), [event("message", "YHOO\n+2\n10", "")]);
        let ids =
            ": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n\n";
        assert_eq!(
            events(ids),
            [
                event("message", "first event", "1"),
                event("message", "second event", ""),
                event("message", " third event", "")
            ]
        );
        assert_eq!(
            events("data\n\ndata\ndata\n\ndata:"),
            [event("message", "", ""), event("message", "\n", "")]
        );
        assert_eq!(events("data:test\n\ndata: test\n\n").len(), 2);
    }

    #[test]
    fn line_ends_bom_and_comments() {
        assert_eq!(
            events("\u{feff}event: a\r\ndata: 1\r\rdata: 2\n\r\n"),
            [event("a", "1", ""), event("message", "2", "")]
        );
        assert_eq!(parse(b"\n\n:x\n\n").1, Vec::<String>::new());
    }

    #[test]
    fn what_a_browser_swallows_is_reported() {
        for input in [
            "retry: 5\n\n",
            "retry: x\ndata\n\n",
            "id: a\0b\ndata\n\n",
            "date: 1\n\n",
            "event: a\n\n",
            " data: 1\n\n",
        ] {
            assert!(!parse(input.as_bytes()).1.is_empty(), "{input:?}");
        }
        assert!(!parse(b"data: \xff\n\n").1.is_empty());
    }
}
