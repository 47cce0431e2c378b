//! Several keys in one file, and the `kid` that says which (RFC 7517).

use jsonwebtoken::Algorithm;
use serde_json::{Value, json};

use super::key::{JWKS, Key, SECRET};
use super::keyed::{Keyed, signed};
use super::token::{Token, base64url, from_base64url};
use super::verdict::{Matrix, Verdict, judge};
use crate::support::clock::eventually;

/// The keys of these names, of those in the file.
pub(super) fn set_of(kids: &[&str]) -> Value {
    let mut set: Value = serde_json::from_slice(JWKS).expect("JSON");
    let keys = set["keys"].as_array_mut().expect("keys");
    keys.retain(|key| kids.contains(&key["kid"].as_str().expect("a name")));
    assert_eq!(keys.len(), kids.len());
    set
}

fn server(set: &Value) -> Keyed {
    Keyed::start(&[("jwks-file", set.to_string().as_bytes())], &[])
}

fn named(kid: &str) -> Token {
    Token::new().header("kid", kid)
}

#[test]
fn the_kid_says_which_key() {
    let mut matrix = Matrix::new();
    let keys = [("rsa-1", Key::Rsa), ("rsa-2", Key::OtherRsa), ("ec-1", Key::Ec), ("ed-1", Key::Ed)];
    for (kid, _) in keys {
        for (owner, key) in keys {
            let (what, token) = (format!("kid {kid}, key {owner}"), named(kid).sign(key));
            matrix = if kid == owner { matrix.good(&what, token) } else { matrix.bad(&what, token) };
        }
    }
    let names =
        ["", "RSA-1", "rsa-1 ", "rsa-1\0", "rsa-", "rsa-11", "0", "../../../../dev/null", "' OR 1=1 --"];
    for kid in names {
        matrix = matrix.bad(&format!("kid {kid:?}"), named(kid).sign(Key::Rsa));
    }
    for kid in [json!(0), json!(["rsa-1"]), json!({"kid": "rsa-1"}), json!(true)] {
        matrix = matrix.bad(&format!("kid {kid}"), Token::new().header("kid", kid).sign(Key::Rsa));
    }
    for algorithm in [Algorithm::RS384, Algorithm::RS512, Algorithm::PS256] {
        matrix = matrix.bad(&format!("{algorithm:?}"), named("rsa-1").sign_as(Key::Rsa, algorithm));
    }
    let modulus = set_of(&["rsa-1"])["keys"][0]["n"].as_str().expect("a modulus").to_owned();
    let bytes = from_base64url(&modulus);
    for (what, secret) in
        [("file", JWKS), ("modulus", &*bytes.leak()), ("n", modulus.leak().as_bytes()), ("nothing", b"")]
    {
        let token = named("rsa-1").sign(Key::Secret(secret));
        matrix = matrix.bad(&format!("HS256 with the {what}"), token);
    }
    matrix = matrix
        .bad("alg none", format!("{}.", named("rsa-1").header("alg", "none").unsigned(Algorithm::RS256)))
        .bad("a key of nobody", named("ec-1").sign(Key::OtherEc));
    matrix.check(&server(&set_of(&["rsa-1", "rsa-2", "ec-1", "ed-1"])));
}

#[test]
fn without_a_kid_the_only_key_is_meant() {
    Matrix::new()
        .good("no kid", Token::new().sign(Key::Ec))
        .good("its kid", named("ec-1").sign(Key::Ec))
        .bad("another kid", named("ec-2").sign(Key::Ec))
        .bad("another key", Token::new().sign(Key::OtherEc))
        .bad("another algorithm", Token::new().sign(Key::Ed))
        .check(&server(&set_of(&["ec-1"])));
}

#[test]
fn a_key_without_a_kid_does_for_tokens_without_one() {
    let mut set = set_of(&["ec-1"]);
    set["keys"][0].as_object_mut().expect("a key").remove("kid");
    Matrix::new()
        .good("no kid", Token::new().sign(Key::Ec))
        .bad("another key", Token::new().sign(Key::OtherEc))
        .check(&server(&set));
}

#[test]
fn without_a_kid_any_key_of_the_algorithm_is_meant() {
    let kids = ["rsa-1", "rsa-2", "ec-1", "ed-1"];
    let mut unnamed = set_of(&kids);
    let keys = unnamed["keys"].as_array_mut().expect("keys");
    keys.iter_mut().for_each(|key| drop(key.as_object_mut().expect("a key").remove("kid")));
    for set in [set_of(&kids), unnamed] {
        Matrix::new()
            .good("RS256", Token::new().sign(Key::Rsa))
            .good("RS256, another", Token::new().sign(Key::OtherRsa))
            .good("ES256", Token::new().sign(Key::Ec))
            .good("EdDSA", Token::new().sign(Key::Ed))
            .bad("of no key", Token::new().sign(Key::OtherEc))
            .bad("of the file", Token::new().sign(Key::Secret(JWKS)))
            .check(&server(&set));
    }
}

/// Whichever way it is decided without a `kid`, a key that is not in the set must not do.
#[test]
fn without_a_kid_a_key_outside_of_the_set_does_not_do() {
    Matrix::new()
        .bad("ES256", Token::new().sign(Key::OtherEc))
        .bad("EdDSA", Token::new().sign(Key::OtherEd))
        .bad("HS256", Token::new().sign(Key::Secret(SECRET)))
        .bad("HS256 with the file", Token::new().sign(Key::Secret(JWKS)))
        .check(&server(&set_of(&["rsa-1", "rsa-2", "ec-1", "ed-1"])));
}

#[test]
fn a_key_is_only_for_what_it_says_that_it_is_for() {
    let cases = [
        ("use", json!("enc"), false),
        ("use", json!("sig"), true),
        ("key_ops", json!(["encrypt"]), false),
        ("key_ops", json!(["verify"]), true),
        ("alg", json!("RS512"), false),
        ("alg", json!("RSA-OAEP"), false),
        ("x5t", json!("ignored"), true),
    ];
    for (member, value, is_good) in cases {
        let mut set = set_of(&["rsa-1", "ec-1"]);
        let key = set["keys"][0].as_object_mut().expect("a key");
        key.remove("use");
        key.insert(member.to_owned(), value.clone());
        let server = server(&set);
        let expected = if is_good { Verdict::User("ada".to_owned()) } else { Verdict::Refused };
        let fields = super::keyed::bearer(&named("rsa-1").sign(Key::Rsa));
        assert_eq!(judge(&server, &mut server.connect(), &fields), expected, "{member}: {value}");
        // The other one is not touched by that.
        Matrix::new().good("the other key", named("ec-1").sign(Key::Ec)).check(&server);
    }
}

#[test]
fn keys_of_unknown_kinds_are_passed_over() {
    let mut set = set_of(&["ec-1"]);
    let keys = set["keys"].as_array_mut().expect("keys");
    // As RFC 7517, 5, has it, also those of a known kind that lack a member.
    keys.insert(0, json!({"kty": "RSA", "kid": "no-n", "e": "AQAB"}));
    keys.insert(0, json!({"kty": "EC", "kid": "no-y", "crv": "P-256", "x": base64url([7; 32])}));
    keys.insert(0, json!({"kty": "AKP", "kid": "new", "alg": "ML-DSA-65", "pub": "AAAA"}));
    keys.push(json!({"kty": "OKP", "crv": "Ed448", "kid": "ed448", "x": base64url([7; 57])}));
    let server = server(&set);
    Matrix::new().good("the known one", named("ec-1").sign(Key::Ec)).check(&server);
    for kid in ["new", "no-n", "no-y", "ed448"] {
        assert_eq!(judge(&server, &mut server.connect(), &signed(&named(kid))), Verdict::Refused, "{kid}");
    }
}

/// Of the set that has this key beside a good one: it starts, warns by the `kid`, and takes tokens of the good one.
fn check_left_out(kid: &str, key: Value) {
    let mut set = set_of(&["ec-1"]);
    set["keys"].as_array_mut().expect("keys").insert(0, key.clone());
    let server = server(&set);
    Matrix::new()
        .good("the good one", named("ec-1").sign(Key::Ec))
        .bad("the other", named(kid).sign(Key::Rsa))
        .check(&server);
    eventually(&format!("it warns of {key}"), || {
        server.log().lines().any(|line| line.contains("WARN") && line.contains(&format!("{kid:?}")))
    });
}

/// The rule of RFC 7517, 5: what cannot be used is left out, and all else is good.
#[test]
fn keys_that_cannot_be_used_are_left_out_and_told() {
    let with = |kid: &str, name: &str, value: Value| {
        let mut key = set_of(&[kid])["keys"][0].clone();
        (key[name], key["kid"]) = (value, json!("broken"));
        key
    };
    for key in [
        // 1024 bits.
        with("rsa-1", "n", json!(base64url([0xff; 128]))),
        with("rsa-1", "n", json!("***")),
        with("rsa-1", "n", Value::Null),
        with("rsa-1", "e", json!("AQ")),
        with("ec-1", "x", json!("AAAA")),
        with("ec-1", "x", set_of(&["ec-1"])["keys"][0]["y"].clone()),
        with("ec-1", "crv", json!("secp256k1")),
        with("ec-1", "alg", json!("ES512")),
        with("ed-1", "x", json!("AAAA")),
        with("ed-1", "x", Value::Null),
        // The neutral element, and one more of small order: anybody could sign.
        with("ed-1", "x", json!(base64url([[1].as_slice(), &[0; 31]].concat()))),
        with("ed-1", "x", json!(base64url([0; 32]))),
        with("rsa-1", "kty", json!("AKP")),
    ] {
        check_left_out("broken", key);
    }
}

#[test]
fn of_two_keys_with_one_kid_either_will_do() {
    let set = |kids: &[&str]| {
        let mut set = set_of(kids);
        set["keys"].as_array_mut().expect("keys").iter_mut().for_each(|key| key["kid"] = json!("one"));
        set
    };
    Matrix::new()
        .good("the first", named("one").sign(Key::Rsa))
        .good("the second", named("one").sign(Key::OtherRsa))
        .bad("a third", named("one").sign(Key::Ec))
        .bad("forged", named("one").sign(Key::Secret(JWKS)))
        .check(&server(&set(&["rsa-1", "rsa-2"])));
    // Each is for its own algorithm.
    Matrix::new()
        .good("RS256", named("one").sign(Key::Rsa))
        .good("ES256", named("one").sign(Key::Ec))
        .good("EdDSA", named("one").sign(Key::Ed))
        .bad("another EC key", named("one").sign(Key::OtherEc))
        .check(&server(&set(&["rsa-1", "ec-1", "ed-1"])));
}
