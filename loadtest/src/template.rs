//! Texts with placeholders, for request targets, headers and bodies.

use std::fmt::Write as _;
use std::str::FromStr;

use anyhow::{Context as _, Error, Result, bail};
use serde::{Deserialize, Deserializer};

/// A placeholder in braces. Other braces are text, so that JSON needs no escapes.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Placeholder {
    /// `{n}`, `{n/K}` or `{n%K}`: the number of the stream, or of the series in a publication.
    Number(Number),
    /// `{data}`: the event's data.
    Data,
    /// `{data:form}`: percent-encoded, for `application/x-www-form-urlencoded`.
    FormData,
}

/// A number derived from the number of a stream.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Number {
    Same,
    Over(u64),
    Modulo(u64),
}

#[derive(Clone, Debug, PartialEq)]
enum Piece {
    Text(String),
    Placeholder(Placeholder),
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Template {
    source: String,
    pieces: Vec<Piece>,
}

impl Number {
    pub(crate) fn of(self, n: u64) -> u64 {
        match self {
            Self::Same => n,
            Self::Over(by) => n / by,
            Self::Modulo(by) => n % by,
        }
    }
}

impl FromStr for Number {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let rest = text.strip_prefix('n').with_context(|| format!("not n, n/K or n%K: {text:?}"))?;
        if rest.is_empty() {
            return Ok(Self::Same);
        }
        let by = rest.get(1..).and_then(|by| by.parse::<u64>().ok()).filter(|&by| by > 0);
        match (rest.as_bytes()[0], by) {
            (b'/', Some(by)) => Ok(Self::Over(by)),
            (b'%', Some(by)) => Ok(Self::Modulo(by)),
            _ => bail!("not n, n/K or n%K: {text:?}"),
        }
    }
}

impl Placeholder {
    fn parse(name: &str) -> Option<Self> {
        match name {
            "data" => Some(Self::Data),
            "data:form" => Some(Self::FormData),
            name => name.parse().ok().map(Self::Number),
        }
    }
}

impl<'de> Deserialize<'de> for Template {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self::parse(&String::deserialize(deserializer)?))
    }
}

impl Template {
    pub(crate) fn parse(text: &str) -> Self {
        let (mut pieces, mut start, mut from) = (Vec::new(), 0, 0);
        while let Some(open) = text[from..].find('{').map(|at| from + at) {
            from = open + 1;
            let Some(close) = text[from..].find(['}', '{']).map(|at| from + at) else { break };
            if let Some(placeholder) = Placeholder::parse(&text[from..close])
                && text[close..].starts_with('}')
            {
                if start < open {
                    pieces.push(Piece::Text(text[start..open].to_owned()));
                }
                pieces.push(Piece::Placeholder(placeholder));
                (start, from) = (close + 1, close + 1);
            }
        }
        if start < text.len() {
            pieces.push(Piece::Text(text[start..].to_owned()));
        }
        Self { source: text.to_owned(), pieces }
    }

    /// The text of the template.
    pub(crate) fn source(&self) -> &str {
        &self.source
    }

    /// Appends the text for number `n`, with `data` where a placeholder asks for it.
    pub(crate) fn render(&self, n: u64, data: &str, out: &mut String) {
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => out.push_str(text),
                Piece::Placeholder(Placeholder::Data) => out.push_str(data),
                Piece::Placeholder(Placeholder::FormData) => percent_encode(data, out),
                Piece::Placeholder(Placeholder::Number(number)) => {
                    // Writing to a string does not fail.
                    let _ = write!(out, "{}", number.of(n));
                }
            }
        }
    }

    pub(crate) fn text(&self, n: u64) -> String {
        let mut out = String::new();
        self.render(n, "", &mut out);
        out
    }
}

fn percent_encode(text: &str, out: &mut String) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rendered() {
        let table = [
            ("", ""),
            ("/api/sse", "/api/sse"),
            ("/api/sse?userId=u-{n}", "/api/sse?userId=u-1234"),
            ("{n}{n/10}{n%10}", "12341234"),
            ("load.{n/100}.*", "load.12.*"),
            (
                r#"{"event":"load","data":{data},"to":{"user":"u-{n}"}}"#,
                r#"{"event":"load","data":{"a":1},"to":{"user":"u-1234"}}"#,
            ),
            ("data={data:form}", "data=%7B%22a%22%3A1%7D"),
            ("{m}{n/0}{n*2}{}{", "{m}{n/0}{n*2}{}{"),
            ("{{n}}", "{1234}"),
        ];
        for (template, expected) in table {
            let mut out = String::new();
            Template::parse(template).render(1234, r#"{"a":1}"#, &mut out);
            assert_eq!(out, expected, "{template}");
        }
    }

    #[test]
    fn numbers() {
        assert_eq!("n".parse::<Number>().unwrap().of(57), 57);
        assert_eq!("n/10".parse::<Number>().unwrap().of(57), 5);
        assert_eq!("n%10".parse::<Number>().unwrap().of(57), 7);
        for bad in ["", "m", "n/", "n/0", "n%x", "n10", "n/-1"] {
            assert!(bad.parse::<Number>().is_err(), "{bad}");
        }
    }
}
