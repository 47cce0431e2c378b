//! A stream ends with its token.

use std::time::Duration;

use serde_json::json;

use super::claim::LEEWAY;
use super::keyed::{Keyed, publish, signed, subscribe};
use super::token::{Token, seconds};
use crate::support::clock::now;

/// A token that permits for so many seconds more, the leeway counted in.
fn ending_in(left: u64) -> Token {
    Token::new().claim("exp", seconds() + left - LEEWAY)
}

#[test]
fn a_stream_ends_when_its_token_expires() {
    let server = Keyed::secret(&[]);
    let (mut connection, publisher) = (server.connect(), signed(&Token::of_all_scopes()));
    let mut lasting = subscribe(&server, "", &signed(&Token::new()));
    let fields = signed(&ending_in(3));
    let began = now();
    let mut streams = [subscribe(&server, "", &fields), subscribe(&server, "", &fields)];
    let id = publish(&mut connection, &publisher, &json!({"data": 1}));
    for stream in &mut streams {
        let rest = stream.rest();
        assert_eq!(rest[0].id.as_ref(), Some(&id), "until then it goes on");
    }
    let lived = began.elapsed();
    assert!((Duration::from_millis(1500)..Duration::from_secs(6)).contains(&lived), "{lived:?}");
    // A browser comes back with what it has, and is told that this will not do any more.
    super::verdict::unauthorized(&connection.request("GET", "/api/sse", &fields, ""));
    let stats = connection.request("GET", "/api/sse/stats", &publisher, "").json();
    assert_eq!(stats["totalConnections"], 1, "{stats}");
    let later = publish(&mut connection, &publisher, &json!({"data": 2}));
    assert_eq!([lasting.next().id, lasting.next().id], [Some(id), Some(later)]);
}

#[test]
fn a_stream_whose_token_ends_at_no_time_that_a_clock_knows_goes_on() {
    let server = Keyed::secret(&[]);
    let far = Token::new().claim("exp", 253_402_300_799_u64);
    let mut stream = subscribe(&server, "", &signed(&far));
    assert!(!stream.read_for(Duration::from_millis(200)), "it ends");
    let id = publish(&mut server.connect(), &signed(&Token::of_all_scopes()), &json!({"data": 1}));
    assert_eq!(stream.next().id, Some(id));
}

#[test]
fn an_expired_token_publishes_nothing_on_a_connection_that_is_open() {
    let server = Keyed::secret(&[]);
    let mut connection = server.connect();
    let brief = Token::of_all_scopes().claim("exp", seconds() + 2 - LEEWAY);
    let first = publish(&mut connection, &signed(&brief), &json!({"data": 1}));
    crate::support::clock::eventually("it expires", || {
        let fields = signed(&brief);
        super::keyed::post(&mut connection, "/api/sse/events", &fields, r#"{"data":2}"#).status() == 401
    });
    let last = publish(&mut connection, &signed(&Token::of_all_scopes()), &json!({"data": 3}));
    assert!(super::keyed::sequence(&last) > super::keyed::sequence(&first));
}
