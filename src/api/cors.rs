//! Cross-Origin Resource Sharing (Fetch Standard, 3.3): which origins may read responses.

use std::borrow::Cow;

use super::response::Response;
use crate::http::{Head, is_token};

/// The origins that have access.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cors(Origins);

#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum Origins {
    /// None: no response has a CORS field.
    #[default]
    Nobody,
    /// All, without credentials.
    Everybody,
    /// These, with credentials; each with its response fields.
    Listed(Vec<(Box<str>, Box<[u8]>)>),
}

/// What a response says to the origin that asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CrossOrigin {
    /// Nothing.
    #[default]
    Silent,
    /// Every origin may read it.
    Everybody,
    /// The response varies by origin; this origin may not read it.
    Unlisted,
    /// The origin at this index of the list may read it.
    Listed(u16),
}

/// Why an origin is invalid: no browser would send it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidOrigin {
    /// It is not an origin.
    #[error(
        "{0:?} is no origin; one is written as browsers send it: https://app.example or http://app.example:8080, or * for all"
    )]
    Malformed(String),
    /// `*` together with origins.
    #[error("* allows any origin, and must be the only value")]
    EverybodyAndOthers,
    /// Too many origins.
    #[error("at most {MAX_ORIGINS} origins")]
    TooMany,
}

const MAX_ORIGINS: usize = 1024;

/// Request headers that are allowed besides those that the Fetch Standard always allows.
const METHODS: &str = "GET, HEAD, POST, DELETE";
const HEADERS: &str = "Authorization, Cache-Control, Content-Type, Last-Event-ID";
/// Maximum number of fields that a preflight may ask for, including duplicates and these, and maximum bytes of their
/// names.
const MAX_ASKED: usize = 64;
const MAX_ASKED_BYTES: usize = 4096;
/// What the response to a preflight depends on besides the origin.
const PREFLIGHT_VARIES: &str = "Access-Control-Request-Method, Access-Control-Request-Headers";
/// How long a browser may cache the response to a preflight, in seconds: the maximum of Chromium.
const MAX_AGE: &str = "7200";
/// Response headers that scripts may read besides those that they always may.
const EXPOSED: &str =
    "Access-Control-Expose-Headers: Idempotency-Replayed, Retry-After, WWW-Authenticate\r\n";

impl Cors {
    /// Grants access to these origins, compared byte by byte, or with `*` to all.
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

    /// What the response to a request with this `Origin` field says.
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

    /// The CORS fields of a response, each with its line end.
    pub fn fields(&self, verdict: CrossOrigin) -> &[u8] {
        match (verdict, &self.0) {
            (CrossOrigin::Silent, _) => b"",
            (CrossOrigin::Everybody, _) => {
                b"Access-Control-Allow-Origin: *\r\nAccess-Control-Expose-Headers: Idempotency-Replayed, Retry-After, WWW-Authenticate\r\n"
            }
            (CrossOrigin::Listed(place), Origins::Listed(listed)) => {
                listed.get(usize::from(place)).map_or(b"Vary: Origin\r\n", |(_, fields)| fields)
            }
            (CrossOrigin::Unlisted | CrossOrigin::Listed(_), _) => b"Vary: Origin\r\n",
        }
    }

    /// Whether responses depend on the origin.
    pub fn is_by_origin(&self) -> bool {
        matches!(self.0, Origins::Listed(_))
    }

    /// The response to a preflight (Fetch Standard, 3.3.3), starting from the response to OPTIONS. Allows the fields
    /// that it `asked` for.
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

/// The request headers that a preflight asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AskedFields(String);

impl AskedFields {
    /// Parses `Access-Control-Request-Headers`, a list of field names. The whole list is ignored if one is not a field
    /// name, or if it is longer than any page needs: 64 names, or 4 KiB.
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

    /// The allowed headers: those that are always allowed, and these.
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

/// Whether a browser could send this origin: scheme, host in lower case, and a port unless it is the default, without a
/// path (WHATWG HTML, serialization of an origin). Not `null`, which different pages send.
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
