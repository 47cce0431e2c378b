//! A signed token, split into its parts (RFC 7515, 7.1) before its signature is verified.
//!
//! Anybody may have written it, to cost as much as possible. So it is read once, from front to end, and members that do
//! not matter are skipped.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jsonwebtoken::Algorithm;
use serde::Deserialize;
use serde::de::{self, Deserializer, MapAccess, SeqAccess, Visitor};

use super::denial::Denial;

/// A token in its three parts.
pub(super) struct Signed<'t> {
    pub(super) header: Header,
    claims: &'t str,
    /// The signed bytes.
    pub(super) message: &'t str,
    /// In base64url.
    pub(super) signature: &'t str,
}

/// The members of the header that matter (RFC 7515, 4.1).
pub(super) struct Header {
    /// `None` if the algorithm is unknown.
    pub(super) algorithm: Option<Algorithm>,
    pub(super) key_id: Option<String>,
}

impl<'t> Signed<'t> {
    /// # Errors
    ///
    /// The token is malformed, or its header is invalid.
    pub(super) fn parse(token: &'t str) -> Result<Self, Denial> {
        let (message, signature) = token.rsplit_once('.').ok_or_else(no_token)?;
        let (header, claims) = message.split_once('.').ok_or_else(no_token)?;
        let Members { alg, kid, crit } = read(&decode(header)?)?;
        if crit {
            // Extensions that must be understood, and are not (RFC 7515, 4.1.11).
            let detail = "the token's header has crit, of which nothing is understood";
            return Err(Denial::InvalidToken(detail.to_owned()));
        }
        let header = Header { algorithm: Algorithm::from_str(&alg).ok(), key_id: kid };
        Ok(Self { header, claims, message, signature })
    }

    /// The claims, which should be JSON.
    pub(super) fn claims(&self) -> Result<String, Denial> {
        decode(self.claims)
    }
}

fn decode(part: &str) -> Result<String, Denial> {
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(part).map_err(|_| no_token())?;
    String::from_utf8(bytes).map_err(|_| not_as_it_must_be("malformed JSON"))
}

/// Decodes a part of a token.
pub(super) fn read<'p, T: Deserialize<'p>>(json: &'p str) -> Result<T, Denial> {
    serde_json::from_str(json).map_err(|error| malformed(&error))
}

/// The messages of serde name types and members and, if they show a value, might show a secret.
pub(super) fn malformed(error: &serde_json::Error) -> Denial {
    not_as_it_must_be(match error.classify() {
        serde_json::error::Category::Data => "a member has the wrong type, is missing or is there twice",
        _ => "malformed JSON",
    })
}

fn not_as_it_must_be(what: &str) -> Denial {
    Denial::InvalidToken(format!("a part of the token is not what it must be: {what}"))
}

pub(super) fn no_token() -> Denial {
    Denial::InvalidToken("not a JSON Web Token".to_owned())
}

/// The header, as it is written.
struct Members {
    alg: String,
    kid: Option<String>,
    /// Whether it is there.
    crit: bool,
}

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "lowercase")]
enum Member {
    Alg,
    Kid,
    Crit,
    #[serde(other)]
    Other,
}

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Members;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let (mut alg, mut kid, mut crit) = (None, None, None);
                while let Some(member) = map.next_key()? {
                    match member {
                        Member::Alg => once(&mut alg, map.next_value()?, "alg")?,
                        Member::Kid => once(&mut kid, map.next_value()?, "kid")?,
                        Member::Crit => once(&mut crit, map.next_value::<Option<Skipped>>()?, "crit")?,
                        Member::Other => {
                            map.next_value::<Skipped>()?;
                        }
                    }
                }
                let alg = alg.ok_or_else(|| de::Error::missing_field("alg"))?;
                Ok(Members { alg, kid: kid.flatten(), crit: crit.flatten().is_some() })
            }
        }
        deserializer.deserialize_map(Object)
    }
}

/// Sets a member, which may occur once.
pub(super) fn once<T, E: de::Error>(place: &mut Option<T>, value: T, name: &'static str) -> Result<(), E> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(E::duplicate_field(name)),
    }
}

/// A value that is skipped. Unlike one that serde ignores, its nesting is limited and its strings are checked.
pub(super) struct Skipped;

impl<'de> Deserialize<'de> for Skipped {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Self)
    }
}

impl<'de> Visitor<'de> for Skipped {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_unit<E>(self) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_str<E>(self, _: &str) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Self, A::Error> {
        while elements.next_element::<Self>()?.is_some() {}
        Ok(self)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self, A::Error> {
        while members.next_entry::<Self, Self>()?.is_some() {}
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(text: &str) -> Result<Header, String> {
        let token = format!("{}.e30.", BASE64_URL_SAFE_NO_PAD.encode(text));
        Signed::parse(&token).map(|signed| signed.header).map_err(|denial| format!("{denial:?}"))
    }

    #[test]
    fn a_header_has_an_algorithm_and_may_name_a_key() {
        for (text, algorithm, key_id) in [
            (r#"{"alg":"ES256"}"#, Some(Algorithm::ES256), None),
            (
                r#"{"typ":5,"alg":"RS256","kid":"a","x":{"kid":["b",null,true,-1,1.5,{}]}}"#,
                Some(Algorithm::RS256),
                Some("a"),
            ),
            (r#"{"\u0061lg":"EdDSA","kid":null,"crit":null}"#, Some(Algorithm::EdDSA), None),
            (r#"{"alg":"none"}"#, None, None),
        ] {
            let header = header(text).unwrap();
            assert_eq!((header.algorithm, header.key_id.as_deref()), (algorithm, key_id), "{text}");
        }
    }

    #[test]
    fn a_header_that_is_not_sound_is_refused() {
        let deep = format!(r#"{{"alg":"ES256","x":{}{}}}"#, "[".repeat(200), "]".repeat(200));
        for text in [
            "",
            "{}",
            "[]",
            r#"["ES256"]"#,
            r#"{"alg":null}"#,
            r#"{"alg":1}"#,
            r#"{"alg":"ES256","alg":"ES256"}"#,
            r#"{"alg":"ES256","kid":1}"#,
            r#"{"alg":"ES256","crit":[]}"#,
            r#"{"alg":"ES256","crit":["exp"]}"#,
            r#"{"alg":"ES256","x":"\ud800"}"#,
            r#"{"alg":"ES256"}x"#,
            &deep,
        ] {
            assert!(header(text).is_err(), "{text}");
        }
        for token in ["", ".", "..", "a.b", "e30.e30", "e30.e30.e30.e30", "!.e30.", "/w.e30."] {
            assert!(Signed::parse(token).is_err(), "{token}");
        }
    }

    /// Whoever sends a token gets to see what is wrong with it, but not the token.
    #[test]
    fn nothing_of_a_member_is_told() {
        let secret = "s3cret".repeat(1000);
        for text in
            [format!(r#"{{"alg":["{secret}"]}}"#), format!(r#"{{"alg":"ES256","kid":{{"{secret}":1}}}}"#)]
        {
            assert!(!header(&text).err().unwrap().contains("s3cret"));
        }
    }
}
