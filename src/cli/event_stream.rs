//! A parser of event streams (WHATWG HTML, 9.2.6).

use std::mem;
use std::time::Duration;

/// Maximum bytes of one event, so that a stream without line ends does not use up the memory.
const MAX_EVENT: usize = 64 * 1024 * 1024;
const BOM: &[u8] = "\u{feff}".as_bytes();

/// An event of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct StreamEvent {
    /// The newest `id` up to this event; `None` if there was none, or an empty one has reset it.
    pub(super) id: Option<String>,
    /// The name; `message` if none was given.
    pub(super) event: String,
    /// Its lines, joined by LF.
    pub(super) data: String,
}

/// An event exceeds the limit.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TooLong;

/// Parses one stream as it arrives, in pieces of any size.
#[derive(Debug, Default)]
pub(super) struct EventStream {
    line: Vec<u8>,
    /// Whether a following LF belongs to the line end before it.
    after_cr: bool,
    has_begun: bool,
    /// The newest `id`, including that of an incomplete block.
    id: Option<String>,
    event: String,
    data: Option<String>,
    /// Where to continue: the newest id of a complete block. `None` if there was none, or an empty one has reset it.
    pub(super) last_event_id: Option<String>,
    /// The reconnection time, if the stream has given one.
    pub(super) retry: Option<Duration>,
}

impl EventStream {
    /// A stream that continues after an event.
    pub(super) fn after(last_event_id: Option<String>) -> Self {
        Self { id: last_event_id.clone(), last_event_id, ..Self::default() }
    }

    /// Parses what has arrived, and appends the events that it completes.
    pub(super) fn push(&mut self, mut bytes: &[u8], events: &mut Vec<StreamEvent>) -> Result<(), TooLong> {
        if !bytes.is_empty() && mem::take(&mut self.after_cr) {
            bytes = bytes.strip_prefix(b"\n").unwrap_or(bytes);
        }
        while let Some(end) = bytes.iter().position(|byte| matches!(byte, b'\n' | b'\r')) {
            self.extend(&bytes[..end])?;
            let mut line = mem::take(&mut self.line);
            self.end_line(&line, events);
            line.clear();
            self.line = line;
            let rest = &bytes[end + 1..];
            let is_cr = bytes[end] == b'\r';
            self.after_cr = is_cr && rest.is_empty();
            bytes = rest.strip_prefix(b"\n").filter(|_| is_cr).unwrap_or(rest);
        }
        self.extend(bytes)
    }

    fn extend(&mut self, bytes: &[u8]) -> Result<(), TooLong> {
        let held = self.line.len() + self.data.as_ref().map_or(0, String::len);
        if held + bytes.len() > MAX_EVENT {
            return Err(TooLong);
        }
        self.line.extend_from_slice(bytes);
        Ok(())
    }

    fn end_line(&mut self, line: &[u8], events: &mut Vec<StreamEvent>) {
        let is_first = !mem::replace(&mut self.has_begun, true);
        let line = line.strip_prefix(BOM).filter(|_| is_first).unwrap_or(line);
        if line.is_empty() {
            return events.extend(self.end_block());
        }
        let line = String::from_utf8_lossy(line);
        let (field, value) = line.split_once(':').unwrap_or((&line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => value.clone_into(&mut self.event),
            "data" => match &mut self.data {
                None => self.data = Some(value.to_owned()),
                Some(data) => {
                    data.push('\n');
                    data.push_str(value);
                }
            },
            "id" if !value.contains('\0') => self.id = Some(value.to_owned()).filter(|id| !id.is_empty()),
            "retry" if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) => {
                self.retry = Some(Duration::from_millis(value.parse().unwrap_or(u64::MAX)));
            }
            // A comment, or an unknown field.
            _ => {}
        }
    }

    fn end_block(&mut self) -> Option<StreamEvent> {
        let name = mem::take(&mut self.event);
        self.last_event_id.clone_from(&self.id);
        let event = if name.is_empty() { "message".to_owned() } else { name };
        Some(StreamEvent { data: self.data.take()?, id: self.id.clone(), event })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Name, data and id of each event, the same however the input is cut; what the stream is left with.
    fn parse(input: &[u8]) -> (Vec<(String, String, Option<String>)>, EventStream) {
        let read = |parts: &[&[u8]]| {
            let (mut stream, mut events) = (EventStream::default(), Vec::new());
            parts.iter().for_each(|part| stream.push(part, &mut events).unwrap());
            let brief = events.into_iter().map(|event| (event.event, event.data, event.id)).collect();
            (brief, stream)
        };
        let whole = read(&[input]);
        for cut in 0..=input.len() {
            assert_eq!(read(&[&input[..cut], &[], &input[cut..]]).0, whole.0, "cut at {cut}");
        }
        whole
    }

    fn event(name: &str, data: &str, id: Option<&str>) -> (String, String, Option<String>) {
        (name.into(), data.into(), id.map(str::to_owned))
    }

    #[test]
    fn the_examples_of_the_specification() {
        assert_eq!(parse(b"data: YHOO\ndata: +2\ndata: 10\n\n").0, [event("message", "YHOO\n+2\n10", None)]);
        let (events, stream) = parse(
            b": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n\n",
        );
        let expected = [
            event("message", "first event", Some("1")),
            event("message", "second event", None),
            event("message", " third event", None),
        ];
        assert_eq!((&*events, stream.last_event_id.as_deref()), (&expected[..], None));
        assert_eq!(
            parse(b"data\n\ndata\ndata\n\ndata:").0,
            [event("message", "", None), event("message", "\n", None)]
        );
    }

    #[test]
    fn line_ends_a_bom_and_bytes_that_are_no_text() {
        let input = "\u{feff}event: a\r\ndata: 1\r\rdata: 2\n\r\n\ndata: \u{feff}\u{2028}\n\n";
        let expected =
            [event("a", "1", None), event("message", "2", None), event("message", "\u{feff}\u{2028}", None)];
        assert_eq!(parse(input.as_bytes()).0, expected);
        assert_eq!(parse(b"data: \xff\n\n").0, [event("message", "\u{fffd}", None)]);
    }

    #[test]
    fn a_position_counts_when_its_block_is_whole() {
        let (events, stream) = parse(b"id: 7\ndata: 1\n\nid: 8\n\nid: a\0b\ndata: 2\n\nid: 9\ndata: 3\n");
        assert_eq!(events, [event("message", "1", Some("7")), event("message", "2", Some("8"))]);
        assert_eq!(stream.last_event_id.as_deref(), Some("8"));
    }

    #[test]
    fn an_event_without_an_id_has_the_one_before() {
        let (events, stream) = parse(b"id: a\ndata: 1\n\ndata: 2\n\nid\ndata: 3\n\ndata: 4\n\n");
        let ids: Vec<_> = events.iter().map(|(_, _, id)| id.as_deref()).collect();
        assert_eq!((ids, stream.last_event_id), (vec![Some("a"), Some("a"), None, None], None));
        let (mut stream, mut events) = (EventStream::after(Some("b".to_owned())), Vec::new());
        stream.push(b"data: 1\n\n", &mut events).unwrap();
        assert_eq!((events[0].id.as_deref(), stream.last_event_id.as_deref()), (Some("b"), Some("b")));
    }

    #[test]
    fn a_reconnection_time_is_digits() {
        let endless = "99999999999999999999";
        for (value, retry) in [
            ("1500", Some(1500)),
            (endless, Some(u64::MAX)),
            ("+5", None),
            ("1.5", None),
            ("", None),
            ("9e3", None),
        ] {
            let (_, stream) = parse(format!("retry: {value}\n\n").as_bytes());
            assert_eq!(stream.retry, retry.map(Duration::from_millis), "{value:?}");
        }
    }

    #[test]
    fn an_event_without_an_end_is_too_long() {
        let (mut stream, mut events) = (EventStream::default(), Vec::new());
        let piece = vec![b'x'; MAX_EVENT / 2];
        assert_eq!(stream.push(b"data: ", &mut events), Ok(()));
        assert_eq!(stream.push(&piece, &mut events), Ok(()));
        assert_eq!(stream.push(b"\ndata: ", &mut events), Ok(()));
        assert_eq!(stream.push(&piece, &mut events), Err(TooLong));
    }
}
