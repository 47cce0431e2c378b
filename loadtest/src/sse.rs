//! An incremental parser of event streams; input may be split anywhere. Between reads it keeps only an incomplete event.

use std::io::BufRead as _;

use anyhow::{Result, ensure};

/// Most bytes of one event with all its fields: 4 MiB, against a stream that never ends its event.
const MAX_EVENT: usize = 4 * 1024 * 1024;

/// One block of a stream, up to its empty line: an event, or only a field such as `retry`. A comment before any field is a
/// block by itself, since servers send it without an empty line.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Block<'a> {
    pub(crate) event: &'a [u8],
    /// The first `data` line; `None` without one.
    pub(crate) data: Option<&'a [u8]>,
    /// There are more `data` lines.
    pub(crate) has_more: bool,
    pub(crate) id: Option<&'a [u8]>,
    /// The server's reconnection time, in milliseconds.
    pub(crate) retry: Option<u32>,
    pub(crate) has_comment: bool,
}

/// Splits a stream into lines at LF, CR and CRLF, and lines into blocks at empty lines.
#[derive(Debug, Default)]
pub(crate) struct EventScanner {
    /// The incomplete block. Nearly always empty, without an allocation.
    partial: Vec<u8>,
    /// Where its last, incomplete line begins.
    line: usize,
}

/// Buffers of earlier incomplete blocks, for reuse: with large events, allocating them anew would dominate.
#[derive(Debug, Default)]
pub(crate) struct Spare(Vec<Vec<u8>>);

impl Spare {
    /// Most buffers to keep: about as many streams are within a large event at once.
    const AT_MOST: usize = 128;

    fn take(&mut self, rest: &[u8]) -> Vec<u8> {
        if rest.is_empty() {
            return Vec::new();
        }
        let mut bytes = self.0.pop().unwrap_or_default();
        bytes.extend_from_slice(rest);
        bytes
    }

    fn give(&mut self, mut bytes: Vec<u8>) {
        if self.0.len() < Self::AT_MOST {
            bytes.clear();
            self.0.push(bytes);
        }
    }
}

impl EventScanner {
    pub(crate) fn feed(
        &mut self,
        bytes: &[u8],
        spare: &mut Spare,
        mut sink: impl FnMut(Block<'_>),
    ) -> Result<()> {
        if self.partial.is_empty() {
            let (rest, line) = take_blocks(bytes, (0, 0), &mut sink);
            self.partial = spare.take(rest);
            self.line = line;
        } else {
            let searched = self.partial.len();
            self.partial.extend_from_slice(bytes);
            // Most parts of a large event end no line: each byte is searched once.
            if line_end(bytes).is_some() {
                let whole = std::mem::take(&mut self.partial);
                let (rest, line) = take_blocks(&whole, (self.line, searched), &mut sink);
                self.partial = spare.take(rest);
                self.line = line;
                spare.give(whole);
            }
        }
        ensure!(self.partial.len() <= MAX_EVENT, "an event of over {MAX_EVENT} bytes");
        Ok(())
    }
}

/// Passes on the complete blocks. Returns the bytes of the incomplete one, and where its last line begins. `searched` is the
/// start of a line, and the position up to which that line is known not to end.
fn take_blocks<'a>(
    bytes: &'a [u8],
    searched: (usize, usize),
    sink: &mut impl FnMut(Block<'_>),
) -> (&'a [u8], usize) {
    let (mut start, mut at, mut block) = (0, 0, Block::default());
    loop {
        let from = if at == searched.0 { searched.1 } else { at };
        let Some(end) = line_end(&bytes[from..]).map(|length| from + length) else { break };
        let (at_start, line) = (at, &bytes[at..end]);
        let is_cr = bytes[end] == b'\r';
        at = end + 1;
        if is_cr && bytes.get(at) == Some(&b'\n') {
            at += 1;
        }
        let is_first = at_start == start;
        match line.first() {
            // The LF of a CRLF that was split between reads, or the empty line after a comment.
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
    (&bytes[start..], at - start)
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
            b"retry" => self.retry = milliseconds(value).or(self.retry),
            b"" => self.has_comment = true,
            _ => {}
        }
    }
}

/// Parses a `retry` field, which is ignored unless it is all digits.
fn milliseconds(value: &[u8]) -> Option<u32> {
    let digits =
        std::str::from_utf8(value).ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))?;
    digits.parse().ok()
}

/// The first CR or LF. `skip_until` and `contains` search many bytes at a time; with long lines most of a client's time is
/// spent here.
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
        let (mut scanner, mut spare, mut out) = (EventScanner::default(), Spare::default(), Vec::new());
        for piece in pieces {
            scanner
                .feed(piece, &mut spare, |block| {
                    let Block { event, data, has_more, id, has_comment, .. } = block;
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
    fn a_large_event_is_whole_at_any_size_of_its_pieces() {
        let data = "x".repeat(100_000);
        let stream = format!("id: 1\ndata: {data}\nevent: load\n\ndata: {data}\r\n\r\n: {data}\n");
        for size in [1, 7, 1000, 65_536, stream.len()] {
            let pieces: Vec<&[u8]> = stream.as_bytes().chunks(size).collect();
            let seen = blocks(&pieces);
            assert_eq!(seen.len(), 3, "pieces of {size}");
            assert_eq!(
                (&*seen[0].0, seen[0].1.as_deref(), seen[0].3.as_deref()),
                ("load", Some(&*data), Some("1"))
            );
            assert_eq!((seen[1].1.as_deref(), seen[2].4), (Some(&*data), true));
        }
    }

    #[test]
    fn reconnection_times() {
        let mut seen = Vec::new();
        let text =
            b"retry: 3000\n\nretry:0\nretry: x\n\nretry: -1\n\nretry: 1 \n\nretry: 4294967296\n\nretry\n\n";
        EventScanner::default().feed(text, &mut Spare::default(), |block| seen.push(block.retry)).unwrap();
        assert_eq!(seen, [Some(3000), Some(0), None, None, None, None]);
    }

    #[test]
    fn an_event_without_end_is_refused() {
        let (mut scanner, mut spare) = (EventScanner::default(), Spare::default());
        let piece = vec![b'x'; MAX_EVENT / 2];
        assert!(scanner.feed(&piece, &mut spare, |_| ()).is_ok());
        assert!(scanner.feed(&piece, &mut spare, |_| ()).is_ok());
        assert!(scanner.feed(b"x", &mut spare, |_| ()).is_err());
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
