//! The registered claims (RFC 7519, 4.1), and the session.

use serde_json::json;

use super::key::{Key, SECRET};
use super::keyed::{Keyed, signed, subscribe};
use super::token::{Token, seconds};
use super::verdict::{Matrix, Verdict};

const KEY: Key = Key::Secret(SECRET);
/// Seconds by which clocks may differ.
pub(super) const LEEWAY: u64 = 30;
/// As much of it as leaves the machine time enough, and the option for it.
const WIDE: u64 = 600;
const WIDE_LEEWAY: [&str; 2] = ["--jwt-leeway", "600s"];
/// Seconds that a test may take to come from writing a claim to having it judged.
const SLACK: u64 = 120;

fn sign(token: &Token) -> String {
    token.sign(KEY)
}

#[test]
fn exp_is_required_and_a_time_to_come() {
    let (server, now) = (Keyed::secret(&WIDE_LEEWAY), seconds());
    let mut matrix = Matrix::new()
        .good("in a minute", sign(&Token::new().claim("exp", now + 60)))
        .good("past, within the leeway", sign(&Token::new().claim("exp", now - WIDE + SLACK)))
        .good("not a whole number", sign(&Token::new().claim("exp", now as f64 + 60.5)))
        .good("in the year 9999", sign(&Token::new().claim("exp", 253_402_300_799_u64)))
        .good("given in ms, and so far away", sign(&Token::new().claim("exp", now * 1000)))
        .bad("past, beyond the leeway", sign(&Token::new().claim("exp", now - WIDE - 1)))
        .bad("an hour ago", sign(&Token::new().claim("exp", now - 3600)))
        .bad("missing", sign(&Token::new().without("exp")));
    for exp in [
        json!(0),
        json!(1),
        json!(-1),
        json!(-1.5),
        json!(i64::MIN),
        json!(-1e300),
        json!(null),
        json!(true),
        json!(""),
        json!((now + 60).to_string()),
        json!("2099-01-01T00:00:00Z"),
        json!([now + 60]),
        json!({"exp": now + 60}),
    ] {
        matrix = matrix.bad(&format!("exp {exp}"), sign(&Token::new().claim("exp", exp)));
    }
    for numbers in [[now + 60, now + 60], [now + 60, now - 3600], [now - 3600, now + 60]] {
        let claims = format!(r#"{{"sub":"ada","exp":{},"exp":{}}}"#, numbers[0], numbers[1]);
        matrix = matrix.bad(&format!("twice: {numbers:?}"), sign(&Token::new().claims_text(claims)));
    }
    matrix.check(&server);
}

/// Numbers beyond any clock: taken or not, they break nothing.
#[test]
fn exp_beyond_any_clock_breaks_nothing() {
    let server = Keyed::secret(&[]);
    let mut connection = server.connect();
    for number in [
        "18446744073709551615",
        "18446744073709551616",
        "9223372036854775807",
        "1e19",
        "1e300",
        "1e999",
        "1E400",
    ] {
        for claim in ["exp", "nbf", "iat"] {
            let exp = if claim == "exp" { String::new() } else { format!(",\"exp\":{}", seconds() + 60) };
            let claims = format!("{{\"sub\":\"ada\",\"{claim}\":{number}{exp}}}");
            let fields = signed(&Token::new().claims_text(claims.clone()));
            let response = connection.request("HEAD", "/api/sse", &fields, "");
            assert!(matches!(response.status(), 200 | 401), "{claims}: {}", response.status());
            if response.status() == 200 {
                assert_eq!(subscribe(&server, "", &fields).greeting()["userId"], "ada");
            }
        }
    }
}

#[test]
fn nbf_is_a_time_that_has_come() {
    let now = seconds();
    let mut matrix = Matrix::new()
        .good("past", sign(&Token::new().claim("nbf", now - 3600)))
        .good("now", sign(&Token::new().claim("nbf", now)))
        .good("not a whole number", sign(&Token::new().claim("nbf", now as f64 - 0.5)))
        .good("to come, within the leeway", sign(&Token::new().claim("nbf", now + WIDE - SLACK)))
        .bad("to come, beyond the leeway", sign(&Token::new().claim("nbf", now + WIDE + SLACK)))
        .bad("in an hour", sign(&Token::new().claim("nbf", now + 3600).claim("exp", now + 7200)))
        .bad("after exp", sign(&Token::new().claim("nbf", now + 7200)));
    for nbf in [json!((now - 60).to_string()), json!("now"), json!(true), json!([now]), json!({})] {
        matrix = matrix.bad(&format!("nbf {nbf}"), sign(&Token::new().claim("nbf", nbf)));
    }
    let twice = format!(r#"{{"exp":{0},"sub":"ada","nbf":{0},"nbf":1}}"#, now + 3600);
    matrix.bad("twice", sign(&Token::new().claims_text(twice))).check(&Keyed::secret(&WIDE_LEEWAY));
}

#[test]
fn aud_must_be_the_one_that_is_configured() {
    let mut matrix = Matrix::new()
        .good("it", sign(&Token::new().claim("aud", "fanfare")))
        .good("it among others", sign(&Token::new().claim("aud", json!(["a", "fanfare"]))))
        .bad("missing", sign(&Token::new()));
    for aud in [
        json!("fanfar"),
        json!("fanfare2"),
        json!("Fanfare"),
        json!(" fanfare"),
        json!("fanfare,other"),
        json!("fanfare other"),
        json!(""),
        json!(null),
        json!(1),
        json!(true),
        json!([]),
        json!(["other"]),
        json!([["fanfare"]]),
        json!({"fanfare": true}),
    ] {
        matrix = matrix.bad(&format!("aud {aud}"), sign(&Token::new().claim("aud", aud)));
    }
    let twice = format!(r#"{{"exp":{},"sub":"ada","aud":"other","aud":"fanfare"}}"#, seconds() + 60);
    matrix
        .bad("twice", sign(&Token::new().claims_text(twice)))
        .check(&Keyed::secret(&["--jwt-audience", "fanfare"]));
}

#[test]
fn iss_must_be_the_one_that_is_configured() {
    let mut matrix = Matrix::new()
        .good("it", sign(&Token::new().claim("iss", "https://id.example")))
        .bad("missing", sign(&Token::new()));
    for iss in [
        json!("https://id.example/"),
        json!("https://id.example.evil.com"),
        json!("HTTPS://id.example"),
        json!("http://id.example"),
        json!(""),
        json!(null),
        json!(1),
        json!({"https://id.example": 1}),
        // Unlike `aud`, it is one (RFC 7519, 4.1.1).
        json!(["https://id.example"]),
        json!(["https://id.example", "https://evil.example"]),
    ] {
        matrix = matrix.bad(&format!("iss {iss}"), sign(&Token::new().claim("iss", iss)));
    }
    let twice = format!(r#"{{"exp":{},"sub":"ada","iss":"x","iss":"https://id.example"}}"#, seconds() + 60);
    matrix
        .bad("twice", sign(&Token::new().claims_text(twice)))
        .check(&Keyed::secret(&["--jwt-issuer", "https://id.example"]));
}

#[test]
fn both_must_be_right_where_both_are_configured_and_neither_where_none_is() {
    let (iss, aud) = ("https://id.example", "fanfare");
    let both = Token::new().claim("aud", aud).claim("iss", iss);
    Matrix::new()
        .good("both", sign(&both))
        .bad("no aud", sign(&both.clone().without("aud")))
        .bad("no iss", sign(&both.clone().without("iss")))
        .bad("exchanged", sign(&Token::new().claim("aud", iss).claim("iss", aud)))
        .check(&Keyed::secret(&["--jwt-audience", aud, "--jwt-issuer", iss]));
    Matrix::new()
        .good("no matter which", sign(&both))
        .good("aud of somebody else", sign(&Token::new().claim("aud", json!(["x", "y"]))))
        .good("iss of somebody else", sign(&Token::new().claim("iss", "x")))
        .check(&Keyed::secret(&[]));
}

#[test]
fn sub_is_the_user() {
    let user = |user: &str| Verdict::User(user.to_owned());
    let longest = "u".repeat(256);
    let mut matrix = Matrix::new().is("missing", sign(&Token::new().without("sub")), Verdict::Nobody);
    for name in ["ada", "Ada Lovelace", "ünïcödé-名前", "a@b.example", "{}", "null", "../../x", &longest]
    {
        matrix = matrix.is(name, sign(&Token::new().claim("sub", name)), user(name));
    }
    for sub in [
        json!(1),
        json!(1.5),
        json!(true),
        json!(["ada"]),
        json!({"name": "ada"}),
        json!("u".repeat(257)),
        json!("é".repeat(129)),
        json!("a\0da"),
        json!("ada\n"),
        json!("a\r\nevent: x"),
        json!("\u{1b}[31mada"),
        json!("ada\u{7f}"),
        json!("ada\u{85}"),
        json!("ada\u{9b}31m"),
    ] {
        matrix = matrix.bad(&format!("sub {sub}"), sign(&Token::new().claim("sub", sub)));
    }
    let exp = seconds() + 60;
    for (first, second) in [("ada", "root"), ("ada", "ada")] {
        let claims = format!(r#"{{"sub":"{first}","exp":{exp},"sub":"{second}"}}"#);
        matrix = matrix.bad(&claims, sign(&Token::new().claims_text(claims.clone())));
    }
    let claims = format!(r#"{{"sub":"ada","exp":{exp},"s\u0075b":"root"}}"#);
    matrix.bad(&claims, sign(&Token::new().claims_text(claims.clone()))).check(&Keyed::secret(&[]));
}

/// Whether it is a user without a name or a mistake, it is not a user of the name "".
#[test]
fn an_empty_sub_is_no_user() {
    let server = Keyed::secret(&[]);
    for sub in [json!(""), json!(null)] {
        let fields = signed(&Token::new().claim("sub", sub));
        let response = server.connect().request("HEAD", "/api/sse", &fields, "");
        match response.status() {
            200 => assert_eq!(subscribe(&server, "", &fields).greeting()["userId"], json!(null)),
            status => assert_eq!(status, 401),
        }
    }
}

#[test]
fn sid_is_the_session() {
    let server = Keyed::secret(&[]);
    let session =
        |token: &Token| subscribe(&server, "?sessionId=x", &signed(token)).greeting()["sessionId"].take();
    assert_eq!(session(&Token::new().claim("sid", "s-1")), "s-1");
    assert_eq!(session(&Token::new()), json!(null), "the query is not believed");
    let mut matrix = Matrix::new();
    for sid in [json!(1), json!(["s"]), json!({}), json!("s".repeat(257)), json!("s\n"), json!("\u{80}")] {
        matrix = matrix.bad(&format!("sid {sid}"), sign(&Token::new().claim("sid", sid)));
    }
    let twice = format!(r#"{{"sub":"ada","exp":{},"sid":"a","sid":"b"}}"#, seconds() + 60);
    matrix.bad("twice", sign(&Token::new().claims_text(twice))).check(&server);
}

#[test]
fn who_a_stream_is_of_is_not_what_its_query_claims() {
    let server = Keyed::secret(&[]);
    let fields = signed(&Token::new().claim("sid", "s-1"));
    let greeting = subscribe(&server, "?userId=root&sessionId=s-2&meta.a=b", &fields).greeting();
    assert_eq!((&greeting["userId"], &greeting["sessionId"]), (&json!("ada"), &json!("s-1")));
    let greeting = subscribe(&server, "?userId=root", &signed(&Token::new().without("sub"))).greeting();
    assert_eq!(greeting["userId"], json!(null));
}
