//! Seeded random damage to the table's requests: nothing panics, and how the bytes arrive makes no
//! difference.

use fastrand::Rng;

use super::oracle::{Verdict, judge};
use super::requests::cases;
use super::{Connection, LOOKS, outcome, target};
use crate::http::{BodyFraming, Head, HeadScanner, RequestLimits, Scan};

/// Mutants of each of the tests here, which run side by side.
const MUTANTS: usize = 50_000;
/// Only cases up to so many bytes are mutated.
const LONGEST: usize = 220;

/// What is worth putting into a request.
const PIECES: &[&str] = &[
    "\r\n",
    "\r",
    "\n",
    "\r\n\r\n",
    " ",
    "\t",
    "\0",
    "\x0b",
    "\x7f",
    "\u{e9}",
    ":",
    ",",
    ";",
    "=",
    "\"",
    "\\",
    "0",
    "1",
    "f",
    "/",
    "*",
    "#",
    "%",
    "@",
    "[::1]",
    "Host: a\r\n",
    "Host: b\r\n",
    "http://a",
    "CONNECT ",
    "OPTIONS ",
    "Content-Length: 3\r\n",
    "Content-Length:",
    "Transfer-Encoding: chunked\r\n",
    "Transfer-Encoding:",
    "chunked",
    "Connection: close\r\n",
    "Expect: 100-continue\r\n",
    "HTTP/1.0",
    "HTTP/1.2",
    "HTTP/2.0",
    "0\r\n\r\n",
    "2;a=\"b\"\r\nhi\r\n",
    "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
];

fn mutate(rng: &mut Rng, seeds: &[Vec<u8>], bytes: &mut Vec<u8>) {
    let at = rng.usize(..=bytes.len());
    let end = (at + rng.usize(..8)).min(bytes.len());
    match rng.u8(..8) {
        0 => drop(bytes.drain(at..end)),
        1 => drop(bytes.splice(at..end, [rng.u8(..)])),
        2 => bytes.truncate(at.max(8)),
        3 => {
            let again = bytes[at..end].to_vec();
            drop(bytes.splice(at..at, again));
        }
        4 => {
            let other = &seeds[rng.usize(..seeds.len())];
            let from = rng.usize(..=other.len());
            drop(bytes.splice(at.., other[from..].iter().copied()));
        }
        5 if at < end => bytes[at] ^= 0x20,
        _ => {
            let piece = PIECES[rng.usize(..PIECES.len())];
            // A bare replacement half of the time, at a line's beginning another quarter.
            let end = if rng.bool() { end } else { at };
            let line = bytes[..at].windows(2).rposition(|pair| pair == b"\r\n").map_or(at, |line| line + 2);
            let range = if rng.u8(..4) == 0 { line..line } else { at..end };
            drop(bytes.splice(range, piece.bytes()));
        }
    }
}

fn at_random_cuts(rng: &mut Rng, bytes: &[u8]) -> Connection {
    let mut connection = Connection::default();
    let mut rest = bytes;
    while !rest.is_empty() {
        let (piece, after) = rest.split_at(rng.usize(1..=rest.len()));
        connection.feed(piece);
        rest = after;
    }
    connection
}

fn check(rng: &mut Rng, bytes: &[u8]) -> bool {
    LOOKS.set(0);
    let by_byte = outcome(bytes.chunks(1));
    let looks = LOOKS.get();
    let shown = || format!("{:?}", String::from_utf8_lossy(bytes));
    assert!(looks <= 3 * bytes.len(), "{looks} looks at {}", shown());
    for other in [outcome([bytes]), at_random_cuts(rng, bytes)] {
        assert_eq!(by_byte.seen, other.seen, "{}", shown());
        assert_eq!(by_byte.detail, other.detail, "{}", shown());
    }
    // httparse is lenient where the scanner is strict, never the other way round.
    assert_ne!(by_byte.detail, Some("the fields can be read in more than one way"), "{}", shown());
    let accepted = by_byte.rejected_at.is_none();
    if accepted {
        assert!(bytes.ends_with(&by_byte.reader.into_bytes()), "{}", shown());
    }
    accepted
}

/// Compares the first head with what the oracle makes of it. All limits but that of the body are out of
/// reach.
fn check_head(bytes: &[u8]) {
    let limits = RequestLimits { body: usize::MAX, ..RequestLimits::default() };
    let found = match HeadScanner::default().scan(bytes, &limits) {
        Scan::Incomplete | Scan::Rejected(_) => None,
        Scan::Complete(outline) => Head::parse(bytes, &outline).ok().map(|head| Verdict {
            method: head.method.as_str().into(),
            path_and_query: target(&head),
            length: match head.body {
                BodyFraming::Empty => Some(0),
                BodyFraming::Length(length) => Some(length.into()),
                BodyFraming::Chunked => None,
            },
            keep_alive: head.keep_alive,
        }),
    };
    let mut expected = judge(bytes);
    if let Some(Verdict { length: Some(length), .. }) = &mut expected {
        *length = (*length).min(u64::MAX.into());
    }
    assert_eq!(found, expected, "{:?}", String::from_utf8_lossy(bytes));
}

/// Checks mutants, and that some of them are accepted and others not.
fn run(seed: u64) {
    let cases = cases().into_iter().filter(|case| case.input.len() <= LONGEST);
    let seeds: Vec<_> = cases.map(|case| case.input).collect();
    let mut rng = Rng::with_seed(seed);
    let mut accepted = 0;
    for _ in 0..MUTANTS {
        let mut bytes = seeds[rng.usize(..seeds.len())].clone();
        for _ in 0..rng.u8(1..4) {
            mutate(&mut rng, &seeds, &mut bytes);
        }
        check_head(&bytes);
        accepted += usize::from(check(&mut rng, &bytes));
    }
    assert!((MUTANTS / 50..MUTANTS / 2).contains(&accepted), "{accepted} of {MUTANTS} accepted");
}

#[test]
fn mutants_1() {
    run(1);
}

#[test]
fn mutants_2() {
    run(2);
}

#[test]
fn mutants_3() {
    run(3);
}

#[test]
fn mutants_4() {
    run(4);
}
