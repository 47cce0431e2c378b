//! `fanfare publish`.

use std::io::Read;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::thread;

use serde_json::Value;

use crate::file::File;
use crate::server::Server;
use crate::shell::{Running, refusal, run, url};
use crate::support::clock::{eventually, now};
use crate::support::sse::Message;

/// Publishes one event, and returns its id.
fn publish(server: &Server, args: &[&str], input: &str) -> String {
    let output = run(&[&["publish"], args].concat(), &[("FANFARE_URL", &url(server.address))], input);
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!((output.status.code(), &*error), (Some(0), ""), "{args:?}");
    let stdout = String::from_utf8(output.stdout).expect("UTF-8");
    stdout.strip_suffix('\n').expect("a line").to_owned()
}

fn brief(message: &Message) -> (String, &str, &str) {
    (message.id.clone().unwrap_or_default(), &message.event, &message.data)
}

/// Answers to batches: how many events were accepted in all.
fn accepted(answers: &[String]) -> u64 {
    let count = |answer: &String| {
        let answer: Value = serde_json::from_str(answer).expect("JSON");
        assert!(answer["firstId"].is_string() && answer["lastId"].is_string(), "{answer}");
        answer["accepted"].as_u64().expect("a number")
    };
    answers.iter().map(count).sum()
}

#[test]
fn what_is_given_is_what_arrives() {
    let server = Server::start(&[]);
    let mut ada = server.subscribe("?userId=ada&topic=prices.*&meta.room=5");
    let cases: [(&[&str], &str, &str, &str); 9] = [
        (&["--data", "{\"n\": 1.0e+5}"], "", "message", "{\"n\":1.0e+5}"),
        (&["update", "--user", "ada", "--user", "bob", "--data", "-5"], "", "update", "-5"),
        (&["update", "--topic", "prices.eu", "--text", "a\nb"], "", "update", "a\nb"),
        (&["x", "--where", "room=5", "--data=-"], "{\n\"a\": [1,\n2]}\n", "x", "{\"a\":[1,2]}"),
        (&["x", "--except-user", "bob"], "\"from standard input\"", "x", "\"from standard input\""),
        (&["x", "--text", "-"], "one\r\n\r\ntwo\r\n", "x", "one\n\ntwo"),
        (&["x", "--text=", "--to", "{\"user\":\"ada\"}"], "", "x", ""),
        (&["x", "--text", "9\u{2028}\u{e9}", "--except", "{\"session\":\"s\"}"], "", "x", "9\u{2028}\u{e9}"),
        (&["x", "--data", "0", "--ttl", "0s", "--retry", "250ms"], "", "x", "0"),
    ];
    for (args, input, event, data) in cases {
        let id = publish(&server, args, input);
        let message = ada.next();
        assert_eq!(brief(&message), (id, event, data), "{args:?}");
        assert_eq!(message.retry, args.contains(&"--retry").then_some(250), "{args:?}");
    }
    for args in
        [&["--user", "bob"][..], &["--where", "room=6"], &["--except-topic", "prices.eu"], &["--topic", "x"]]
    {
        publish(&server, &[args, &["--data", "\"not for ada\""]].concat(), "");
    }
    let id = publish(&server, &["--data", "1"], "");
    assert_eq!(brief(&ada.next()), (id, "message", "1"));
}

#[test]
fn a_key_comes_from_the_environment_or_a_file() {
    let keys = File::new("keys", "k_live_abc publish\nk_other subscribe\n");
    let token = File::new("token", "k_live_abc\n");
    let server = Server::start(&["--api-key-file", keys.path()]);
    let url = url(server.address);
    let args = ["publish", "--url", &url, "--data", "1"];
    assert!(run(&args, &[("FANFARE_TOKEN", "k_live_abc")], "").status.success());
    assert!(run(&args, &[("FANFARE_TOKEN_FILE", token.path())], "").status.success());
    let with_file = [&args[..], &["--token-file", token.path()]].concat();
    assert!(run(&with_file, &[("FANFARE_TOKEN", "k_wrong")], "").status.success(), "the file counts first");
    assert!(refusal(&args, &[], "", 1).starts_with("refused with 401: "));
    assert!(refusal(&args, &[("FANFARE_TOKEN", "k_other")], "", 1).starts_with("refused with 403: "));
    for token in ["k_secret_wrong", "k secret", ""] {
        let error = refusal(&args, &[("FANFARE_TOKEN", token)], "", 1);
        assert!(!error.contains("secret"), "{error}");
    }
    let missing = [&args[..], &["--token-file", "/nonexistent/token"]].concat();
    assert!(refusal(&missing, &[], "", 1).starts_with("/nonexistent/token: "));
}

#[test]
fn a_server_that_is_not_there_or_not_one_is_told() {
    let server = Server::start(&[]);
    let address = server.address;
    let publish =
        |url: String| refusal(&["publish", "--data", "1", "--tries", "1", "--url", &url], &[], "", 1);
    assert!(publish(format!("http://{address}/elsewhere")).starts_with("refused with 404: "));
    let error = publish(format!("https://{address}/api/sse"));
    assert!(error.starts_with(&format!("no answer from https://{address}/api/sse: ")), "{error}");
    drop(server);
    let error = publish(url(address));
    assert!(error.contains("no answer from http://") && error.contains("refused"), "{error}");
}

#[test]
fn what_cannot_be_asked_for_is_refused_in_one_line() {
    // No server is needed to know that.
    for (args, input, name) in [
        (&["--data", "{"][..], "", "--data"),
        (&["--data", "1", "--text", "x"], "", "--text"),
        (&["--user", "--data", "1"], "", "--user"),
        (&["a\nb", "--data", "1"], "", "event"),
        (&["--topic", "a.*", "--data", "1"], "", "topic"),
        (&["--to", "{\"usr\":\"a\"}", "--data", "1"], "", "to.usr"),
        (&["--to", "\"all\"", "--user", "a", "--data", "1"], "", "--user"),
        (&["--ttl", "1500ms", "--data", "1"], "", "--ttl"),
        (&["--retry", "1d 1ms", "--data", "1"], "", "--retry"),
        (&["ping", "--data", "1"], "", "event: cannot be connection or ping"),
        (&["connection", "--text", "x"], "", "event: "),
        (&["--url", "localhost:3000", "--data", "1"], "", "--url"),
        (&["--timeout", "0s", "--data", "1"], "", "--timeout"),
        (&["--token", "k_live", "--data", "1"], "", "--token"),
        (&["--ndjson", "--user", "a"], "{}", "--ndjson"),
        (&["update", "--ndjson"], "{}", "--ndjson"),
        (&["--ndjson", "--text", "a"], "{}", "--ndjson"),
    ] {
        let error = refusal(&[&["publish"], args].concat(), &[], input, 2);
        assert!(error.contains(name), "{args:?}: {error}");
    }
    let lines = "\n{\"event\":\"ping\",\"data\":1}\n";
    assert!(refusal(&["publish", "--ndjson"], &[], lines, 1).starts_with("line 2: event: "));
    assert!(refusal(&["publish"], &[], "not JSON", 1).starts_with("standard input: malformed JSON"));
}

#[test]
fn each_line_of_a_pipe_is_published_as_it_comes() {
    let server = Server::start(&[]);
    let mut stream = server.subscribe("");
    let mut pipe = Running::start(&["publish", "--ndjson", "--url", &url(server.address)], &[]);
    let mut answers = Vec::new();
    for n in 0..3 {
        pipe.write(&format!("{{\"data\":{n}}}\n"));
        assert_eq!(stream.next().data, n.to_string());
        answers.push(pipe.line());
    }
    let lines: String = (3..2500).map(|n| format!("{{\"data\":{n}}}\n\n")).collect();
    pipe.write(&lines);
    // The last line has no end.
    pipe.write("{\"data\":2500}");
    pipe.close_input();
    let arrived: Vec<String> = stream.take(2498).into_iter().map(|message| message.data).collect();
    let expected: Vec<String> = (3..=2500).map(|n| n.to_string()).collect();
    assert_eq!(arrived, expected);
    answers.extend(pipe.rest());
    assert_eq!((pipe.status(), accepted(&answers)), (Some(0), 2501));
    assert!(answers.len() < 1000, "lines that come fast go together: {} requests", answers.len());
}

#[test]
fn a_line_that_is_refused_is_named_and_what_comes_before_it_is_published() {
    let server = Server::start(&[]);
    let mut stream = server.subscribe("");
    let url = url(server.address);
    let input = "{\"data\":1}\n{\"data\":2}\n\n{\"data\":3,\"to\":{\"topic\":\"a.*\"}}\n{\"data\":4}\n";
    let output = run(&["publish", "--ndjson", "--url", &url], &[], input);
    let error = String::from_utf8(output.stderr).expect("UTF-8");
    assert_eq!((output.status.code(), error.lines().count()), (Some(1), 1));
    assert!(error.starts_with("fanfare: line 4: to.topic: "), "{error}");
    publish(&server, &["--text", "the end"], "");
    let data: Vec<String> = stream.take(3).into_iter().map(|message| message.data).collect();
    assert_eq!(data, ["1", "2", "the end"]);
}

#[test]
fn a_line_that_only_the_server_refuses_is_found() {
    let server = Server::start(&["--max-body", "2KiB"]);
    let mut stream = server.subscribe("");
    let pad = |n: usize, length: usize| format!("{{\"data\":\"{n}{}\"}}\n", "x".repeat(length));
    // Together they are more than the server takes.
    let mut input: String = (0..40).map(|n| pad(n, 300)).collect();
    input.push_str(&pad(40, 3000));
    input.push_str(&pad(41, 10));
    let output = run(&["publish", "--ndjson", "--url", &url(server.address)], &[], &input);
    let error = String::from_utf8(output.stderr).expect("UTF-8");
    assert_eq!(output.status.code(), Some(1), "{error}");
    assert!(error.starts_with("fanfare: line 41: refused with 413: "), "{error}");
    publish(&server, &["--data", "\"the end\""], "");
    for (n, message) in stream.take(40).iter().enumerate() {
        assert!(message.data.starts_with(&format!("\"{n}x")), "{n}: {}", message.data);
    }
    assert_eq!(stream.next().data, "\"the end\"");
}

#[test]
fn a_pipe_that_is_too_fast_waits() {
    let server = Server::start(&["--publish-rate", "1"]);
    let mut pipe = Running::start(&["publish", "--ndjson", "--url", &url(server.address)], &[]);
    let mut answers = Vec::new();
    let mut write = |pipe: &mut Running| {
        pipe.write("{\"data\":1}\n");
        answers.push(pipe.line());
    };
    let began = now();
    (0..3).for_each(|_| write(&mut pipe));
    // The bucket holds one, and a second makes another.
    assert!(began.elapsed().as_millis() >= 2000, "{:?}", began.elapsed());
    // On a machine so slow that each of them took its second, nothing was too fast.
    eventually("it is told to wait", || {
        (0..3).for_each(|_| write(&mut pipe));
        pipe.said().contains("refused with 429")
    });
    pipe.close_input();
    let status = pipe.status();
    assert_eq!((status, accepted(&answers)), (Some(0), answers.len() as u64));
}

/// A proxy would look for `localhost` on its own machine.
#[test]
fn a_server_on_this_machine_is_not_asked_for_by_a_proxy() {
    // Otherwise a `Host` that is not loopback is refused.
    let server = Server::start(&["--insecure-open"]);
    let port = server.address.port();
    let proxies: Vec<(&str, &str)> = ["http_proxy", "HTTP_PROXY", "all_proxy", "https_proxy"]
        .map(|name| (name, "http://127.0.0.1:1"))
        .into();
    for host in ["127.0.0.1", "localhost", "LOCALHOST", "0.0.0.0", "127.1", "2130706433"] {
        let url = format!("http://{host}:{port}/api/sse");
        let output = run(&["publish", "--data", "1", "--url", &url], &proxies, "");
        assert_eq!(output.status.code(), Some(0), "{host}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn a_proxy_on_the_way_is_named_without_its_password() {
    for command in [&["publish", "--data", "1", "--tries", "1"][..], &["tail", "--no-reconnect"]] {
        let args = [command, &["--url", "http://server.example/api/sse"]].concat();
        let error = refusal(&args, &[("http_proxy", "http://me:secret@127.0.0.1:1")], "", 1);
        let expected = "no answer from http://server.example/api/sse by the proxy 127.0.0.1:1: ";
        assert!(error.starts_with(expected) && !error.contains("secret"), "{error}");
    }
}

#[test]
fn each_scheme_has_a_proxy_of_its_own() {
    let proxies = [
        ("http_proxy", "http://127.0.0.1:1"),
        ("https_proxy", "http://127.0.0.1:2"),
        ("all_proxy", "http://127.0.0.1:3"),
    ];
    let refused = |url: &str, proxies: &[(&str, &str)]| {
        refusal(&["publish", "--data=1", "--tries=1", "--timeout=1s", "--url", url], proxies, "", 1)
    };
    for (url, own) in [("http://192.0.2.1/", 1), ("https://192.0.2.1/", 2)] {
        let named = |port: u16| format!(" by the proxy 127.0.0.1:{port}: ");
        let error = refused(url, &proxies);
        assert!(error.contains(&named(own)), "{error}");
        let error = refused(url, &[proxies[2], proxies[2 - own as usize]]);
        assert!(error.contains(&named(3)), "{error}");
        let error = refused(url, &[proxies[2 - own as usize]]);
        assert!(!error.contains("proxy"), "{error}");
        let error = refused(url, &[proxies[own as usize - 1], ("no_proxy", "192.0.2.1")]);
        assert!(!error.contains("proxy"), "{error}");
    }
}

#[test]
fn an_empty_variable_is_an_absent_one() {
    let server = Server::start(&[]);
    let url = url(server.address);
    let empty = ["FANFARE_TOKEN", "FANFARE_TOKEN_FILE", "http_proxy", "NO_PROXY"].map(|name| (name, ""));
    let output = run(&["publish", "--data", "1", "--url", &url], &empty, "");
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let tail = ["tail", "--no-reconnect", "--count", "1", "--heartbeat-timeout", "100ms"];
    for command in [&["publish", "--data", "1"][..], &tail] {
        // Whoever may listen where a server listens by default, and say nothing.
        let args = [command, &["--timeout", "100ms"]].concat();
        let output = run(&args, &[("FANFARE_URL", "")], "");
        assert_ne!(output.status.code(), Some(2), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

/// A way to a server that loses the first answers: it closes the connection instead of giving them.
fn lossy(server: SocketAddr, losses: usize) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("an address");
    // It ends with the process of the tests.
    thread::spawn(move || {
        for (n, near) in listener.incoming().enumerate() {
            let (Ok(mut near), Ok(mut far)) = (near, TcpStream::connect(server)) else { continue };
            let (mut from, mut to) =
                (near.try_clone().expect("a socket"), far.try_clone().expect("a socket"));
            thread::spawn(move || std::io::copy(&mut from, &mut to));
            if n < losses {
                // The answer is there, so the event was published.
                let _ = far.read(&mut [0; 4096]);
                let _ = near.shutdown(Shutdown::Both);
            } else {
                thread::spawn(move || std::io::copy(&mut far, &mut near));
            }
        }
    });
    address
}

#[test]
fn an_answer_that_is_lost_is_asked_for_again_and_nothing_is_published_twice() {
    let server = Server::start(&[]);
    let mut stream = server.subscribe("");
    let by = |losses: usize| url(lossy(server.address, losses));
    let output = run(&["publish", "one", "--data", "1", "--url", &by(2)], &[], "");
    let (id, said) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!((output.status.code(), said.matches("no answer").count()), (Some(0), 2), "{said}");
    assert_eq!(stream.next().id.as_deref(), Some(id.trim_end()));
    let lines = "{\"event\":\"two\",\"data\":1}\n{\"event\":\"three\",\"data\":2}\n";
    let output = run(&["publish", "--ndjson", "--url", &by(2)], &[], lines);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let error = refusal(&["publish", "four", "--data", "1", "--tries", "1", "--url", &by(1)], &[], "", 1);
    assert!(error.contains("no answer"), "{error}");
    publish(&server, &["last", "--data", "1"], "");
    let names: Vec<String> = stream.take(4).into_iter().map(|message| message.event).collect();
    assert_eq!(names, ["two", "three", "four", "last"]);
}

#[test]
fn a_key_of_ones_own_makes_running_it_again_safe() {
    let server = Server::start(&[]);
    let keyed = |key: &str, data: &str| {
        let args = ["publish", "--idempotency-key", key, "--data", data, "--url", &url(server.address)];
        run(&args, &[], "")
    };
    let first = keyed("nightly \"report\" 7", "1");
    assert_eq!(first.status.code(), Some(0), "{}", String::from_utf8_lossy(&first.stderr));
    assert_eq!(keyed("nightly \"report\" 7", "1").stdout, first.stdout);
    let other = keyed("nightly \"report\" 7", "2");
    assert_eq!(other.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&other.stderr).contains("refused with 422"));
    assert_eq!(server.stats()["engine"]["eventsPublished"], 1);
}
