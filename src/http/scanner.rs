//! The head of a request, byte by byte.

use super::body::BodyFraming;
use super::field::{FieldEvent, FieldScanner};
use super::framing::FramingRules;
use super::limits::RequestLimits;
use super::rejection::Rejection;
use super::request_line::{RequestLine, RequestLineScanner, text};
use super::target::Target;

/// Finds the end of a head in a growing buffer, and checks each byte on the way. It remembers where it stopped: a head
/// costs O(n) however it arrives.
#[derive(Clone, Copy, Debug, Default)]
pub struct HeadScanner {
    at: usize,
    stage: Stage,
}

#[derive(Clone, Copy, Debug)]
enum Stage {
    Line(RequestLineScanner),
    Fields(FieldSection),
    Complete(Outline),
    Rejected(Rejection),
}

/// The result of a scan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scan {
    /// The head is incomplete, and valid so far.
    Incomplete,
    /// The head is complete and valid.
    Complete(Outline),
    /// The request must not be interpreted further, whatever follows.
    Rejected(Rejection),
}

/// The parts of a valid head, by their offsets, and how its body is delimited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outline {
    /// Length of the head, including its final empty line and any empty line that was skipped before it.
    pub length: usize,
    /// How the body is delimited.
    pub body: BodyFraming,
    pub(super) line: RequestLine,
    /// Where the first field line begins.
    pub(super) fields: usize,
}

impl HeadScanner {
    /// Scans what was added to `buffer` since the last call. The buffer begins where the last request ended, and must
    /// only have grown since. Once the result is not [`Scan::Incomplete`], it does not change.
    pub fn scan(&mut self, buffer: &[u8], limits: &RequestLimits) -> Scan {
        let view = buffer.get(..limits.head).unwrap_or(buffer);
        let advanced = self.advance(view, limits);
        match advanced {
            Ok(None) if buffer.len() <= limits.head => return Scan::Incomplete,
            Ok(None) => self.stage = Stage::Rejected(Rejection::head_too_large(limits)),
            Ok(Some(outline)) => self.stage = Stage::Complete(outline),
            Err(rejection) => self.stage = Stage::Rejected(rejection),
        }
        match self.stage {
            Stage::Line(_) | Stage::Fields(_) => Scan::Incomplete,
            Stage::Complete(outline) => Scan::Complete(outline),
            Stage::Rejected(rejection) => Scan::Rejected(rejection),
        }
    }

    /// Whether no byte of a request has arrived. An empty line before a request, which some old clients send after a
    /// body, does not count.
    pub fn is_idle(&self) -> bool {
        matches!(&self.stage, Stage::Line(line) if line.is_idle())
    }

    /// Number of bytes scanned.
    pub fn scanned(&self) -> usize {
        self.at
    }

    fn advance(&mut self, bytes: &[u8], limits: &RequestLimits) -> Result<Option<Outline>, Rejection> {
        if let Stage::Line(line) = &mut self.stage {
            let Some(line) = line.advance(bytes, &mut self.at, limits)? else { return Ok(None) };
            self.stage = Stage::Fields(FieldSection::new(line, self.at));
        }
        match &mut self.stage {
            Stage::Line(_) => Ok(None),
            Stage::Fields(section) => section.advance(bytes, &mut self.at, limits),
            Stage::Complete(outline) => Ok(Some(*outline)),
            Stage::Rejected(rejection) => Err(*rejection),
        }
    }
}

impl Default for Stage {
    fn default() -> Self {
        Self::Line(RequestLineScanner::default())
    }
}

/// The fields of a head, after its request line.
#[derive(Clone, Copy, Debug)]
struct FieldSection {
    line: RequestLine,
    start: usize,
    /// Where the current value begins.
    value: usize,
    syntax: FieldScanner,
    rules: FramingRules,
}

impl FieldSection {
    fn new(line: RequestLine, start: usize) -> Self {
        Self { line, start, value: start, syntax: FieldScanner::default(), rules: FramingRules::default() }
    }

    fn advance(
        &mut self,
        bytes: &[u8],
        at: &mut usize,
        limits: &RequestLimits,
    ) -> Result<Option<Outline>, Rejection> {
        let version = self.line.version;
        loop {
            let before = *at;
            let event = self.syntax.advance(bytes, at, limits.field_lines())?;
            match event {
                FieldEvent::More => return Ok(None),
                FieldEvent::Name => {
                    self.value = *at;
                    let name = bytes.get(self.syntax.line_start()..*at - 1);
                    self.rules.name(name.unwrap_or_default(), version)?;
                }
                FieldEvent::Value => self.rules.value(bytes, before, *at)?,
                FieldEvent::ValueEnd => {
                    self.rules.value_end()?;
                    self.check_host(bytes, *at - 1)?;
                }
                FieldEvent::SectionEnd => {
                    let body = self.rules.finish(version, limits)?;
                    return Ok(Some(Outline { length: *at, body, line: self.line, fields: self.start }));
                }
            }
        }
    }

    /// Compares Host with an absolute target, once its value is complete.
    fn check_host(&self, bytes: &[u8], end: usize) -> Result<(), Rejection> {
        if !self.rules.is_host() {
            return Ok(());
        }
        if self.line.is_path(bytes) {
            return Ok(());
        }
        let target = self.line.target(bytes);
        let host = text(bytes, self.value, end).trim_ascii();
        if Target::parse(self.line.method(bytes), target)?.contradicts(host) {
            return Err(Rejection::malformed("Host is not what the target says"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_stays() {
        let limits = RequestLimits::default();
        let mut scanner = HeadScanner::default();
        assert_eq!(scanner.scan(b"GET / HTTP/1.1\r\nHost: a\r\n\r", &limits), Scan::Incomplete);
        let Scan::Complete(outline) = scanner.scan(b"GET / HTTP/1.1\r\nHost: a\r\n\r\nGET", &limits) else {
            panic!("not complete")
        };
        assert_eq!((outline.length, outline.body), (27, BodyFraming::Empty));
        assert_eq!(scanner.scan(b"", &limits), Scan::Complete(outline));

        let mut scanner = HeadScanner::default();
        let rejected = scanner.scan(b"GET /\r\n", &limits);
        assert!(matches!(rejected, Scan::Rejected(Rejection { status: 400, .. })));
        assert_eq!(scanner.scan(b"GET / HTTP/1.1\r\n", &limits), rejected);
    }

    #[test]
    fn a_buffer_that_shrinks_is_no_reason_to_panic() {
        let head = b"OPTIONS http://a HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n";
        for cut in 0..head.len() {
            let mut scanner = HeadScanner::default();
            scanner.scan(&head[..cut], &RequestLimits::default());
            scanner.scan(b"", &RequestLimits::default());
            scanner.scan(&[b'\r'; 100], &RequestLimits::default());
        }
    }

    #[test]
    fn it_is_idle_until_a_request_begins() {
        let idle = |bytes: &[u8]| {
            let mut scanner = HeadScanner::default();
            scanner.scan(bytes, &RequestLimits::default());
            scanner.is_idle()
        };
        assert!(idle(b"") && idle(b"\r\n"));
        assert!(!idle(b"\r") && !idle(b"G") && !idle(b"\r\nG") && !idle(b"\n"));
    }
}
