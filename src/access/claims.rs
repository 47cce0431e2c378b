//! What a token says of its bearer.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde::de::{self, Deserializer, IgnoredAny, Visitor};

use super::denial::Denial;
use super::identity::Identity;
use super::keyring::TokenRules;
use crate::wire::{MAX_ENTRIES, MAX_NAME, Pattern};

/// The claims that count: those of RFC 7519, 4.1, and `fanfare`, the permission.
#[derive(Debug, Deserialize)]
pub(super) struct Claims {
    /// The user.
    sub: Option<String>,
    /// The session (OpenID Connect Front-Channel Logout, 3).
    sid: Option<String>,
    exp: Option<NumericDate>,
    nbf: Option<NumericDate>,
    aud: Option<Audience>,
    iss: Option<String>,
    #[serde(default)]
    fanfare: Permission,
    #[serde(flatten)]
    _others: Others,
}

/// The claim `fanfare`. Members that are not known are left out: they can only permit more.
#[derive(Debug, Default, Deserialize)]
struct Permission {
    #[serde(default)]
    subscribe: Vec<String>,
    #[serde(default)]
    publish: Publish,
    #[serde(default)]
    admin: bool,
    #[serde(default)]
    meta: BTreeMap<String, Scalar>,
    #[serde(flatten)]
    _others: Others,
}

/// Metadata are texts; what is written in another way counts as it is written, as in `where` of a publication.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Scalar {
    Text(String),
    Number(serde_json::Number),
    Switch(bool),
}

/// Members that do not count. That there is a place for them also keeps serde from taking an array for an object.
type Others = BTreeMap<String, IgnoredAny>;

/// Whom the bearer may publish to.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Publish {
    Everybody(bool),
    Topics(Vec<String>),
}

impl Default for Publish {
    fn default() -> Self {
        Self::Everybody(false)
    }
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Many(Vec<String>),
}

/// Seconds since the Unix epoch, which may have a fraction (RFC 7519, 2), held in ms. What lies before the epoch
/// is at it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct NumericDate {
    unix_ms: u64,
}

impl<'de> Deserialize<'de> for NumericDate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Seconds;
        impl Visitor<'_> for Seconds {
            type Value = NumericDate;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number of seconds")
            }

            fn visit_u64<E: de::Error>(self, seconds: u64) -> Result<NumericDate, E> {
                Ok(NumericDate { unix_ms: seconds.saturating_mul(1000) })
            }

            fn visit_i64<E: de::Error>(self, seconds: i64) -> Result<NumericDate, E> {
                self.visit_u64(u64::try_from(seconds).unwrap_or(0))
            }

            fn visit_f64<E: de::Error>(self, seconds: f64) -> Result<NumericDate, E> {
                // The conversion saturates at both ends.
                Ok(NumericDate { unix_ms: (seconds * 1000.0) as u64 })
            }
        }
        deserializer.deserialize_any(Seconds)
    }
}

/// When a token counts.
#[derive(Clone, Copy, Debug)]
struct Validity {
    /// Its `exp`, in Unix ms.
    ends: u64,
    /// Its `nbf`, in Unix ms; 0 where it has none.
    begins: u64,
    /// How far clocks may differ, in ms.
    leeway_ms: u64,
}

/// What a token says whose signature was verified, and whose claims count under the rules but for the time.
#[derive(Clone, Debug)]
pub(super) struct Verified {
    identity: Identity,
    validity: Validity,
}

impl Claims {
    /// Refuses what is refused whoever signed it: by its times, its issuer, its audience.
    ///
    /// It may be asked before the signature is verified. What it says is nothing that the bearer could not read in
    /// the token.
    pub(super) fn check(&self, rules: &TokenRules, now_unix_ms: u64) -> Result<(), Denial> {
        let invalid = |detail: &str| Err(Denial::InvalidToken(detail.to_owned()));
        self.validity(rules)?.judge(now_unix_ms)?;
        if rules.issuer.is_some() && self.iss != rules.issuer {
            return invalid("the token is of another issuer");
        }
        if let Some(audience) = &rules.audience
            && !self.aud.as_ref().is_some_and(|aud| aud.has(audience))
        {
            return invalid("the token is for another audience");
        }
        Ok(())
    }

    /// Whom the token is for, once its signature is verified.
    pub(super) fn verified(self, rules: &TokenRules, now_unix_ms: u64) -> Result<Verified, Denial> {
        self.check(rules, now_unix_ms)?;
        let validity = self.validity(rules)?;
        let mut identity = self.fanfare.identity().map_err(Denial::InvalidToken)?;
        if let Some(user) = self.sub {
            identity = identity.user(name("sub", user).map_err(Denial::InvalidToken)?);
        }
        if let Some(session) = self.sid {
            identity = identity.session(name("sid", session).map_err(Denial::InvalidToken)?);
        }
        Ok(Verified { identity, validity })
    }

    fn validity(&self, rules: &TokenRules) -> Result<Validity, Denial> {
        let Some(exp) = self.exp else {
            return Err(Denial::InvalidToken("the token has no exp".to_owned()));
        };
        let begins = self.nbf.map_or(0, |nbf| nbf.unix_ms);
        Ok(Validity { ends: exp.unix_ms, begins, leeway_ms: rules.leeway.as_millis() as u64 })
    }
}

impl Validity {
    /// When what is opened now has to end, if the token counts now; both in Unix ms.
    fn judge(self, now_unix_ms: u64) -> Result<u64, Denial> {
        let invalid = |detail: &str| Err(Denial::InvalidToken(detail.to_owned()));
        let last = self.ends.saturating_add(self.leeway_ms);
        if now_unix_ms >= last {
            return invalid("the token has expired");
        }
        if self.begins > now_unix_ms.saturating_add(self.leeway_ms) {
            return invalid("the token is not valid yet");
        }
        // The leeway is for clocks that differ. A stream ends on time, but for one opened within the leeway.
        Ok(if now_unix_ms < self.ends { self.ends } else { last })
    }
}

impl Verified {
    /// Whom the token is for, if it counts at that time, in Unix ms.
    pub(super) fn at(&self, now_unix_ms: u64) -> Result<Identity, Denial> {
        let expires = self.validity.judge(now_unix_ms)?;
        Ok(self.identity.clone().expires_at(expires))
    }

    /// Whether it will not count again, at that time in Unix ms.
    pub(super) fn is_over(&self, now_unix_ms: u64) -> bool {
        now_unix_ms >= self.validity.ends.saturating_add(self.validity.leeway_ms)
    }

    /// About how much memory it takes, in bytes.
    pub(super) fn size(&self) -> usize {
        size_of::<Self>() + self.identity.held()
    }
}

impl Audience {
    fn has(&self, audience: &str) -> bool {
        match self {
            Self::One(one) => one == audience,
            Self::Many(many) => many.iter().any(|one| one == audience),
        }
    }
}

impl Scalar {
    fn text(self) -> String {
        match self {
            Self::Text(text) => text,
            Self::Number(number) => number.to_string(),
            Self::Switch(switch) => switch.to_string(),
        }
    }
}

impl Permission {
    fn identity(self) -> Result<Identity, String> {
        let mut identity = Identity::new();
        for topic in &self.subscribe {
            identity = identity.allow_subscribe(pattern("subscribe", topic)?);
        }
        match self.publish {
            Publish::Everybody(true) => identity = identity.allow_publish(),
            Publish::Everybody(false) => {}
            Publish::Topics(topics) => {
                for topic in &topics {
                    identity = identity.allow_publish_to(pattern("publish", topic)?);
                }
            }
        }
        if self.admin {
            identity = identity.allow_admin();
        }
        if self.meta.len() > MAX_ENTRIES {
            return Err(format!("fanfare.meta has more than {MAX_ENTRIES} keys"));
        }
        for (key, value) in self.meta {
            identity = identity.meta(name("fanfare.meta", key)?, name("fanfare.meta", value.text())?);
        }
        Ok(identity)
    }
}

fn pattern(member: &str, text: &str) -> Result<Pattern, String> {
    Pattern::parse(text).map_err(|error| format!("fanfare.{member}: {error}"))
}

/// What identifies somebody, which may also come to stand in an address or in JSON.
fn name(claim: &str, value: String) -> Result<String, String> {
    if value.is_empty() || value.len() > MAX_NAME || value.chars().any(char::is_control) {
        return Err(format!("{claim}: 1 to {MAX_NAME} bytes, no control characters"));
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::wire::Scope;

    const NOW: u64 = 1_000_000_000;

    fn judged(claims: &str, now_unix_ms: u64) -> Result<Identity, String> {
        let rules = TokenRules {
            audience: Some("fanfare".to_owned()),
            issuer: Some("us".to_owned()),
            leeway: Duration::from_secs(30),
            cookie: None,
        };
        let claims: Claims = serde_json::from_str(claims).map_err(|error| error.to_string())?;
        claims
            .verified(&rules, now_unix_ms)
            .and_then(|verified| verified.at(now_unix_ms))
            .map_err(|denial| format!("{denial:?}"))
    }

    /// A token that is good from a minute before until a minute after now, but for these members.
    fn with(members: &str) -> String {
        let member = |name: &str, value: &str| match members.contains(&format!("\"{name}\"")) {
            true => String::new(),
            false => format!(",\"{name}\":{value}"),
        };
        let defaults = [("exp", "1000060"), ("nbf", "999940"), ("aud", "\"fanfare\""), ("iss", "\"us\"")];
        let defaults: String = defaults.iter().map(|(name, value)| member(name, value)).collect();
        format!("{{\"jti\":1{defaults}{members}}}")
    }

    #[test]
    fn times_are_judged_with_a_leeway() {
        let cases = [
            ("", true),
            (r#","exp":1000060.5"#, true),
            (r#","exp":1e300"#, true),
            (r#","exp":18446744073709551615"#, true),
            // Expired, but within the leeway; and just beyond it.
            (r#","exp":999971"#, true),
            (r#","exp":999970"#, false),
            (r#","exp":0"#, false),
            (r#","exp":-5"#, false),
            (r#","exp":-1e300"#, false),
            (r#","exp":"1000060""#, false),
            (r#","exp":null"#, false),
            (r#","nbf":1000030"#, true),
            (r#","nbf":1000031"#, false),
            (r#","nbf":true"#, false),
        ];
        for (members, good) in cases {
            assert_eq!(judged(&with(members), NOW).is_ok(), good, "{members}");
        }
    }

    #[test]
    fn a_stream_ends_when_its_token_does() {
        let expires = |exp: u64| judged(&with(&format!(",\"exp\":{exp}")), NOW).unwrap().expires_unix_ms;
        assert_eq!(expires(1_000_060), Some(1_000_060_000));
        assert_eq!(expires(999_990), Some(1_000_020_000), "one within the leeway, when that ends");
    }

    #[test]
    fn audience_and_issuer_must_fit() {
        let cases = [
            (r#","aud":["other","fanfare"]"#, true),
            (r#","aud":"other""#, false),
            (r#","aud":[]"#, false),
            (r#","aud":["fanfare",1]"#, false),
            (r#","aud":null"#, false),
            (r#","iss":"them""#, false),
            (r#","iss":null"#, false),
            (r#","iss":["us"]"#, false),
        ];
        for (members, good) in cases {
            assert_eq!(judged(&with(members), NOW).is_ok(), good, "{members}");
        }
    }

    #[test]
    fn claims_become_an_identity() {
        let identity = judged(
            &with(
                r#","sub":"ada","sid":"s-1","fanfare":{"subscribe":["a.*"],"publish":["b.>"],"admin":true,"meta":{"room":"1","floor":2,"staff":true},"more":1}"#,
            ),
            NOW,
        )
        .unwrap();
        assert_eq!(identity.profile.user.as_deref(), Some("ada"));
        assert_eq!(identity.profile.session.as_deref(), Some("s-1"));
        for (key, value) in [("room", "1"), ("floor", "2"), ("staff", "true")] {
            assert_eq!(identity.profile.meta(key), Some(value));
        }
        assert_eq!(identity.profile.topics.len(), 1);
        assert!(identity.may(Scope::Admin) && identity.may(Scope::Publish) && identity.may(Scope::Subscribe));
        let bare = judged(&with(""), NOW).unwrap();
        assert!(!bare.may(Scope::Admin) && !bare.may(Scope::Publish) && bare.may(Scope::Subscribe));
    }

    #[test]
    fn claims_that_are_not_what_they_must_be() {
        let long = format!(r#","sub":"{}""#, "a".repeat(MAX_NAME + 1));
        for members in [
            r#","sub":1"#,
            r#","sub":"""#,
            r#","sub":"a\nb""#,
            r#","sid":{}"#,
            r#","sub":"a","sub":"b""#,
            r#","fanfare":null"#,
            r#","fanfare":[]"#,
            r#","fanfare":{"subscribe":"a"}"#,
            r#","fanfare":{"subscribe":["a..b"]}"#,
            r#","fanfare":{"subscribe":["a.>.b"]}"#,
            r#","fanfare":{"publish":"true"}"#,
            r#","fanfare":{"publish":1}"#,
            r#","fanfare":{"publish":[""]}"#,
            r#","fanfare":{"admin":"yes"}"#,
            r#","fanfare":{"admin":1}"#,
            r#","fanfare":{"meta":{"a":null}}"#,
            r#","fanfare":{"meta":{"a":["b"]}}"#,
            r#","fanfare":{"meta":{"":"x"}}"#,
            r#","fanfare":{"meta":[]}"#,
            r#","fanfare":{"admin":false,"admin":true}"#,
            &long,
        ] {
            assert!(judged(&with(members), NOW).is_err(), "{members}");
        }
    }
}
