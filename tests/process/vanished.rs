//! A peer that is gone without a word: no reset, no acknowledgement.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::server::{Server, command, stats};
use crate::support::client::Connection;
use crate::support::clock::{now, within};

/// A network of two machines, one of them a namespace, that is taken down with its test.
struct Network {
    name: String,
}

impl Network {
    /// `None`, and why, where this is not allowed.
    fn new() -> Result<Self, String> {
        let network = Self { name: format!("ff{}", std::process::id()) };
        let name = &network.name;
        ip(&format!("netns add {name}"))?;
        ip(&format!("link add {name}a type veth peer name {name}b netns {name}"))?;
        ip(&format!("addr add {SERVER}/30 dev {name}a"))?;
        ip(&format!("link set {name}a up"))?;
        ip(&format!("-n {name} addr add {CLIENT}/30 dev {name}b"))?;
        ip(&format!("-n {name} link set {name}b up"))?;
        Ok(network)
    }

    /// From now on nothing that the client's machine sends arrives.
    fn lose_client(&self) -> Result<(), String> {
        ip(&format!("-n {} route add blackhole {SERVER}/32", self.name))
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        // The link goes with it.
        let _ = ip(&format!("netns del {}", self.name));
    }
}

/// Addresses that are for documentation (RFC 5737), so nobody's.
const SERVER: &str = "192.0.2.1";
const CLIENT: &str = "192.0.2.2";

fn ip(args: &str) -> Result<(), String> {
    let output = Command::new("ip").args(args.split(' ')).output().map_err(|error| error.to_string())?;
    let error = String::from_utf8_lossy(&output.stderr);
    output.status.success().then_some(()).ok_or_else(|| format!("ip {args}: {error}"))
}

/// A stream in the namespace; ended with its test.
struct Far(Child);

impl Far {
    fn open(network: &Network, url: &str) -> Self {
        let mut ip = Command::new("ip");
        ip.args(["netns", "exec", &network.name, "curl", "-sN", url]).stdin(Stdio::null());
        let mut child = ip.stdout(Stdio::piped()).spawn().expect("ip");
        let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        let far = Self(child);
        while !lines.next().expect("a stream").expect("text").starts_with("data: ") {}
        far
    }
}

impl Drop for Far {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_vanished_peer_is_gone_within_the_timeout() {
    if Command::new("curl").arg("--version").output().is_err() {
        return println!("skipped: there is no curl");
    }
    let network = match Network::new() {
        Ok(network) => network,
        Err(reason) => return println!("skipped: no network of its own: {reason}"),
    };
    let listen = format!("{SERVER}:0");
    let mut args = vec!["--listen", &listen, "--listen", "127.0.0.1:0", "--insecure-open"];
    args.extend(["--connection-timeout", "2s", "--heartbeat-interval", "300ms"]);
    let server = Server::launch(command(&args));
    let url = server.greeting[0].split_whitespace().find(|word| word.starts_with("http")).expect("a url");
    let mut connection = Connection::open(server.address);
    let _far = Far::open(&network, &format!("{}?userId=far", url.trim_end_matches(',')));
    assert_eq!(stats(&mut connection)["userConnections"], 1);
    network.lose_client().expect("the route is closed");
    let began = now();
    let timeout = Duration::from_secs(2);
    within(3 * timeout, "it is gone", || stats(&mut connection)["userConnections"] == 0);
    assert!(began.elapsed() >= timeout / 2, "not at the first loss: {:?}", began.elapsed());
    assert_eq!(connection.get("/api/sse/users/far").json()["online"], false);
}
