//! Queries, and percent-encoding.

use std::borrow::Cow;

/// Why a text cannot be decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Undecodable {
    /// A percent sign is not followed by two hexadecimal digits (RFC 3986, 2.1).
    #[error("a percent sign is not followed by two hexadecimal digits")]
    Escape,
    /// The decoded bytes are not UTF-8.
    #[error("the text is not UTF-8 once it is decoded")]
    NotUtf8,
}

/// The pairs of a query, from [`query_pairs`].
#[derive(Clone, Debug)]
pub struct QueryPairs<'q> {
    rest: Option<&'q str>,
}

/// A pair of a query. An error in its value is separate from its name, so that it can be ignored by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueryPair<'q> {
    /// Its name. Invalid UTF-8 in it is replaced, and is also an error of its value.
    pub name: Cow<'q, str>,
    /// Its value.
    pub value: Result<Cow<'q, str>, Undecodable>,
}

/// Splits a query, without its `?`, into names and values as browsers write them: `application/x-www-form-urlencoded`
/// (WHATWG URL, 5.1). Empty pairs are skipped, a pair without `=` has an empty value, and `+` is a space.
///
/// Unlike in WHATWG, a pair that is not UTF-8 is an error instead of being replaced: two such names could otherwise
/// become equal. So is a percent sign without two hexadecimal digits. Control characters are passed through. Allocates
/// only for names and values with escapes.
pub fn query_pairs(query: &str) -> QueryPairs<'_> {
    QueryPairs { rest: Some(query) }
}

/// Decodes the percent-escapes of a path segment (RFC 3986, 2.1), like [`query_pairs`] except that `+` stands for
/// itself.
///
/// # Errors
///
/// As for a pair of a query.
pub fn percent_decode(text: &str) -> Result<Cow<'_, str>, Undecodable> {
    decode(text, false)
}

/// Whether two hexadecimal digits follow each percent sign.
pub fn is_escaped(text: &str) -> bool {
    // By bytes: every path is checked, and splitting by characters costs more.
    text.as_bytes().split(|byte| *byte == b'%').skip(1).all(|after| escaped(after).is_some())
}

/// Splits a query like [`query_pairs`], but a pair that is not UTF-8 still has a name.
///
/// # Errors
///
/// Of each pair: if a percent sign in it begins no escape.
pub fn named_pairs(query: &str) -> impl Iterator<Item = Result<QueryPair<'_>, Undecodable>> {
    raw_pairs(query).map(|(name, value)| {
        if !is_escaped(name) || !is_escaped(value) {
            return Err(Undecodable::Escape);
        }
        let value = decode(value, true);
        Ok(match decode(name, true) {
            Ok(name) => QueryPair { name, value },
            Err(error) => QueryPair { name: lossy(name).into(), value: value.and(Err(error)) },
        })
    })
}

/// The names of a query's pairs, except those that cannot be decoded. Values are ignored.
pub fn query_names(query: &str) -> impl Iterator<Item = Cow<'_, str>> {
    raw_pairs(query).filter_map(|(name, _)| decode(name, true).ok())
}

/// The values of the pairs with this name, if they can be decoded. Other pairs use no memory, however many there are.
pub fn query_values<'q>(query: &'q str, name: &str) -> impl Iterator<Item = Cow<'q, str>> {
    let pairs = raw_pairs(query).filter(move |(raw, _)| stands_for(raw, name));
    pairs.filter_map(|(_, value)| decode(value, true).ok())
}

fn raw_pairs(query: &str) -> impl Iterator<Item = (&str, &str)> {
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    pairs.map(|pair| pair.split_once('=').unwrap_or((pair, "")))
}

/// Whether an encoded name of a query decodes to this one.
fn stands_for(raw: &str, name: &str) -> bool {
    let mut rest = raw.as_bytes();
    for expected in name.bytes() {
        let Some((&byte, after)) = rest.split_first() else { return false };
        let (byte, after) = match byte {
            b'%' => match escaped(after) {
                Some(escaped) => escaped,
                None => return false,
            },
            b'+' => (b' ', after),
            _ => (byte, after),
        };
        if byte != expected {
            return false;
        }
        rest = after;
    }
    rest.is_empty()
}

/// A text without incomplete escapes, decoded, with replacements for invalid UTF-8.
fn lossy(text: &str) -> String {
    let mut parts = text.split('%');
    let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
    for (byte, rest) in parts.filter_map(|part| escaped(part.as_bytes())) {
        bytes.push(byte);
        bytes.extend_from_slice(rest);
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

impl<'q> Iterator for QueryPairs<'q> {
    type Item = Result<(Cow<'q, str>, Cow<'q, str>), Undecodable>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let rest = self.rest?;
            let (pair, rest) = rest.split_once('&').map_or((rest, None), |(pair, rest)| (pair, Some(rest)));
            self.rest = rest;
            if !pair.is_empty() {
                let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
                return Some(decode(name, true).and_then(|name| Ok((name, decode(value, true)?))));
            }
        }
    }
}

fn decode(text: &str, plus_is_space: bool) -> Result<Cow<'_, str>, Undecodable> {
    let bytes = text.as_bytes();
    let is_special = |byte: &u8| *byte == b'%' || (plus_is_space && *byte == b'+');
    let Some(first) = bytes.iter().position(is_special) else { return Ok(Cow::Borrowed(text)) };
    let (plain, mut rest) = bytes.split_at(first);
    let mut decoded = Vec::with_capacity(bytes.len());
    decoded.extend_from_slice(plain);
    while let Some((&byte, after)) = rest.split_first() {
        let (value, after) = match byte {
            b'%' => escaped(after).ok_or(Undecodable::Escape)?,
            b'+' if plus_is_space => (b' ', after),
            _ => (byte, after),
        };
        decoded.push(value);
        rest = after;
    }
    String::from_utf8(decoded).map(Cow::Owned).map_err(|_| Undecodable::NotUtf8)
}

/// The byte that two leading hexadecimal digits encode, and what follows them.
fn escaped(bytes: &[u8]) -> Option<(u8, &[u8])> {
    let ([high, low], rest) = bytes.split_first_chunk()?;
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    Some((digit(*high)? << 4 | digit(*low)?, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(query: &str) -> Vec<(String, String)> {
        query_pairs(query)
            .map(|pair| pair.map(|(name, value)| (name.into(), value.into())).unwrap())
            .collect()
    }

    #[test]
    fn queries_are_split_as_browsers_write_them() {
        let cases: &[(&str, &[(&str, &str)])] = &[
            ("", &[]),
            ("&&", &[]),
            ("a", &[("a", "")]),
            ("=", &[("", "")]),
            ("=b", &[("", "b")]),
            ("a=b=c&&d", &[("a", "b=c"), ("d", "")]),
            ("a=1&a=2", &[("a", "1"), ("a", "2")]),
            ("a+b=c%20d+e", &[("a b", "c d e")]),
            ("a%3Db=%26%2B%25", &[("a=b", "&+%")]),
            ("%C3%A9=%e2%82%AC", &[("é", "€")]),
            ("a=%2541", &[("a", "%41")]),
            ("a=%00%0d%0A", &[("a", "\0\r\n")]),
            ("a=?/;:@{|}", &[("a", "?/;:@{|}")]),
        ];
        for (query, expected) in cases {
            let found = pairs(query);
            let found: Vec<_> = found.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            assert_eq!(found, *expected, "{query}");
        }
    }

    #[test]
    fn what_is_not_utf8_is_an_error_of_its_pair() {
        let found: Vec<_> = query_pairs("a=%ff&%C3=b&c=%ed%a0%80&d=e").map(|pair| pair.is_ok()).collect();
        assert_eq!(found, [false, false, false, true]);
        assert_eq!(percent_decode("%C3%28"), Err(Undecodable::NotUtf8));
    }

    #[test]
    fn a_pair_that_is_not_utf8_has_a_name() {
        let bad = Err(Undecodable::NotUtf8);
        for (query, name, value) in [
            ("a=b", "a", Ok("b")),
            ("a", "a", Ok("")),
            ("caf%C3%A9+x=%2b+", "caf\u{e9} x", Ok("+ ")),
            ("a=%ff", "a", bad),
            ("meta.%E9=b", "meta.\u{fffd}", bad),
            ("%ffb%41=%ff", "\u{fffd}bA", bad),
        ] {
            let pair = named_pairs(query).next().unwrap().unwrap();
            assert_eq!(
                (&*pair.name, pair.value.as_deref().map_err(|error| *error)),
                (name, value),
                "{query}"
            );
        }
        assert_eq!(named_pairs("&&a=%zz&b").map(|pair| pair.is_ok()).collect::<Vec<_>>(), [false, true]);
    }

    #[test]
    fn a_percent_sign_that_begins_no_escape_is_an_error() {
        for text in
            ["%", "a%", "%4", "%zz", "%4g", "%g4", "%%41", "%+1", "%4+", "%-1", "% 1", "a%41%", "%\u{e9}"]
        {
            assert_eq!(percent_decode(text), Err(Undecodable::Escape), "{text}");
            assert!(!is_escaped(text), "{text}");
            for query in [format!("a={text}"), format!("{text}=a"), format!("b&a={text}")] {
                let last = query_pairs(&query).last();
                assert_eq!(last, Some(Err(Undecodable::Escape)), "{query}");
            }
        }
        for text in ["", "a", "%41", "%25zz", "%fF%00"] {
            assert!(is_escaped(text), "{text}");
        }
    }

    #[test]
    fn names_and_the_values_of_one() {
        let query = "a=1&&b=%C3%a9&%61=+2&a&a=%ff&A=3&a+=4&aa=5&%6=6&a%=7&=8&c=%zz";
        assert_eq!(
            query_names(query).collect::<Vec<_>>(),
            ["a", "b", "a", "a", "a", "A", "a ", "aa", "", "c"]
        );
        for (name, values) in [
            ("a", &["1", " 2", ""][..]),
            ("b", &["\u{e9}"]),
            ("a ", &["4"]),
            ("aa", &["5"]),
            ("", &["8"]),
            ("c", &[]),
            ("d", &[]),
        ] {
            assert_eq!(query_values(query, name).collect::<Vec<_>>(), values, "{name:?}");
        }
        let accented = query_values("%C3%A9=1&\u{e9}=2&%c3=3", "\u{e9}");
        assert_eq!(accented.collect::<Vec<_>>(), ["1", "2"]);
    }

    #[test]
    fn nothing_is_allocated_for_plain_text() {
        assert!(matches!(percent_decode("a+b"), Ok(Cow::Borrowed("a+b"))));
        assert!(query_pairs("a=b").all(|pair| matches!(pair, Ok((Cow::Borrowed("a"), Cow::Borrowed("b"))))));
        assert_eq!(percent_decode("a%2fb+").unwrap(), "a/b+");
    }
}
