//! The rules for the fields that decide where a message ends, and which host it is for.

use super::authority::AuthorityScanner;
use super::body::BodyFraming;
use super::limits::RequestLimits;
use super::octet::is_blank;
use super::rejection::Rejection;
use super::version::Version;

/// Checks Host (RFC 9110, 7.2), Content-Length (RFC 9110, 8.6) and Transfer-Encoding (RFC 9112, 6.1 to 6.3) as they
/// arrive, and more strictly than these require: two parties that read such a field differently disagree about where
/// the next request begins.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct FramingRules {
    field: Field,
    progress: Progress,
    host: bool,
    length: Option<u64>,
    chunked: bool,
}

/// The field whose value is arriving.
#[derive(Clone, Copy, Debug, Default)]
enum Field {
    #[default]
    Other,
    Host(AuthorityScanner),
    ContentLength,
    /// This many bytes of `chunked` are read.
    TransferEncoding(usize),
}

/// How much of a value is read. None of these fields has a blank within its value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Progress {
    #[default]
    Empty,
    Begun,
    Ended,
}

const CHUNKED: &[u8] = b"chunked";

impl FramingRules {
    /// Takes a field's name.
    pub(super) fn name(&mut self, name: &[u8], version: Version) -> Result<(), Rejection> {
        self.progress = Progress::Empty;
        self.field = match name.len() {
            4 if name.eq_ignore_ascii_case(b"host") => self.begin_host()?,
            14 if name.eq_ignore_ascii_case(b"content-length") => self.begin_length()?,
            17 if name.eq_ignore_ascii_case(b"transfer-encoding") => self.begin_coding(version)?,
            _ => Field::Other,
        };
        Ok(())
    }

    /// Takes the bytes of a value from `from` to `to`.
    pub(super) fn value(&mut self, bytes: &[u8], from: usize, to: usize) -> Result<(), Rejection> {
        if matches!(self.field, Field::Other) || self.take_whole(bytes, from, to) {
            return Ok(());
        }
        (from..to).try_for_each(|at| self.step(bytes, at))
    }

    /// Takes the end of a value.
    pub(super) fn value_end(&self) -> Result<(), Rejection> {
        let is_empty = self.progress == Progress::Empty;
        match &self.field {
            Field::Host(_) if is_empty => Err(Rejection::malformed("Host is empty")),
            Field::Host(scanner) if !scanner.is_whole() => Err(bad_host()),
            Field::ContentLength if is_empty => Err(bad_length()),
            Field::TransferEncoding(known) if *known < CHUNKED.len() => Err(bad_coding()),
            _ => Ok(()),
        }
    }

    /// Takes the end of the head, and returns how the body is delimited.
    ///
    /// # Errors
    ///
    /// 400 without a Host in HTTP/1.1; 413.
    pub(super) fn finish(&self, version: Version, limits: &RequestLimits) -> Result<BodyFraming, Rejection> {
        if version == Version::Http11 && !self.host {
            return Err(Rejection::malformed("there is no Host"));
        }
        match self.length {
            Some(length) if length > limits.payload() => Err(Rejection::body_too_large(limits)),
            Some(length) => Ok(BodyFraming::Length(length)),
            None if self.chunked => Ok(BodyFraming::Chunked),
            None => Ok(BodyFraming::Empty),
        }
    }

    /// Whether the value that is arriving is Host's.
    pub(super) fn is_host(&self) -> bool {
        matches!(self.field, Field::Host(_))
    }

    fn begin_host(&mut self) -> Result<Field, Rejection> {
        if self.host {
            return Err(Rejection::malformed("Host is given twice"));
        }
        self.host = true;
        Ok(Field::Host(AuthorityScanner::default()))
    }

    fn begin_length(&mut self) -> Result<Field, Rejection> {
        if self.length.is_some() {
            return Err(Rejection::malformed("Content-Length is given twice"));
        }
        if self.chunked {
            return Err(Rejection::malformed("there are both Transfer-Encoding and Content-Length"));
        }
        self.length = Some(0);
        Ok(Field::ContentLength)
    }

    fn begin_coding(&mut self, version: Version) -> Result<Field, Rejection> {
        if version == Version::Http10 {
            return Err(Rejection::malformed("there is a Transfer-Encoding in HTTP/1.0"));
        }
        if self.chunked {
            return Err(Rejection::malformed("Transfer-Encoding is given twice"));
        }
        if self.length.is_some() {
            return Err(Rejection::malformed("there are both Transfer-Encoding and Content-Length"));
        }
        self.chunked = true;
        Ok(Field::TransferEncoding(0))
    }

    /// Takes a common value at once if it has arrived whole, as it nearly always has. Leaves anything else to be
    /// checked byte by byte, which finds the byte at fault.
    fn take_whole(&mut self, bytes: &[u8], from: usize, to: usize) -> bool {
        let is_whole = self.progress == Progress::Empty && bytes.get(to) == Some(&b'\r');
        let Some(value) = bytes.get(from..to).map(<[u8]>::trim_ascii).filter(|_| is_whole) else {
            return false;
        };
        let is_known = match &mut self.field {
            Field::Host(scanner) => scanner.take_name(value),
            Field::ContentLength
                if (1..=18).contains(&value.len()) && value.iter().all(u8::is_ascii_digit) =>
            {
                let digit = |length: u64, digit: &u8| length * 10 + u64::from(digit - b'0');
                self.length = Some(value.iter().fold(0, digit));
                true
            }
            _ => false,
        };
        if is_known {
            self.progress = Progress::Ended;
        }
        is_known
    }

    fn step(&mut self, bytes: &[u8], at: usize) -> Result<(), Rejection> {
        let byte = bytes.get(at).copied().unwrap_or_default();
        self.progress = match self.progress {
            Progress::Begun if is_blank(byte) => Progress::Ended,
            progress if is_blank(byte) => progress,
            Progress::Ended => return Err(self.bad_value()),
            Progress::Empty | Progress::Begun => {
                if !self.take(bytes, at, byte) {
                    return Err(self.bad_value());
                }
                Progress::Begun
            }
        };
        Ok(())
    }

    fn take(&mut self, bytes: &[u8], at: usize, byte: u8) -> bool {
        match &mut self.field {
            Field::Other => true,
            Field::Host(scanner) => scanner.step(bytes, at),
            Field::ContentLength => {
                let length = self.length.unwrap_or_default().saturating_mul(10);
                self.length = Some(length.saturating_add(u64::from(byte.wrapping_sub(b'0'))));
                byte.is_ascii_digit()
            }
            Field::TransferEncoding(known) => {
                let fits = CHUNKED.get(*known) == Some(&byte.to_ascii_lowercase());
                *known += 1;
                fits
            }
        }
    }

    fn bad_value(&self) -> Rejection {
        match self.field {
            Field::Host(_) | Field::Other => bad_host(),
            Field::ContentLength => bad_length(),
            Field::TransferEncoding(_) => bad_coding(),
        }
    }
}

fn bad_host() -> Rejection {
    Rejection::malformed("Host is not a host with or without a port")
}

fn bad_length() -> Rejection {
    Rejection::malformed("Content-Length is not plain digits")
}

fn bad_coding() -> Rejection {
    Rejection::malformed("Transfer-Encoding is not chunked alone")
}
