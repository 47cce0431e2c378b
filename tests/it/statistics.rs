//! Statistics and presence, over HTTP and in the library.

use serde_json::{Value, json};

use crate::server::Server;
use crate::support::clock::{eventually, unix_ms};

fn stats(server: &Server) -> Value {
    let response = server.connect().get("/api/sse/stats");
    assert_eq!((response.status(), response.field("content-type")), (200, Some("application/json")));
    response.json()
}

#[test]
fn without_streams_there_is_no_oldest_and_no_newest() {
    let stats = stats(&Server::start());
    for name in ["totalConnections", "userConnections", "sessionConnections", "staleConnections"] {
        assert_eq!(stats[name], 0, "{name}");
    }
    for name in ["oldestConnection", "newestConnection"] {
        assert!(stats.get(name).is_some_and(Value::is_null), "{name}");
    }
}

#[test]
fn streams_are_counted_while_they_are_open() {
    let server = Server::start();
    let before = unix_ms();
    let first = server.subscribe("?userId=ada&sessionId=s");
    let _second = server.subscribe("?userId=ada");
    let _third = server.subscribe("?topic=a");
    let found = stats(&server);
    let counts = ["totalConnections", "userConnections", "sessionConnections", "staleConnections"];
    assert_eq!(counts.map(|name| found[name].as_u64()), [Some(3), Some(2), Some(1), Some(0)]);
    let time = |name: &str| found[name].as_u64().expect("a time");
    let (oldest, newest) = (time("oldestConnection"), time("newestConnection"));
    assert!(before <= oldest && oldest <= newest && newest <= unix_ms(), "{oldest} {newest}");
    drop(first);
    eventually("one stream has gone", || stats(&server)["totalConnections"] == 2);
    let found = stats(&server);
    assert_eq!(counts.map(|name| found[name].as_u64()), [Some(2), Some(1), Some(0), Some(0)]);
    assert!(found["oldestConnection"].as_u64() >= Some(oldest));
}

#[test]
fn the_engine_counts_what_it_does() {
    let server = Server::start();
    let (mut a, mut b) = (server.subscribe("?userId=a"), server.subscribe("?userId=b"));
    server.publish(&json!({"data": 1}));
    server.publish(&json!({"data": 1, "to": {"user": "a"}}));
    server.publish(&json!({"data": 1, "to": {"user": "nobody"}, "ttl": 0}));
    assert_eq!((a.take(2).len(), b.take(1).len()), (2, 1));
    eventually("all is counted", || stats(&server)["engine"]["deliveries"] == 3);
    let engine = stats(&server)["engine"].clone();
    assert_eq!(engine["eventsPublished"], 3);
    assert_eq!((&engine["connectionsOpened"], &engine["connectionsClosed"]), (&json!(2), &json!(0)));
    assert_eq!((&engine["slowClientsClosed"], &engine["backlogBytes"]), (&json!(0), &json!(0)));
    assert!(engine["bytesSent"].as_u64() > Some(500), "{engine}");
    assert_eq!(engine["history"]["events"], 2, "ttl 0 is never held");
    let loops = engine["loops"].as_array().expect("figures of each loop");
    let sum = |name: &str| loops.iter().map(|figures| figures[name].as_u64().expect("a figure")).sum::<u64>();
    assert_eq!((loops.len(), sum("connections"), sum("deliveries")), (2, 2, 3));
}

#[test]
fn the_development_endpoint_says_the_same() {
    let server = Server::start();
    let _subscriber = server.subscribe("?userId=ada");
    let mut connection = server.connect();
    let (stats, test) = (connection.get("/api/sse/stats").json(), connection.get("/api/sse/test").json());
    let names = |value: &Value| value.as_object().map(|o| o.keys().cloned().collect::<Vec<_>>());
    assert_eq!(names(&stats), names(&test));
    assert_eq!(
        (&test["totalConnections"], &test["oldestConnection"]),
        (&json!(1), &stats["oldestConnection"])
    );
}

#[test]
fn presence_tells_who_is_here() {
    let server = Server::start();
    let mut connection = server.connect();
    assert_eq!(connection.get("/api/sse/users").json(), json!({"connectedUsers": 0}));
    let streams = ["?userId=ada", "?userId=ada&sessionId=s", "?userId=b%2Fo%20b", ""]
        .map(|query| server.subscribe(query));
    assert_eq!(connection.get("/api/sse/users").json(), json!({"connectedUsers": 2}));
    let presence = |user: &str, online: bool, connections: u32| json!({"userId": user, "online": online, "connections": connections});
    assert_eq!(connection.get("/api/sse/users/ada").json(), presence("ada", true, 2));
    assert_eq!(connection.get("/api/sse/users/b%2Fo%20b").json(), presence("b/o b", true, 1));
    assert_eq!(connection.get("/api/sse/users/nobody").json(), presence("nobody", false, 0));
    drop(streams);
    eventually("all have gone", || connection.get("/api/sse/users").json()["connectedUsers"] == 0);
    assert_eq!(connection.get("/api/sse/users/ada").json(), presence("ada", false, 0));
}

#[test]
fn all_streams_of_a_user_can_be_ended() {
    let server = Server::start();
    let mut others = server.subscribe("?userId=bob");
    let mut ended = [server.subscribe("?userId=ada"), server.subscribe("?userId=ada&topic=a")];
    let id = server.publish(&json!({"data": "last"}));
    let mut connection = server.connect();
    assert_eq!(connection.request("DELETE", "/api/sse/users/ada", "", "").json(), json!({"disconnected": 2}));
    for subscriber in &mut ended {
        let rest = subscriber.rest();
        assert_eq!(rest.iter().map(|message| message.id.as_ref()).collect::<Vec<_>>(), [Some(&id)]);
    }
    assert_eq!(connection.get("/api/sse/users/ada").json()["online"], false);
    assert_eq!(connection.request("DELETE", "/api/sse/users/ada", "", "").json(), json!({"disconnected": 0}));
    let next = server.publish(&json!({"data": "next"}));
    assert_eq!(others.take(2)[1].id, Some(next));
}

#[test]
fn one_stream_can_be_ended() {
    let server = Server::start();
    let (mut ended, mut stays) = (server.subscribe("?userId=ada"), server.subscribe("?userId=ada"));
    let mut connection = server.connect();
    let path = format!("/api/sse/clients/{}", ended.client_id());
    assert_eq!(connection.request("DELETE", &path, "", "").json(), json!({"disconnected": 1}));
    assert_eq!(ended.rest(), []);
    assert_eq!(connection.request("DELETE", &path, "", "").json(), json!({"disconnected": 0}));
    for id in [
        "x",
        "%FF",
        &"0".repeat(32),
        &"f".repeat(32),
        &ended.client_id()[..28],
        &ended.client_id().to_uppercase(),
    ] {
        let response = connection.request("DELETE", &format!("/api/sse/clients/{id}"), "", "");
        match id {
            "%FF" => drop(response.problem(404)),
            _ => assert_eq!(response.json(), json!({"disconnected": 0}), "{id}"),
        }
    }
    let id = server.publish(&json!({"data": 1}));
    assert_eq!(stays.next().id, Some(id));
}

/// Whoever knows some ids, and even that others are close to them in some way, ends no stream but those.
#[test]
fn no_stream_is_found_by_guessing_its_id() {
    let server = Server::with(|builder| builder.workers(1));
    let streams: Vec<_> = (0..40).map(|_| server.subscribe("")).collect();
    let ids: Vec<u128> =
        streams.iter().map(|s| u128::from_str_radix(&s.client_id(), 16).expect("digits")).collect();
    let mut connection = server.connect();
    let neighbours =
        ids.iter().flat_map(|id| [1, 1 << 32, 1 << 64, 1 << 96].map(|step| id.wrapping_add(step)));
    let steps = ids.windows(2).map(|pair| pair[1].wrapping_add(pair[1].wrapping_sub(pair[0])));
    let halves = ids.windows(2).map(|pair| pair[0] >> 64 << 64 | u128::from(pair[1] as u64));
    for guess in neighbours.chain(steps).chain(halves) {
        let path = format!("/api/sse/clients/{guess:032x}");
        assert_eq!(connection.request("DELETE", &path, "", "").json(), json!({"disconnected": 0}), "{path}");
    }
    assert_eq!(server.publisher.connections_count(), 40);
    let common = ids.iter().fold((u128::MAX, 0), |(all, any), id| (all & id, any | id));
    assert_eq!(common.0 | !common.1, 0, "no digit is the same in all");
}

#[test]
fn a_name_does_not_reach_the_next_tenant_of_its_place() {
    let server = Server::with(|builder| builder.workers(1));
    let mut first = server.subscribe("");
    let name = first.client_id();
    server.connect().request("DELETE", &format!("/api/sse/clients/{name}"), "", "");
    first.rest();
    let mut second = server.subscribe("");
    server.publish(&json!({"data": 1, "to": {"client": name}}));
    let marker = server.publish(&json!({"data": 2, "to": {"client": second.client_id()}}));
    assert_eq!(second.next().id, Some(marker));
}
