//! What a request brings to say who it is from.

use super::denial::Denial;
use super::request::RequestHead;

/// What a request brings.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Credential {
    /// In the `Authorization` field: a token or an API key.
    Bearer(String),
    /// In the query or the cookie: a token.
    Token(String),
}

/// Finds it. What a request says of itself counts before the cookie, which the browser adds by itself: first the
/// `Authorization` field (RFC 6750, 2.1), then `access_token` (2.3), then the cookie.
///
/// Two in one place are refused, as RFC 6750, 3.1, has it: whoever judged the request before us may have looked at
/// the other. Only the cookie may be there twice, since anybody below the domain can add one (RFC 6265, 8.6).
pub(super) fn credential_of(
    request: &RequestHead<'_>,
    cookie: Option<&str>,
) -> Result<Option<Credential>, Denial> {
    let repeated = |place: &str| Err(Denial::InvalidToken(format!("{place} is given more than once")));
    if request.head.fields("authorization").count() > 1 {
        return repeated("Authorization");
    }
    if let Some(token) = request.bearer() {
        return Ok(Some(Credential::Bearer(token.to_owned())));
    }
    if request.header("authorization").is_some_and(says_bearer) {
        return Err(Denial::InvalidToken("there is no token in Authorization".to_owned()));
    }
    let mut tokens = request.queries("access_token");
    let token = tokens.next().filter(|token| !token.is_empty());
    if tokens.next().is_some() {
        return repeated("access_token");
    }
    let token = token.or_else(|| Some(request.cookie(cookie?)?.to_owned()).filter(|token| !token.is_empty()));
    Ok(token.map(Credential::Token))
}

/// The token of an `Authorization` field's value, if its scheme, in any case, is `Bearer`.
pub(super) fn bearer(value: &[u8]) -> Option<&str> {
    let value = std::str::from_utf8(value).ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim_start_matches(' '))
}

/// Whether the scheme is `Bearer`, whatever follows. Whoever means to be somebody is not let in as nobody.
fn says_bearer(value: &[u8]) -> bool {
    let scheme = value.split(|byte| matches!(byte, b' ' | b'\t')).next();
    scheme.is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"bearer"))
}

/// The value of a cookie in a `Cookie` field.
pub(super) fn cookie<'v>(field: &'v [u8], name: &str) -> Option<&'v str> {
    let pairs = std::str::from_utf8(field).ok()?.split(';');
    pairs
        .filter_map(|pair| pair.trim_ascii().split_once('='))
        .find(|(key, _)| *key == name)
        .map(|(_, value)| value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bearer_tokens() {
        for (value, token) in [
            ("Bearer abc", Some("abc")),
            ("bearer   abc", Some("abc")),
            ("BEARER abc def", Some("abc def")),
            ("Bearer ", Some("")),
            ("Bearer", None),
            ("Basic abc", None),
            ("Bearerabc", None),
            ("", None),
        ] {
            assert_eq!(bearer(value.as_bytes()), token, "{value:?}");
        }
        assert_eq!(bearer(b"Bearer \xff"), None);
    }

    #[test]
    fn cookies() {
        for (field, value) in [
            ("token=abc", Some("abc")),
            ("a=1; token=abc; b=2", Some("abc")),
            ("a=1;token=abc", Some("abc")),
            ("token=\"abc\"", Some("abc")),
            ("token=a=b", Some("a=b")),
            ("token=", Some("")),
            ("token=first; token=second", Some("first")),
            ("TOKEN=abc", None),
            ("xtoken=abc", None),
            ("token", None),
        ] {
            assert_eq!(cookie(field.as_bytes(), "token"), value, "{field:?}");
        }
    }
}
