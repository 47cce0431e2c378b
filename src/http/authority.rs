//! `uri-host [ ":" port ]`: the value of Host, and the authority of a target (RFC 9110, 7.2; RFC 3986, 3.2).

use std::net::Ipv6Addr;

use super::octet::REG_NAME;

/// A host and an optional port, without user information and commas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Authority<'b> {
    /// A registered name or an IPv4 address; or an IPv6 address, its brackets included. Never empty.
    pub host: &'b str,
    /// The port, if one is given (`host:` gives none).
    pub port: Option<u16>,
}

impl<'b> Authority<'b> {
    /// Parses the whole of `text`; `None` if it is not an authority.
    pub fn parse(text: &'b str) -> Option<Self> {
        let bytes = text.as_bytes();
        let mut scanner = AuthorityScanner::default();
        let fits = (0..bytes.len()).all(|at| scanner.step(bytes, at)) && scanner.is_whole();
        let host = text.get(..scanner.host_end).filter(|_| fits)?;
        Some(Self { host, port: text.get(scanner.host_end + 1..).and_then(|port| port.parse().ok()) })
    }

    /// Whether both name the same place. Without a port, `default_port` counts.
    pub fn is_same(&self, other: &Self, default_port: u16) -> bool {
        let port = |authority: &Self| authority.port.unwrap_or(default_port);
        self.host.eq_ignore_ascii_case(other.host) && port(self) == port(other)
    }
}

/// Recognises an authority byte by byte.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct AuthorityScanner {
    state: State,
    /// Where an IPv6 address begins.
    open: usize,
    /// The end of the host, as far as it is known.
    host_end: usize,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Start,
    Name,
    /// This many hexadecimal digits of a percent-escape are missing.
    Escape(u8),
    Literal,
    LiteralEnd,
    Port {
        digits: u8,
        value: u32,
    },
}

/// Maximum length of an IPv6 address as text.
const LONGEST_LITERAL: usize = 45;

impl AuthorityScanner {
    /// Takes the next byte, which is at `at`. False if no authority continues like this.
    pub(super) fn step(&mut self, bytes: &[u8], at: usize) -> bool {
        let Some(&byte) = bytes.get(at) else { return false };
        let next = match (self.state, byte) {
            (State::Start, b'[') => {
                self.open = at + 1;
                Some(State::Literal)
            }
            (State::Literal, b']') => self.is_address(bytes, at).then_some(State::LiteralEnd),
            (State::Literal, _) => (at - self.open < LONGEST_LITERAL).then_some(State::Literal),
            (State::Name | State::LiteralEnd, b':') => {
                self.state = State::Port { digits: 0, value: 0 };
                return true;
            }
            (State::Start | State::Name, b'%') => Some(State::Escape(2)),
            (State::Start | State::Name, _) => REG_NAME.has(byte).then_some(State::Name),
            (State::Escape(left), _) if byte.is_ascii_hexdigit() => {
                Some(if left > 1 { State::Escape(left - 1) } else { State::Name })
            }
            (State::Port { digits, value }, b'0'..=b'9') => {
                let value = value * 10 + u32::from(byte - b'0');
                self.state = State::Port { digits: digits + 1, value };
                return digits < 5 && value <= u32::from(u16::MAX);
            }
            (State::Escape(_) | State::LiteralEnd | State::Port { .. }, _) => None,
        };
        self.host_end = at + 1;
        self.state = next.unwrap_or(self.state);
        next.is_some()
    }

    /// Takes a whole name without escapes and an optional port. False, and nothing is taken, if `text` is anything
    /// else.
    pub(super) fn take_name(&mut self, text: &[u8]) -> bool {
        let name = REG_NAME.run(text, 0);
        let is_plain = match text.get(name..) {
            Some([]) => true,
            Some([b':', port @ ..]) => {
                let value = |value: u32, digit: &u8| value * 10 + u32::from(digit.wrapping_sub(b'0'));
                let is_port = port.len() <= 5 && port.iter().all(u8::is_ascii_digit);
                is_port && port.iter().fold(0, value) <= u32::from(u16::MAX)
            }
            _ => false,
        };
        let taken = name > 0 && is_plain;
        if taken {
            self.state = State::Name;
        }
        taken
    }

    /// Whether the bytes so far are an authority.
    pub(super) fn is_whole(&self) -> bool {
        matches!(self.state, State::Name | State::LiteralEnd | State::Port { .. })
    }

    fn is_address(&self, bytes: &[u8], end: usize) -> bool {
        let text = bytes.get(self.open..end).and_then(|text| std::str::from_utf8(text).ok());
        text.is_some_and(|text| text.parse::<Ipv6Addr>().is_ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn authorities_are_split() {
        let cases = [
            ("a", "a", None),
            ("Example.COM:80", "Example.COM", Some(80)),
            ("a:", "a", None),
            ("a:00080", "a", Some(80)),
            ("a:65535", "a", Some(65535)),
            ("127.0.0.1:0", "127.0.0.1", Some(0)),
            ("[::1]", "[::1]", None),
            ("[::FFFF:1.2.3.4]:8", "[::FFFF:1.2.3.4]", Some(8)),
            ("a%2D_b~", "a%2D_b~", None),
            ("%41", "%41", None),
        ];
        for (text, host, port) in cases {
            assert_eq!(Authority::parse(text), Some(Authority { host, port }), "{text}");
        }
    }

    #[test]
    fn other_text_is_no_authority() {
        let cases = [
            "",
            ":",
            ":80",
            "a:b",
            "a:65536",
            "a:000080",
            "a:1:2",
            "a b",
            "a@b",
            "a,b",
            "a/",
            "a?",
            "a\\b",
            "[::1",
            "::1",
            "[]",
            "[1.2.3.4]",
            "[::1]a",
            "[::1%25eth0]",
            "[v1.a]",
            "[::1]]",
            "a%",
            "a%4",
            "a%zz",
            "\u{e9}",
            "a]",
            "[0000000000000000000000000000000000000000000000000000000000]",
        ];
        for text in cases {
            assert_eq!(Authority::parse(text), None, "{text}");
        }
    }

    #[test]
    fn ports_default_and_names_fold() {
        let same = |a: &str, b: &str| match (Authority::parse(a), Authority::parse(b)) {
            (Some(a), Some(b)) => a.is_same(&b, 80),
            _ => false,
        };
        assert!(same("a", "A:80") && same("a:80", "a:") && same("[::1]:080", "[::1]"));
        assert!(!same("a", "b") && !same("a", "a:443") && !same("a:1", "a:2"));
    }
}
