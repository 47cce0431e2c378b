//! Request targets (RFC 9112, 3.2).

use super::authority::Authority;
use super::rejection::Rejection;

/// The forms of a request target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TargetForm {
    /// `/path?query`
    Origin,
    /// `http://authority/path?query`, or `https`.
    Absolute,
    /// `host:port`, for CONNECT.
    Authority,
    /// `*`, for OPTIONS: the server as a whole.
    Asterisk,
}

/// A request target in its parts, without any decoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Target<'b> {
    /// The form. For OPTIONS, an absolute form without path and query is the asterisk form (RFC 9112, 3.2.4).
    pub(super) form: TargetForm,
    /// The authority of the absolute form and the authority form: what [`Authority::parse`] takes.
    pub(super) authority: Option<&'b str>,
    /// Begins with `/` in the origin and absolute forms, is `*` in the asterisk form, and empty in the
    /// authority form.
    pub(super) path: &'b str,
    /// What follows the first `?`.
    pub(super) query: Option<&'b str>,
    /// The port that the scheme implies: 80, or 443 for `https`.
    pub(super) default_port: u16,
}

impl<'b> Target<'b> {
    /// Parses the target of a request with this method. All of its bytes are visible ASCII.
    ///
    /// # Errors
    ///
    /// 400 if it has none of the forms that the method takes.
    pub(super) fn parse(method: &str, text: &'b str) -> Result<Self, Rejection> {
        let plain =
            Self { form: TargetForm::Origin, authority: None, path: text, query: None, default_port: 80 };
        if method == "CONNECT" {
            if Authority::parse(text).is_none_or(|authority| authority.port.is_none()) {
                return Err(Rejection::malformed("the target of CONNECT is not host:port"));
            }
            return Ok(Self { form: TargetForm::Authority, authority: Some(text), path: "", ..plain });
        }
        if text.starts_with('/') {
            let (path, query) = split_query(text);
            return Ok(Self { path, query, ..plain });
        }
        if text == "*" {
            // The preface of HTTP/2 (RFC 9113, 3.4) is accepted up to its version, for which it gets 505.
            return match method {
                "OPTIONS" | "PRI" => Ok(Self { form: TargetForm::Asterisk, ..plain }),
                _ => Err(Rejection::malformed("the target * is for OPTIONS only")),
            };
        }
        Self::parse_absolute(method, text)
            .ok_or(Rejection::malformed("the target is neither a path nor an http URI"))
    }

    fn parse_absolute(method: &str, text: &'b str) -> Option<Self> {
        let (scheme, rest) = text.split_once("://")?;
        let default_port = match scheme {
            _ if scheme.eq_ignore_ascii_case("http") => 80,
            _ if scheme.eq_ignore_ascii_case("https") => 443,
            _ => return None,
        };
        let (authority, rest) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        let authority = Authority::parse(authority).map(|_| authority);
        authority?;
        if rest.is_empty() && method == "OPTIONS" {
            return Some(Self {
                form: TargetForm::Asterisk,
                authority,
                path: "*",
                query: None,
                default_port,
            });
        }
        let (path, query) = split_query(rest);
        let path = if path.is_empty() { "/" } else { path };
        Some(Self { form: TargetForm::Absolute, authority, path, query, default_port })
    }

    /// Whether a Host field with this value contradicts the target (RFC 9112, 3.2.2). The target of CONNECT names
    /// another server than the one that the request is sent to, so it cannot.
    pub(super) fn contradicts(&self, host: &str) -> bool {
        match self.authority {
            Some(authority) if self.form != TargetForm::Authority => {
                let (host, authority) = (Authority::parse(host), Authority::parse(authority));
                !host
                    .zip(authority)
                    .is_some_and(|(host, authority)| host.is_same(&authority, self.default_port))
            }
            _ => false,
        }
    }
}

fn split_query(text: &str) -> (&str, Option<&str>) {
    text.split_once('?').map_or((text, None), |(path, query)| (path, Some(query)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_split() {
        use TargetForm::{Absolute, Asterisk, Authority, Origin};
        let cases = [
            ("GET", "/", Origin, None, "/", None),
            ("GET", "/a?", Origin, None, "/a", Some("")),
            ("GET", "//a/b?c?d={|}", Origin, None, "//a/b", Some("c?d={|}")),
            ("GET", "http://a", Absolute, Some("a"), "/", None),
            ("GET", "HTTPS://a:8/b?c", Absolute, Some("a:8"), "/b", Some("c")),
            ("GET", "http://a?c://", Absolute, Some("a"), "/", Some("c://")),
            ("OPTIONS", "*", Asterisk, None, "*", None),
            ("OPTIONS", "http://a", Asterisk, Some("a"), "*", None),
            ("OPTIONS", "http://a/", Absolute, Some("a"), "/", None),
            ("CONNECT", "a:443", Authority, Some("a:443"), "", None),
        ];
        for (method, text, form, host, path, query) in cases {
            let target = Target::parse(method, text).unwrap();
            assert_eq!(
                (target.form, target.authority, target.path, target.query),
                (form, host, path, query),
                "{text}"
            );
        }
    }

    #[test]
    fn other_targets_are_refused() {
        let cases = [
            ("GET", "*"),
            ("GET", "a"),
            ("GET", "?a"),
            ("GET", "http:/a"),
            ("GET", "http://"),
            ("GET", "http:///a"),
            ("GET", "ftp://a/"),
            ("GET", "http://u@a/"),
            ("GET", "http://a,b/"),
            ("GET", "a:80"),
            ("GET", "://a/"),
            ("CONNECT", "/"),
            ("CONNECT", "a"),
            ("CONNECT", "a:"),
            ("CONNECT", "http://a/"),
            ("OPTIONS", "**"),
        ];
        for (method, text) in cases {
            assert_eq!(
                Target::parse(method, text).map_err(|rejection| rejection.status),
                Err(400),
                "{method} {text}"
            );
        }
    }

    #[test]
    fn host_must_agree_with_an_absolute_target() {
        let contradicts = |target, host| Target::parse("GET", target).unwrap().contradicts(host);
        assert!(
            !contradicts("/", "b")
                && !contradicts("http://A/", "a:80")
                && !contradicts("https://a:443/", "a")
        );
        assert!(
            contradicts("http://a/", "b")
                && contradicts("http://a/", "a:443")
                && contradicts("https://a/", "a:80")
        );
    }
}
