//! The field `Idempotency-Key`, with which a publisher makes repeating a request safe.

use super::problem::Problem;
use crate::http::Head;

/// Maximum length of a key, in bytes.
pub const MAX_KEY: usize = 255;

const FIELD: &str = "idempotency-key";

/// The key of a request, if it has one: a string of structured fields (RFC 9651) or a token, 1 to 255 bytes. `"k"` and `k`
/// are one key. Anything else is 400.
pub fn idempotency_key(head: &Head<'_>) -> Result<Option<Box<str>>, Problem> {
    let mut values = head.fields(FIELD);
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(refused("is given twice"));
    }
    let key = match value.trim_ascii() {
        [b'"', text @ .., b'"'] => unescaped(text),
        token => token.iter().all(|byte| is_token(*byte)).then(|| token.to_vec()),
    };
    let key = key.and_then(|key| String::from_utf8(key).ok());
    let key =
        key.ok_or_else(|| refused("must be a token, or a string in double quotes of printable ASCII"))?;
    match key.len() {
        1..=MAX_KEY => Ok(Some(key.into())),
        _ => Err(refused("must have 1 to 255 bytes")),
    }
}

fn refused(reason: &str) -> Problem {
    Problem::new(400, format!("Idempotency-Key {reason}"))
}

/// The text of a string between its quotes (RFC 9651, 4.2.5).
fn unescaped(text: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = text.iter().copied();
    let mut out = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        out.push(match byte {
            b'\\' => bytes.next().filter(|byte| matches!(byte, b'"' | b'\\'))?,
            b'"' => return None,
            b' '..=b'~' => byte,
            _ => return None,
        });
    }
    Some(out)
}

/// What a token of structured fields may have (RFC 9651, 3.3.4), also at its beginning: most keys are UUIDs.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~:/".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_and_tokens_are_unescaped_and_all_else_is_refused() {
        assert_eq!(unescaped(b"a b").as_deref(), Some(&b"a b"[..]));
        assert_eq!(unescaped(br#"a\"b\\"#).as_deref(), Some(&br#"a"b\"#[..]));
        for bad in [&br#"a"b"#[..], br"a\b", br"a\", b"\x7f", b"a\tb", "\u{e9}".as_bytes()] {
            assert_eq!(unescaped(bad), None, "{bad:?}");
        }
        assert!(b"8e03978e-40d5-43dd-bc93-6894a57f9324".iter().all(|byte| is_token(*byte)));
        assert!(!b"a,b".iter().all(|byte| is_token(*byte)) && !is_token(b' ') && !is_token(b'"'));
    }
}
