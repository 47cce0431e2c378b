//! The `Origin` of a request that is not read further.

use std::ops::Range;

use super::octet::{TOKEN, VALUE, is_blank};

/// Looks for the one `Origin` line of a head that may be broken, or not whole, so that the page that asked can be
/// told what is wrong.
///
/// It relies on lines alone: the first is the request's, one empty line may stand before it, each other is a name, a
/// colon and a value, and CRLF ends each. From where that does not hold (a bare CR or LF, a control character, a
/// folded line, a name that is no token) nothing counts. Every byte is looked at once.
#[derive(Clone, Debug, Default)]
pub struct OriginScanner {
    at: usize,
    /// Where the line that `at` is in begins.
    line: usize,
    stage: Stage,
    value: Option<Range<usize>>,
}

/// Bytes at the end of a line.
const CRLF: usize = 2;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Stage {
    #[default]
    Start,
    /// An empty line was skipped.
    Line,
    Fields,
    Over,
}

impl OriginScanner {
    /// Looks at what was added to `head` since the last look.
    pub fn scan(&mut self, head: &[u8]) {
        while self.stage != Stage::Over {
            if self.stage == Stage::Fields
                && self.at == self.line
                && head.get(self.at).copied().is_some_and(is_blank)
            {
                // It goes on with the line before it. That may be this one; any other leaves it as it was.
                self.value.take_if(|value| value.end + CRLF == self.line);
                self.stage = Stage::Over;
                return;
            }
            self.at = VALUE.run(head, self.at);
            match (head.get(self.at), head.get(self.at + 1)) {
                (Some(b'\r'), Some(b'\n')) => {
                    let line = self.line..self.at;
                    self.at += CRLF;
                    self.line = self.at;
                    self.take(head, line);
                }
                (None, _) | (Some(b'\r'), None) => return,
                _ => self.stage = Stage::Over,
            }
        }
    }

    /// The value, if there is one such line so far.
    pub fn value<'b>(&self, head: &'b [u8]) -> Option<&'b [u8]> {
        head.get(self.value.clone()?).map(<[u8]>::trim_ascii)
    }

    /// Whether nothing that follows counts.
    pub fn is_over(&self) -> bool {
        self.stage == Stage::Over
    }

    fn take(&mut self, head: &[u8], line: Range<usize>) {
        self.stage = match self.stage {
            Stage::Start if line.is_empty() => Stage::Line,
            Stage::Line if line.is_empty() => Stage::Over,
            Stage::Start | Stage::Line => Stage::Fields,
            Stage::Fields | Stage::Over => return self.take_field(head, line),
        };
    }

    fn take_field(&mut self, head: &[u8], line: Range<usize>) {
        let colon = TOKEN.run(head, line.start);
        if colon == line.start || head.get(colon) != Some(&b':') {
            self.stage = Stage::Over;
            return;
        }
        let name = head.get(line.start..colon).unwrap_or_default();
        if name.eq_ignore_ascii_case(b"origin") {
            match self.value {
                None => self.value = Some(colon + 1..line.end),
                // Two are none.
                Some(_) => (self.value, self.stage) = (None, Stage::Over),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is found, whole and byte by byte, and whether that is final.
    fn scan(head: &str) -> (Option<&str>, bool) {
        let mut whole = OriginScanner::default();
        whole.scan(head.as_bytes());
        let mut dripped = OriginScanner::default();
        for end in 0..=head.len() {
            dripped.scan(&head.as_bytes()[..end]);
        }
        let found = |scanner: &OriginScanner| {
            let value = scanner.value(head.as_bytes()).map(|value| std::str::from_utf8(value).unwrap());
            (value, scanner.is_over())
        };
        assert_eq!(found(&whole), found(&dripped), "{head:?}");
        found(&whole)
    }

    #[test]
    fn the_one_line_is_found_whatever_else_is_wrong() {
        let found = (Some("https://a"), false);
        for head in [
            "GET / HTTP/1.1\r\nOrigin: https://a\r\n",
            "\r\nGET / HTTP/1.1\r\nHost: a\r\noRIGIN:\thttps://a \r\nX: y\r\n",
            "no request at all \u{e9}\r\nOrigin:https://a\r\nContent-Length: x\r\nContent-Length: y\r\n",
            "GET / HTTP/1.1\r\nOrigin: https://a\r\nX: half",
            "GET / HTTP/1.1\r\nOrigin: https://a\r\nX: y\r",
        ] {
            assert_eq!(scan(head), found, "{head:?}");
        }
        for tail in [
            "X: y\r\n z\r\n",
            "X: y\r\n\t\r\n",
            "\r\nOrigin: https://b\r\n",
            " : y\r\n",
            "a\n",
            "a: b\n",
            "a: \0\r\n",
            "a: b\rc\r\n",
        ] {
            let head = format!("GET / HTTP/1.1\r\nOrigin: https://a\r\n{tail}Origin: https://c\r\n");
            if tail.starts_with(' ') {
                assert_eq!(scan(&head), (None, true), "the line itself is folded");
            } else {
                assert_eq!(scan(&head), (Some("https://a"), true), "{head:?}");
            }
        }
    }

    #[test]
    fn what_is_in_doubt_is_not_taken() {
        for (head, is_over) in [
            ("", false),
            ("Origin: https://a\r\n", false),
            ("GET / HTTP/1.1\r\nOrigin: https://a", false),
            ("GET / HTTP/1.1\r\nOrigin: https://a\r", false),
            ("GET / HTTP/1.1\r\nOrigin: https://a\n", true),
            ("GET / HTTP/1.1\nOrigin: https://a\r\n", true),
            ("GET / HTTP/1.1\r\nOrigin : https://a\r\n", true),
            ("GET / HTTP/1.1\r\n\r\nOrigin: https://a\r\n", true),
            ("\r\n\r\nOrigin: https://a\r\n", true),
            ("GET / HTTP/1.1\r\nOrigin: https://a\r\nOrigin: https://a\r\n", true),
            ("GET / HTTP/1.1\r\nOrigin: https://a\r\n ", true),
            ("GET / HTTP/1.1\r\nX-Origin: https://a\r\n\r\n", true),
            ("GET / HTTP/1.1\r\nX: Origin: https://a\r\n\r\n", true),
        ] {
            assert_eq!(scan(head), (None, is_over), "{head:?}");
        }
    }

    #[test]
    fn a_buffer_that_shrinks_is_no_reason_to_panic() {
        let mut scanner = OriginScanner::default();
        scanner.scan(b"GET / HTTP/1.1\r\nOrigin: https://a\r\nX: y");
        scanner.scan(b"G");
        assert_eq!(scanner.value(b"G"), None);
    }
}
