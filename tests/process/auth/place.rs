//! Where a token stands: `Authorization`, the configured cookie, or `access_token`; and which counts.

use std::net::TcpStream;

use super::key::{Key, SECRET};
use super::keyed::{Keyed, bearer, subscribe};
use super::token::Token;
use super::verdict::{Verdict, judge, unauthorized};
use crate::support::subscriber::Subscriber;

fn of(user: &str) -> String {
    Token::new().claim("sub", user).sign(Key::Secret(SECRET))
}

fn forged(user: &str) -> String {
    Token::new()
        .claim("sub", user)
        .sign(Key::Secret(b"another secret of more than 32 bytes, which is unknown"))
}

fn user(name: &str) -> Verdict {
    Verdict::User(name.to_owned())
}

/// What a table of fields comes to.
fn check(server: &Keyed, table: &[(String, Verdict)]) {
    let mut connection = server.connect();
    for (fields, expected) in table {
        assert_eq!(judge(server, &mut connection, fields), *expected, "{fields:?}");
    }
}

#[test]
fn the_scheme_is_bearer_in_whatever_case() {
    let (server, token) = (Keyed::secret(&[]), of("ada"));
    let mut table = Vec::new();
    for scheme in ["Bearer", "bearer", "BEARER", "bEaReR"] {
        table.push((format!("Authorization: {scheme} {token}\r\n"), user("ada")));
    }
    table.push((format!("aUTHORIZATION:Bearer   {token}  \r\n"), user("ada")));
    for value in [
        token.clone(),
        format!("Basic {token}"),
        format!("Token {token}"),
        format!("JWT {token}"),
        format!("Bearer{token}"),
        format!("Bearer:{token}"),
        format!("Bearer={token}"),
        format!("Bearer, {token}"),
        format!("Bearer token={token}"),
        format!("Bearer Bearer {token}"),
        format!("Bearer {token}, Bearer {token}"),
        format!("Bearer {token};"),
        format!("Bearer \"{token}\""),
        format!("Bearer <{token}>"),
        format!("Bearerx {token}"),
        "Bearer".to_owned(),
        "Bearer ".to_owned(),
        String::new(),
    ] {
        table.push((format!("Authorization: {value}\r\n"), Verdict::Refused));
    }
    for name in ["X-Authorization", "Proxy-Authorization", "Authentication", "X-Access-Token", "access_token"]
    {
        table.push((format!("{name}: Bearer {token}\r\n"), Verdict::Refused));
    }
    table.push((String::new(), Verdict::Refused));
    check(&server, &table);
}

/// Which of two counts a proxy may see otherwise than we do.
#[test]
fn two_authorization_fields_are_refused() {
    let server = Keyed::secret(&[]);
    let mut connection = server.connect();
    for (first, second) in [("ada", "ada"), ("ada", "root")] {
        let fields = bearer(&of(first)) + &bearer(&of(second));
        let response = connection.request("HEAD", "/api/sse", &fields, "");
        assert!(matches!(response.status(), 400 | 401), "{first}, {second}: {}", response.status());
    }
}

#[test]
fn a_token_may_come_in_the_query() {
    let (server, token) = (Keyed::secret(&[]), of("ada"));
    let escaped: String = token.bytes().map(|byte| format!("%{byte:02X}")).collect();
    let of_query = |query: &str| subscribe(&server, query, "").greeting()["userId"].take();
    assert_eq!(of_query(&format!("?access_token={token}")), "ada");
    assert_eq!(of_query(&format!("?a=b&&access_token={token}&c")), "ada");
    assert_eq!(of_query(&format!("?lastEventId=1-1&access_token={escaped}")), "ada");
    let mut connection = server.connect();
    for query in [
        "".to_owned(),
        "?access_token".to_owned(),
        "?access_token=".to_owned(),
        format!("?access_token=Bearer%20{token}"),
        format!("?access_token={token}%0A"),
        format!("?access_token={token}%00"),
        format!("?access_token=+{token}"),
        format!("?access_token={token}."),
        format!("?ACCESS_TOKEN={token}"),
        format!("?access-token={token}"),
        format!("?accessToken={token}"),
        format!("?token={token}"),
        format!("?jwt={token}"),
        format!("?access_token[]={token}"),
        format!("?access_token={}", forged("ada")),
    ] {
        unauthorized(&connection.get(&format!("/api/sse{query}")));
    }
}

#[test]
fn two_tokens_in_the_query_are_refused() {
    let (server, ada, root) = (Keyed::secret(&[]), of("ada"), of("root"));
    let mut connection = server.connect();
    for (first, second) in [(&ada, &root), (&ada, &ada), (&ada, &forged("x"))] {
        let target = format!("/api/sse?access_token={first}&access_token={second}");
        let response = connection.request("HEAD", &target, "", "");
        assert!(matches!(response.status(), 400 | 401), "{}", response.status());
    }
}

#[test]
fn the_configured_cookie_is_taken_and_no_other() {
    let (server, token) = (Keyed::secret(&["--jwt-cookie", "sse_token"]), of("ada"));
    let mut table = Vec::new();
    for value in [
        format!("sse_token={token}"),
        format!("a=b; sse_token={token}"),
        format!("sse_token={token}; a=b"),
        format!("a=b; sse_token={token}; c=d=e; f"),
        format!("a=\"x; y\"; sse_token={token}"),
        format!("a=b;sse_token={token};c=d"),
        format!("my_sse_token={}; sse_token={token}; sse_token2={}", of("x"), of("y")),
    ] {
        table.push((format!("Cookie: {value}\r\n"), user("ada")));
    }
    table.push((format!("Cookie: a=b\r\nCookie: sse_token={token}\r\n"), user("ada")));
    table.push((format!("cookie: sse_token={token}\r\nCookie: a=b\r\n"), user("ada")));
    for value in [
        format!("SSE_TOKEN={token}"),
        format!("sse_token2={token}"),
        format!("xsse_token={token}"),
        format!("__Host-sse_token={token}"),
        format!("a=sse_token={token}"),
        format!("sse_token:{token}"),
        format!("sse_token={}", forged("ada")),
        format!("jwt={token}"),
        format!("access_token={token}"),
        "sse_token=".to_owned(),
        "sse_token".to_owned(),
        ";;;".to_owned(),
        String::new(),
    ] {
        table.push((format!("Cookie: {value}\r\n"), Verdict::Refused));
    }
    check(&server, &table);
}

/// Some other part of the site may set a cookie of any octets, and it comes along.
#[test]
fn what_stands_beside_the_cookie_does_not_hide_it() {
    let (server, token) = (Keyed::secret(&["--jwt-cookie", "sse_token"]), of("ada"));
    let ada = |value: Vec<u8>| (value, Some("ada"));
    let with = |before: &[u8], after: &[u8]| [before, b"sse_token=", token.as_bytes(), after].concat();
    for (value, user) in [
        ada(with(b"a=\xff; ", b"")),
        ada(with(b"", b"; a=\xe9")),
        ada(with(b"\x80=\x80; ", b"; \xff")),
        ada(with(b"caf\xe9; ", b";\xc3\x28=\"\"")),
        ada(with(b"sse_token=; ", b"; a=\xff")),
        ada(with(b"sse_token=\xff; ", b"")),
        ada([&b"sse_token=\""[..], token.as_bytes(), b"\"; a=\xff"].concat()),
        (b"a=\xff; sse_token=\xff".to_vec(), None),
        (with(b"", b"\xff"), None),
        (with(b"a=\xff", b""), None),
    ] {
        let request =
            [b"GET /api/sse HTTP/1.1\r\nHost: localhost\r\nCookie: ", &value[..], b"\r\n\r\n"].concat();
        let shown = value.escape_ascii().to_string();
        match user {
            Some(user) => {
                let socket = TcpStream::connect(server.address).expect("a connection");
                assert_eq!(Subscriber::over(socket, &request).greeting()["userId"], user, "{shown}");
            }
            None => {
                let mut connection = server.connect();
                connection.send(&request);
                unauthorized(&connection.response());
            }
        }
    }
}

/// Whoever means to be somebody is not let in as nobody.
#[test]
fn a_cookie_that_is_no_text_is_not_nobody() {
    let server = Keyed::secret(&["--jwt-cookie", "sse_token", "--anonymous-subscribers"]);
    let mut connection = server.connect();
    let head = b"HEAD /api/sse HTTP/1.1\r\nHost: localhost\r\nCookie: ";
    for (value, status) in
        [(&b"sse_token=\xff"[..], 401), (b"other=\xff", 200), (b"sse_token=; other=\xff", 200)]
    {
        connection.expect_head_only();
        connection.send([head, value, b"\r\n\r\n"].concat());
        assert_eq!(connection.response().status(), status, "{}", value.escape_ascii());
    }
}

#[test]
fn a_token_by_another_name_is_told_the_right_one() {
    let (server, token) = (Keyed::secret(&[]), of("ada"));
    let anonymous = Keyed::secret(&["--anonymous-subscribers"]);
    for name in ["token", "accessToken", "access-token", "ACCESS_TOKEN", "jwt"] {
        let target = format!("/api/sse?{name}={token}");
        for detail in
            [server.connect().get(&target).problem(401), anonymous.connect().get(&target).problem(400)]
        {
            assert!(detail.ends_with("access_token") && detail.contains(name), "{detail}");
            assert!(!detail.contains(&token), "{detail}");
        }
    }
    // Who brings one in its place may have others.
    assert_eq!(server.connect().request("GET", "/healthz?token=x", "", "").status(), 200);
}

#[test]
fn without_the_option_no_cookie_is_taken() {
    let (server, token) = (Keyed::secret(&[]), of("ada"));
    let names = ["jwt", "token", "access_token", "sse_token", "fanfare", ""];
    let table = names.map(|name| (format!("Cookie: {name}={token}\r\n"), Verdict::Refused));
    check(&server, &table);
}

/// A page of another site can set a cookie for a name more often than the site that it is of can.
#[test]
fn of_two_cookies_of_the_name_none_is_another_user_by_accident() {
    let server = Keyed::secret(&["--jwt-cookie", "sse_token"]);
    let mut connection = server.connect();
    let (ada, root) = (of("ada"), of("root"));
    for fields in [
        format!("Cookie: sse_token={ada}; sse_token={root}\r\n"),
        format!("Cookie: sse_token={ada}\r\nCookie: sse_token={root}\r\n"),
    ] {
        let status = connection.request("HEAD", "/api/sse", &fields, "").status();
        match status {
            // As browsers order them, the most specific first (RFC 6265, 5.4).
            200 => assert_eq!(subscribe(&server, "", &fields).greeting()["userId"], "ada"),
            _ => assert!(matches!(status, 400 | 401), "{status}"),
        }
    }
}

/// What a request says of itself counts before a cookie, which comes along by itself. What is in the place that
/// counts is judged, and if it is bad the next place is not asked.
#[test]
fn the_field_counts_before_the_query_and_that_before_the_cookie() {
    let server = Keyed::secret(&["--jwt-cookie", "sse_token"]);
    let mut connection = server.connect();
    let cookie = |token: &str| format!("Cookie: sse_token={token}\r\n");
    let (field, url, jar, bad) = (of("field"), of("query"), of("cookie"), forged("root"));
    let [field, url, jar, bad, none] =
        [&field, &url, &jar, &bad, ""].map(|token| Some(token).filter(|t| !t.is_empty()));
    for (from_field, from_query, from_cookie, expected) in [
        (field, url, jar, user("field")),
        (field, url, none, user("field")),
        (field, none, jar, user("field")),
        (field, bad, bad, user("field")),
        (none, url, jar, user("query")),
        (none, url, bad, user("query")),
        (none, none, jar, user("cookie")),
        (bad, url, jar, Verdict::Refused),
        (bad, none, jar, Verdict::Refused),
        (Some("x"), url, none, Verdict::Refused),
        (none, bad, jar, Verdict::Refused),
        (none, Some("x"), jar, Verdict::Refused),
        (none, none, bad, Verdict::Refused),
    ] {
        let fields =
            from_field.map(bearer).unwrap_or_default() + &from_cookie.map(cookie).unwrap_or_default();
        let query = from_query.map(|token| format!("?access_token={token}")).unwrap_or_default();
        let status = connection.request("HEAD", &format!("/api/sse{query}"), &fields, "").status();
        let found = match status {
            200 => user(subscribe(&server, &query, &fields).greeting()["userId"].as_str().expect("a user")),
            _ => Verdict::Refused,
        };
        assert_eq!(found, expected, "{fields}{query}");
        assert!(matches!(status, 200 | 401));
    }
}
