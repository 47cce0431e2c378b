//! The table of raw requests, over real sockets: the statuses on the wire, in order, and how the connection ends.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use crate::server::Server;
use crate::support::client::{Connection, Response};
use crate::support::requests::{Case, Expected, cases};

/// Connections at once.
const THREADS: usize = 8;
/// Statuses that say that a request was not understood, or not whole.
const REJECTIONS: [u16; 6] = [400, 408, 413, 414, 431, 505];
/// What a client sends on, after what is wrong: more than the kernel would hold for a server that does not read.
const MORE: usize = 512 * 1024;

/// Runs all cases, each on a connection of its own, and names those that fail.
fn replay(cases: &[Case], run: impl Fn(&Server, &Case) + Sync) {
    let server = Server::start();
    let (next, failed) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let work = || {
        while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
            if catch_unwind(AssertUnwindSafe(|| run(&server, case))).is_err() {
                failed.lock().expect("no panic while it is held").push(case.name);
            }
        }
    };
    thread::scope(|scope| (0..THREADS).for_each(|_| drop(scope.spawn(work))));
    let failed = failed.into_inner().expect("no panic while it is held");
    assert!(failed.is_empty(), "{} of {} cases: {failed:#?}", failed.len(), cases.len());
}

fn is_rejected(case: &Case) -> bool {
    matches!(case.expect.last(), Some(Expected::Rejected(_)))
}

/// Reads every answer that a case asks for, and the end where it is one.
fn read_answers(connection: &mut Connection, case: &Case) {
    for expected in &case.expect {
        match expected {
            Expected::Rejected(status) => {
                let response = connection.response();
                response.problem(*status);
                assert_eq!(response.field("connection"), Some("close"));
                connection.expect_end();
            }
            Expected::Request { method, target, keeps_alive, .. } => {
                if method == "GET" && target.starts_with("/api/sse") {
                    return connection.expect_stream();
                }
                if method == "HEAD" {
                    connection.expect_head_only();
                }
                let response = connection.response();
                match is_escaped(target) {
                    true => {
                        assert!(
                            !REJECTIONS.contains(&response.status()),
                            "{}: {}",
                            case.name,
                            response.text()
                        );
                    }
                    // Sound, as far as it is known where it ends.
                    false => drop(response.problem(400)),
                }
                if must_close(&response, *keeps_alive, case) {
                    connection.expect_end();
                }
            }
        }
    }
}

/// Whether two hexadecimal digits follow each percent sign.
fn is_escaped(target: &str) -> bool {
    let digits = |text: &str| text.bytes().take(2).filter(u8::is_ascii_hexdigit).count();
    target.split('%').skip(1).all(|text| digits(text) == 2)
}

fn must_close(response: &Response, keeps_alive: bool, case: &Case) -> bool {
    let closes = response.field("connection") == Some("close");
    let input = String::from_utf8_lossy(&case.input[..case.input.len().min(1000)]).to_ascii_lowercase();
    // Who expects 100 and is refused, and who speaks HTTP/1.0, may be told that this was all.
    let may_close = !keeps_alive || input.contains("expect:") || input.contains("http/1.0");
    assert!(if closes { may_close } else { keeps_alive }, "{}: close is {closes}", case.name);
    closes
}

/// Where nothing ended it, the connection must wait for more; and end when its client does.
fn end(connection: &mut Connection, case: &Case) {
    let ended = match case.expect.last() {
        Some(Expected::Request { target, .. }) if target.starts_with("/api/sse") => true,
        Some(Expected::Request { .. }) => connection.was_closed(),
        Some(Expected::Rejected(_)) => true,
        None => false,
    };
    if !ended {
        assert!(connection.is_open(), "{}: an answer that nobody asked for", case.name);
        connection.finish_sending();
        connection.expect_end();
    }
}

#[test]
fn each_case_whole_and_with_more_behind_what_is_wrong() {
    let cases = cases();
    assert!(cases.len() > 400, "{}", cases.len());
    replay(&cases, |server, case| {
        let mut connection = server.connect();
        assert!(connection.try_send(&case.input), "the server takes all of it");
        if is_rejected(case) {
            assert!(connection.try_send(vec![b'x'; MORE]), "the server takes more");
            connection.wait_for_bytes();
            assert!(connection.try_send(vec![b'x'; MORE]), "the server takes more behind its answer");
        }
        read_answers(&mut connection, case);
        end(&mut connection, case);
    });
}

#[test]
fn what_is_wrong_is_answered_at_the_byte_that_shows_it_and_not_before() {
    let cases: Vec<Case> = cases().into_iter().filter(|case| case.at.is_some_and(|at| at > 0)).collect();
    assert!(cases.len() > 200, "{}", cases.len());
    replay(&cases, |server, case| {
        let at = case.at.expect("a mark");
        let mut connection = server.connect();
        connection.send(&case.input[..at - 1]);
        // Both loops and the control thread have had a turn.
        server.settle();
        server.connect().get("/healthz");
        assert!(case.expect.len() > 1 || connection.is_open(), "{}: answered too early", case.name);
        connection.send(&case.input[at - 1..at]);
        read_answers(&mut connection, case);
    });
}

#[test]
fn cases_byte_by_byte() {
    let short = |case: &Case| case.input.len() <= 300;
    let cases: Vec<Case> = cases().into_iter().filter(short).step_by(3).collect();
    assert!(cases.len() > 100, "{}", cases.len());
    replay(&cases, |server, case| {
        let mut connection = server.connect();
        for byte in &case.input {
            // What stands behind an error may find the connection closed.
            if !connection.try_send([*byte]) {
                break;
            }
        }
        read_answers(&mut connection, case);
        end(&mut connection, case);
    });
}
