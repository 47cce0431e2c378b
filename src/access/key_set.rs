//! JSON Web Key Sets (RFC 7517).

use std::fmt;

use ed25519_dalek::VerifyingKey;
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, KeyOperations, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey, DecodingKeyKind};
use serde_json::Value;

use super::invalid_key::{InvalidKey, LeftOut, MAX_RSA_BITS, MAX_TRIED, MIN_RSA_BITS, Unusable};
use super::token_key::TokenKey;

/// Reads a set (RFC 7517, 5): the usable keys, and the others.
pub(super) fn read(json: &[u8]) -> Result<(Vec<TokenKey>, Vec<LeftOut>), InvalidKey> {
    let not_jwks = |error: &dyn fmt::Display| InvalidKey::NotJwks(error.to_string());
    // Not as a whole: a set may contain keys of unknown kinds.
    let set: Value = serde_json::from_slice(json).map_err(|error| not_jwks(&error))?;
    let members = set.get("keys").and_then(Value::as_array).ok_or_else(|| not_jwks(&"no array keys"))?;
    let (mut keys, mut left_out) = (Vec::<TokenKey>::new(), Vec::new());
    for (number, member) in (1..).zip(members) {
        let alike = |key: &TokenKey| keys.iter().filter(|other| other.is_like(key)).count();
        match token_key(member) {
            Ok(key) if alike(&key) < MAX_TRIED => keys.push(key),
            result => {
                let reason = result.err().unwrap_or(Unusable::TooMany);
                let id = member.get("kid").and_then(Value::as_str).map(str::to_owned);
                left_out.push(LeftOut { number, id, reason });
            }
        }
    }
    match keys.is_empty() {
        true => Err(InvalidKey::NoKey(left_out.into_iter().next())),
        false => Ok((keys, left_out)),
    }
}

fn token_key(member: &Value) -> Result<TokenKey, Unusable> {
    let jwk: Jwk = serde_json::from_value(member.clone()).map_err(|_| Unusable::Member)?;
    let algorithm = algorithm_of(&jwk, member)?;
    let key = DecodingKey::from_jwk(&jwk).map_err(|_| Unusable::Malformed)?;
    check(&jwk, &key)?;
    TokenKey::new(jwk.common.key_id, key, algorithm)
}

/// The algorithm of a key, if it is supported and for signatures.
fn algorithm_of(jwk: &Jwk, member: &Value) -> Result<Algorithm, Unusable> {
    let purpose = jwk.common.public_key_use.as_ref();
    let operations = jwk.common.key_operations.as_ref();
    let is_for_signatures = purpose.is_none_or(|purpose| *purpose == PublicKeyUse::Signature);
    if !is_for_signatures || !operations.is_none_or(|all| all.contains(&KeyOperations::Verify)) {
        return Err(Unusable::Purpose);
    }
    let (algorithm, name) = match &jwk.algorithm {
        AlgorithmParameters::OctetKey(_) => (Algorithm::HS256, KeyAlgorithm::HS256),
        AlgorithmParameters::RSA(_) => (Algorithm::RS256, KeyAlgorithm::RS256),
        AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P256 => {
            (Algorithm::ES256, KeyAlgorithm::ES256)
        }
        AlgorithmParameters::OctetKeyPair(key) if key.curve == EllipticCurve::Ed25519 => {
            (Algorithm::EdDSA, KeyAlgorithm::EdDSA)
        }
        _ => return Err(unknown(member)),
    };
    let fits = jwk.common.key_algorithm.as_ref().is_none_or(|given| *given == name);
    fits.then_some(algorithm).ok_or(Unusable::Algorithm)
}

/// Why a key with unknown parameters is unusable.
fn unknown(member: &Value) -> Unusable {
    let text = |name| member.get(name).and_then(Value::as_str);
    match (text("kty"), text("crv")) {
        (Some("RSA" | "oct"), _) | (Some("EC"), Some("P-256") | None) => Unusable::Member,
        (Some("OKP"), Some("Ed25519") | None) | (None, _) => Unusable::Member,
        (Some("EC"), Some(_)) => Unusable::Curve,
        _ => Unusable::Type,
    }
}

/// Checks that a key is complete, and strong enough for its algorithm. The code that verifies signatures expects no
/// other.
pub(super) fn check(jwk: &Jwk, key: &DecodingKey) -> Result<(), Unusable> {
    let sound = match (&jwk.algorithm, key.kind()) {
        (AlgorithmParameters::RSA(_), DecodingKeyKind::RsaModulusExponent { n, e }) => {
            return check_rsa(n, e);
        }
        (AlgorithmParameters::EllipticCurve(key), _) if key.curve != EllipticCurve::P256 => {
            return Err(Unusable::Curve);
        }
        (AlgorithmParameters::OctetKey(_), DecodingKeyKind::SecretOrDer(secret)) if secret.is_empty() => {
            return Err(Unusable::EmptySecret);
        }
        (AlgorithmParameters::OctetKey(_), _) => true,
        // Both coordinates at full length (RFC 7518, 6.2.1.2), after a byte that says so.
        (AlgorithmParameters::EllipticCurve(point), DecodingKeyKind::SecretOrDer(bytes)) => {
            bytes.len() == 1 + 2 * 32 && point.x.len() == point.y.len()
        }
        (AlgorithmParameters::OctetKeyPair(_), DecodingKeyKind::SecretOrDer(bytes)) => {
            return check_edwards(bytes);
        }
        _ => false,
    };
    sound.then_some(()).ok_or(Unusable::Malformed)
}

/// Anybody can sign for a key of small order, without a secret; RFC 8032 does not refuse it.
fn check_edwards(bytes: &[u8]) -> Result<(), Unusable> {
    let bytes = bytes.try_into().map_err(|_| Unusable::Malformed)?;
    match VerifyingKey::from_bytes(bytes) {
        Ok(key) if key.is_weak() => Err(Unusable::SmallOrder),
        Ok(_) => Ok(()),
        Err(_) => Err(Unusable::Malformed),
    }
}

fn check_rsa(modulus: &[u8], exponent: &[u8]) -> Result<(), Unusable> {
    let [modulus, exponent] = [modulus, exponent].map(without_zeros);
    let bits = modulus.first().map_or(0, |first| 8 * modulus.len() - first.leading_zeros() as usize);
    let is_odd = |number: &[u8]| number.last().is_some_and(|last| last % 2 == 1);
    if bits < MIN_RSA_BITS {
        Err(Unusable::ShortRsa)
    } else if bits > MAX_RSA_BITS {
        Err(Unusable::LongRsa)
    } else if is_odd(modulus) && is_odd(exponent) && exponent != [1] && exponent.len() <= 4 {
        Ok(())
    } else {
        Err(Unusable::Malformed)
    }
}

fn without_zeros(number: &[u8]) -> &[u8] {
    let first = number.iter().position(|byte| *byte != 0).unwrap_or(number.len());
    &number[first..]
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const POINT: (&str, &str) =
        ("MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4", "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM");
    const EDWARDS: &str = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";

    fn read_all(keys: &[Value]) -> Result<(usize, Vec<Unusable>), InvalidKey> {
        let (keys, left_out) = read(json!({ "keys": keys }).to_string().as_bytes())?;
        Ok((keys.len(), left_out.iter().map(|left| left.reason).collect()))
    }

    fn good() -> Value {
        json!({"kty": "EC", "kid": "good", "crv": "P-256", "x": POINT.0, "y": POINT.1})
    }

    fn rsa(bits: usize, exponent: &str) -> Value {
        // 1 in front, and odd; that it is no product of primes, nobody here looks at.
        let mut bytes = vec![0xff; bits.div_ceil(8)];
        bytes[0] = 0xff_u8 >> (8 * bytes.len() - bits);
        json!({"kty": "RSA", "e": exponent, "n": base64url(&bytes)})
    }

    fn base64url(bytes: &[u8]) -> String {
        const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let six = |bits: u32, n: u32| char::from(ALPHABET[(bits >> (18 - 6 * n) & 63) as usize]);
        let group = |group: &[u8]| {
            let bits = (0..3).fold(0, |bits, n| bits << 8 | u32::from(*group.get(n).unwrap_or(&0)));
            (0..=group.len() as u32).map(|n| six(bits, n)).collect::<String>()
        };
        bytes.chunks(3).map(group).collect()
    }

    #[test]
    fn each_key_that_cannot_be_used_is_left_out() {
        use Unusable::{Algorithm, Curve, EmptySecret, LongRsa, Malformed, Member, Purpose, ShortRsa, Type};
        let with = |name: &str, value: Value| {
            let mut key = good();
            key[name] = value;
            key
        };
        let okp = |x: &str| json!({"kty": "OKP", "crv": "Ed25519", "x": x});
        for (key, reason) in [
            (rsa(1024, "AQAB"), ShortRsa),
            (rsa(2047, "AQAB"), ShortRsa),
            (rsa(4097, "AQAB"), LongRsa),
            (rsa(2048, "AQ"), Malformed),
            (rsa(2048, "AA"), Malformed),
            (rsa(2048, "AQAA"), Malformed),
            (rsa(2048, "***"), Malformed),
            (json!({"kty": "RSA", "e": "AQAB", "n": "no+base64/url"}), Malformed),
            (json!({"kty": "RSA", "e": "AQAB"}), Member),
            (json!({"kty": "RSA", "e": "AQAB", "n": 5}), Member),
            (with("x", json!(POINT.1)), Malformed),
            (with("x", json!("AAAA")), Malformed),
            (with("y", Value::Null), Member),
            (with("crv", json!("P-384")), Curve),
            (with("crv", json!("brainpoolP256r1")), Curve),
            (with("use", json!("enc")), Purpose),
            (with("key_ops", json!(["encrypt"])), Purpose),
            (with("alg", json!("ES384")), Algorithm),
            (with("alg", json!("RS256")), Algorithm),
            (with("kid", json!(5)), Member),
            // Too short and too long for the code that verifies.
            (okp(""), Malformed),
            (okp("AAAA"), Malformed),
            (okp(&format!("{EDWARDS}AAAA")), Malformed),
            (json!({"kty": "OKP", "crv": "Ed448", "x": EDWARDS}), Type),
            (json!({"kty": "OKP", "crv": "Ed25519"}), Member),
            (json!({"kty": "oct", "k": ""}), EmptySecret),
            (json!({"kty": "oct"}), Member),
            (json!({"kty": "AKP", "pub": "AAAA"}), Type),
            (json!({}), Member),
            (json!(1), Member),
        ] {
            assert_eq!(read_all(&[key.clone(), good()]), Ok((1, vec![reason])), "{key}");
            let alone = read_all(std::slice::from_ref(&key)).unwrap_err();
            assert!(matches!(&alone, InvalidKey::NoKey(Some(left)) if left.reason == reason), "{alone}");
        }
        for key in [rsa(2048, "AQAB"), rsa(4096, "Aw"), okp(EDWARDS), good()] {
            assert_eq!(read_all(std::slice::from_ref(&key)), Ok((1, vec![])), "{key}");
        }
    }

    /// All encodings of the eight points of small order, also those that are not canonical.
    #[test]
    fn keys_that_anybody_can_sign_for_are_left_out() {
        let two = [
            "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc",
            "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03",
        ];
        let number = |first: u8, rest: u8, last: u8| {
            let mut bytes = [rest; 32];
            (bytes[0], bytes[31]) = (first, last);
            bytes
        };
        let mut weak = Vec::new();
        for sign in [0, 0x80] {
            weak.extend([
                number(0, 0, sign),
                number(1, 0, sign),
                number(0xec, 0xff, 0x7f | sign),
                number(0xed, 0xff, 0x7f | sign),
                number(0xee, 0xff, 0x7f | sign),
            ]);
            for (text, last) in two.into_iter().zip([0x05, 0x7a]) {
                let bytes = (0..31).map(|n| u8::from_str_radix(&text[2 * n..2 * n + 2], 16).unwrap());
                let bytes: Vec<u8> = bytes.chain([last | sign]).collect();
                weak.push(bytes.try_into().unwrap());
            }
        }
        for bytes in weak {
            let key = json!({"kty": "OKP", "crv": "Ed25519", "x": base64url(&bytes)});
            let result = read_all(&[key, good()]);
            // An x of zero has no sign, so some of these are no points.
            let reasons = [Unusable::SmallOrder, Unusable::Malformed].map(|reason| Ok((1, vec![reason])));
            assert!(reasons.contains(&result), "{bytes:x?}: {result:?}");
            assert!(bytes[31] & 0x80 != 0 || result == reasons[0], "{bytes:x?}: {result:?}");
            let standard = base64url(&bytes_of_pem(&bytes)).replace('-', "+").replace('_', "/");
            let pem = format!("-----BEGIN PUBLIC KEY-----\n{standard}=\n-----END PUBLIC KEY-----\n");
            assert!(crate::access::TokenKeys::from_pem(pem.as_bytes()).is_err(), "{bytes:x?}");
        }
    }

    /// A public Ed25519 key as PEM holds it (RFC 8410, 4).
    fn bytes_of_pem(key: &[u8]) -> Vec<u8> {
        [b"\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00", key].concat()
    }

    /// The point at infinity has no coordinates, and those that others write for it are not on the curve.
    #[test]
    fn a_point_off_the_curve_is_left_out() {
        let zero = base64url(&[0; 32]);
        for (x, y) in [(&*zero, &*zero), (POINT.0, &*zero), (&*zero, POINT.1), (POINT.1, POINT.0)] {
            let key = json!({"kty": "EC", "crv": "P-256", "x": x, "y": y});
            assert_eq!(read_all(&[key.clone(), good()]), Ok((1, vec![Unusable::Malformed])), "{key}");
        }
    }

    #[test]
    fn keys_of_one_kid_are_so_many() {
        let keys = vec![good(); MAX_TRIED + 2];
        assert_eq!(read_all(&keys), Ok((MAX_TRIED, vec![Unusable::TooMany; 2])));
        let mut keys = vec![good(); MAX_TRIED];
        keys.extend([json!({"kty": "OKP", "kid": "good", "crv": "Ed25519", "x": EDWARDS})]);
        assert_eq!(read_all(&keys), Ok((MAX_TRIED + 1, vec![])), "of another algorithm");
    }

    #[test]
    fn a_key_that_is_left_out_is_named_by_its_kid() {
        let named = |id: Option<&str>| {
            let id = id.map(str::to_owned);
            LeftOut { number: 3, id, reason: Unusable::Type }.to_string()
        };
        let reason = "keys of its type or curve are not supported";
        assert_eq!(named(Some("a\nb")), format!("the key with the kid \"a\\nb\": {reason}"));
        assert_eq!(named(None), format!("key 3 of the set, without a kid: {reason}"));
        assert!(named(Some(&"x".repeat(9999))).len() < 200);
    }
}
