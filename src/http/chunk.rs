//! The chunked transfer coding (RFC 9112, 7.1).

use super::field::{FieldEvent, FieldScanner};
use super::limits::RequestLimits;
use super::octet::{Class, QUOTED, TOKEN, VALUE, is_blank};
use super::rejection::Rejection;

/// Maximum number of digits of a chunk size: what fits 64 bits, including leading zeros.
const SIZE_DIGITS: u8 = 16;
/// Bytes of framing that a body may have beyond [`FRAMING_RATIO`].
const FRAMING_ALLOWANCE: u64 = 16 << 10;
/// Bytes of framing that a body may have for each byte of payload so far.
const FRAMING_RATIO: u64 = 4;
/// Bytes of framing between two pauses: a body of the largest default size in chunks of 8 KiB has fewer.
pub(super) const PAUSE_FRAMING: u64 = 2 << 10;

/// Recognises a chunked body: sizes, extensions (which are ignored), data, and trailers (which are dropped).
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct ChunkScanner {
    state: State,
    size: u64,
    payload: u64,
    /// Number of bytes so far that are not payload.
    framing: u64,
    trailers: FieldScanner,
    trailer_bytes: usize,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Size,
    /// This many digits are read.
    SizeDigits(u8),
    Extension(Extension),
    SizeEnd,
    /// This many bytes are left.
    Data(u64),
    DataCr,
    DataLf,
    Trailers,
}

/// Where in `*( BWS ";" BWS token [ BWS "=" BWS ( token / quoted-string ) ] )` a scanner is (RFC 9112,
/// 7.1.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Extension {
    BeforeSemicolon,
    BeforeName,
    Name,
    AfterName,
    BeforeValue,
    Value,
    Quoted,
    Escaped,
    AfterQuoted,
}

/// What the scanner has just passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ChunkEvent {
    /// All bytes there are, and more are needed.
    More,
    /// Another [`PAUSE_FRAMING`] bytes of framing: a good time to do other work.
    Pause,
    /// This many bytes of payload.
    Data(usize),
    /// The end of the body.
    End,
}

impl ChunkScanner {
    /// Moves `at` to the next event.
    ///
    /// # Errors
    ///
    /// 400 for invalid syntax, or for mostly framing; 413 at the end of a size line that exceeds the body limit; 431
    /// for trailers.
    pub(super) fn advance(
        &mut self,
        bytes: &[u8],
        at: &mut usize,
        limits: &RequestLimits,
    ) -> Result<ChunkEvent, Rejection> {
        while *at < bytes.len() {
            if let State::Data(left) = self.state {
                let here = bytes.len() - *at;
                let taken = usize::try_from(left).map_or(here, |left| left.min(here));
                *at += taken;
                self.payload += taken as u64;
                let left = left - taken as u64;
                self.state = if left == 0 { State::DataCr } else { State::Data(left) };
                return Ok(ChunkEvent::Data(taken));
            }
            let most = self.payload.saturating_mul(FRAMING_RATIO).saturating_add(FRAMING_ALLOWANCE);
            let room = most.saturating_sub(self.framing);
            if room == 0 {
                return Err(Rejection::malformed("the chunks are mostly framing"));
            }
            let room = room.min(PAUSE_FRAMING - self.framing % PAUSE_FRAMING);
            let end = at.saturating_add(room as usize).min(bytes.len());
            let before = *at;
            let ended = self.advance_framing(bytes.get(..end).unwrap_or_default(), at, limits);
            self.framing += (*at - before) as u64;
            if ended? {
                return Ok(ChunkEvent::End);
            }
            if self.framing.is_multiple_of(PAUSE_FRAMING) {
                return Ok(ChunkEvent::Pause);
            }
        }
        Ok(ChunkEvent::More)
    }

    /// Bytes of framing so far.
    pub(super) fn framing(&self) -> u64 {
        self.framing
    }

    /// Moves `at` to the next payload, or else to the end of `bytes`. True if the body ends first.
    fn advance_framing(
        &mut self,
        bytes: &[u8],
        at: &mut usize,
        limits: &RequestLimits,
    ) -> Result<bool, Rejection> {
        while let Some(&byte) = bytes.get(*at) {
            match self.state {
                State::Data(_) => return Ok(false),
                State::Extension(extension) => {
                    // Most of an extension is runs, which need no decision for each byte.
                    let end = extension.class().map_or(*at, |class| class.run(bytes, *at));
                    if end > *at {
                        *at = end;
                        continue;
                    }
                }
                _ => {}
            }
            let is_end = self.step(byte, limits)?;
            *at += 1;
            if is_end {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Takes a byte that is not payload. True if it is the last of the body.
    fn step(&mut self, byte: u8, limits: &RequestLimits) -> Result<bool, Rejection> {
        self.state = match self.state {
            State::Size => self.digit(0, byte)?,
            State::SizeDigits(digits) => match byte {
                b'\r' => State::SizeEnd,
                b';' => State::Extension(Extension::BeforeName),
                _ if is_blank(byte) => State::Extension(Extension::BeforeSemicolon),
                _ => self.digit(digits, byte)?,
            },
            State::Extension(extension) => extension.step(byte)?,
            State::SizeEnd | State::DataLf if byte != b'\n' => return Err(Rejection::bare_cr()),
            State::SizeEnd => self.begin_data(limits)?,
            State::DataLf => State::Size,
            State::Data(_) | State::DataCr if byte != b'\r' => {
                return Err(Rejection::malformed("a chunk is not followed by CRLF"));
            }
            State::Data(_) | State::DataCr => State::DataLf,
            State::Trailers => return self.step_trailers(byte, limits),
        };
        Ok(false)
    }

    fn digit(&mut self, digits: u8, byte: u8) -> Result<State, Rejection> {
        let value = match byte {
            b'0'..=b'9' => byte - b'0',
            b'a'..=b'f' => byte - b'a' + 10,
            b'A'..=b'F' => byte - b'A' + 10,
            b'\n' => return Err(Rejection::bare_lf()),
            _ => return Err(Rejection::malformed("a chunk size is not hexadecimal digits")),
        };
        if digits >= SIZE_DIGITS {
            return Err(Rejection::malformed("a chunk size has more than 16 digits"));
        }
        self.size = self.size << 4 | u64::from(value);
        Ok(State::SizeDigits(digits + 1))
    }

    fn begin_data(&mut self, limits: &RequestLimits) -> Result<State, Rejection> {
        let size = std::mem::take(&mut self.size);
        if size == 0 {
            return Ok(State::Trailers);
        }
        if self.payload.saturating_add(size) > limits.payload() {
            return Err(Rejection::body_too_large(limits));
        }
        Ok(State::Data(size))
    }

    /// Byte by byte, so that it never depends on the arrival of the bytes which limit is reached first.
    fn step_trailers(&mut self, byte: u8, limits: &RequestLimits) -> Result<bool, Rejection> {
        if self.trailer_bytes >= limits.head {
            return Err(Rejection::head_too_large(limits));
        }
        self.trailer_bytes += 1;
        let event = self.trailers.advance(&[byte], &mut 0, limits.field_lines())?;
        Ok(event == FieldEvent::SectionEnd)
    }
}

impl Extension {
    /// The bytes that do not change the state.
    const fn class(self) -> Option<Class> {
        match self {
            Self::Name | Self::Value => Some(TOKEN),
            Self::Quoted => Some(QUOTED),
            _ => None,
        }
    }

    fn step(self, byte: u8) -> Result<State, Rejection> {
        let next = match (self, byte) {
            (Self::Name | Self::Value | Self::AfterQuoted, b'\r') => return Ok(State::SizeEnd),
            (Self::Quoted, b'"') => Self::AfterQuoted,
            (Self::Quoted, b'\\') => Self::Escaped,
            (Self::Quoted, _) if QUOTED.has(byte) => Self::Quoted,
            (Self::Escaped, _) if VALUE.has(byte) => Self::Quoted,
            (
                Self::BeforeSemicolon | Self::BeforeName | Self::AfterName | Self::BeforeValue,
                b' ' | b'\t',
            ) => self,
            (Self::Name, b' ' | b'\t') => Self::AfterName,
            (Self::Value | Self::AfterQuoted, b' ' | b'\t') => Self::BeforeSemicolon,
            (Self::Name | Self::AfterName, b'=') => Self::BeforeValue,
            (Self::BeforeSemicolon | Self::Name | Self::AfterName, b';') => Self::BeforeName,
            (Self::Value | Self::AfterQuoted, b';') => Self::BeforeName,
            (Self::BeforeValue, b'"') => Self::Quoted,
            (Self::BeforeName | Self::Name, _) if TOKEN.has(byte) => Self::Name,
            (Self::BeforeValue | Self::Value, _) if TOKEN.has(byte) => Self::Value,
            (_, b'\n') => return Err(Rejection::bare_lf()),
            _ => return Err(Rejection::malformed("a chunk extension is malformed")),
        };
        Ok(State::Extension(next))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many bytes belong to the body, and its payload.
    fn decode(bytes: &[u8], body: usize) -> Result<(usize, Vec<u8>), (usize, u16)> {
        let limits = RequestLimits { body, ..RequestLimits::default() };
        let (mut scanner, mut at, mut payload) = (ChunkScanner::default(), 0, Vec::new());
        loop {
            match scanner.advance(bytes, &mut at, &limits).map_err(|rejection| (at, rejection.status))? {
                ChunkEvent::Data(length) => payload.extend_from_slice(&bytes[at - length..at]),
                ChunkEvent::Pause => {}
                ChunkEvent::More => return Err((at, 0)),
                ChunkEvent::End => return Ok((at, payload)),
            }
        }
    }

    #[test]
    fn chunks_are_joined() {
        let body = b"2;a=\"\\\"\"\r\nhi\r\n1\r\n!\r\n0\r\nX: y\r\n\r\n";
        let more = [body, &b"GET"[..]].concat();
        assert_eq!(decode(&more, 3), Ok((body.len(), b"hi!".to_vec())));
        for cut in 0..body.len() {
            assert_eq!(decode(&body[..cut], 3), Err((cut, 0)), "cut at {cut}");
        }
    }

    #[test]
    fn much_framing_is_taken_in_parts() {
        let limits = RequestLimits::default();
        let quoted = format!("1;a=\"{}\"\r\nx\r\n", "x".repeat(9_000));
        let named = format!("1;{}\r\nx\r\n", "x".repeat(9_000));
        for body in [b"2\r\nxx\r\n".repeat(2_000), quoted.into_bytes(), named.into_bytes()] {
            for length in [body.len(), 1, 1_000] {
                let (mut scanner, mut framing, mut pauses) = (ChunkScanner::default(), 0, 0);
                for piece in body.chunks(length) {
                    let mut at = 0;
                    loop {
                        let before = at;
                        match scanner.advance(piece, &mut at, &limits).expect("sound chunks") {
                            ChunkEvent::Data(taken) => framing += at - before - taken,
                            ChunkEvent::Pause => {
                                framing += at - before;
                                pauses += 1;
                                // However it arrives.
                                assert_eq!(framing as u64, pauses * PAUSE_FRAMING);
                            }
                            ChunkEvent::More => break framing += at - before,
                            ChunkEvent::End => panic!("it has no end"),
                        }
                    }
                }
                assert_eq!(scanner.framing(), framing as u64);
                assert_eq!(pauses, scanner.framing() / PAUSE_FRAMING);
                assert!(pauses >= 4, "{pauses}");
            }
        }
    }

    /// Framing that stands before any payload has a bound to the byte, whatever it is made of.
    #[test]
    fn framing_has_a_bound() {
        let allowance = FRAMING_ALLOWANCE as usize;
        for extension in ["1;a=\"", "1;a=", "1;"] {
            let body = extension.to_owned() + &"x".repeat(2 * allowance);
            assert_eq!(decode(body.as_bytes(), 3), Err((allowance, 400)), "{extension}");
        }
        assert_eq!(decode(&b"1\r\n!\r\n".repeat(20_000), 20_000), Err((6 * 16_382 + 2, 400)));
    }

    #[test]
    fn the_first_wrong_byte_is_found() {
        let cases: &[(&[u8], usize, u16)] = &[
            (b"g", 0, 400),
            (b"2\r\nhix", 5, 400),
            (b"2\r\nhi\r\n2\r\n", 9, 413),
            (b"4\r\n", 2, 413),
            (b"ffffffffffffffff\r\n", 17, 413),
            (b"fffffffffffffffff", 16, 400),
            (b"4;a\n", 3, 400),
        ];
        for (bytes, at, status) in cases {
            assert_eq!(decode(bytes, 3), Err((*at, *status)), "{}", bytes.escape_ascii());
        }
    }
}
