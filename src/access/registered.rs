//! The registered claims (RFC 7519, 4.1) by which a token is refused, whoever signed it.
//!
//! They may be judged before the signature is verified, on threads that others wait for. So they are compared in place,
//! and all other claims are skipped.

use std::fmt;

use serde::Deserialize;
use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Unexpected, Visitor};

use super::denial::Denial;
use super::jws::{Skipped, malformed, once};
use super::token_rules::TokenRules;

/// The validity period, issuer and audience of a token.
#[derive(Debug)]
pub(super) struct RegisteredClaims {
    exp: Option<NumericDate>,
    nbf: Option<NumericDate>,
    /// Whether it is of the required issuer.
    is_of_issuer: bool,
    /// Whether it is for the required audience.
    is_for_audience: bool,
}

/// Seconds since the Unix epoch, possibly with a fraction (RFC 7519, 2), stored in ms. Times before the epoch are
/// stored as the epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct NumericDate {
    unix_ms: u64,
}

/// When a token is valid.
#[derive(Clone, Copy, Debug)]
pub(super) struct Validity {
    /// Its `exp`, in Unix ms.
    ends: u64,
    /// Its `nbf`, in Unix ms; 0 if it has none.
    begins: u64,
    /// Tolerated difference between clocks, in ms.
    leeway_ms: u64,
}

impl RegisteredClaims {
    /// Parses the claims, which are JSON.
    pub(super) fn read(claims: &str, rules: &TokenRules) -> Result<Self, Denial> {
        let mut deserializer = serde_json::Deserializer::from_str(claims);
        let read = Rules(rules).deserialize(&mut deserializer);
        read.and_then(|claims| deserializer.end().map(|()| claims)).map_err(|error| malformed(&error))
    }

    /// When the token is valid. Refuses it by its times, its issuer and its audience, whoever signed it.
    ///
    /// The error reveals nothing that the bearer could not read in the token.
    pub(super) fn judge(&self, rules: &TokenRules, now_unix_ms: u64) -> Result<Validity, Denial> {
        let invalid = |detail: &str| Err(Denial::InvalidToken(detail.to_owned()));
        let Some(exp) = self.exp else { return invalid("the token has no exp") };
        let begins = self.nbf.map_or(0, |nbf| nbf.unix_ms);
        let validity = Validity { ends: exp.unix_ms, begins, leeway_ms: rules.leeway.as_millis() as u64 };
        validity.judge(now_unix_ms)?;
        match (self.is_of_issuer, self.is_for_audience) {
            (false, _) => invalid("the token is of another issuer"),
            (true, false) => invalid("the token is for another audience"),
            (true, true) => Ok(validity),
        }
    }
}

impl Validity {
    /// When a stream opened now has to end, if the token is valid now; both in Unix ms.
    pub(super) fn judge(self, now_unix_ms: u64) -> Result<u64, Denial> {
        let invalid = |detail: &str| Err(Denial::InvalidToken(detail.to_owned()));
        let last = self.ends.saturating_add(self.leeway_ms);
        if now_unix_ms >= last {
            return invalid("the token has expired");
        }
        if self.begins > now_unix_ms.saturating_add(self.leeway_ms) {
            return invalid("the token is not valid yet");
        }
        // The leeway is for clocks that differ. A stream ends on time, unless it was opened within the leeway.
        Ok(if now_unix_ms < self.ends { self.ends } else { last })
    }

    /// Whether it will never be valid again after this time, in Unix ms.
    pub(super) fn is_over(self, now_unix_ms: u64) -> bool {
        now_unix_ms >= self.ends.saturating_add(self.leeway_ms)
    }
}

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "lowercase")]
enum Name {
    Exp,
    Nbf,
    Iss,
    Aud,
    #[serde(other)]
    Other,
}

/// Parses the claims by comparing them with the rules.
struct Rules<'r>(&'r TokenRules);

impl<'de> DeserializeSeed<'de> for Rules<'_> {
    type Value = RegisteredClaims;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<RegisteredClaims, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Rules<'_> {
    type Value = RegisteredClaims;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<RegisteredClaims, A::Error> {
        let Self(rules) = self;
        let issuer = Equal { to: rules.issuer.as_deref(), or_one_of_several: false };
        let audience = Equal { to: rules.audience.as_deref(), or_one_of_several: true };
        let (mut exp, mut nbf, mut is_of_issuer, mut is_for_audience) = (None, None, None, None);
        while let Some(name) = map.next_key()? {
            match name {
                Name::Exp => once(&mut exp, map.next_value()?, "exp")?,
                Name::Nbf => once(&mut nbf, map.next_value()?, "nbf")?,
                Name::Iss => once(&mut is_of_issuer, map.next_value_seed(issuer)?, "iss")?,
                Name::Aud => once(&mut is_for_audience, map.next_value_seed(audience)?, "aud")?,
                Name::Other => {
                    map.next_value::<Skipped>()?;
                }
            }
        }
        Ok(RegisteredClaims {
            exp: exp.flatten(),
            nbf: nbf.flatten(),
            is_of_issuer: is_of_issuer.unwrap_or(rules.issuer.is_none()),
            is_for_audience: is_for_audience.unwrap_or(rules.audience.is_none()),
        })
    }
}

/// Whether a string is the required one, if one is required.
#[derive(Clone, Copy)]
struct Equal<'r> {
    to: Option<&'r str>,
    /// It may also be an element of an array.
    or_one_of_several: bool,
}

impl<'de> DeserializeSeed<'de> for Equal<'_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Equal<'_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_str<E>(self, text: &str) -> Result<bool, E> {
        Ok(self.to.is_none_or(|wanted| wanted == text))
    }

    /// Treated as absent.
    fn visit_unit<E>(self) -> Result<bool, E> {
        Ok(self.to.is_none())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<bool, A::Error> {
        if !self.or_one_of_several {
            return Err(de::Error::invalid_type(Unexpected::Seq, &self));
        }
        let mut is_one = self.to.is_none();
        while let Some(is_this) = elements.next_element_seed(Self { or_one_of_several: false, ..self })? {
            is_one |= is_this;
        }
        Ok(is_one)
    }
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

            /// An error would have all of the text, escaped.
            fn visit_str<E: de::Error>(self, _: &str) -> Result<NumericDate, E> {
                Err(E::invalid_type(Unexpected::Other("a string"), &self))
            }
        }
        deserializer.deserialize_any(Seconds)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const NOW: u64 = 1_000_000_000;

    fn rules() -> TokenRules {
        TokenRules {
            audience: Some("fanfare".to_owned()),
            issuer: Some("us".to_owned()),
            leeway: Duration::from_secs(30),
            cookie: None,
        }
    }

    fn judged(claims: &str, rules: &TokenRules) -> Result<u64, String> {
        let validity = RegisteredClaims::read(claims, rules).and_then(|claims| claims.judge(rules, NOW));
        validity.and_then(|validity| validity.judge(NOW)).map_err(|denial| format!("{denial:?}"))
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
            (r#","nbf":null"#, true),
            (r#","nbf":true"#, false),
        ];
        for (members, good) in cases {
            assert_eq!(judged(&with(members), &rules()).is_ok(), good, "{members}");
        }
    }

    #[test]
    fn a_stream_ends_when_its_token_does() {
        let expires = |exp: u64| judged(&with(&format!(",\"exp\":{exp}")), &rules());
        assert_eq!(expires(1_000_060), Ok(1_000_060_000));
        assert_eq!(expires(999_990), Ok(1_000_020_000), "one within the leeway, when that ends");
    }

    #[test]
    fn audience_and_issuer_must_fit() {
        let cases = [
            (r#","aud":["other","fanfare"]"#, true),
            (r#","aud":["fanfare","other"]"#, true),
            (r#","aud":"\u0066anfare""#, true),
            (r#","aud":"other""#, false),
            (r#","aud":[]"#, false),
            (r#","aud":["fanfare",1]"#, false),
            (r#","aud":[["fanfare"]]"#, false),
            (r#","aud":null"#, false),
            (r#","iss":"them""#, false),
            (r#","iss":null"#, false),
            (r#","iss":["us"]"#, false),
        ];
        for (members, good) in cases {
            assert_eq!(judged(&with(members), &rules()).is_ok(), good, "{members}");
        }
        let none = TokenRules { audience: None, issuer: None, ..rules() };
        for (members, good) in [
            (r#","aud":["other"],"iss":"them""#, true),
            (r#","aud":[],"iss":null"#, true),
            (r#","aud":1"#, false),
            (r#","iss":1"#, false),
        ] {
            assert_eq!(judged(&with(members), &none).is_ok(), good, "{members}");
        }
        assert_eq!(judged(r#"{"exp":1000060}"#, &none), Ok(1_000_060_000));
        assert!(judged(r#"{"exp":1000060}"#, &rules()).is_err());
    }

    #[test]
    fn claims_are_one_object_and_each_counts_once() {
        let deep = with(&format!(",\"x\":{}{}", "[".repeat(200), "]".repeat(200)));
        for claims in [
            "",
            "[]",
            "null",
            "[1000060]",
            &with(r#","exp":1000060,"exp":1000060"#),
            &with(r#","nbf":1,"nbf":1"#),
            &with(r#","iss":"us","iss":"us""#),
            &with(r#","aud":"fanfare","aud":"fanfare""#),
            &with(r#","x":"\ud800""#),
            &(with("") + "x"),
            &deep,
        ] {
            assert!(judged(claims, &rules()).is_err(), "{claims}");
        }
        let others = with(r#","exp":1000060,"x":[1,-1,1.5,"a",null,true,{"exp":1,"b":[]}],"x":2"#);
        assert!(judged(&others, &rules()).is_ok());
    }
}
