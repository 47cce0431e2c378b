//! Events out of a stream's bytes, at any cut. Between reads nothing is kept but an unfinished event.

use std::io::BufRead as _;

use anyhow::{Result, ensure};

/// Limit of one event with all its fields, in bytes: 4 MiB. More is a stream that never ends its event.
const MAX_EVENT: usize = 4 * 1024 * 1024;

/// One block of a stream, up to its empty line: an event, or only a field such as `retry`; or a comment that stands
/// before any field, which is a block by itself, since servers send it without an empty line.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Block<'a> {
    pub(crate) event: &'a [u8],
    /// The first `data` line; `None` without one.
    pub(crate) data: Option<&'a [u8]>,
    /// There are more `data` lines.
    pub(crate) has_more: bool,
    pub(crate) id: Option<&'a [u8]>,
    pub(crate) has_comment: bool,
}

/// Splits a stream into lines at LF, CR and CRLF, and lines into blocks at empty lines.
#[derive(Debug, Default)]
pub(crate) struct EventScanner {
    /// The unfinished block. Empty, without memory of its own, nearly always.
    partial: Vec<u8>,
}

impl EventScanner {
    pub(crate) fn feed(&mut self, bytes: &[u8], mut sink: impl FnMut(Block<'_>)) -> Result<()> {
        if self.partial.is_empty() {
            let rest = take_blocks(bytes, &mut sink);
            self.partial.extend_from_slice(rest);
        } else {
            let mut whole = std::mem::take(&mut self.partial);
            whole.extend_from_slice(bytes);
            self.partial = take_blocks(&whole, &mut sink).to_vec();
        }
        ensure!(self.partial.len() <= MAX_EVENT, "an event of over {MAX_EVENT} bytes");
        Ok(())
    }
}

/// Hands on the whole blocks. The bytes of the unfinished one.
fn take_blocks<'a>(bytes: &'a [u8], sink: &mut impl FnMut(Block<'_>)) -> &'a [u8] {
    let (mut start, mut at, mut block) = (0, 0, Block::default());
    while let Some(length) = line_end(&bytes[at..]) {
        let (at_start, line) = (at, &bytes[at..at + length]);
        let is_cr = bytes[at + length] == b'\r';
        at += length + 1;
        if is_cr && bytes.get(at) == Some(&b'\n') {
            at += 1;
        }
        let is_first = at_start == start;
        match line.first() {
            // The LF of a CRLF that came in two reads, or the empty line after a comment.
            None if is_first => start = at,
            None => {
                sink(std::mem::take(&mut block));
                start = at;
            }
            Some(b':') if is_first => {
                sink(Block { has_comment: true, ..Block::default() });
                start = at;
            }
            Some(_) => block.take_line(line),
        }
    }
    &bytes[start..]
}

impl<'a> Block<'a> {
    fn take_line(&mut self, line: &'a [u8]) {
        let colon = line.iter().position(|&byte| byte == b':').unwrap_or(line.len());
        let value = line.get(colon + 1..).unwrap_or_default();
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match &line[..colon] {
            b"data" if self.data.is_some() => self.has_more = true,
            b"data" => self.data = Some(value),
            b"event" => self.event = value,
            b"id" => self.id = Some(value),
            b"" => self.has_comment = true,
            _ => {}
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Event, data, more data, id, comment.
    type Seen = (String, Option<String>, bool, Option<String>, bool);

    fn blocks(pieces: &[&[u8]]) -> Vec<Seen> {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let (mut scanner, mut out) = (EventScanner::default(), Vec::new());
        for piece in pieces {
            scanner
                .feed(piece, |block| {
                    let Block { event, data, has_more, id, has_comment } = block;
                    out.push((text(event), data.map(text), has_more, id.map(text), has_comment));
                })
                .unwrap();
        }
        assert!(scanner.partial.is_empty());
        out
    }

    const STREAM: &str = "retry: 3000\nid: 1-0\nevent: connection\ndata: {\"status\":\"connected\"}\n\n\
        id: 1-1\ndata: one\n\n: comment\n\nid\n\nevent: ping\r\ndata: {}\r\n\r\ndata:one\rdata\rdata: two\r\r\
        data: after\n\ndataset: 1\ndata:  x\n\n";

    fn expected() -> Vec<Seen> {
        let seen = |event: &str, data: Option<&str>, more, id: Option<&str>, comment| {
            (event.to_owned(), data.map(str::to_owned), more, id.map(str::to_owned), comment)
        };
        vec![
            seen("connection", Some("{\"status\":\"connected\"}"), false, Some("1-0"), false),
            seen("", Some("one"), false, Some("1-1"), false),
            seen("", None, false, None, true),
            seen("", None, false, Some(""), false),
            seen("ping", Some("{}"), false, None, false),
            seen("", Some("one"), true, None, false),
            seen("", Some("after"), false, None, false),
            seen("", Some(" x"), false, None, false),
        ]
    }

    #[test]
    fn every_cut_gives_the_same() {
        let whole = STREAM.as_bytes();
        assert_eq!(blocks(&[whole]), expected());
        for first in 0..=whole.len() {
            for second in first..=whole.len() {
                let pieces = [&whole[..first], &whole[first..second], &whole[second..]];
                assert_eq!(blocks(&pieces), expected(), "cut at {first} and {second}");
            }
        }
        for size in 1..80 {
            let pieces: Vec<&[u8]> = whole.chunks(size).collect();
            assert_eq!(blocks(&pieces), expected(), "pieces of {size}");
        }
    }

    #[test]
    fn a_comment_needs_no_empty_line_and_an_empty_line_is_no_block() {
        let comment = || (String::new(), None, false, None, true);
        assert_eq!(blocks(&[b":\n"]), [comment()]);
        assert_eq!(blocks(&[b"\r\n:\r", b"\n", b": x\n\n\n"]), [comment(), comment()]);
        let seen = blocks(&[b":\ndata: 1\n:\n\n"]);
        assert_eq!(seen, [comment(), (String::new(), Some("1".to_owned()), false, None, true)]);
    }

    #[test]
    fn an_event_without_end_is_refused() {
        let mut scanner = EventScanner::default();
        let piece = vec![b'x'; MAX_EVENT / 2];
        assert!(scanner.feed(&piece, |_| ()).is_ok());
        assert!(scanner.feed(&piece, |_| ()).is_ok());
        assert!(scanner.feed(b"x", |_| ()).is_err());
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
