//! Which pages of other origins may read answers: Cross-Origin Resource Sharing (Fetch Standard, 3.3).

use std::borrow::Cow;

use super::response::Response;
use crate::http::{Head, is_token};

/// Whom cross-origin access is granted to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cors(Origins);

#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum Origins {
    /// Nobody: no answer has a field of this.
    #[default]
    Nobody,
    /// Everybody, without credentials.
    Everybody,
    /// These, with credentials; each with the fields that it is answered with.
    Listed(Vec<(Box<str>, Box<[u8]>)>),
}

/// What an answer says to the origin that asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CrossOrigin {
    /// Nothing.
    #[default]
    Silent,
    /// That everybody may read it.
    Everybody,
    /// That it would be another answer for another origin; to this one it says no more.
    Unlisted,
    /// That the origin in that place of the list may read it.
    Listed(u16),
}

/// An origin that no browser would send.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidOrigin {
    /// It is not of the form.
    #[error(
        "{0:?} is no origin; one is written as browsers send it: https://app.example or http://app.example:8080, or * for all"
    )]
    Malformed(String),
    /// Everybody, and somebody.
    #[error("* allows any origin, and must be the only value")]
    EverybodyAndOthers,
    /// More than can be told apart.
    #[error("at most {MAX_ORIGINS} origins")]
    TooMany,
}

const MAX_ORIGINS: usize = 1024;

/// What a request may be made with: beyond what the Fetch Standard always allows, these.
const METHODS: &str = "GET, HEAD, POST, DELETE";
const HEADERS: &str = "Authorization, Cache-Control, Content-Type, Last-Event-ID";
/// Most fields that a preflight may ask for, repeated ones and these included, and most bytes of their names.
const MAX_ASKED: usize = 64;
const MAX_ASKED_BYTES: usize = 4096;
/// On what the answer to a preflight depends beside the origin.
const PREFLIGHT_VARIES: &str = "Access-Control-Request-Method, Access-Control-Request-Headers";
/// How long a browser may remember the answer to a preflight, in seconds: what Chromium cuts it to.
const MAX_AGE: &str = "7200";
/// What scripts may read of the fields of an answer, beyond what they always may.
const EXPOSED: &str = "Access-Control-Expose-Headers: Retry-After, WWW-Authenticate\r\n";

impl Cors {
    /// Grants access to these origins, compared byte by byte, or with `*` to everybody.
    pub fn new<O: AsRef<str>>(origins: &[O]) -> Result<Self, InvalidOrigin> {
        let origins: Vec<&str> = origins.iter().map(AsRef::as_ref).collect();
        if origins.is_empty() {
            return Ok(Self(Origins::Nobody));
        }
        if origins.contains(&"*") {
            return match origins.len() {
                1 => Ok(Self(Origins::Everybody)),
                _ => Err(InvalidOrigin::EverybodyAndOthers),
            };
        }
        if origins.len() > MAX_ORIGINS {
            return Err(InvalidOrigin::TooMany);
        }
        if let Some(wrong) = origins.iter().find(|origin| !is_origin(origin)) {
            return Err(InvalidOrigin::Malformed((*wrong).to_owned()));
        }
        let fields = |origin: &str| {
            let fields = format!(
                "Access-Control-Allow-Origin: {origin}\r\nAccess-Control-Allow-Credentials: true\r\n{EXPOSED}Vary: Origin\r\n"
            );
            fields.into_bytes().into_boxed_slice()
        };
        Ok(Self(Origins::Listed(origins.into_iter().map(|origin| (origin.into(), fields(origin))).collect())))
    }

    /// What the answer to a request with this `Origin` field says.
    pub fn judge(&self, origin: Option<&[u8]>) -> CrossOrigin {
        match &self.0 {
            Origins::Nobody => CrossOrigin::Silent,
            Origins::Everybody => CrossOrigin::Everybody,
            Origins::Listed(listed) => {
                let place = listed.iter().position(|(known, _)| Some(known.as_bytes()) == origin);
                let place = place.and_then(|place| u16::try_from(place).ok());
                place.map_or(CrossOrigin::Unlisted, CrossOrigin::Listed)
            }
        }
    }

    /// The fields that say so, each with its line end.
    pub fn fields(&self, verdict: CrossOrigin) -> &[u8] {
        match (verdict, &self.0) {
            (CrossOrigin::Silent, _) => b"",
            (CrossOrigin::Everybody, _) => {
                b"Access-Control-Allow-Origin: *\r\nAccess-Control-Expose-Headers: Retry-After, WWW-Authenticate\r\n"
            }
            (CrossOrigin::Listed(place), Origins::Listed(listed)) => {
                listed.get(usize::from(place)).map_or(b"Vary: Origin\r\n", |(_, fields)| fields)
            }
            (CrossOrigin::Unlisted | CrossOrigin::Listed(_), _) => b"Vary: Origin\r\n",
        }
    }

    /// Whether what an answer says depends on who asks.
    pub fn is_by_origin(&self) -> bool {
        matches!(self.0, Origins::Listed(_))
    }

    /// The answer to a preflight (Fetch Standard, 3.3.3), where the origin may go on: with the fields that it
    /// `asked` for.
    pub fn preflight(verdict: CrossOrigin, asked: &AskedFields, answer: Response) -> Response {
        match verdict {
            CrossOrigin::Silent | CrossOrigin::Unlisted => answer,
            CrossOrigin::Everybody | CrossOrigin::Listed(_) => answer
                .with_field("Access-Control-Allow-Methods", METHODS)
                .with_field("Access-Control-Allow-Headers", asked.allowed())
                .with_field("Access-Control-Max-Age", MAX_AGE)
                .with_field("Vary", PREFLIGHT_VARIES),
        }
    }
}

/// The fields of its own that a page would send, as its preflight says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AskedFields(String);

impl AskedFields {
    /// Reads `Access-Control-Request-Headers`, a list of field names. None of them counts if one is no name, or they
    /// are more than a page could mean: 64 names, or 4 KiB.
    pub fn of(head: &Head<'_>) -> Self {
        Self::read(head.fields("access-control-request-headers")).unwrap_or_default()
    }

    fn read<'v>(values: impl Iterator<Item = &'v [u8]>) -> Option<Self> {
        let mut names: Vec<&str> = Vec::new();
        let (mut count, mut bytes) = (0, 0);
        for name in values.flat_map(|value| value.split(|byte| *byte == b',')).map(<[u8]>::trim_ascii) {
            if name.is_empty() {
                continue;
            }
            (count, bytes) = (count + 1, bytes + name.len());
            if count > MAX_ASKED || bytes > MAX_ASKED_BYTES || !is_token(name) {
                return None;
            }
            let name = std::str::from_utf8(name).ok()?;
            if !is_always_allowed(name) && !names.iter().any(|known| known.eq_ignore_ascii_case(name)) {
                names.push(name);
            }
        }
        Some(Self(names.join(", ").to_ascii_lowercase()))
    }

    /// What the answer allows: what it always does, and these.
    fn allowed(&self) -> Cow<'static, str> {
        match self.0.is_empty() {
            true => HEADERS.into(),
            false => format!("{HEADERS}, {}", self.0).into(),
        }
    }
}

fn is_always_allowed(name: &str) -> bool {
    HEADERS.split(", ").any(|known| known.eq_ignore_ascii_case(name))
}

/// Whether a browser could send it: scheme, host in lower case, and a port that is not the scheme's own, without
/// path (WHATWG HTML, serialization of an origin). `null` is sent by many who are not one another.
fn is_origin(text: &str) -> bool {
    let Some((scheme, authority)) = text.split_once("://") else { return false };
    let is_scheme = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"+-.".contains(&byte);
    let (host, port) = match authority.rfind(':').filter(|at| !authority[*at..].contains(']')) {
        Some(at) => (&authority[..at], Some(&authority[at + 1..])),
        None => (authority, None),
    };
    let is_host =
        |byte: u8| byte.is_ascii_graphic() && !byte.is_ascii_uppercase() && !b"/?#@\\,*".contains(&byte);
    let own_port = match scheme {
        "http" => Some(80),
        "https" => Some(443),
        _ => None,
    };
    let is_port = |port: &str| {
        !port.starts_with(['0', '+']) && port.parse::<u16>().is_ok_and(|port| Some(port) != own_port)
    };
    !scheme.is_empty()
        && scheme.bytes().all(is_scheme)
        && !host.is_empty()
        && host.bytes().all(is_host)
        && port.is_none_or(is_port)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_as_browsers_send_them() {
        for origin in [
            "https://app.example",
            "http://localhost:8080",
            "http://[::1]:8080",
            "http://[::1]",
            "capacitor://localhost",
            "chrome-extension://abcdef",
        ] {
            assert!(Cors::new(&[origin]).is_ok(), "{origin}");
        }
        for origin in [
            "",
            "null",
            "app.example",
            "https://",
            "https://app.example/",
            "https://App.example",
            "HTTPS://app.example",
            "https://app.example:443",
            "http://app.example:80",
            "https://app.example:",
            "https://app.example:99999",
            "https://app.example:+1",
            "https://user@app.example",
            "https://app.example, https://b.example",
            "https://*.example",
            "https://a.example\r\nX: y",
            "://app.example",
        ] {
            assert!(Cors::new(&[origin]).is_err(), "{origin}");
        }
        assert_eq!(Cors::new(&["*", "https://a.example"]), Err(InvalidOrigin::EverybodyAndOthers));
    }

    #[test]
    fn only_the_very_origin_is_answered() {
        let cors = Cors::new(&["https://a.example", "https://b.example:8443"]).unwrap();
        let allowed = |origin: &str| {
            let fields = cors.fields(cors.judge(Some(origin.as_bytes())));
            let fields = std::str::from_utf8(fields).unwrap();
            assert!(fields.contains("Vary: Origin\r\n"), "{origin}");
            fields.contains(&format!("Access-Control-Allow-Origin: {origin}\r\n"))
                && fields.contains("Access-Control-Allow-Credentials: true\r\n")
        };
        assert!(allowed("https://a.example") && allowed("https://b.example:8443"));
        for origin in [
            "",
            "null",
            "*",
            "http://a.example",
            "https://a.example.evil.example",
            "https://a.example:443",
            "https://a.example/",
            "https://A.example",
            "https://b.example",
            "https://evila.example",
        ] {
            assert!(!allowed(origin), "{origin}");
        }
        assert_eq!(cors.fields(cors.judge(None)), b"Vary: Origin\r\n");
    }

    #[test]
    fn everybody_is_without_credentials_and_nobody_is_without_a_word() {
        let everybody = Cors::new(&["*"]).unwrap();
        let fields = everybody.fields(everybody.judge(Some(b"https://a.example")));
        assert!(fields.starts_with(b"Access-Control-Allow-Origin: *\r\n"));
        assert!(!String::from_utf8_lossy(fields).contains("Credentials"));
        let nobody = Cors::default();
        assert_eq!(nobody.fields(nobody.judge(Some(b"https://a.example"))), b"");
    }

    /// What a preflight with these lines is allowed beyond what it always is.
    fn beyond(lines: &[&str]) -> Option<String> {
        let asked = AskedFields::read(lines.iter().map(|line| line.as_bytes()));
        asked.map(|asked| {
            let allowed = asked.allowed();
            let rest = allowed.strip_prefix(HEADERS).unwrap();
            rest.strip_prefix(", ").unwrap_or(rest).to_owned()
        })
    }

    #[test]
    fn a_preflight_is_allowed_the_fields_that_it_asks_for() {
        for (lines, expected) in [
            (&[][..], ""),
            (&[""], ""),
            (&[" , ,"], ""),
            (&["traceparent"], "traceparent"),
            (&["sentry-trace,traceparent,x-requested-with"], "sentry-trace, traceparent, x-requested-with"),
            (&["X-A , x-b", "X-C"], "x-a, x-b, x-c"),
            (&["x-a,X-A,x-a"], "x-a"),
            (&["authorization,CONTENT-TYPE,last-event-id,x-a"], "x-a"),
            (&["!#$%&'*+.^_`|~09"], "!#$%&'*+.^_`|~09"),
            // With credentials it is a name like another.
            (&["*"], "*"),
        ] {
            assert_eq!(beyond(lines).as_deref(), Some(expected), "{lines:?}");
        }
        let most: Vec<String> = (0..MAX_ASKED).map(|n| format!("x-{n}")).collect();
        assert_eq!(beyond(&[&most.join(",")]).as_deref(), Some(&*most.join(", ")));
        let too_many = format!("{},x-y", most.join(","));
        let repeated = "a,".repeat(MAX_ASKED);
        assert_eq!(beyond(&[&repeated]).as_deref(), Some("a"));
        let too_often = repeated + "a";
        let (longest, too_long) = ("x".repeat(MAX_ASKED_BYTES), "x".repeat(MAX_ASKED_BYTES + 1));
        assert!(beyond(&[&longest]).is_some());
        for line in ["x a", "x-a;q=1", "x-a: y", "\"x-a\"", "x-\u{e9}", "x-a,x\tb", "x-a,("] {
            assert_eq!(beyond(&["x-fine", line]), None, "{line}");
        }
        for line in [&too_many, &too_often, &too_long, &"authorization,".repeat(MAX_ASKED + 1)] {
            assert_eq!(beyond(&[line]), None, "{line}");
        }
    }
}
