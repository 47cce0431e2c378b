//! What a request makes the server allocate, whose sender nobody knows: not more for what costs most to read.

use std::io::{Read, Write};
use std::net::TcpStream;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use fanfare::{Config, Engine};

use crate::{ALLOCATOR, alone};

/// Bytes that a request may take beyond those of a plain one that is as long.
const MORE: usize = 4 * 1024;
/// As long as tokens may be, about.
const TOKEN: usize = 8_000;

fn engine() -> Engine {
    let mut config = Config::default();
    config.listen.push(([127, 0, 0, 1], 0).into());
    let key = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/process/keys/ec.public.pem");
    config.jwt_public_key_file = Some(key.into());
    Engine::builder().config(config).start().expect("an engine")
}

/// Bytes that are allocated for a request which is refused by 401, in the mean of many.
fn allocated(mut socket: &TcpStream, request: &str) -> usize {
    const ROUNDS: usize = 50;
    let mut ask = || {
        let mut answer = [0; 4096];
        socket.write_all(request.as_bytes()).expect("a request");
        let count = socket.read(&mut answer).expect("an answer");
        assert!(answer[..count].starts_with(b"HTTP/1.1 401"), "{}", answer[..count].escape_ascii());
    };
    ask();
    let before = ALLOCATOR.total_allocated();
    (0..ROUNDS).for_each(|_| ask());
    (ALLOCATOR.total_allocated() - before) / ROUNDS
}

fn encode(text: &str) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(text)
}

/// An expired token whose claims or header end with as many of these as have room, each with a number in place of `#`.
fn token(header: &str, claims: &str, filled: &str) -> String {
    let room = TOKEN * 3 / 4 - header.len() - claims.len();
    let mut filling = String::new();
    for n in 0.. {
        let next = filled.replace('#', &n.to_string());
        if filling.len() + next.len() > room {
            break;
        }
        filling += &next;
    }
    let filling = filling.trim_end_matches(',');
    let part = |text: &str| encode(&text.replace("...", filling));
    format!("{}.{}.{}", part(header), part(claims), encode(&"\0".repeat(64)))
}

#[test]
fn a_token_that_does_not_count_costs_little_whatever_is_in_it() {
    let _alone = alone();
    let engine = engine();
    let socket = TcpStream::connect(engine.local_addrs()[0]).expect("a connection");
    let header = r#"{"alg":"ES256"}"#;
    let ask = |token: &str| {
        let fields = format!("Host: localhost\r\nAuthorization: Bearer {token}\r\nContent-Length: 0\r\n");
        allocated(&socket, &format!("POST /api/sse/events HTTP/1.1\r\n{fields}\r\n"))
    };
    let plain = ask(&token(header, r#"{"exp":1,"x":"..."}"#, "x"));
    for (what, header, claims, filled) in [
        ("claims", header, r#"{"exp":1,...}"#, r##""#":0,"##),
        ("metadata", header, r#"{"exp":1,"fanfare":{"meta":{...}}}"#, r##""#":0,"##),
        ("topics", header, r#"{"exp":1,"fanfare":{"publish":[...]}}"#, r##""a#","##),
        ("audiences", header, r#"{"exp":1,"aud":[...]}"#, r##""a#","##),
        ("objects", header, r#"{"exp":1,"x":[...]}"#, r#"{"a":{}},"#),
        ("a text for a time", header, r#"{"exp":"..."}"#, "\u{e9}"),
        ("members of the header", r#"{"alg":"ES256",...}"#, r#"{"exp":1}"#, r##""#":0,"##),
        ("certificates", r#"{"alg":"ES256","x5c":[...]}"#, r#"{"exp":1}"#, r##""a#","##),
    ] {
        let found = ask(&token(header, claims, filled));
        println!("{what}: {found} bytes, a plain one {plain}");
        assert!(found <= plain + MORE, "{what}: {found} bytes, a plain one {plain}");
    }
}

#[test]
fn a_query_of_many_names_costs_little() {
    let _alone = alone();
    let engine = engine();
    let socket = TcpStream::connect(engine.local_addrs()[0]).expect("a connection");
    for path in ["/api/sse/stats", "/api/sse"] {
        let ask = |query: &str| {
            allocated(&socket, &format!("GET {path}?{query} HTTP/1.1\r\nHost: localhost\r\n\r\n"))
        };
        let plain = ask(&"x".repeat(7_800));
        for name in ["a&", "to_p&", "%61ccess_tokem=%61&", "topi%C3%A9&"] {
            let found = ask(&name.repeat(7_800 / name.len()));
            println!("{path}, {name}: {found} bytes, a plain one {plain}");
            assert!(found <= plain + MORE, "{path}, {name}: {found} bytes, a plain one {plain}");
        }
    }
}
