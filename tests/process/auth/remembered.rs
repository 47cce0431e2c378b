//! Signatures that take long to verify: once for each token, for nothing that is refused anyway, and never at the cost of
//! others.

use rustix::process::Signal;
use serde_json::json;

use super::key::{EC_PUBLIC, Key, RSA_PUBLIC};
use super::keyed::{Keyed, bearer, publish, subscribe};
use super::token::{Token, seconds};
use super::verdict::unauthorized;
use crate::support::client::{Connection, request};
use crate::support::clock::eventually;

const OPERATOR: &str = "k_live_operator_0123456789";
const OTHER_EC_PUBLIC: &[u8] = include_bytes!("../keys/ec-other.public.pem");

fn server(public: &[u8], args: &[&str]) -> Keyed {
    let keys = format!("{OPERATOR} publish admin\n");
    Keyed::start(&[("jwt-public-key-file", public), ("api-key-file", keys.as_bytes())], args)
}

/// Decisions so far by what came of them.
fn decisions(connection: &mut Connection, outcome: &str) -> u64 {
    let metrics = connection.request("GET", "/metrics", &bearer(OPERATOR), "");
    let name = format!("fanfare_authentications_total{{outcome=\"{outcome}\"}} ");
    let line = metrics.text().lines().find(|line| line.starts_with(&name)).expect("a metric").to_owned();
    line[name.len()..].parse().expect("a count")
}

#[test]
fn a_signature_is_verified_once() {
    for (public, key) in [(EC_PUBLIC, Key::Ec), (RSA_PUBLIC, Key::Rsa)] {
        let server = server(public, &[]);
        let mut operator = server.connect();
        let token = bearer(&Token::of_all_scopes().sign(key));
        let _streams: Vec<_> = (0..5).map(|_| subscribe(&server, "", &token)).collect();
        publish(&mut server.connect(), &token, &json!({"data": 1}));
        let counts = ["verified", "remembered", "denied"].map(|outcome| decisions(&mut operator, outcome));
        assert_eq!(counts, [1, 5, 0]);
        // Another's token with that signature is another token.
        let forged = Token::of_all_scopes().claim("sub", "eve").sign(key);
        let (text, signature) =
            (forged.rsplit_once('.').unwrap().0, token.trim().rsplit_once('.').unwrap().1);
        unauthorized(&server.connect().request(
            "GET",
            "/api/sse",
            &bearer(&format!("{text}.{signature}")),
            "",
        ));
        assert_eq!(decisions(&mut operator, "denied"), 1);
    }
}

#[test]
fn a_token_that_was_verified_goes_with_its_key() {
    let server = server(EC_PUBLIC, &[]);
    let [old, new] = [Key::Ec, Key::OtherEc].map(|key| bearer(&Token::of_all_scopes().sign(key)));
    let (mut first, mut other) = (subscribe(&server, "", &old), server.connect());
    assert_eq!(other.request("GET", "/api/sse/stats", &old, "").status(), 200);
    server.replace("jwt-public-key-file", OTHER_EC_PUBLIC);
    server.signal(Signal::HUP);
    eventually("the new key counts", || other.request("GET", "/api/sse/stats", &new, "").status() == 200);
    for _ in 0..4 {
        unauthorized(&server.connect().request("GET", "/api/sse", &old, ""));
        unauthorized(&other.request("GET", "/api/sse/stats", &old, ""));
    }
    let id = publish(&mut other, &new, &json!({"data": 1}));
    assert_eq!(first.next().id, Some(id), "what is open stays");
    // And with the old key again it is verified again.
    let verified = decisions(&mut other, "verified");
    server.replace("jwt-public-key-file", EC_PUBLIC);
    server.signal(Signal::HUP);
    eventually("the old key counts", || other.request("GET", "/api/sse/stats", &old, "").status() == 200);
    assert_eq!(decisions(&mut other, "verified"), verified + 1);
}

#[test]
fn a_token_that_was_verified_ends_in_time() {
    let server = server(EC_PUBLIC, &["--jwt-leeway", "0s"]);
    let token = bearer(&Token::of_all_scopes().claim("exp", seconds() + 2).sign(Key::Ec));
    let mut connection = server.connect();
    // A machine that is busy may be too late to see it count.
    if connection.request("GET", "/api/sse/stats", &token, "").status() == 200 {
        subscribe(&server, "", &token).rest();
    }
    eventually("it has ended", || connection.request("GET", "/api/sse/stats", &token, "").status() == 401);
    for _ in 0..3 {
        let response = server.connect().request("GET", "/api/sse", &token, "");
        unauthorized(&response);
        assert_eq!(response.problem(401), "the token has expired");
    }
}

/// What is refused whoever signed it costs no signature, and says no more than the bearer could read in it.
#[test]
fn what_is_refused_anyway_is_not_verified() {
    let server = server(EC_PUBLIC, &["--jwt-audience", "us", "--jwt-issuer", "them"]);
    let good = Token::of_all_scopes().claim("aud", "us").claim("iss", "them");
    let mut connection = server.connect();
    for (token, detail) in [
        (good.clone().claim("exp", seconds() - 3_600), "the token has expired"),
        (good.clone().claim("nbf", seconds() + 3_600), "the token is not valid yet"),
        (good.clone().claim("aud", "others"), "the token is for another audience"),
        (good.clone().claim("iss", "others"), "the token is of another issuer"),
        (good.clone().without("exp"), "the token has no exp"),
    ] {
        // Signed by others.
        let token = bearer(&token.sign(Key::OtherEc));
        for target in ["/api/sse", "/api/sse/stats"] {
            assert_eq!(connection.request("GET", target, &token, "").problem(401), detail);
        }
    }
    for token in [
        Token::of_all_scopes().sign(Key::Rsa),
        Token::of_all_scopes().header("crit", json!(["x"])).sign(Key::Ec),
    ] {
        unauthorized(&connection.request("GET", "/api/sse", &bearer(&token), ""));
    }
    assert_eq!(["verified", "denied"].map(|outcome| decisions(&mut connection, outcome)), [0, 0]);
    let forged = bearer(&good.sign(Key::OtherEc));
    for target in ["/api/sse", "/api/sse/stats"] {
        let detail = "the token's signature does not match";
        assert_eq!(connection.request("GET", target, &forged, "").problem(401), detail);
    }
    assert_eq!(["verified", "denied"].map(|outcome| decisions(&mut connection, outcome)), [0, 2]);
    subscribe(&server, "", &bearer(&good.sign(Key::Ec)));
}

/// Each connection sends forged tokens without waiting for the answers. Nobody else notices, and each is answered in its
/// order.
#[test]
fn forged_tokens_keep_nobody_waiting() {
    for (public, key) in [(EC_PUBLIC, Key::OtherEc), (RSA_PUBLIC, Key::OtherRsa)] {
        let server = server(public, &[]);
        let forged = |n: u64| bearer(&Token::of_all_scopes().claim("jti", n).sign(key));
        let requests: Vec<u8> = (0..30)
            .flat_map(|n| {
                let forged = request("GET", "/api/sse/stats", &forged(n), "");
                [forged, request("GET", "/healthz", "", "")].concat()
            })
            .collect();
        let mut attackers: Vec<Connection> = (0..16).map(|_| server.connect()).collect();
        attackers.iter_mut().for_each(|attacker| attacker.send(&requests));
        let mut operator = server.connect();
        for _ in 0..20 {
            publish(&mut operator, &bearer(OPERATOR), &json!({"data": 1}));
        }
        for attacker in &mut attackers {
            for _ in 0..30 {
                unauthorized(&attacker.response());
                assert_eq!(attacker.response().status(), 200);
            }
        }
        assert_eq!(decisions(&mut operator, "denied"), 16 * 30);
    }
}
