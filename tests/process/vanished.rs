//! A peer that is gone without a word: no reset, no acknowledgement.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::server::{PROGRAM, Server};
use crate::support::clock::{eventually, now};

/// Two machines with a cable, as namespaces of the kernel; taken down with their test. Nothing of this is seen
/// by the machine that the test runs on.
struct Network {
    near: String,
    far: String,
}

/// Addresses that are for documentation (RFC 5737), so nobody's.
const NEAR: &str = "198.51.100.1";
const FAR: &str = "198.51.100.2";

impl Network {
    /// Why not, where this is not allowed.
    fn new() -> Result<Self, String> {
        let name = |end| format!("ff{end}{}", std::process::id());
        let network = Self { near: name("near"), far: name("far") };
        let Self { near, far } = &network;
        ip(&format!("netns add {near}"))?;
        ip(&format!("netns add {far}"))?;
        ip(&format!("-n {near} link add eth0 type veth peer name eth0 netns {far}"))?;
        for (name, address) in [(near, NEAR), (far, FAR)] {
            ip(&format!("-n {name} addr add {address}/30 dev eth0"))?;
            ip(&format!("-n {name} link set eth0 up"))?;
            ip(&format!("-n {name} link set lo up"))?;
        }
        Ok(network)
    }

    /// From now on nothing that the far machine sends arrives.
    fn lose_far(&self) -> Result<(), String> {
        ip(&format!("-n {} route add blackhole {NEAR}/32", self.far))
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        // The cable goes with them.
        for name in [&self.near, &self.far] {
            let _ = ip(&format!("netns del {name}"));
        }
    }
}

fn ip(args: &str) -> Result<(), String> {
    let output = Command::new("ip").args(args.split(' ')).output().map_err(|error| error.to_string())?;
    let error = String::from_utf8_lossy(&output.stderr);
    output.status.success().then_some(()).ok_or_else(|| format!("ip {args}: {error}"))
}

/// A command on one of the machines; it becomes that command, so that its id is the command's.
fn on(name: &str, args: &[&str]) -> Command {
    let mut command = Command::new("ip");
    command.args(["netns", "exec", name]).args(args).stdin(Stdio::null()).stdout(Stdio::piped());
    command
}

/// A stream on the far machine; ended with its test.
struct Stream(Child);

impl Stream {
    fn open(network: &Network, url: &str) -> Self {
        let mut child = on(&network.far, &["curl", "-sN", "-m", "300", url]).spawn().expect("ip");
        let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        let stream = Self(child);
        while !lines.next().expect("a stream").expect("text").starts_with("data: ") {}
        stream
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// How many streams of users the server counts, asked on its own machine.
fn streams(network: &Network, url: &str) -> u64 {
    let mut curl = on(&network.near, &["curl", "-s", "-m", "60", &format!("{url}/stats")]);
    let output = curl.output().expect("ip");
    let statistics: serde_json::Value = serde_json::from_slice(&output.stdout).expect("statistics");
    statistics["userConnections"].as_u64().expect("a number")
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
    let listen = format!("{NEAR}:0");
    let args = [PROGRAM, "--listen", &listen, "--insecure-open"];
    let timeouts = ["--connection-timeout", "2s", "--heartbeat-interval", "300ms"];
    let mut command = on(&network.near, &[&args[..], &timeouts].concat());
    command.stderr(Stdio::piped());
    let server = Server::launch(command);
    let url = format!("http://{}/api/sse", server.address);
    let _stream = Stream::open(&network, &format!("{url}?userId=far"));
    assert_eq!(streams(&network, &url), 1);
    let began = now();
    network.lose_far().expect("the way back is closed");
    let timeout = Duration::from_secs(2);
    // Left to itself the kernel sends what is lost again for a quarter of an hour.
    eventually("it is gone", || streams(&network, &url) == 0);
    assert!(began.elapsed() >= timeout / 2, "not at the first loss: {:?}", began.elapsed());
}
