//! What stands at which path, and for which method.

use serde_json::json;

use crate::server::Server;
use crate::support::subscriber::Subscriber;

#[test]
fn health_is_at_the_root() {
    let server = Server::start();
    let mut connection = server.connect();
    for path in ["/healthz", "/readyz"] {
        let response = connection.get(path);
        assert_eq!(response.status(), 200, "{path}");
        let head = connection.request("HEAD", path, "", "");
        assert_eq!((head.status(), head.field("content-length")), (200, response.field("content-length")));
    }
}

#[test]
fn an_unknown_path_is_404_whatever_the_method() {
    let server = Server::start();
    let mut connection = server.connect();
    for path in [
        "/",
        "/api",
        "/api/sse/",
        "/api/ssex",
        "/API/sse",
        "/api/sse/event",
        "/api/sse/events/",
        "/api/sse/users/",
        "/api/sse/users/a/b",
        "/api/sse/clients",
        "/api/sse/../sse",
        "/healthz/",
        "//api/sse",
        "/api%2Fsse",
    ] {
        for method in ["GET", "POST", "BREW"] {
            connection.request(method, path, "", "").problem(404);
        }
    }
}

#[test]
fn a_percent_sign_that_begins_no_escape_is_a_bad_request_everywhere() {
    let server = Server::start();
    let mut connection = server.connect();
    for (method, path) in [
        ("GET", "/api/sse"),
        ("GET", "/api/sse/stats"),
        ("GET", "/api/sse/users"),
        ("GET", "/api/sse/users/ada"),
        ("DELETE", "/api/sse/users/ada"),
        ("DELETE", "/api/sse/clients/x"),
        ("POST", "/api/sse/events"),
        ("POST", "/api/sse/test"),
        ("GET", "/metrics"),
        ("GET", "/healthz"),
        ("OPTIONS", "/api/sse"),
        ("GET", "/nothing"),
    ] {
        for wrong in ["%", "%2", "%zz", "%2g", "%%41", "a%"] {
            for target in
                [format!("{path}{wrong}"), format!("{path}?a={wrong}"), format!("{path}?{wrong}=a&b")]
            {
                let json = "Content-Type: application/json\r\n";
                let response = connection.request(method, &target, json, "");
                assert!(response.problem(400).contains("percent"), "{method} {target}");
            }
        }
    }
    connection.request("GET", "/api/sse/users/%41%25zz", "", "").json();
    assert_eq!(connection.get("/healthz?a=%41").status(), 200);
    assert!(connection.is_open());
}

#[test]
fn a_method_that_a_path_does_not_take_is_405_and_names_those_it_takes() {
    let server = Server::start();
    let mut connection = server.connect();
    for (method, path, allow) in [
        ("POST", "/api/sse", "GET, HEAD, OPTIONS"),
        ("DELETE", "/api/sse", "GET, HEAD, OPTIONS"),
        ("DELETE", "/api/sse/events", "GET, HEAD, POST, OPTIONS"),
        ("PUT", "/api/sse/events", "GET, HEAD, POST, OPTIONS"),
        ("PATCH", "/api/sse/stats", "GET, HEAD, OPTIONS"),
        ("DELETE", "/api/sse/users", "GET, HEAD, OPTIONS"),
        ("POST", "/api/sse/users/ada", "GET, HEAD, DELETE, OPTIONS"),
        ("GET", "/api/sse/clients/x", "DELETE, OPTIONS"),
        ("TRACE", "/healthz", "GET, HEAD, OPTIONS"),
        ("DELETE", "/api/sse/test", "GET, HEAD, POST, OPTIONS"),
    ] {
        let response = connection.request(method, path, "", "");
        response.problem(405);
        assert_eq!(response.field("allow"), Some(allow), "{method} {path}");
    }
}

#[test]
fn a_method_that_nobody_knows_is_501() {
    let server = Server::start();
    let mut connection = server.connect();
    for method in ["BREW", "get", "PROPFIND", "!"] {
        connection.request(method, "/api/sse", "", "").problem(501);
    }
    assert!(connection.is_open());
}

#[test]
fn in_open_mode_the_host_must_be_this_machine() {
    let server = Server::start();
    let mut connection = server.connect();
    for host in
        ["evil.example", "evil.example:80", "localhost.evil.example", "10.0.0.1", "127.0.0.1.evil.example"]
    {
        for (method, target) in [("GET", "/api/sse"), ("POST", "/api/sse/events"), ("GET", "/api/sse/stats")]
        {
            connection.request(method, target, &format!("Host: {host}\r\n"), "").problem(403);
        }
        // An unknown path is judged before permission.
        connection.request("GET", "/nothing", &format!("Host: {host}\r\n"), "").problem(404);
        let absolute = format!("http://{host}/api/sse/stats");
        connection.request("GET", &absolute, &format!("Host: {host}\r\n"), "").problem(403);
    }
    for host in ["localhost", "LocalHost:1", "127.0.0.1:3000", "127.1.2.3", "[::1]:3000", "app.localhost"] {
        let field = format!("Host: {host}\r\n");
        assert_eq!(connection.request("GET", "/api/sse/stats", &field, "").status(), 200, "{host}");
        Subscriber::open(server.address, "/api/sse", &field);
    }
}

#[test]
fn open_mode_that_is_said_to_be_insecure_takes_any_host() {
    let server = Server::with(|builder| builder.insecure_open());
    let mut connection = server.connect();
    let response = connection.request("GET", "/api/sse/stats", "Host: sse.example\r\n", "");
    assert_eq!(response.status(), 200);
    Subscriber::open(server.address, "/api/sse", "Host: sse.example\r\n");
}

#[test]
fn the_base_path_can_be_another() {
    let server = Server::with(|builder| builder.base_path("/v1/events.stream"));
    let mut subscriber = Subscriber::open(server.address, "/v1/events.stream?userId=ada", "");
    let mut connection = server.connect();
    assert_eq!(connection.post("/v1/events.stream/events", r#"{"data":1}"#).status(), 202);
    assert_eq!(subscriber.next().data, "1");
    assert_eq!(connection.get("/v1/events.stream/users").json(), json!({"connectedUsers": 1}));
    assert_eq!(connection.get("/healthz").status(), 200);
    connection.get("/api/sse").problem(404);
    connection.get("/v1/eventsXstream").problem(404);
}

#[test]
fn development_endpoints_are_there_in_open_mode_unless_switched_off() {
    let server = Server::with(|builder| builder.dev_endpoints(false));
    let mut connection = server.connect();
    for (method, path) in [
        ("GET", "/api/sse/test"),
        ("POST", "/api/sse/test"),
        ("OPTIONS", "/api/sse/test"),
        ("GET", "/sse-test"),
    ] {
        connection.request(method, path, "Content-Type: application/json\r\n", "").problem(404);
    }
    let server = Server::start();
    assert_eq!(server.connect().get("/api/sse/test").status(), 200);
}

#[test]
fn an_engine_listens_on_several_addresses() {
    let second = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = second.local_addr().expect("an address");
    let server = Server::with(|builder| builder.listener(second));
    assert_eq!(server.engine.local_addrs().len(), 2);
    assert!(server.engine.local_addrs().contains(&address) && server.address.port() != 0);
    let mut subscriber = Subscriber::open(address, "/api/sse", "");
    let id = server.publish(&json!({"data": 1}));
    assert_eq!(subscriber.next().id, Some(id));
}
