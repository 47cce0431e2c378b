//! Behind a proxy: whose address a stream counts for, and who is believed about it.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use socket2::{Domain, Socket, Type};

use crate::server::{Server, command, run};
use crate::support::client::request;
use crate::support::clock::{PATIENCE, eventually};
use crate::support::subscriber::Subscriber;

const PROXY: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 1);
const STRANGER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
const TRUSTED: &[&str] = &[
    "--trusted-proxy",
    "127.0.0.1",
    "--trusted-proxy",
    "10.0.0.0/8",
    "--trusted-proxy",
    "2001:db8:ffff::/48",
];

/// One stream for each address.
fn server(args: &[&str]) -> Server {
    Server::start(&[&["--max-connections-per-ip", "1"], args].concat())
}

/// Asks for a stream from an address of this machine. The stream, and whether it was refused.
fn ask(server: &Server, from: Ipv4Addr, fields: &str) -> (Subscriber, bool) {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    socket.bind(&SocketAddr::new(IpAddr::V4(from), 0).into()).expect("an address of this machine");
    socket.connect_timeout(&server.address.into(), PATIENCE).expect("a connection");
    let fields = fields.split('|').filter(|field| !field.is_empty()).map(|field| format!("{field}\r\n"));
    let request = request("GET", "/api/sse", &fields.collect::<String>(), "");
    let stream = Subscriber::over(socket.into(), &request);
    let refused = stream.greeting()["status"] == "refused";
    (stream, refused)
}

/// Whether two streams with these fields count for the same address.
fn are_one(server: &Server, from: Ipv4Addr, first: &str, second: &str) -> bool {
    let (stream, refused) = ask(server, from, first);
    assert!(!refused, "there is no other: {first}");
    let (other, refused) = ask(server, from, second);
    drop((stream, other));
    eventually("they are gone", || server.stats()["totalConnections"] == 0);
    refused
}

fn check(server: &Server, from: Ipv4Addr, cases: &[(&str, &str, bool)]) {
    let mut wrong = Vec::new();
    for (first, second, expected) in cases {
        if are_one(server, from, first, second) != *expected {
            wrong.push(format!("{first:?} and {second:?} are one: {}", !expected));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_trusted_proxy_is_believed_by_x_forwarded_for() {
    check(
        &server(TRUSTED),
        PROXY,
        &[
            ("X-Forwarded-For: 203.0.113.1", "X-Forwarded-For: 203.0.113.2", false),
            ("X-Forwarded-For: 203.0.113.1", "x-forwarded-for:203.0.113.1 ", true),
            // What stands first was there before the first proxy that is trusted: anybody can write it.
            ("X-Forwarded-For: 6.6.6.6, 203.0.113.1", "X-Forwarded-For: 7.7.7.7, 203.0.113.1", true),
            ("X-Forwarded-For: 203.0.113.2, 203.0.113.1", "X-Forwarded-For: 203.0.113.2", false),
            ("X-Forwarded-For: 127.0.0.1, 203.0.113.1", "X-Forwarded-For: 203.0.113.1", true),
            ("X-Forwarded-For: garbage, 203.0.113.1", "X-Forwarded-For: 203.0.113.1", true),
            // Further proxies that are trusted are passed.
            (
                "X-Forwarded-For: 203.0.113.1, 10.1.2.3",
                "X-Forwarded-For: 203.0.113.1,10.9.9.9,10.0.0.1",
                true,
            ),
            ("X-Forwarded-For: 203.0.113.1, 10.1.2.3", "X-Forwarded-For: 203.0.113.2, 10.1.2.3", false),
            ("X-Forwarded-For: 203.0.113.1, 11.1.2.3", "X-Forwarded-For: 203.0.113.2, 11.1.2.3", true),
            ("X-Forwarded-For: 2001:db8::1, 2001:db8:ffff::2", "X-Forwarded-For: 2001:db8::1", true),
            // Several fields are one list.
            ("X-Forwarded-For: 6.6.6.6|X-Forwarded-For: 203.0.113.1", "X-Forwarded-For: 203.0.113.1", true),
            ("X-Forwarded-For: 203.0.113.1|X-Forwarded-For: 10.0.0.1", "X-Forwarded-For: 203.0.113.1", true),
            // Another way to write the same.
            ("X-Forwarded-For: 2001:db8::1", "X-Forwarded-For: 2001:DB8:0:0::0001", true),
            ("X-Forwarded-For: 203.0.113.1", "X-Forwarded-For: ::ffff:203.0.113.1", true),
            ("", "", true),
        ],
    );
}

#[test]
fn a_trusted_proxy_is_believed_by_forwarded() {
    check(
        &server(TRUSTED),
        PROXY,
        &[
            ("Forwarded: for=203.0.113.1", "Forwarded: for=203.0.113.2", false),
            ("Forwarded: for=203.0.113.1", "forwarded: FOR=203.0.113.1", true),
            (
                "Forwarded: for=203.0.113.1;proto=https;by=10.0.0.1",
                "Forwarded: proto=http; for=203.0.113.1",
                true,
            ),
            ("Forwarded: for=203.0.113.1", "Forwarded: for=\"203.0.113.1:4711\"", true),
            ("Forwarded: for=\"[2001:db8::1]:4711\"", "Forwarded: for=\"[2001:db8::1]\"", true),
            ("Forwarded: for=\"[2001:db8::1]\"", "Forwarded: for=\"[2001:db8:0:2::1]\"", false),
            ("Forwarded: for=6.6.6.6, for=203.0.113.1", "Forwarded: for=203.0.113.1", true),
            ("Forwarded: for=6.6.6.6|Forwarded: for=203.0.113.1", "Forwarded: for=203.0.113.1", true),
            ("Forwarded: for=203.0.113.1, for=10.0.0.9", "Forwarded: for=203.0.113.1", true),
            ("Forwarded: by=\"a,b;for=6.6.6.6\";for=203.0.113.1", "Forwarded: for=203.0.113.1", true),
            // Where a proxy passes on the host that a client chose.
            ("Forwarded: host=\"a;for=6.6.6.6;b\";for=203.0.113.1", "Forwarded: for=203.0.113.1", true),
            ("Forwarded: for=203.0.113.1;host=\"a,for=6.6.6.6;b\"", "Forwarded: for=203.0.113.1", true),
            ("Forwarded: host=\"x\\\";for=6.6.6.6\";for=203.0.113.1", "Forwarded: for=203.0.113.1", true),
        ],
    );
}

/// Who cannot be told counts for the proxy that says so: never for an address that is further from us.
#[test]
fn what_is_no_address_is_not_passed() {
    check(
        &server(TRUSTED),
        PROXY,
        &[
            ("X-Forwarded-For: unknown", "X-Forwarded-For: garbage", true),
            ("X-Forwarded-For: 203.0.113.1, garbage", "X-Forwarded-For: 203.0.113.2, garbage", true),
            ("X-Forwarded-For: 203.0.113.1, 999.1.1.1", "X-Forwarded-For: 203.0.113.2, 999.1.1.1", true),
            ("X-Forwarded-For: ,", "X-Forwarded-For: ,,,", true),
            ("Forwarded: for=unknown", "Forwarded: for=_hidden", true),
            ("Forwarded: for=203.0.113.1, for=_x", "Forwarded: for=203.0.113.2, for=_x", true),
            ("Forwarded: for=203.0.113.1, proto=https", "Forwarded: for=203.0.113.2, proto=https", true),
            ("Forwarded: for=\"203.0.113.1", "Forwarded: for=\"203.0.113.2", true),
            ("Forwarded: ;;;=", "Forwarded: for", true),
        ],
    );
}

#[test]
fn nobody_else_is_believed() {
    let cases = [
        ("X-Forwarded-For: 203.0.113.1", "X-Forwarded-For: 203.0.113.2", true),
        ("X-Forwarded-For: 127.0.0.1", "X-Forwarded-For: 10.0.0.1", true),
        ("Forwarded: for=203.0.113.1", "Forwarded: for=203.0.113.2", true),
        ("X-Real-IP: 203.0.113.1", "X-Real-IP: 203.0.113.2", true),
        ("X-Forwarded-For: 203.0.113.1", "", true),
    ];
    check(&server(TRUSTED), STRANGER, &cases);
    check(&server(&[]), PROXY, &cases);
    check(&server(&["--trusted-proxy", "127.0.0.3", "--trusted-proxy", "127.0.0.128/25"]), PROXY, &cases);
}

#[test]
fn a_stranger_does_not_count_for_whom_it_names() {
    let server = server(TRUSTED);
    let client = "X-Forwarded-For: 203.0.113.1";
    let (_forged, refused) = ask(&server, STRANGER, client);
    assert!(!refused);
    let (_own, refused) = ask(&server, PROXY, client);
    assert!(!refused, "the place of that client is free");
    let (_once_more, refused) = ask(&server, PROXY, client);
    assert!(refused);
    let (_as_itself, refused) = ask(&server, STRANGER, "");
    assert!(refused, "it has its one");
}

#[test]
fn networks_are_trusted_as_a_whole() {
    for network in ["127.0.0.0/8", "127.0.0.0/30", "127.0.0.2/32"] {
        let server = server(&["--trusted-proxy", network]);
        let [first, second] = ["X-Forwarded-For: 203.0.113.1", "X-Forwarded-For: 203.0.113.2"];
        check(&server, STRANGER, &[(first, second, false)]);
    }
}

#[test]
fn what_is_no_network_is_refused_at_start() {
    for network in [
        "",
        "proxy.example",
        "10.0.0.0/33",
        "10.0.0.0/-1",
        "10.0.0.0/",
        "10.0.0.0/8/8",
        "10.0.0/8",
        "10.0.0.1:80",
        "::/129",
        "[::1]",
        "10.0.0.0/255.0.0.0",
        "*",
    ] {
        let output = run(command(&["--listen", "127.0.0.1:0", &format!("--trusted-proxy={network}")]));
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!((output.status.code(), error.lines().count()), (Some(2), 1), "{network:?}: {error}");
        assert!(error.contains("trusted-proxy"), "{error}");
    }
}

/// Whoever has one address of a network of 64 bits has all of them.
#[test]
fn an_ipv6_client_counts_by_its_network() {
    check(
        &server(&[TRUSTED, &["--trusted-proxy", "::ffff:192.0.2.0/120"]].concat()),
        PROXY,
        &[
            ("X-Forwarded-For: 2001:db8:0:1::1", "X-Forwarded-For: 2001:db8:0:1:ffff:ffff:ffff:ffff", true),
            ("X-Forwarded-For: 2001:db8:0:1::1", "X-Forwarded-For: 2001:db8:0:2::1", false),
            ("X-Forwarded-For: ::ffff:203.0.113.1", "X-Forwarded-For: 203.0.113.1", true),
            ("X-Forwarded-For: ::ffff:203.0.113.1", "X-Forwarded-For: ::ffff:203.0.113.2", false),
            // A proxy that is given as a mapped address.
            ("X-Forwarded-For: 203.0.113.1, 192.0.2.7", "X-Forwarded-For: 203.0.113.1", true),
        ],
    );
}

#[test]
fn an_ipv6_publisher_has_the_rate_of_its_network() {
    let server = Server::start(&["--trusted-proxy", "127.0.0.1", "--publish-rate", "1"]);
    let mut connection = server.connect();
    let mut publish = |address: String| {
        let fields = format!("X-Forwarded-For: {address}\r\nContent-Type: application/json\r\n");
        connection.request("POST", "/api/sse/events", &fields, "{\"data\":1}").status()
    };
    let refused = (1..300).any(|n| publish(format!("2001:db8:0:1::{n:x}")) == 429);
    assert!(refused, "300 addresses of one network");
    assert_eq!(publish("2001:db8:0:2::1".to_owned()), 202);
}
