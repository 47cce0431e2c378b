//! A stream ends with its token.

use std::time::Duration;

use serde_json::json;

use super::claim::LEEWAY;
use super::keyed::{Keyed, post, publish, sequence, signed, subscribe};
use super::token::{Token, seconds};
use super::verdict::unauthorized;
use crate::server::Server;
use crate::support::client::{Connection, request};
use crate::support::clock::eventually;
use crate::support::subscriber::Subscriber;

/// Does what has to be done before a token expires, and returns that and the time: within a few seconds, or, where the
/// machine is too slow for that, within more.
fn in_time<T>(mut prepare: impl FnMut(u64) -> Option<T>) -> (u64, T) {
    for left in [3, 6, 12, 24, 60] {
        let exp = seconds() + left;
        let prepared = prepare(exp);
        // Refused, or of a stream that has ended already: that is so only of a token that has expired.
        let was_late = seconds() >= exp;
        match prepared {
            Some(prepared) if !was_late => return (exp, prepared),
            None if !was_late => panic!("a token is refused before it expires"),
            _ => {}
        }
    }
    panic!("not within a minute");
}

/// Opens a stream, if its token is still taken.
fn try_subscribe(server: &Server, fields: &str) -> Option<Subscriber> {
    let mut connection = server.connect();
    connection.send(request("GET", "/api/sse", fields, ""));
    match connection.next_status() {
        200 => Some(Subscriber::after(connection)),
        401 => None,
        status => panic!("a stream is answered {status}"),
    }
}

/// Waits until a token is not taken any more. The clocks of this may differ by a millisecond from the end of a
/// stream.
fn await_refusal(connection: &mut Connection, fields: &str) {
    eventually("it has expired", || connection.request("HEAD", "/api/sse", fields, "").status() == 401);
    unauthorized(&connection.request("GET", "/api/sse", fields, ""));
}

fn streams(server: &Server) -> u64 {
    let fields = signed(&Token::of_all_scopes());
    let stats = server.connect().request("GET", "/api/sse/stats", &fields, "").json();
    stats["totalConnections"].as_u64().expect("a number")
}

#[test]
fn a_stream_ends_when_its_token_expires() {
    let server = Keyed::secret(&["--jwt-leeway", "0s"]);
    let (mut connection, publisher) = (server.connect(), signed(&Token::of_all_scopes()));
    let mut lasting = subscribe(&server, "", &signed(&Token::new()));
    let (exp, (fields, mut brief, id)) = in_time(|exp| {
        let fields = signed(&Token::new().claim("exp", exp));
        let brief = [try_subscribe(&server, &fields)?, try_subscribe(&server, &fields)?];
        let id = publish(&mut connection, &publisher, &json!({"data": 1}));
        Some((fields, brief, id))
    });
    for stream in &mut brief {
        let ids: Vec<_> = stream.rest().into_iter().map(|message| message.id).collect();
        assert_eq!(ids, [Some(id.clone())], "until then it goes on, and then it ends in good order");
    }
    assert!(seconds() + 1 >= exp, "not before its time");
    // A browser comes back with what it has, and is told that this will not do any more.
    await_refusal(&mut connection, &fields);
    eventually("they are gone", || streams(&server) == 1);
    let later = publish(&mut connection, &publisher, &json!({"data": 2}));
    // What was published in time.
    while lasting.next().id.as_ref() != Some(&id) {}
    assert_eq!(lasting.next().id, Some(later));
}

/// The leeway is for clocks that differ, and not more time for a stream.
#[test]
fn a_stream_ends_with_its_token_whatever_the_leeway() {
    let server = Keyed::secret(&["--jwt-leeway", "1h"]);
    let (exp, (fields, mut stream)) = in_time(|exp| {
        let fields = signed(&Token::new().claim("exp", exp));
        let stream = try_subscribe(&server, &fields)?;
        Some((fields, stream))
    });
    assert_eq!(stream.rest(), []);
    // Come back within the leeway, it is let in, and stays for the rest of that at most.
    eventually("the token has expired by any clock", || seconds() > exp);
    let mut again = subscribe(&server, "", &fields);
    assert!(!again.read_for(Duration::from_millis(100)), "it is open");
}

#[test]
fn a_stream_that_is_opened_within_the_leeway_ends_with_it() {
    let server = Keyed::secret(&[]);
    let (end, (fields, mut stream)) = in_time(|end| {
        let fields = signed(&Token::new().claim("exp", end - LEEWAY));
        let stream = try_subscribe(&server, &fields)?;
        Some((fields, stream))
    });
    assert_eq!(stream.rest(), []);
    assert!(seconds() + 1 >= end, "not before its time");
    await_refusal(&mut server.connect(), &fields);
}

/// Each of many at its own time, though they were opened in another order.
#[test]
fn streams_end_in_the_order_of_their_tokens() {
    let server = Keyed::secret(&["--jwt-leeway", "0s", "--workers", "1"]);
    let (first, mut streams) = in_time(|first| {
        let streams = [2, 0, 1].map(|later| {
            let exp = first + later;
            let token = Token::new().claim("exp", exp).claim("sub", format!("until {exp}"));
            try_subscribe(&server, &signed(&token))
        });
        streams.into_iter().collect::<Option<Vec<_>>>()
    });
    let times = [2, 0, 1].map(|later| first + later);
    for at in [1, 2, 0] {
        streams[at].rest();
        assert!(seconds() + 1 >= times[at], "not before its time");
        for later in (0..3).filter(|other| times[*other] > times[at]) {
            // Read late, it may have come to its end as well; but not before its time.
            assert!(!streams[later].read_for(Duration::from_millis(1)) || seconds() + 1 >= times[later]);
        }
    }
}

#[test]
fn a_stream_whose_token_ends_at_no_time_that_a_clock_knows_goes_on() {
    let server = Keyed::secret(&[]);
    for exp in [253_402_300_799_u64, u64::MAX / 1000, u64::MAX] {
        let mut stream = subscribe(&server, "", &signed(&Token::new().claim("exp", exp)));
        assert!(!stream.read_for(Duration::from_millis(100)), "it ends");
        let id = publish(&mut server.connect(), &signed(&Token::of_all_scopes()), &json!({"data": 1}));
        assert_eq!(stream.next().id, Some(id), "exp {exp}");
    }
}

#[test]
fn an_expired_token_publishes_nothing_on_a_connection_that_is_open() {
    let server = Keyed::secret(&["--jwt-leeway", "0s"]);
    let mut connection = server.connect();
    let lasting = signed(&Token::of_all_scopes());
    let (_, brief) = in_time(|exp| {
        let brief = signed(&Token::of_all_scopes().claim("exp", exp));
        let response = post(&mut connection, "/api/sse/events", &brief, r#"{"data":1}"#);
        (response.status() == 202).then_some(brief)
    });
    await_refusal(&mut connection, &brief);
    let before = publish(&mut connection, &lasting, &json!({"data": 2}));
    unauthorized(&post(&mut connection, "/api/sse/events", &brief, r#"{"data":3}"#));
    let after = publish(&mut connection, &lasting, &json!({"data": 4}));
    assert_eq!(sequence(&after), sequence(&before) + 1);
}
