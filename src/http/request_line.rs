//! The request line (RFC 9112, 3).

use super::limits::RequestLimits;
use super::octet::{TARGET, TOKEN};
use super::rejection::Rejection;
use super::target::Target;
use super::version::Version;

/// Recognises a request line, and one empty line before it (RFC 9112, 2.2).
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct RequestLineScanner {
    state: State,
    start: usize,
    method_end: usize,
    target_end: usize,
    major: u8,
    minor: u8,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Start,
    EmptyLine,
    Begun,
    Method,
    Target,
    /// This many bytes of the version are read.
    Version(u8),
    End,
}

/// The parts of a request line, by their offsets in the buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RequestLine {
    start: usize,
    method_end: usize,
    target_end: usize,
    pub(super) version: Version,
}

impl RequestLineScanner {
    /// Moves `at` past the line end, if it is there.
    ///
    /// # Errors
    ///
    /// 400, 414 or 505, `at` being at the first byte that shows it.
    pub(super) fn advance(
        &mut self,
        bytes: &[u8],
        at: &mut usize,
        limits: &RequestLimits,
    ) -> Result<Option<RequestLine>, Rejection> {
        loop {
            let Some(&byte) = bytes.get(*at) else { return Ok(None) };
            match self.state {
                State::Start if byte == b'\r' => self.state = State::EmptyLine,
                State::EmptyLine if byte != b'\n' => return Err(Rejection::bare_cr()),
                State::EmptyLine => {
                    self.start = *at + 1;
                    self.state = State::Begun;
                }
                State::Start | State::Begun => self.begin_method(byte)?,
                State::Method => {
                    *at = TOKEN.run(bytes, *at);
                    let Some(&byte) = bytes.get(*at) else { return Ok(None) };
                    self.end_method(byte, *at)?;
                }
                State::Target => {
                    *at = self.target_run(bytes, *at, limits)?;
                    let Some(&byte) = bytes.get(*at) else { return Ok(None) };
                    self.end_target(bytes, byte, *at)?;
                }
                State::Version(known) => self.step_version(known, byte)?,
                State::End if byte != b'\n' => return Err(Rejection::bare_cr()),
                State::End => {
                    *at += 1;
                    return self.finish(bytes).map(Some);
                }
            }
            *at += 1;
        }
    }

    /// Whether no byte of a request line has arrived (an empty line before it does not count).
    pub(super) fn is_idle(&self) -> bool {
        matches!(self.state, State::Start | State::Begun)
    }

    fn begin_method(&mut self, byte: u8) -> Result<(), Rejection> {
        self.state = State::Method;
        match byte {
            b'\n' => Err(Rejection::bare_lf()),
            b'\r' => Err(Rejection::malformed("there is more than one empty line before the request")),
            _ if !TOKEN.has(byte) => Err(Rejection::malformed("the request does not begin with a method")),
            _ => Ok(()),
        }
    }

    fn end_method(&mut self, byte: u8, at: usize) -> Result<(), Rejection> {
        self.method_end = at;
        self.state = State::Target;
        match byte {
            b' ' => Ok(()),
            b'\n' => Err(Rejection::bare_lf()),
            _ => Err(Rejection::malformed("the method is not followed by a space and a target")),
        }
    }

    fn target_run(&self, bytes: &[u8], at: usize, limits: &RequestLimits) -> Result<usize, Rejection> {
        let end = TARGET.run(bytes, at);
        let length = end.saturating_sub(self.method_end + 1);
        if length > limits.target { Err(Rejection::target_too_long(limits)) } else { Ok(end) }
    }

    fn end_target(&mut self, bytes: &[u8], byte: u8, at: usize) -> Result<(), Rejection> {
        match byte {
            b' ' if at > self.method_end + 1 => {}
            b' ' => return Err(Rejection::malformed("there is more than one space before the target")),
            b'\r' => return Err(Rejection::malformed("the request line has no version")),
            b'\n' => return Err(Rejection::bare_lf()),
            _ => {
                return Err(Rejection::malformed(
                    "the target holds a character that must be percent-encoded",
                ));
            }
        }
        self.target_end = at;
        self.state = State::Version(0);
        let line = self.line(Version::Http11);
        // A target that begins with a slash is valid for every method but one.
        match line.is_path(bytes) && line.method_bytes(bytes) != b"CONNECT" {
            true => Ok(()),
            false => Target::parse(line.method(bytes), line.target(bytes)).map(drop),
        }
    }

    /// `HTTP/`, a digit, a dot, a digit, and CR (RFC 9112, 2.3).
    fn step_version(&mut self, known: u8, byte: u8) -> Result<(), Rejection> {
        let fits = match known {
            5 | 7 => byte.is_ascii_digit(),
            6 => byte == b'.',
            8 => byte == b'\r',
            _ => b"HTTP/".get(usize::from(known)) == Some(&byte),
        };
        if !fits {
            return Err(match byte {
                b'\n' => Rejection::bare_lf(),
                _ => Rejection::malformed("the request line does not end with a version"),
            });
        }
        match known {
            5 => self.major = byte - b'0',
            7 => self.minor = byte - b'0',
            _ => {}
        }
        self.state = if known == 8 { State::End } else { State::Version(known + 1) };
        Ok(())
    }

    fn finish(&self, bytes: &[u8]) -> Result<RequestLine, Rejection> {
        // A minor version that is not known counts as the highest that is (RFC 9110, 2.5).
        let line = match (self.major, self.minor) {
            (1, 0) => self.line(Version::Http10),
            (1, _) => self.line(Version::Http11),
            _ => return Err(Rejection::version()),
        };
        match line.method_bytes(bytes) == b"PRI" && line.target(bytes) == "*" {
            true => Err(Rejection::malformed("the target * is for OPTIONS only")),
            false => Ok(line),
        }
    }

    fn line(&self, version: Version) -> RequestLine {
        let Self { start, method_end, target_end, .. } = *self;
        RequestLine { start, method_end, target_end, version }
    }
}

impl RequestLine {
    pub(super) fn method<'b>(&self, bytes: &'b [u8]) -> &'b str {
        text(bytes, self.start, self.method_end)
    }

    fn method_bytes<'b>(&self, bytes: &'b [u8]) -> &'b [u8] {
        bytes.get(self.start..self.method_end).unwrap_or_default()
    }

    /// Whether the target begins like a path.
    pub(super) fn is_path(&self, bytes: &[u8]) -> bool {
        bytes.get(self.method_end + 1) == Some(&b'/')
    }

    pub(super) fn target<'b>(&self, bytes: &'b [u8]) -> &'b str {
        text(bytes, self.method_end + 1, self.target_end)
    }
}

/// ASCII that was scanned before. Empty, rather than a panic, if these are not the scanned bytes.
pub(super) fn text(bytes: &[u8], start: usize, end: usize) -> &str {
    bytes.get(start..end).and_then(|bytes| std::str::from_utf8(bytes).ok()).unwrap_or_default()
}
