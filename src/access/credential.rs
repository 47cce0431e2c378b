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
/// the other. Only the cookie may be there twice, since anybody below the domain can add one (RFC 6265, 8.6): the first
/// that has a value counts, as browsers send the one of the longest path first.
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
        return Err(Denial::InvalidToken("Authorization has no token".to_owned()));
    }
    let mut tokens = request.queries("access_token");
    let token = tokens.next().filter(|token| !token.is_empty());
    if tokens.next().is_some() {
        return repeated("access_token");
    }
    match (token, cookie) {
        (Some(token), _) => Ok(Some(Credential::Token(token))),
        (None, Some(name)) => of_cookie(request, name),
        (None, None) => Ok(None),
    }
}

/// The token in the cookie of that name, whatever stands beside it.
fn of_cookie(request: &RequestHead<'_>, name: &str) -> Result<Option<Credential>, Denial> {
    let mut values = request.cookies(name).filter(|value| !value.is_empty()).peekable();
    let is_there = values.peek().is_some();
    let token = values.find_map(|value| std::str::from_utf8(value).ok());
    match token {
        // As with Authorization: whoever means to be somebody is not let in as nobody.
        None if is_there => Err(Denial::InvalidToken(format!("the cookie {name} is not UTF-8"))),
        token => Ok(token.map(|token| Credential::Token(token.to_owned()))),
    }
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

/// The values of a cookie in a `Cookie` field, in their order, without the quotes that may be around them. They are
/// octets: what stands in the others is nobody's business here.
pub(super) fn cookies<'v>(field: &'v [u8], name: &str) -> impl Iterator<Item = &'v [u8]> {
    field.split(|byte| *byte == b';').filter_map(move |pair| {
        let value = pair.trim_ascii().strip_prefix(name.as_bytes())?.strip_prefix(b"=")?;
        Some(value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\"")).unwrap_or(value))
    })
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
    fn cookies_of_a_name() {
        for (field, values) in [
            (&b"token=abc"[..], &[&b"abc"[..]][..]),
            (b"a=1; token=abc; b=2", &[b"abc"]),
            (b"a=1;token=abc", &[b"abc"]),
            (b"token=\"abc\"", &[b"abc"]),
            (b"token=\"abc", &[b"\"abc"]),
            (b"token=\"", &[b"\""]),
            (b"token=\"\"", &[b""]),
            (b"token=a=b", &[b"a=b"]),
            (b"token=", &[b""]),
            (b"token=first; token=second", &[b"first", b"second"]),
            (b"\xe9=\xff; token=abc; b=\x80", &[b"abc"]),
            (b"a=\xff;token=\xff", &[b"\xff"]),
            (b"a=\"x; token=abc; y\"", &[b"abc"]),
            (b"TOKEN=abc", &[]),
            (b"xtoken=abc", &[]),
            (b"tokenx=abc", &[]),
            (b"token =abc", &[]),
            (b"token", &[]),
            (b"", &[]),
        ] {
            let found: Vec<&[u8]> = cookies(field, "token").collect();
            assert_eq!(found, values, "{}", field.escape_ascii());
        }
    }
}
