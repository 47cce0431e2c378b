//! Failed requests.

use std::fmt;
use std::io;
use std::time::Duration;

use serde::Deserialize;
use ureq::http::{Response, header};
use ureq::{Body, Error, Timeout};

use super::terminal::one_line;

/// Maximum bytes of an error response that are read, since it is only shown.
const MAX_REFUSAL: u64 = 64 * 1024;

/// Why a request failed.
#[derive(Debug)]
pub(super) enum Failure {
    /// The server, or its response, was not reached. The request may have reached the server.
    Lost { what: String, may_have_arrived: bool },
    /// The server responded with an error status.
    Refused(Refusal),
    /// An error that trying again does not fix.
    Unusable(String),
}

/// An error response.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) status: u16,
    /// When to try again (RFC 9110, 10.2.3).
    pub(super) retry_after: Option<Duration>,
    /// What was wrong, in one line.
    detail: String,
}

impl Failure {
    /// A request without a response.
    pub(super) fn lost(server: &str, error: Error) -> Self {
        let may_have_arrived = match &error {
            Error::Io(error) => error.kind() != io::ErrorKind::ConnectionRefused,
            Error::HostNotFound | Error::ConnectProxyFailed(_) => false,
            Error::Timeout(Timeout::Resolve | Timeout::Connect) => false,
            _ => true,
        };
        Self::Lost {
            what: one_line(&format!("no answer from {server}: {}", reason(&error))).into_owned(),
            may_have_arrived,
        }
    }

    /// An error response and its detail (RFC 9457).
    pub(super) fn refused(response: &mut Response<Body>) -> Self {
        #[derive(Deserialize)]
        struct Problem {
            title: Option<String>,
            detail: Option<String>,
        }
        let status = response.status();
        let field =
            |name| response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let seconds = field(header::RETRY_AFTER).and_then(|text| text.trim().parse().ok());
        let location = field(header::LOCATION);
        let body = response.body_mut().with_config().limit(MAX_REFUSAL).read_to_vec().unwrap_or_default();
        let problem = serde_json::from_slice(&body).unwrap_or(Problem { title: None, detail: None });
        let detail = match (problem.detail, problem.title, location) {
            (Some(detail), _, _) | (None, Some(detail), _) => detail,
            (None, None, Some(location)) => format!("the server sends elsewhere: --url {location}"),
            (None, None, None) => status.canonical_reason().unwrap_or("refused").to_owned(),
        };
        Self::Refused(Refusal {
            status: status.as_u16(),
            retry_after: seconds.map(Duration::from_secs),
            detail: one_line(&detail).into_owned(),
        })
    }

    /// Whether the same request may succeed later: the server is too busy, or was not reached.
    pub(super) fn is_passing(&self) -> bool {
        match self {
            Self::Lost { .. } => true,
            Self::Refused(refusal) => matches!(refusal.status, 408 | 409 | 429 | 500..),
            Self::Unusable(_) => false,
        }
    }

    /// When the server wants to be asked again.
    pub(super) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Refused(refusal) => refusal.retry_after,
            Self::Lost { .. } | Self::Unusable(_) => None,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lost { what, .. } | Self::Unusable(what) => f.write_str(what),
            Self::Refused(refusal) => refusal.fmt(f),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "refused with {}: {}", self.status, self.detail)
    }
}

/// The error, without the words that the HTTP client adds.
pub(super) fn reason(error: &Error) -> String {
    match error {
        Error::Io(error) => error.to_string(),
        Error::Timeout(Timeout::PerRead) => "nothing came within the time for heartbeats".to_owned(),
        Error::Timeout(_) => "timed out".to_owned(),
        error => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ureq::http::Response;

    fn refusal(status: u16, fields: &[(&str, &str)], body: &str) -> Failure {
        let mut response = Response::builder().status(status);
        for (name, value) in fields {
            response = response.header(*name, *value);
        }
        let body = Body::builder().mime_type("application/problem+json").data(body);
        Failure::refused(&mut response.body(body).unwrap())
    }

    #[test]
    fn a_refusal_is_told_in_one_line() {
        for (status, fields, body, expected) in [
            (
                422,
                &[][..],
                r#"{"title":"T","detail":"data: is missing"}"#,
                "refused with 422: data: is missing",
            ),
            (403, &[], r#"{"title":"Forbidden"}"#, "refused with 403: Forbidden"),
            (404, &[], "<html>\nnot here", "refused with 404: Not Found"),
            (
                308,
                &[("location", "https://b/")],
                "",
                "refused with 308: the server sends elsewhere: --url https://b/",
            ),
            (
                400,
                &[],
                r#"{"detail":"a\nb\u001b[31m\u202e"}"#,
                "refused with 400: a\\u{a}b\\u{1b}[31m\\u{202e}",
            ),
            (599, &[], "", "refused with 599: refused"),
        ] {
            assert_eq!(refusal(status, fields, body).to_string(), expected);
        }
    }

    #[test]
    fn only_what_may_pass_is_tried_again() {
        for (status, passes) in [
            (401, false),
            (403, false),
            (404, false),
            (406, false),
            (308, false),
            (408, true),
            (409, true),
            (429, true),
            (503, true),
        ] {
            assert_eq!(refusal(status, &[], "").is_passing(), passes, "{status}");
        }
        let busy = refusal(429, &[("retry-after", "7")], "");
        assert_eq!(busy.retry_after(), Some(Duration::from_secs(7)));
        assert_eq!(refusal(429, &[("retry-after", "soon")], "").retry_after(), None);
    }
}
