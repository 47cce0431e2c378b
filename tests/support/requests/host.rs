//! Host, and the target it belongs to.

use super::{Case, bad, good, last, request};

pub(super) fn cases() -> Vec<Case> {
    let mut cases = good_hosts();
    cases.extend(bad_hosts());
    cases.extend(absolute());
    cases
}

fn get(host: &str) -> String {
    format!("GET / HTTP/1.1\r\nHost:{host}\r\n\r\n")
}

/// Marked where the value of Host ends.
fn get_to_end(host: &str) -> String {
    format!("GET / HTTP/1.1\r\nHost:{host}\r¶\n\r\n")
}

fn good_hosts() -> Vec<Case> {
    let root = &[request("GET", "/", "")];
    vec![
        good("a host and a port", get(" example.com:8080"), root),
        good("a host and no port", get(" example.com:"), root),
        good("the highest port", get(" a:65535"), root),
        good("a port with zeros", get(" a:00080"), root),
        good("an IPv4 address", get(" 127.0.0.1:3000"), root),
        good("an IPv6 address", get(" [::1]:3000"), root),
        good("an IPv6 address that ends like IPv4", get(" [::ffff:127.0.0.1]"), root),
        good("an underscore", get(" my_host"), root),
        good("an escape", get(" a%2Db"), root),
        good("a final dot", get(" example.com."), root),
        good("no Host in 1.0", "GET / HTTP/1.0\r\n\r\n", &[last("GET", "/", "")]),
    ]
}

fn bad_hosts() -> Vec<Case> {
    vec![
        bad("no Host", 400, "GET / HTTP/1.1\r\n\r\n¶"),
        bad("no Host in 1.2", 400, "GET / HTTP/1.2\r\n\r\n¶"),
        bad("no Host but other fields", 400, "GET / HTTP/1.1\r\nX-Host: a\r\n\r\n¶"),
        bad("an empty Host", 400, get_to_end("")),
        bad("a Host of blanks", 400, get_to_end(" \t ")),
        bad("an empty Host in 1.0", 400, "GET / HTTP/1.0\r\nHost:\r¶\n\r\n"),
        bad("a bad Host in 1.0", 400, "GET / HTTP/1.0\r\nHost: a@¶b\r\n\r\n"),
        bad("Host twice", 400, "GET / HTTP/1.1\r\nHost: a\r\nHost:¶ b\r\n\r\n"),
        bad("the same Host twice", 400, "GET / HTTP/1.1\r\nHost: a\r\nX: y\r\nhOST:¶ a\r\n\r\n"),
        bad("Host twice in 1.0", 400, "GET / HTTP/1.0\r\nHost: a\r\nHost:¶ a\r\n\r\n"),
        bad("two hosts", 400, get(" a,¶b")),
        bad("two hosts and a blank", 400, get(" a b¶")),
        bad("a user", 400, get(" u@¶a")),
        bad("a path", 400, get(" a/¶b")),
        bad("a query", 400, get(" a?¶b")),
        bad("a fragment of a host", 400, get(" a#¶")),
        bad("a backslash", 400, get(" a\\¶b")),
        bad("a quote", 400, get(" \"¶a\"")),
        bad("a URI", 400, get(" http:/¶/a")),
        bad("a port alone", 400, get(" :¶80")),
        bad("a port of letters", 400, get(" a:h¶ttp")),
        bad("a port too high", 400, get(" a:65536¶")),
        bad("a port of six digits", 400, get(" a:000080¶")),
        bad("two ports", 400, get(" a:80:¶80")),
        bad("a port with a sign", 400, get(" a:+¶80")),
        bad("IPv6 without brackets", 400, get(" :¶:1")),
        bad("IPv6 that is none", 400, get(" [1.2.3.4]¶")),
        bad("IPv6 that is open", 400, get_to_end(" [::1")),
        bad("IPv6 and a name", 400, get(" [::1]a¶")),
        bad("IPv6 with a zone", 400, get(" [fe80::1%25eth0]¶")),
        bad("half an escape", 400, get_to_end(" a%4")),
        bad("a broken escape in Host", 400, get(" a%g¶0")),
        bad("a host beyond ASCII", 400, get(" é")),
    ]
}

fn absolute() -> Vec<Case> {
    let get = |target: &str, host: &str| format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n");
    let get_to_end = |target: &str, host: &str| format!("GET {target} HTTP/1.1\r\nHost: {host}\r¶\n\r\n");
    vec![
        good("an absolute target", get("http://a/b?c", "a"), &[request("GET", "/b?c", "")]),
        good("an absolute target without path", get("http://a", "a"), &[request("GET", "/", "")]),
        good("an absolute target with a query alone", get("http://a?b", "a"), &[request("GET", "/?b", "")]),
        good("an absolute target in capitals", get("HTTP://A.B/", "a.b"), &[request("GET", "/", "")]),
        good("the default port in the target", get("http://a:80/", "a"), &[request("GET", "/", "")]),
        good("the default port in Host", get("https://a/", "a:443"), &[request("GET", "/", "")]),
        good(
            "an absolute target with IPv6",
            get("http://[::1]:3000/", "[::1]:3000"),
            &[request("GET", "/", "")],
        ),
        good(
            "an absolute target of OPTIONS without path",
            "OPTIONS http://a HTTP/1.1\r\nHost: a\r\n\r\n",
            &[request("OPTIONS", "*", "")],
        ),
        good(
            "an absolute target and no Host in 1.0",
            "GET http://a/ HTTP/1.0\r\n\r\n",
            &[last("GET", "/", "")],
        ),
        bad("an absolute target and no Host", 400, "GET http://a/ HTTP/1.1\r\n\r\n¶"),
        bad("an absolute target at odds with Host", 400, get_to_end("http://a/", "b")),
        bad("ports at odds", 400, get_to_end("http://a:81/", "a:82")),
        bad("the other scheme's port", 400, get_to_end("https://a/", "a:80")),
        bad("at odds in 1.0", 400, "GET http://a/ HTTP/1.0\r\nHost: b\r¶\n\r\n"),
        bad("an absolute target that Host only begins with", 400, get_to_end("http://a/", "ab")),
    ]
}
