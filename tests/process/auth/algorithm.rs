//! Which algorithm goes with which key: only the one that it is for.

use jsonwebtoken::Algorithm;

use super::key::{EC_PUBLIC, ED_PUBLIC, Key, RSA_PUBLIC, SECRET};
use super::keyed::Keyed;
use super::token::{Token, base64url, from_base64url, sign_text};
use super::verdict::Matrix;

const HMAC: [Algorithm; 3] = [Algorithm::HS256, Algorithm::HS384, Algorithm::HS512];

/// Without a signature, with one of another kind, and with a good one under the name of no algorithm.
fn unsigned(mut matrix: Matrix, key: Key) -> Matrix {
    for alg in ["none", "None", "nOnE", "NONE", "", "HS1"] {
        let token = Token::of_all_scopes().header("alg", alg);
        let text = token.unsigned(key.algorithm());
        matrix = matrix.bad(&format!("alg {alg:?}, no signature"), format!("{text}."));
        matrix = matrix.bad(&format!("alg {alg:?}, no third part"), text);
        matrix = matrix.bad(&format!("alg {alg:?}, a good signature"), token.sign(key));
    }
    let token = Token::of_all_scopes();
    let text = token.unsigned(key.algorithm());
    matrix.bad("the right alg, no signature", format!("{text}."))
}

/// Signed with what everybody knows of a key, as if that were a secret.
fn public_as_secret(mut matrix: Matrix, public: &'static [u8]) -> Matrix {
    let text = std::str::from_utf8(public).expect("PEM");
    let inner: String = text.lines().filter(|line| !line.starts_with("---")).collect();
    let der = base64::Engine::decode(&base64::prelude::BASE64_STANDARD, inner).expect("base64");
    let secrets = [
        ("the file", public),
        ("the file without its last line end", text.trim_end().as_bytes()),
        ("the file with CRLF", text.replace('\n', "\r\n").leak().as_bytes()),
        ("DER", der.leak()),
        ("nothing", b""),
    ];
    for (what, secret) in secrets {
        for algorithm in HMAC {
            let token = Token::of_all_scopes().sign_as(Key::Secret(secret), algorithm);
            matrix = matrix.bad(&format!("{algorithm:?} with {what}"), token);
        }
    }
    matrix
}

#[test]
fn a_secret_is_for_hs256() {
    let (secret, with_line_end) = (Key::Secret(SECRET), [SECRET, b"\n"].concat().leak());
    let token = Token::new();
    let mut matrix = Matrix::new().good("HS256", token.sign(secret));
    for algorithm in [Algorithm::HS384, Algorithm::HS512] {
        matrix = matrix.bad(&format!("{algorithm:?}"), token.sign_as(secret, algorithm));
    }
    for (what, other) in [
        ("another secret", &b"another secret of more than 32 bytes, which is unknown"[..]),
        ("a line end besides", with_line_end),
        ("all but the last byte", &SECRET[..SECRET.len() - 1]),
        ("no secret", b""),
    ] {
        matrix = matrix.bad(what, token.sign(Key::Secret(other)));
    }
    for alg in ["hs256", "HS256 ", " HS256", "HS-256", "HmacSHA256", "HS256\0", "RS256", "HS384", "HS512"] {
        matrix = matrix.bad(&format!("alg {alg:?}"), token.clone().header("alg", alg).sign(secret));
    }
    for key in [Key::Rsa, Key::Ec, Key::Ed] {
        matrix = matrix.bad(&format!("{:?}", key.algorithm()), token.sign(key));
    }
    unsigned(matrix, secret).check(&Keyed::secret(&[]));
}

#[test]
fn the_final_line_end_of_a_secret_file_is_dropped_and_no_other() {
    let text = "two lines of a secret that is\nlonger than 32 bytes\n";
    let server = Keyed::start(&[("jwt-secret-file", text.as_bytes())], &[]);
    let token = Token::new();
    Matrix::new()
        .good("the secret", token.sign(Key::Secret(text.trim_end().as_bytes())))
        .bad("the file", token.sign(Key::Secret(text.as_bytes())))
        .bad("the first line", token.sign(Key::Secret(text.lines().next().expect("a line").as_bytes())))
        .check(&server);
}

#[test]
fn an_rsa_key_is_for_rs256() {
    let server = Keyed::start(&[("jwt-public-key-file", RSA_PUBLIC)], &[]);
    let token = Token::new();
    let mut matrix = Matrix::new().good("RS256", token.sign(Key::Rsa));
    let others = [Algorithm::RS384, Algorithm::RS512, Algorithm::PS256, Algorithm::PS384, Algorithm::PS512];
    for algorithm in others {
        matrix = matrix
            .bad(&format!("{algorithm:?}"), token.sign_as(Key::Rsa, algorithm))
            .bad(
                &format!("{algorithm:?}, called RS256"),
                token.clone().header("alg", "RS256").sign_as(Key::Rsa, algorithm),
            )
            .bad(
                &format!("RS256, called {algorithm:?}"),
                token.clone().header("alg", format!("{algorithm:?}")).sign(Key::Rsa),
            );
    }
    matrix = matrix
        .bad("another key", token.sign(Key::OtherRsa))
        .bad("ES256", token.sign(Key::Ec))
        .bad("EdDSA", token.sign(Key::Ed))
        .bad("a secret", token.sign(Key::Secret(SECRET)))
        .bad("ES256 called RS256", token.clone().header("alg", "RS256").sign(Key::Ec))
        .bad("a signature of zeros", signed_with(&token, Algorithm::RS256, &[0; 256]))
        .bad("a signature of one", signed_with(&token, Algorithm::RS256, &[&[0; 255][..], &[1]].concat()))
        .bad("a signature of ones", signed_with(&token, Algorithm::RS256, &[255; 256]))
        .bad("a short signature", signed_with(&token, Algorithm::RS256, &[1; 255]))
        .bad("a long signature", signed_with(&token, Algorithm::RS256, &[1; 512]));
    unsigned(public_as_secret(matrix, RSA_PUBLIC), Key::Rsa).check(&server);
}

#[test]
fn a_p256_key_is_for_es256() {
    let server = Keyed::start(&[("jwt-public-key-file", EC_PUBLIC)], &[]);
    let token = Token::new();
    let good = token.sign(Key::Ec);
    let raw = from_base64url(good.rsplit('.').next().expect("a signature"));
    let with = |signature: &[u8]| signed_with(&token, Algorithm::ES256, signature);
    let (r, s) = raw.split_at(32);
    let matrix = Matrix::new()
        .good("ES256", good)
        .good("the same once more", token.sign(Key::Ec))
        .bad("another key", token.sign(Key::OtherEc))
        .bad("called ES384", token.clone().header("alg", "ES384").sign(Key::Ec))
        .bad("called ES512", token.clone().header("alg", "ES512").sign(Key::Ec))
        .bad("called ES256K", token.clone().header("alg", "ES256K").sign(Key::Ec))
        .bad("in DER", in_der(&token))
        .bad("of zeros", with(&[0; 64]))
        .bad("r of zeros", with(&[&[0; 32], s].concat()))
        .bad("s of zeros", with(&[r, &[0; 32]].concat()))
        .bad("of ones", with(&[255; 64]))
        .bad("r and s exchanged", with(&[s, r].concat()))
        .bad("a byte short", with(&[r, &s[..31]].concat()))
        .bad("a byte long", with(&[r, s, &[0]].concat()))
        .bad("empty", with(&[]))
        .bad("RS256", token.sign(Key::Rsa))
        .bad("EdDSA", token.sign(Key::Ed))
        .bad("a secret", token.sign(Key::Secret(SECRET)));
    unsigned(public_as_secret(matrix, EC_PUBLIC), Key::Ec).check(&server);
}

#[test]
fn an_ed25519_key_is_for_eddsa() {
    let server = Keyed::start(&[("jwt-public-key-file", ED_PUBLIC)], &[]);
    let token = Token::new();
    let matrix = Matrix::new()
        .good("EdDSA", token.sign(Key::Ed))
        .bad("another key", token.sign(Key::OtherEd))
        .bad("of zeros", signed_with(&token, Algorithm::EdDSA, &[0; 64]))
        // The neutral element and zero: a signature of everything under a key of small order.
        .bad("neutral", signed_with(&token, Algorithm::EdDSA, &[&[1][..], &[0; 63]].concat()))
        .bad("empty", signed_with(&token, Algorithm::EdDSA, &[]))
        .bad("RS256", token.sign(Key::Rsa))
        .bad("ES256", token.sign(Key::Ec))
        .bad("called ES256", token.clone().header("alg", "ES256").sign(Key::Ed))
        .bad("a secret", token.sign(Key::Secret(SECRET)));
    unsigned(public_as_secret(matrix, ED_PUBLIC), Key::Ed).check(&server);
}

/// The token with these bytes for a signature.
fn signed_with(token: &Token, algorithm: Algorithm, signature: &[u8]) -> String {
    format!("{}.{}", token.unsigned(algorithm), base64url(signature))
}

/// A good signature by ECDSA in the form of certificates (RFC 3279, 2.2.3), which is not that of tokens.
fn in_der(token: &Token) -> String {
    let text = token.unsigned(Algorithm::ES256);
    let signed = sign_text(&text, Key::Ec, Algorithm::ES256);
    let raw = from_base64url(signed.rsplit('.').next().expect("a signature"));
    let integer = |bytes: &[u8]| {
        let bytes = &bytes[bytes.iter().take_while(|byte| **byte == 0).count()..];
        let sign: &[u8] = if bytes[0] >= 0x80 { &[0] } else { &[] };
        [&[2, (bytes.len() + sign.len()) as u8], sign, bytes].concat()
    };
    let both = [integer(&raw[..32]), integer(&raw[32..])].concat();
    format!("{text}.{}", base64url([&[0x30, both.len() as u8], &both[..]].concat()))
}
