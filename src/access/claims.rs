//! The claims of a token.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, MapAccess, Visitor};

use super::denial::Denial;
use super::identity::Identity;
use super::jws::read;
use super::registered::Validity;
use crate::api::{MAX_ENTRIES, MAX_NAME};
use crate::event::Pattern;

/// The claims that say who the bearer is and what it may do. [`RegisteredClaims`](super::registered::RegisteredClaims)
/// are judged apart.
#[derive(Debug, Deserialize)]
pub(super) struct Claims {
    /// The user.
    sub: Option<String>,
    /// The session (OpenID Connect Front-Channel Logout, 3).
    sid: Option<String>,
    #[serde(default)]
    fanfare: Object<Permission>,
}

/// The claim `fanfare`. Unknown members are ignored: they could only grant more.
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
}

/// Metadata values are texts; numbers and booleans count as written, as in `where` of a publication.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Scalar {
    Text(String),
    Number(serde_json::Number),
    Switch(bool),
}

/// A value that must be an object. By itself, serde would also accept an array of the members.
#[derive(Debug, Default)]
struct Object<T>(T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Members<T> {
            type Value = Object<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Object<T>, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map)).map(Object)
            }
        }
        deserializer.deserialize_map(Members(PhantomData))
    }
}

/// Who the bearer may publish to.
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

/// The identity and validity of a token whose signature was verified and whose claims follow the rules, except for the
/// time.
#[derive(Clone, Debug)]
pub(super) struct Verified {
    identity: Identity,
    validity: Validity,
}

impl Claims {
    /// Parses the claims of a token, which are JSON.
    pub(super) fn read(claims: &str) -> Result<Self, Denial> {
        read(claims).map(|Object(claims)| claims)
    }

    /// The identity of a token whose signature was verified and whose registered claims were judged.
    pub(super) fn verified(self, validity: Validity) -> Result<Verified, Denial> {
        let Object(permission) = self.fanfare;
        let mut identity = permission.identity().map_err(Denial::InvalidToken)?;
        if let Some(user) = self.sub {
            identity = identity.user(name("sub", user).map_err(Denial::InvalidToken)?);
        }
        if let Some(session) = self.sid {
            identity = identity.session(name("sid", session).map_err(Denial::InvalidToken)?);
        }
        Ok(Verified { identity, validity })
    }
}

impl Verified {
    /// The identity of the token, if it is valid at this time, in Unix ms.
    pub(super) fn at(&self, now_unix_ms: u64) -> Result<Identity, Denial> {
        let expires = self.validity.judge(now_unix_ms)?;
        Ok(self.identity.clone().expires_at(expires))
    }

    /// Whether it will never be valid again after this time, in Unix ms.
    pub(super) fn is_over(&self, now_unix_ms: u64) -> bool {
        self.validity.is_over(now_unix_ms)
    }

    /// An estimate of its memory, in bytes.
    pub(super) fn size(&self) -> usize {
        size_of::<Self>() + self.identity.held()
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

/// An identifier, which may also be used in a target or in JSON.
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
    use crate::access::registered::RegisteredClaims;
    use crate::access::token_rules::TokenRules;
    use crate::api::Scope;

    const NOW: u64 = 1_000_000_000;

    fn judged(members: &str) -> Result<Identity, String> {
        let claims = format!(r#"{{"jti":1,"exp":1000060{members}}}"#);
        let rules = TokenRules { audience: None, issuer: None, leeway: Duration::ZERO, cookie: None };
        let validity = RegisteredClaims::read(&claims, &rules).and_then(|claims| claims.judge(&rules, NOW));
        let verified = validity.and_then(|validity| Claims::read(&claims)?.verified(validity));
        verified.and_then(|verified| verified.at(NOW)).map_err(|denial| format!("{denial:?}"))
    }

    #[test]
    fn claims_become_an_identity() {
        let identity = judged(
                r#","sub":"ada","sid":"s-1","fanfare":{"subscribe":["a.*"],"publish":["b.>"],"admin":true,"meta":{"room":"1","floor":2,"staff":true},"more":1}"#,
        )
        .unwrap();
        assert_eq!(identity.expires_unix_ms, Some(1_000_060_000));
        assert_eq!(identity.profile.user.as_deref(), Some("ada"));
        assert_eq!(identity.profile.session.as_deref(), Some("s-1"));
        for (key, value) in [("room", "1"), ("floor", "2"), ("staff", "true")] {
            assert_eq!(identity.profile.meta(key), Some(value));
        }
        assert_eq!(identity.profile.topics.len(), 1);
        assert!(identity.may(Scope::Admin) && identity.may(Scope::Publish) && identity.may(Scope::Subscribe));
        let bare = judged("").unwrap();
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
            r#","fanfare":[["a"]]"#,
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
            assert!(judged(members).is_err(), "{members}");
        }
    }
}
