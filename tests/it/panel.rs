//! The test panel: what is served for it, how, and when not. `tests/panel` drives it in a browser.

use fanfare::Identity;

use crate::server::Server;

const FILES: [(&str, &str); 13] = [
    ("/sse-test", "text/html; charset=utf-8"),
    ("/sse-test/panel.css", "text/css; charset=utf-8"),
    ("/sse-test/icon.svg", "image/svg+xml"),
    ("/sse-test/panel.js", "text/javascript; charset=utf-8"),
    ("/sse-test/api.js", "text/javascript; charset=utf-8"),
    ("/sse-test/chart.js", "text/javascript; charset=utf-8"),
    ("/sse-test/fields.js", "text/javascript; charset=utf-8"),
    ("/sse-test/history.js", "text/javascript; charset=utf-8"),
    ("/sse-test/publisher.js", "text/javascript; charset=utf-8"),
    ("/sse-test/sse.js", "text/javascript; charset=utf-8"),
    ("/sse-test/statistics.js", "text/javascript; charset=utf-8"),
    ("/sse-test/stream.js", "text/javascript; charset=utf-8"),
    ("/sse-test/streams.js", "text/javascript; charset=utf-8"),
];

#[test]
fn each_file_has_its_type_and_a_strict_policy() {
    let server = Server::start();
    let mut connection = server.connect();
    for (path, content_type) in FILES {
        let response = connection.get(path);
        assert_eq!((response.status(), response.field("content-type")), (200, Some(content_type)), "{path}");
        assert_eq!(response.field("x-content-type-options"), Some("nosniff"), "{path}");
        assert_eq!(response.field("referrer-policy"), Some("no-referrer"), "{path}");
        let policy = response.field("content-security-policy").expect("a policy");
        let mut directives = policy.split("; ");
        assert_eq!(directives.next(), Some("default-src 'none'"), "{path}");
        for wanted in
            ["script-src 'self'", "style-src 'self'", "connect-src 'self'", "frame-ancestors 'none'"]
        {
            assert!(directives.clone().any(|directive| directive == wanted), "{wanted} in {policy}");
        }
        assert!(!policy.contains("unsafe") && !policy.contains('*') && !policy.contains("http"), "{policy}");
        let head = connection.request("HEAD", path, "", "");
        assert_eq!(head.field("content-length"), response.field("content-length"), "{path}");
        assert_eq!(head.body, b"");
        for method in ["POST", "PUT", "DELETE"] {
            let refused = connection.request(method, path, "", "");
            refused.problem(405);
            assert_eq!(refused.field("allow"), Some("GET, HEAD, OPTIONS"), "{method} {path}");
        }
    }
    for path in
        ["/sse-test/", "/sse-test/panel.html", "/sse-test/../healthz", "/sse-test/x.js", "/sse-testing"]
    {
        connection.get(path).problem(404);
    }
}

#[test]
fn the_page_says_where_the_stream_is() {
    for base in ["/api/sse", "/v1/events.stream"] {
        let server = Server::with(|builder| builder.base_path(base));
        let page = server.connect().get("/sse-test");
        assert!(page.text().contains(&format!("<html lang=\"en\" data-base=\"{base}\">")), "{base}");
        assert!(!page.text().contains("{{"), "nothing is left to be filled in");
    }
}

#[test]
fn it_is_not_there_unless_the_development_endpoints_are() {
    let authenticated = Server::with(|builder| builder.authenticate(|_| Ok(Identity::new())));
    for server in [Server::with(|builder| builder.dev_endpoints(false)), authenticated] {
        let mut connection = server.connect();
        for (path, _) in FILES {
            for method in ["GET", "HEAD", "OPTIONS"] {
                assert_eq!(connection.request(method, path, "", "").status(), 404, "{method} {path}");
            }
        }
    }
}

/// A browser that opens a page can bring no token. The page itself tells nothing, and what it asks for needs one.
#[test]
fn switched_on_beside_authentication_the_page_needs_no_permission_but_what_it_shows_does() {
    let server = Server::with(|builder| {
        let builder = builder.authenticate(|request| match request.bearer() {
            Some("admin") => Ok(Identity::new().allow_admin().allow_publish()),
            _ => Err(fanfare::Denial::Unauthorized("who are you?".to_owned())),
        });
        builder.dev_endpoints(true)
    });
    let mut connection = server.connect();
    for (path, _) in FILES {
        assert_eq!(connection.get(path).status(), 200, "{path}");
    }
    for path in ["/api/sse/stats", "/api/sse/test", "/api/sse"] {
        connection.get(path).problem(401);
    }
    let admin = "Authorization: Bearer admin\r\n";
    assert_eq!(connection.request("GET", "/api/sse/test", admin, "").status(), 200);
}

#[test]
fn in_open_mode_the_host_must_be_this_machine_for_the_page_too() {
    let server = Server::start();
    let mut connection = server.connect();
    for (path, _) in FILES {
        connection.request("GET", path, "Host: evil.example\r\n", "").problem(403);
    }
}

#[test]
fn it_is_behind_the_listener_for_operators_where_there_is_one() {
    let server = Server::with(|builder| builder.control_listen("127.0.0.1:0".parse().expect("an address")));
    let control = server.engine.control_addrs()[0];
    server.connect().get("/sse-test").problem(404);
    let mut connection = crate::support::client::Connection::open(control);
    assert_eq!(connection.get("/sse-test").status(), 200);
}

#[test]
fn the_base_path_cannot_be_where_the_panel_is() {
    for base in ["/sse-test", "/sse-test/panel.js"] {
        assert!(fanfare::Engine::builder().base_path(base).check().is_err(), "{base}");
    }
    assert!(fanfare::Engine::builder().base_path("/sse-testing").check().is_ok());
}
