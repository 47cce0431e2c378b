//! Starting an engine, or not.

use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use fanfare::{Config, Engine, EngineBuilder, Identity, StartError};

use crate::server::Server;
use crate::support::port::Port;
use crate::support::subscriber::Subscriber;

fn builder() -> EngineBuilder {
    Engine::builder().workers(1)
}

fn address(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

#[test]
fn open_mode_is_for_loopback_unless_said_to_be_insecure() {
    let refused = builder().listen(address("0.0.0.0:0")).start();
    assert!(matches!(refused, Err(StartError::OpenBeyondLoopback(_))));
    let injected = builder().listener(TcpListener::bind("0.0.0.0:0").expect("a port")).start();
    assert!(matches!(injected, Err(StartError::OpenBeyondLoopback(_))));
    let mixed = builder().listen(address("127.0.0.1:0")).listen(address("0.0.0.0:0")).start();
    assert!(matches!(mixed, Err(StartError::OpenBeyondLoopback(_))));
    builder().listen(address("0.0.0.0:0")).insecure_open().start().expect("it was said");
    builder()
        .listen(address("0.0.0.0:0"))
        .authenticate(|_| Ok(Identity::new()))
        .start()
        .expect("it is judged");
}

#[test]
fn an_address_in_use_is_an_error_that_names_it() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address");
    match builder().listen(address).start() {
        Err(error @ StartError::Listen { .. }) => assert!(error.to_string().contains(&address.to_string())),
        other => panic!("{:?}", other.err()),
    }
}

#[test]
fn an_option_that_cannot_be_is_an_error_that_names_it() {
    let start = |change: fn(&mut Config)| {
        let mut config = Config::default();
        config.listen.push(address("127.0.0.1:0"));
        change(&mut config);
        builder().config(config).start().err().map(|error| error.to_string())
    };
    type Change = fn(&mut Config);
    let cases: [(&str, Change); 8] = [
        ("workers", |config| config.workers = 0),
        ("base-path", |config| config.base_path = "sse".into()),
        ("base-path", |config| config.base_path = "/".into()),
        ("base-path", |config| config.base_path = "/healthz".into()),
        ("heartbeat-interval", |config| config.heartbeat_interval = Duration::ZERO),
        ("connection-timeout", |config| config.connection_timeout = Duration::ZERO),
        ("max-body", |config| config.max_body = 0),
        ("idle-timeout", |config| config.idle_timeout = Duration::ZERO),
    ];
    for (option, change) in cases {
        let error = start(change).unwrap_or_else(|| panic!("{option} is taken"));
        assert!(error.starts_with(option), "{error}");
    }
    assert_eq!(start(|_| ()), None);
}

#[test]
fn an_engine_also_listens_on_ipv6() {
    let Ok(listener) = TcpListener::bind("[::1]:0") else { return };
    let address = listener.local_addr().expect("an address");
    let _engine = builder().listener(listener).start().expect("it starts");
    Subscriber::open(address, "/api/sse", &format!("Host: {address}\r\n"));
}

#[test]
fn engines_do_not_know_each_other() {
    let (one, two) = (Server::start(), Server::start());
    let (mut here, mut there) = (one.subscribe("?userId=ada"), two.subscribe("?userId=ada"));
    let id = one.publish(&serde_json::json!({"data": 1}));
    assert_eq!(here.next().id.as_ref(), Some(&id));
    two.publish(&serde_json::json!({"data": 2, "to": {"client": here.client_id()}}));
    two.publish(&serde_json::json!({"data": 3}));
    assert_eq!(there.next().data, "3");
    assert_eq!(one.publisher.disconnect_user("ada"), 1);
    assert!(two.publisher.is_user_connected("ada"));
}

#[test]
fn an_address_is_free_again_once_an_engine_has_ended() {
    let port = Port::reserve();
    let address = port.address();
    let first = builder().listen(address).start().expect("nobody else has the port");
    let mut subscriber = Subscriber::open(address, "/api/sse", "");
    first.shutdown(Duration::ZERO);
    subscriber.rest();
    let engine = builder().listen(address).start().expect("the port is free");
    let mut resumed = Subscriber::open(
        address,
        "/api/sse",
        &format!("Last-Event-ID: {}\r\n", subscriber.connection().last_event_id),
    );
    assert_eq!(resumed.reason().as_deref(), Some("epoch"), "another history");
    engine.shutdown(Duration::ZERO);
    assert_eq!(resumed.rest().len(), 1);
}

#[test]
fn there_are_as_many_listeners_as_there_can_be() {
    let start = |listeners: usize| {
        let listener = || TcpListener::bind("127.0.0.1:0").expect("a port");
        let builder = (0..listeners).fold(Engine::builder(), |builder, _| builder.listener(listener()));
        builder.start()
    };
    let engine = start(64).expect("as many as may be");
    let last = *engine.local_addrs().last().expect("an address");
    assert_eq!(crate::support::client::Connection::open(last).get("/healthz").status(), 200);
    assert!(matches!(start(65), Err(StartError::Config(_))));
}
