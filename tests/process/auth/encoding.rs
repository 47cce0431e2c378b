//! The outer form of a token: three parts in base64url, joined by points, and nothing else (RFC 7515, 7.1).

use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE};
use jsonwebtoken::Algorithm;
use serde_json::json;

use super::key::{Key, SECRET};
use super::keyed::{Keyed, bearer};
use super::token::{Token, base64url, from_base64url, seconds, sign_text};
use super::verdict::Matrix;

const KEY: Key = Key::Secret(SECRET);

fn parts(token: &str) -> [String; 3] {
    let parts: Vec<String> = token.split('.').map(str::to_owned).collect();
    parts.try_into().expect("three parts")
}

#[test]
fn a_token_has_three_parts() {
    let good = Token::new().sign(KEY);
    let [header, claims, signature] = parts(&good);
    let json = json!({"protected": header, "payload": claims, "signature": signature}).to_string();
    Matrix::new()
        .good("three", good.clone())
        .bad("one", header.clone())
        .bad("two", format!("{header}.{claims}"))
        .bad("two and a point", format!("{header}.{claims}."))
        .bad("four", format!("{good}.{signature}"))
        .bad("four, the last empty", format!("{good}."))
        .bad("four, the first empty", format!(".{good}"))
        .bad("five", format!("{good}.{claims}.{signature}"))
        .bad("points", "..".to_owned())
        .bad("a point", ".".to_owned())
        .bad("two points in one place", format!("{header}..{claims}.{signature}"))
        .bad("another separator", format!("{header},{claims},{signature}"))
        .bad("twice", format!("{good}{good}"))
        .bad("twice, with a comma", format!("{good},{good}"))
        .bad("twice, with a space", format!("{good} {good}"))
        .bad("in quotes", format!("\"{good}\""))
        .bad("the JSON serialization", json)
        .bad("nothing", String::new())
        .bad("a word", "token".to_owned())
        .bad("parts in another order", format!("{claims}.{header}.{signature}"))
        .check(&Keyed::secret(&[]));
}

#[test]
fn parts_are_base64url_without_padding() {
    // With characters in which the alphabets differ, in every part.
    let token = Token::new().claim("x", "~~~???>>>\u{fff}").header("x", "~~~???>>>\u{fff}");
    let text = token.unsigned(Algorithm::HS256);
    let (header, claims) = text.split_once('.').expect("two parts");
    let sign = |text: &str| sign_text(text, KEY, Algorithm::HS256);
    let plain = |part: &str| BASE64_STANDARD_NO_PAD.encode(from_base64url(part));
    let padded =
        |part: &str| format!("{}=", BASE64_URL_SAFE.encode(from_base64url(part)).trim_end_matches('='));
    assert!(plain(header) != header && plain(claims) != claims, "the alphabets differ here");
    let [_, _, signature] = parts(&sign(&text));
    let mut matrix = Matrix::new().good("as it should be", sign(&text));
    // What is signed is the text, so these are signed well.
    for (what, text) in [
        ("a header in base64", format!("{}.{claims}", plain(header))),
        ("claims in base64", format!("{header}.{}", plain(claims))),
        ("a header with padding", format!("{}.{claims}", padded(header))),
        ("claims with padding", format!("{header}.{}", padded(claims))),
        ("claims with a space", format!("{header}.{} {}", &claims[..8], &claims[8..])),
        ("claims with a tab", format!("{header}.{}\t{}", &claims[..8], &claims[8..])),
        ("claims with an escape", format!("{header}.{}%20{}", &claims[..8], &claims[8..])),
        ("claims with a line end as an escape", format!("{header}.{claims}%0A")),
        ("claims with an asterisk", format!("{header}.{claims}*")),
        ("claims with é", format!("{header}.é{claims}")),
        ("a header with é", format!("é{header}.{claims}")),
        ("claims cut within four characters", format!("{header}.{claims}{}", pad_to_one(claims))),
    ] {
        matrix = matrix.bad(what, sign(&text));
    }
    let good = sign(&text);
    matrix
        .bad("a signature with padding", format!("{good}="))
        .bad("a signature with a space", format!("{text}.{} {}", &signature[..9], &signature[9..]))
        .bad("a signature with é", format!("{good}é"))
        .bad("a signature that says the same otherwise", other_end(&good))
        .check(&Keyed::secret(&[]));
}

/// As many characters as make a part of one character more than whole groups, which stands for nothing.
fn pad_to_one(part: &str) -> &'static str {
    &"AAAA"[..(5 - part.len() % 4) % 4]
}

/// The signature of 32 bytes leaves two bits of its last character unused. Set, they must not be passed over:
/// the token would be another text with the same meaning.
fn other_end(token: &str) -> String {
    const ALPHABET: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let last = token.chars().last().and_then(|last| ALPHABET.find(last)).expect("of the alphabet");
    assert_eq!(last % 4, 0, "unused bits");
    format!("{}{}", &token[..token.len() - 1], &ALPHABET[last + 1..=last + 1])
}

#[test]
fn what_was_signed_cannot_be_exchanged() {
    let good = Token::new().sign(KEY);
    let [header, claims, signature] = parts(&good);
    let [_, more, of_more] = parts(&Token::of_all_scopes().sign(Key::Secret(b"somebody else's")));
    let [other_header, ..] = parts(&Token::new().header("typ", "JWT").sign(KEY));
    let mut matrix = Matrix::new()
        .bad("other claims", format!("{header}.{more}.{signature}"))
        .bad("claims and signature of somebody else", format!("{header}.{more}.{of_more}"))
        .bad("a signature of somebody else", format!("{header}.{claims}.{of_more}"))
        .bad("another header", format!("{other_header}.{claims}.{signature}"))
        .bad("a longer signature", format!("{header}.{claims}.{signature}AAAA"))
        .bad("half a signature", format!("{header}.{claims}.{}", &signature[..20]))
        .bad("a signature of one byte", format!("{header}.{claims}.AA"));
    let raw = from_base64url(&signature);
    for at in [0, 1, 15, 30, 31] {
        let mut flipped = raw.clone();
        flipped[at] ^= 1;
        let token = format!("{header}.{claims}.{}", base64url(flipped));
        matrix = matrix.bad(&format!("a bit of byte {at} of the signature"), token);
    }
    matrix.check(&Keyed::secret(&[]));
}

/// Whichever character is another one, and whichever is left out or put in, it is not the token any more.
#[test]
fn no_character_of_a_token_can_be_changed() {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.=+/ ";
    let server = Keyed::secret(&[]);
    let good = Token::new().sign(KEY);
    let mut connection = server.connect();
    let mut refused = |token: &str| {
        let status = connection.request("HEAD", "/api/sse", &bearer(token), "").status();
        assert_eq!(status, 401, "{token} instead of {good}");
    };
    for at in 0..good.len() {
        let (before, after) = (&good[..at], &good[at + 1..]);
        for other in
            ALPHABET.iter().filter(|other| **other != good.as_bytes()[at]).map(|other| char::from(*other))
        {
            // White space at the ends is of the field.
            if !(other == ' ' && (before.is_empty() || after.is_empty())) {
                refused(&format!("{before}{other}{after}"));
            }
        }
        refused(&format!("{before}{after}"));
        refused(&format!("{before}A{}", &good[at..]));
    }
    Matrix::new().good("untouched", good).check(&server);
}

#[test]
fn claims_are_one_json_object() {
    let exp = seconds() + 600;
    let sound = format!(r#"{{"sub":"ada","exp":{exp}}}"#);
    let sign = |text: Vec<u8>| Token::new().claims_text(text).sign(KEY);
    let deep = format!(r#"{{"sub":"ada","exp":{exp},"x":{}{}}}"#, "[".repeat(3000), "]".repeat(3000));
    let mut matrix = Matrix::new()
        .good("an object", sign(sound.clone().into()))
        .good("with white space", sign(format!(" \r\n\t{sound}\n").into()))
        .good("with escapes", sign(format!(r#"{{"\u0073ub":"\u0061da","exp":{exp}}}"#).into()))
        .bad("not UTF-8", sign([&sound.as_bytes()[..sound.len() - 1], b",\"x\":\"\xff\"}"].concat()))
        .bad("half of a surrogate pair", sign(format!(r#"{{"sub":"\ud800","exp":{exp}}}"#).into()))
        .bad("deeper than anybody needs", sign(deep.into()));
    for text in [
        String::new(),
        "null".to_owned(),
        "1".to_owned(),
        "\"ada\"".to_owned(),
        "{}".to_owned(),
        format!("[{sound}]"),
        format!("{sound}{sound}"),
        format!("{sound},"),
        format!("\u{feff}{sound}"),
        format!("{sound}\0"),
        sound[..sound.len() - 1].to_owned(),
        format!("{{'sub':'ada','exp':{exp}}}"),
        format!(r#"{{"sub":"ada","exp":{exp},}}"#),
        format!(r#"{{"sub":"ada","exp":{exp}/*ever*/}}"#),
        r#"{"sub":"ada","exp":NaN}"#.to_owned(),
        r#"{"sub":"ada","exp":Infinity}"#.to_owned(),
        r#"{"sub":"ada","exp":0x7fffffff}"#.to_owned(),
        format!(r#"{{"sub":"ada","exp":0{exp}}}"#),
        format!(r#"{{"sub":"ada","exp":+{exp}}}"#),
    ] {
        matrix = matrix.bad(&text, sign(text.clone().into()));
    }
    matrix.check(&Keyed::secret(&[]));
}

#[test]
fn a_token_has_a_limit_of_its_own() {
    const LIMIT: usize = 8 * 1024;
    let long = |length: usize| Token::new().claim("x", "x".repeat(length * 3 / 4)).sign(KEY);
    let (within, beyond) = (long(LIMIT - 150), long(LIMIT));
    assert!((LIMIT - 100..=LIMIT).contains(&within.len()), "{}", within.len());
    for (server, place) in [
        (Keyed::secret(&[]), "Authorization: Bearer "),
        (Keyed::secret(&["--jwt-cookie", "token"]), "Cookie: token="),
    ] {
        let mut connection = server.connect();
        let mut ask =
            |token: &str| connection.request("HEAD", "/api/sse", &format!("{place}{token}\r\n"), "").status();
        assert_eq!((ask(&within), ask(&beyond), ask(&long(14_000))), (200, 401, 401), "{place}");
        let response = connection.request("GET", "/api/sse", &format!("{place}{beyond}\r\n"), "");
        assert_eq!(response.problem(401), "the token is longer than 8192 bytes");
    }
    let server = Keyed::secret(&[]);
    server.connect().request("GET", "/api/sse", &bearer(&long(17_000)), "").problem(431);
    let in_query =
        |length| server.connect().request("HEAD", &format!("/api/sse?access_token={}", long(length)), "", "");
    assert_eq!((in_query(7_500).status(), in_query(9_000).status()), (200, 414));
}
