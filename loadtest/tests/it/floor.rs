use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use crate::run::{Floor, run};

#[test]
fn scenarios_on_the_floor_are_clean() {
    for (args, measured) in [
        ("broadcast --events 20", 300 * 20),
        ("burst --events 40 --threads 2 --payload 4096", 300 * 40),
        ("latency --events 20 --rate 200 --floor-args --threads=2", 300 * 20),
        ("user --events 900 --floor-args --threads=2", 900),
    ] {
        let (output, lines) = run(&format!("{args} --streams 300 --rounds 1 --target floor"));
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && lines.len() == 1, "{args}: {text}{lines:?}");
        let line = &lines[0];
        assert_eq!((&line["target"], &line["stopped"]), (&"floor".into(), &serde_json::Value::Null));
        let figure = |name: &str| line["figures"][name].as_f64().unwrap();
        assert!(figure("delivery_cpu_us") > 0.0 && figure("connect_cpu_us") > 0.0);
        assert!(0.0 < figure("p50_ms") && figure("p50_ms") <= figure("max_ms"));
        let buckets = line["latency"].as_array().unwrap();
        let count: u64 = buckets.iter().map(|bucket| bucket[1].as_u64().unwrap()).sum();
        assert_eq!(count, measured, "{args}");
        assert!(text.contains("server CPU per delivery, µs"), "{text}");
    }
}

#[test]
fn events_that_a_socket_does_not_take_at_once() {
    let (output, lines) = run("large --events 3 --rate 50 --streams 20 --rounds 1 --target floor");
    assert!(output.status.success(), "{lines:?}");
    for key in
        ["whole_64k_p50_ms", "whole_256k_p99_ms", "whole_1m_p50_ms", "readers_p50_ms", "readers_p99_ms"]
    {
        assert!(lines[0]["figures"][key].as_f64().unwrap() > 0.0, "{key}");
    }
    // One stream in a hundred reads nothing, and then everything.
    let args = "slow --streams 101 --events 100 --payload 65536 --rate 200 --rounds 1 --target floor";
    let (output, lines) = run(args);
    assert!(output.status.success(), "{lines:?}");
    // More than a receiver's own buffer has.
    assert!(lines[0]["figures"]["unread_bytes"].as_f64().unwrap() > 65_536.0, "{lines:?}");
}

#[test]
fn a_connection_that_ends_with_its_last_bytes_is_closed() {
    let floor = Floor::start(1);
    let address = floor.url.trim_start_matches("http://").trim_end_matches("/api/sse");
    let mut publisher = TcpStream::connect(address).unwrap();
    publisher.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let body = r#"{"data":1}"#;
    write!(publisher, "POST / HTTP/1.1\r\nContent-Length: {}\r\n\r\n{body}", body.len()).unwrap();
    publisher.shutdown(Shutdown::Write).unwrap();
    let mut answer = String::new();
    publisher.read_to_string(&mut answer).expect("the end in time");
    assert!(answer.starts_with("HTTP/1.1 202 "), "{answer}");
}

#[test]
fn publishing_that_nobody_hears() {
    let (output, lines) = run("ingress ingress16 --events 500 --rounds 1 --target floor");
    assert!(output.status.success());
    assert_eq!(lines.len(), 2);
    for line in lines {
        assert!(line["figures"]["publishes_per_second"].as_f64().unwrap() > 0.0);
        assert!(line["figures"]["publish_cpu_us"].as_f64().unwrap() > 0.0);
    }
}

#[test]
fn streams_that_come_and_go() {
    let (output, lines) = run("churn --streams 200 --duration 1s --rate 20 --rounds 1 --target floor");
    assert!(output.status.success(), "{lines:?}");
    let reconnects = lines[0]["figures"]["reconnects_per_second"].as_f64().unwrap();
    assert!(reconnects > 0.0, "{reconnects}");
}

#[test]
fn several_counts_of_streams() {
    let (output, lines) = run("connect idle --streams 20,50 --target floor --rounds 2");
    assert!(output.status.success());
    let names: Vec<&str> = lines.iter().map(|line| line["scenario"].as_str().unwrap()).collect();
    assert_eq!(
        names,
        ["connect-20", "connect-20", "connect-50", "connect-50", "idle-20", "idle-20", "idle-50", "idle-50"]
    );
}
