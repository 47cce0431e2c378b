//! The JOSE header of a token: what in it is obeyed, refused or passed over (RFC 7515, 4.1).

use std::io::ErrorKind;
use std::net::TcpListener;

use jsonwebtoken::Algorithm;
use serde_json::{Value, json};

use super::key::{Key, RSA_PUBLIC, SECRET};
use super::keyed::Keyed;
use super::token::{Token, base64url};
use super::verdict::Matrix;

const KEY: Key = Key::Secret(SECRET);

#[test]
fn what_is_critical_and_unknown_is_refused() {
    let mut matrix = Matrix::new();
    for (what, crit, extension) in [
        ("unknown", json!(["example"]), json!({"example": 1})),
        ("unknown and absent", json!(["example"]), json!({})),
        ("payload not encoded", json!(["b64"]), json!({"b64": false})),
        ("of the standard", json!(["exp"]), json!({"exp": 1})),
        ("empty", json!([]), json!({})),
        ("a string", json!("b64"), json!({"b64": true})),
        ("numbers", json!([1]), json!({})),
        ("an empty name", json!([""]), json!({"": 1})),
    ] {
        let mut token = Token::new().header("crit", crit);
        for (name, value) in extension.as_object().expect("members") {
            token = token.header(name, value.clone());
        }
        matrix = matrix.bad(&format!("crit: {what}"), token.sign(KEY));
    }
    matrix.check(&Keyed::secret(&[]));
}

#[test]
fn what_is_neither_critical_nor_needed_is_passed_over() {
    let mut matrix = Matrix::new();
    for (name, value) in [
        ("typ", json!("JWT")),
        ("typ", json!("jwt")),
        ("typ", json!("at+jwt")),
        ("kid", json!("a key that is not in any set")),
        ("example", json!({"deep": [1, 2, {"er": null}]})),
        ("x5t", json!("AAAA")),
    ] {
        matrix = matrix.good(&format!("{name}: {value}"), Token::new().header(name, value).sign(KEY));
    }
    matrix.check(&Keyed::secret(&[]));
}

#[test]
fn a_header_that_is_none_is_refused() {
    let deep = format!(r#"{{"alg":"HS256","x":{}{}}}"#, "[".repeat(2000), "]".repeat(2000));
    let matrix = Matrix::new();
    [
        r#"{"typ":"JWT"}"#,
        r#"{"alg":null}"#,
        r#"{"alg":256}"#,
        r#"{"alg":["HS256"]}"#,
        r#"{"alg":{"none":null}}"#,
        r#"{"alg":"HS256","alg":"HS256"}"#,
        r#"{"alg":"none","alg":"HS256"}"#,
        r#"{"alg":"HS256","alg":"none"}"#,
        r#"{"ALG":"HS256"}"#,
        r#"{"alg":"HS256"} {}"#,
        r#"{"alg":"HS256","#,
        r#"["HS256"]"#,
        r#""HS256""#,
        "HS256",
        "null",
        "",
        "\u{feff}{\"alg\":\"HS256\"}",
        "{\"alg\":\"HS\u{0}256\"}",
    ]
    .into_iter()
    .fold(matrix, |matrix, text| matrix.bad(text, Token::new().header_text(text).sign(KEY)))
    .bad("not UTF-8", Token::new().header_text(*b"{\"alg\":\"HS256\",\"x\":\"\xff\"}").sign(KEY))
    .bad("deeper than anybody needs", Token::new().header_text(deep).sign(KEY))
    .check(&Keyed::secret(&[]));
}

/// A token that brings its own key, or says where to fetch one, is not believed, and nothing is fetched.
#[test]
fn a_key_in_the_token_is_passed_over() {
    let decoy = TcpListener::bind("127.0.0.1:0").expect("a port");
    decoy.set_nonblocking(true).expect("a mode");
    let url = format!("http://{}/keys", decoy.local_addr().expect("an address"));
    let mut set: Value = serde_json::from_slice(super::key::JWKS).expect("JSON");
    let jwk = set["keys"][1].take();
    let oct = json!({"kty": "oct", "k": base64url(b"mine")});
    let members = [
        ("jwk", jwk),
        ("jwk", oct),
        ("jku", json!(url)),
        ("x5u", json!(url)),
        ("x5c", json!([base64url(RSA_PUBLIC)])),
        ("kid", json!(url)),
    ];
    for (key, own, file, content) in [
        (Key::Rsa, Key::OtherRsa, "jwt-public-key-file", RSA_PUBLIC),
        (KEY, Key::Secret(b"mine"), "jwt-secret-file", SECRET),
    ] {
        let mut matrix = Matrix::new();
        for (name, value) in &members {
            let token = Token::new().header(name, value.clone());
            let what = format!("{name}: {value}");
            matrix = matrix.bad(&format!("{what}, and signed with it"), token.sign(own));
            // Beside a good signature it does no harm, unless it is not even what it says.
            if matches!(*name, "jku" | "x5u" | "kid") {
                matrix = matrix.good(&what, token.sign(key));
            }
        }
        matrix
            .bad("HS256 by the key it brings", {
                let token = Token::new().header("jwk", json!({"kty": "oct", "k": base64url(b"mine")}));
                token.sign_as(Key::Secret(b"mine"), Algorithm::HS256)
            })
            .check(&Keyed::start(&[(file, content)], &[]));
    }
    let asked = decoy.accept().map(|(_, from)| from);
    assert_eq!(asked.map_err(|error| error.kind()), Err(ErrorKind::WouldBlock), "it fetches keys");
}
