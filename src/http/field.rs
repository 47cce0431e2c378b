//! The syntax of field lines, in a head and in a trailer section (RFC 9112, 5).

use super::octet::{TOKEN, VALUE, is_blank};
use super::rejection::Rejection;

/// Recognises field lines up to and including the empty line that ends their section.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct FieldScanner {
    state: State,
    lines: usize,
    line_start: usize,
}

#[derive(Clone, Copy, Debug, Default)]
enum State {
    #[default]
    LineStart,
    Name,
    Value,
    LineEnd,
    SectionEnd,
}

/// What the scanner has just passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FieldEvent {
    /// All bytes there are, in the middle of something.
    More,
    /// A name and its colon.
    Name,
    /// Bytes of a value, or of the blanks around it.
    Value,
    /// The CR after a value.
    ValueEnd,
    /// The empty line.
    SectionEnd,
}

impl FieldScanner {
    /// Moves `at` to the next event. Takes at most `most` lines.
    ///
    /// # Errors
    ///
    /// 400 for what is not a field line, `at` being at the first byte that shows it; 431 at the first byte of
    /// a line too many.
    pub(super) fn advance(
        &mut self,
        bytes: &[u8],
        at: &mut usize,
        most: usize,
    ) -> Result<FieldEvent, Rejection> {
        loop {
            let Some(&byte) = bytes.get(*at) else { return Ok(FieldEvent::More) };
            match self.state {
                State::LineStart => self.begin_line(byte, *at, most)?,
                State::Name => {
                    *at = TOKEN.run(bytes, *at);
                    match bytes.get(*at) {
                        Some(b':') => self.state = State::Value,
                        Some(&byte) => return Err(unnamed(byte)),
                        None => return Ok(FieldEvent::More),
                    }
                    *at += 1;
                    return Ok(FieldEvent::Name);
                }
                State::Value => {
                    let end = VALUE.run(bytes, *at);
                    if end > *at {
                        *at = end;
                        return Ok(FieldEvent::Value);
                    }
                    if byte != b'\r' {
                        return Err(unprintable(byte));
                    }
                    self.state = State::LineEnd;
                    *at += 1;
                    return Ok(FieldEvent::ValueEnd);
                }
                State::LineEnd | State::SectionEnd if byte != b'\n' => return Err(Rejection::bare_cr()),
                State::LineEnd => self.state = State::LineStart,
                State::SectionEnd => {
                    *at += 1;
                    return Ok(FieldEvent::SectionEnd);
                }
            }
            *at += 1;
        }
    }

    /// Where the current line begins.
    pub(super) fn line_start(&self) -> usize {
        self.line_start
    }

    fn begin_line(&mut self, byte: u8, at: usize, most: usize) -> Result<(), Rejection> {
        if byte == b'\r' {
            self.state = State::SectionEnd;
            return Ok(());
        }
        if is_blank(byte) {
            return Err(Rejection::malformed("a field line begins with a blank"));
        }
        if !TOKEN.has(byte) {
            return Err(unnamed(byte));
        }
        if self.lines >= most {
            return Err(Rejection::too_many_fields(most));
        }
        self.lines += 1;
        self.line_start = at;
        self.state = State::Name;
        Ok(())
    }
}

/// The error for a byte in, or at the end of, a field name.
fn unnamed(byte: u8) -> Rejection {
    match byte {
        b'\n' => Rejection::bare_lf(),
        b' ' | b'\t' => Rejection::malformed("there is a blank between a field's name and its colon"),
        b'\r' => Rejection::malformed("a field line has no colon"),
        _ => Rejection::malformed("a field name is not a token"),
    }
}

/// The error for a byte in a field value.
fn unprintable(byte: u8) -> Rejection {
    match byte {
        b'\n' => Rejection::bare_lf(),
        _ => Rejection::malformed("a field value holds a control character"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scan(bytes: &[u8]) -> (usize, Result<FieldEvent, Rejection>) {
        let (mut scanner, mut at) = (FieldScanner::default(), 0);
        loop {
            match scanner.advance(bytes, &mut at, 2) {
                Ok(FieldEvent::Name | FieldEvent::Value | FieldEvent::ValueEnd) => {}
                end => return (at, end),
            }
        }
    }

    #[test]
    fn a_section_ends_with_its_empty_line() {
        for section in ["\r\n", "a:\r\n\r\n", "a: b\r\n\r\n", "a:\t b c \r\nd:e\r\n\r\n", "a:\u{e9}\r\n\r\n"]
        {
            let more = [section.as_bytes(), b"x"].concat();
            assert_eq!(scan(&more), (section.len(), Ok(FieldEvent::SectionEnd)), "{section:?}");
            for cut in 0..section.len() {
                assert_eq!(
                    scan(&section.as_bytes()[..cut]),
                    (cut, Ok(FieldEvent::More)),
                    "{section:?} {cut}"
                );
            }
        }
    }

    #[test]
    fn the_first_wrong_byte_is_found() {
        let cases: &[(&[u8], usize, u16)] = &[
            (b"\n", 0, 400),
            (b"\rx", 1, 400),
            (b" a:b", 0, 400),
            (b"\ta:b", 0, 400),
            (b":b", 0, 400),
            (b"a b:c", 1, 400),
            (b"a :c", 1, 400),
            (b"a\r\n", 1, 400),
            (b"a\n", 1, 400),
            (b"a\xe9:c", 1, 400),
            (b"a:b\n", 3, 400),
            (b"a:b\rc", 4, 400),
            (b"a:b\0", 3, 400),
            (b"a:b\x7f", 3, 400),
            (b"a:\x0bb", 2, 400),
            (b"a:b\r\n c\r\n", 5, 400),
            (b"a:b\r\nc:d\r\ne", 10, 431),
        ];
        for (bytes, at, status) in cases {
            let (found, end) = scan(bytes);
            assert_eq!((found, end.map_err(|rejection| rejection.status)), (*at, Err(*status)), "{bytes:?}");
        }
    }
}
