//! Events out of a stream's bytes, with a small fixed state: nothing of an event is kept but what the
//! load tester checks.

use std::io::BufRead as _;

/// Bytes of a line that are kept: enough for `data: {"n":18446744073709551615,`.
const KEPT: usize = 40;
const NUMBER: &[u8] = b"{\"n\":";
const REFUSED: &[u8] = b"{\"status\":\"refused\"";

/// The kinds that are told apart by the `event` field.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
enum Name {
    #[default]
    Other,
    Connection,
    Ping,
}

/// One event, as far as the load tester looks at it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Event {
    /// The greeting, or another word of the server about this stream.
    Connection { refused: bool },
    /// A heartbeat.
    Ping,
    /// `data` of `length` bytes; `n` when it begins with `{"n":`.
    Data { n: Option<u64>, length: u32 },
}

/// Splits a stream into lines at LF, CR and CRLF, and lines into events at empty lines. State: 64 bytes.
#[derive(Debug)]
pub(crate) struct EventScanner {
    /// The unfinished line: its first bytes, and its length in all.
    line: [u8; KEPT],
    line_length: u32,
    /// Bytes of `data` so far; `None` while the event has no `data` field.
    data: Option<u32>,
    n: Option<u64>,
    name: Name,
    refused: bool,
    /// The last byte was a CR that ended a line: an LF right after it is the rest of that end.
    after_cr: bool,
}

impl EventScanner {
    pub(crate) fn new() -> Self {
        Self {
            line: [0; KEPT],
            line_length: 0,
            data: None,
            n: None,
            name: Name::Other,
            refused: false,
            after_cr: false,
        }
    }

    pub(crate) fn feed(&mut self, mut bytes: &[u8], mut sink: impl FnMut(Event)) {
        while !bytes.is_empty() {
            if std::mem::take(&mut self.after_cr) && bytes[0] == b'\n' {
                bytes = &bytes[1..];
                continue;
            }
            let Some(end) = line_end(bytes) else {
                self.keep(bytes);
                return;
            };
            self.after_cr = bytes[end] == b'\r';
            if self.line_length == 0 {
                self.take_line(&bytes[..end], end, &mut sink);
            } else {
                self.keep(&bytes[..end]);
                let (line, length) = (self.line, self.line_length as usize);
                self.take_line(&line[..length.min(KEPT)], length, &mut sink);
                self.line_length = 0;
            }
            bytes = &bytes[end + 1..];
        }
    }

    fn keep(&mut self, bytes: &[u8]) {
        let start = (self.line_length as usize).min(KEPT);
        let end = (start + bytes.len()).min(KEPT);
        self.line[start..end].copy_from_slice(&bytes[..end - start]);
        self.line_length = self.line_length.saturating_add(u32::try_from(bytes.len()).unwrap_or(u32::MAX));
    }

    /// A whole line, of which `line` are the first bytes and `length` all.
    fn take_line(&mut self, line: &[u8], length: usize, sink: &mut impl FnMut(Event)) {
        if length == 0 {
            return self.take_event(sink);
        }
        let colon = line.iter().position(|&byte| byte == b':').unwrap_or(line.len());
        let start = if line.get(colon + 1) == Some(&b' ') { colon + 2 } else { colon + 1 }.min(line.len());
        let value = &line[start..];
        match &line[..colon] {
            b"data" => {
                if self.data.is_none() {
                    self.n = number(value);
                    self.refused = value.starts_with(REFUSED);
                }
                let length = u32::try_from(length - start).unwrap_or(u32::MAX);
                self.data =
                    Some(self.data.map_or(length, |before| before.saturating_add(length).saturating_add(1)));
            }
            b"event" => {
                self.name = match value {
                    b"connection" => Name::Connection,
                    b"ping" => Name::Ping,
                    _ => Name::Other,
                }
            }
            _ => {}
        }
    }

    fn take_event(&mut self, sink: &mut impl FnMut(Event)) {
        let (name, n) = (std::mem::take(&mut self.name), self.n.take());
        let Some(length) = self.data.take() else { return };
        sink(match name {
            Name::Connection => Event::Connection { refused: self.refused },
            Name::Ping => Event::Ping,
            Name::Other => Event::Data { n, length },
        });
    }
}

/// The first CR or LF. `skip_until` and `contains` search many bytes at a time; for long lines that search is most
/// of a client's work.
fn line_end(bytes: &[u8]) -> Option<usize> {
    let mut rest = bytes;
    let through = rest.skip_until(b'\n').unwrap_or_default();
    let lf = bytes[..through].ends_with(b"\n").then(|| through - 1);
    let line = &bytes[..lf.unwrap_or(bytes.len())];
    if line.contains(&b'\r') { line.iter().position(|&byte| byte == b'\r') } else { lf }
}

fn number(data: &[u8]) -> Option<u64> {
    let rest = data.strip_prefix(NUMBER)?;
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    std::str::from_utf8(&rest[..digits]).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn events(pieces: &[&[u8]]) -> Vec<Event> {
        let (mut scanner, mut out) = (EventScanner::new(), Vec::new());
        for piece in pieces {
            scanner.feed(piece, |event| out.push(event));
        }
        out
    }

    const STREAM: &str = "retry: 3000\nid: 1-0\nevent: connection\ndata: {\"status\":\"connected\",\"clientId\":\"c-1\"}\n\n\
        id: 1-1\nevent: load\ndata: {\"n\":1,\"pad\":\"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\"}\n\n\
        : comment\n\nid: 9-9\n\nevent: ping\ndata: {}\n\ndata:{\"n\":18446744073709551615}\ndata\ndata: two\n\n\
        dataset: 1\ndata: foreign\n\n\
        event: connection\r\ndata: {\"status\":\"refused\",\"reason\":\"full\"}\r\n\r\ndata: {\"n\":7}\r\rdata: {\"n\":8}\n\n";

    fn expected() -> Vec<Event> {
        vec![
            Event::Connection { refused: false },
            Event::Data { n: Some(1), length: 66 },
            Event::Ping,
            Event::Data { n: Some(u64::MAX), length: 31 },
            Event::Data { n: None, length: 7 },
            Event::Connection { refused: true },
            Event::Data { n: Some(7), length: 7 },
            Event::Data { n: Some(8), length: 7 },
        ]
    }

    #[test]
    fn every_cut_gives_the_same() {
        let whole = STREAM.as_bytes();
        assert_eq!(events(&[whole]), expected());
        for first in 0..=whole.len() {
            for second in first..=whole.len() {
                let pieces = [&whole[..first], &whole[first..second], &whole[second..]];
                assert_eq!(events(&pieces), expected(), "cut at {first} and {second}");
            }
        }
        for size in 1..80 {
            let pieces: Vec<&[u8]> = whole.chunks(size).collect();
            assert_eq!(events(&pieces), expected(), "pieces of {size}");
        }
    }

    #[test]
    fn lines_end_wherever_the_first_end_stands() {
        for at in 0..100 {
            let mut bytes = [b'x'; 100];
            assert_eq!(line_end(&bytes), None);
            bytes[at] = b'\r';
            assert_eq!(line_end(&bytes), Some(at));
            bytes[99] = b'\n';
            assert_eq!(line_end(&bytes), Some(at.min(99)));
        }
    }
}
