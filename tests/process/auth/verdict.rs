//! Tables of tokens, and what becomes of each.

use super::keyed::{bearer, subscribe};
use crate::server::Server;
use crate::support::client::{Connection, Response};

/// What is to become of a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Its stream is that of this user.
    User(String),
    /// It is taken, and is of no user.
    Nobody,
    /// 401.
    Refused,
}

/// Tokens by what is special about them.
#[derive(Default)]
pub(super) struct Matrix(Vec<(String, String, Verdict)>);

impl Matrix {
    pub(super) fn new() -> Self {
        Self::default()
    }

    /// A good token of ada.
    pub(super) fn good(self, what: &str, token: String) -> Self {
        self.is(what, token, Verdict::User("ada".to_owned()))
    }

    pub(super) fn bad(self, what: &str, token: String) -> Self {
        self.is(what, token, Verdict::Refused)
    }

    pub(super) fn is(mut self, what: &str, token: String, verdict: Verdict) -> Self {
        self.0.push((what.to_owned(), token, verdict));
        self
    }

    /// Panics with all vectors that the server judges otherwise. Refusals all come on one connection.
    pub(super) fn check(self, server: &Server) {
        let mut connection = server.connect();
        let mut wrong = Vec::new();
        for (what, token, expected) in self.0 {
            let found = judge(server, &mut connection, &bearer(&token));
            if found != expected {
                wrong.push(format!("{what}: {found:?} instead of {expected:?}"));
            }
        }
        assert!(!server.log().contains("panicked"), "{}", server.log());
        assert!(wrong.is_empty(), "{} judged otherwise:\n{}", wrong.len(), wrong.join("\n"));
    }
}

/// What a stream request with these fields comes to. A refusal must be told in full, and leave the connection.
pub(super) fn judge(server: &Server, connection: &mut Connection, fields: &str) -> Verdict {
    let head = connection.request("HEAD", "/api/sse", fields, "");
    if head.status() == 200 {
        let greeting = subscribe(server, "", fields).greeting();
        assert_eq!(greeting["status"], "connected", "{greeting}");
        return greeting["userId"].as_str().map_or(Verdict::Nobody, |user| Verdict::User(user.to_owned()));
    }
    unauthorized(&connection.request("GET", "/api/sse", fields, ""));
    assert_eq!((head.status(), connection.is_open()), (401, true), "HEAD is judged as GET is");
    Verdict::Refused
}

/// Panics unless the answer is all that a 401 has to be.
pub(super) fn unauthorized(response: &Response) {
    response.problem(401);
    let challenge = response.field("www-authenticate").expect("a challenge");
    assert!(challenge == "Bearer" || challenge.starts_with("Bearer "), "{challenge}");
    assert_eq!(response.field("connection"), None, "the connection is kept");
}
