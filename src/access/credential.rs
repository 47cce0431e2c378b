//! Credentials in requests.

use super::denial::Denial;
use super::request::RequestHead;

/// A credential of a request.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Credential {
    /// From the `Authorization` field: a token or an API key.
    Bearer(String),
    /// From the query or the cookie: a token.
    Token(String),
}

/// Finds the credential of a request. What the client itself sends takes precedence over the cookie, which the browser
/// adds: first the `Authorization` field (RFC 6750, 2.1), then `access_token` (2.3), then the cookie.
///
/// Two in one place are refused, as RFC 6750, 3.1, requires: a proxy before us may have checked the other. Only the
/// cookie may occur twice, since any host below the domain can add one (RFC 6265, 8.6): the first that has a value
/// counts, since browsers send the one with the longest path first.
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

/// The token in the cookie of this name, whatever other cookies there are.
fn of_cookie(request: &RequestHead<'_>, name: &str) -> Result<Option<Credential>, Denial> {
    let mut values = request.cookies(name).filter(|value| !value.is_empty()).peekable();
    let is_there = values.peek().is_some();
    let token = values.find_map(|value| std::str::from_utf8(value).ok());
    match token {
        // As with `Authorization`: a client that sends a credential is not treated as anonymous.
        None if is_there => Err(Denial::InvalidToken(format!("the cookie {name} is not UTF-8"))),
        token => Ok(token.map(|token| Credential::Token(token.to_owned()))),
    }
}

/// Whether the scheme is `Bearer`, whatever follows. A client that sends a credential is not treated as anonymous.
fn says_bearer(value: &[u8]) -> bool {
    let scheme = value.split(|byte| matches!(byte, b' ' | b'\t')).next();
    scheme.is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"bearer"))
}
