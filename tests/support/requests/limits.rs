//! Requests at their limits, and one byte beyond.

use super::{CHUNKED, Case, GET, POST, bad, bad_after, bad_post, good, request};

const HEAD: usize = 16 << 10;
const TARGET: usize = 8 << 10;
const BODY: usize = 1 << 20;
/// Field lines that may follow Host.
const FIELDS: usize = 63;

pub(super) fn cases() -> Vec<Case> {
    let mut cases = heads();
    cases.extend(bodies());
    cases.extend(chunks());
    cases
}

fn heads() -> Vec<Case> {
    let get = |target: &str| format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n");
    let longest = format!("/{}", "a".repeat(TARGET - 1));
    let filler = |length: usize| format!("{GET}X: {}\r\n\r\n", "a".repeat(length - GET.len() - 7));
    let over = filler(HEAD + 1);
    let (kept, lost) = over.split_at(HEAD);
    let fields = |count: usize| [GET, &"X: y\r\n".repeat(count)].concat();
    vec![
        good("the longest target", get(&longest), &[request("GET", &longest, "")]),
        bad("a target too long", 414, get(&format!("{longest}a¶"))),
        bad("a target too long that is never whole", 414, format!("GET {longest}a¶")),
        bad("a target too long and too broken", 414, format!("GET {longest}a¶\0")),
        bad("a target that is broken at its limit", 400, format!("GET {longest}\0¶a")),
        bad("a target too long of no form", 414, format!("GET a{longest}¶")),
        bad("a target too long for CONNECT", 414, format!("CONNECT a{longest}¶:443 HTTP/1.1\r\n\r\n")),
        good("the largest head", filler(HEAD), &[request("GET", "/", "")]),
        bad("a head too large", 431, format!("{kept}{}¶{}", &lost[..1], &lost[1..])),
        bad("a head too large with its empty line", 431, format!("\r\n{}¶", filler(HEAD - 1))),
        bad("a head too large of a method", 431, format!("{}¶", "A".repeat(HEAD + 1))),
        bad("a head too large of a name", 431, format!("{GET}{}¶", "A".repeat(HEAD + 1 - GET.len()))),
        good("the most fields", fields(FIELDS) + "\r\n", &[request("GET", "/", "")]),
        bad("too many fields", 431, fields(FIELDS) + "X¶: y\r\n\r\n"),
        bad("too many fields, and one that is broken", 400, fields(FIELDS) + " ¶X: y\r\n\r\n"),
        bad_after("a head too large behind a good request", &[request("GET", "/", "")], 431, {
            format!("{GET}\r\n{kept}{}¶", &lost[..1])
        }),
    ]
}

fn bodies() -> Vec<Case> {
    let body = "a".repeat(BODY);
    vec![
        good(
            "the largest body",
            format!("{POST}Content-Length: {BODY}\r\n\r\n{body}"),
            &[request("POST", "/", &body)],
        ),
        bad_post("a body too large", 413, "Content-Length: 1048577\r\n\r\n¶"),
        bad_post("a body too large by far", 413, "Content-Length: 18446744073709551615\r\n\r\n¶aaaa"),
        bad_post("a length beyond 64 bits", 413, "Content-Length: 18446744073709551621\r\n\r\n¶hello"),
        bad_post(
            "a length beyond 128 bits",
            413,
            "Content-Length: 340282366920938463463374607431768211461\r\n\r\n¶hello",
        ),
        bad("a body too large and no Host", 400, "POST / HTTP/1.1\r\nContent-Length: 9999999\r\n\r\n¶"),
        bad_post("a body too large and a broken field", 400, "Content-Length: 9999999\r\nX ¶: y\r\n\r\n"),
        bad_post(
            "a body too large and a broken length",
            400,
            "Content-Length: 99999999999999999999x¶\r\n\r\n",
        ),
        bad("a body too large in 1.0", 413, "POST / HTTP/1.0\r\nContent-Length: 1048577\r\n\r\n¶"),
    ]
}

fn chunks() -> Vec<Case> {
    let trailers = |count: usize| [CHUNKED, "0\r\n", &"X: y\r\n".repeat(count)].concat();
    // Each chunk of 1 byte has 5 bytes of framing, so 1 more than the payload pays for, and 3 come before its data.
    let paid = (16 << 10) - 2;
    let tiny = "1\r\na\r\n".repeat(paid);
    let half = "a".repeat(BODY / 2);
    let halves = format!("80000\r\n{half}\r\n80000\r\n{half}\r\n");
    vec![
        good(
            "the largest body in chunks",
            format!("{CHUNKED}{halves}0\r\n\r\n"),
            &[request("POST", "/", half.repeat(2))],
        ),
        bad("a chunk too many", 413, format!("{CHUNKED}{halves}1\r\n¶a\r\n0\r\n\r\n")),
        good("the most trailers", trailers(64) + "\r\n", &[request("POST", "/", "")]),
        bad("too many trailers", 431, trailers(64) + "X¶: y\r\n\r\n"),
        bad("mostly framing", 400, format!("{CHUNKED}{tiny}1\r\n¶a\r\n0\r\n\r\n")),
        bad("an extension without end", 400, format!("{CHUNKED}1;{}¶", "a".repeat((16 << 10) - 1))),
        bad("a trailer without end", 400, format!("{CHUNKED}0\r\nX: {}¶", "a".repeat((16 << 10) - 5))),
        bad("a trailer without end behind a payload", 431, {
            let payload = "a".repeat(0x1000);
            format!("{CHUNKED}1000\r\n{payload}\r\n0\r\nX: {}¶", "a".repeat((16 << 10) - 2))
        }),
    ]
}
