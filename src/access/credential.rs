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

/// Whether the scheme is `Bearer`, whatever follows. Whoever means to be somebody is not let in as nobody.
fn says_bearer(value: &[u8]) -> bool {
    let scheme = value.split(|byte| matches!(byte, b' ' | b'\t')).next();
    scheme.is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"bearer"))
}
