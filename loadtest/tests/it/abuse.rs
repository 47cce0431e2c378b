//! Attacks: that each does what it says, and that what honest clients notice of it is told.

use std::collections::{HashMap, HashSet};
use std::fs;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64;
use serde_json::Value;

use crate::run::{loadtest, run, scratch, summary};
use crate::victim::{PATTERN_TOKENS, Seen, Victim};

/// How long an attack lasts. What a machine that is busy elsewhere does not come to in a second, it does in a minute.
const DURATIONS: [&str; 3] = ["1s", "8s", "60s"];
const MEBIBYTE: usize = 1024 * 1024;

/// Plays one attack until it has come to what it is to: `is_whole` says what is missing.
fn play(scenario: &str, is_whole: impl Fn(&Victim, &Value) -> Result<(), String>) -> (Victim, Value) {
    let mut said = String::new();
    for duration in DURATIONS {
        let victim = Victim::start();
        let args = format!("{scenario} --rounds 1 --streams 10 --events 20 --duration {duration} --peer");
        let (output, lines) = run(&format!("{args} {}", victim.peer()));
        assert_eq!(lines.len(), 1, "{}", String::from_utf8_lossy(&output.stderr));
        let figures = lines[0]["figures"].clone();
        match is_whole(&victim, &figures) {
            Ok(()) => {
                assert!(output.status.success(), "{}", lines[0]);
                check_honest(&figures);
                return (victim, figures);
            }
            Err(missing) => said = missing,
        }
    }
    panic!("{scenario}: {said}")
}

/// What honest clients noticed is there.
fn check_honest(figures: &Value) {
    for what in ["publish_before", "publish_during", "delivery_before", "delivery_during"] {
        let figure = |part: &str| figures[format!("{what}_{part}_ms")].as_f64().unwrap();
        assert!(0.0 < figure("p50") && figure("p50") <= figure("p99"), "{figures}");
        assert!(figure("p99") <= figure("max"), "{figures}");
    }
}

/// As many as that.
fn reaches(what: &str, count: usize, least: usize) -> Result<(), String> {
    if count >= least { Ok(()) } else { Err(format!("{count} {what} of {least}")) }
}

fn sources<'a>(seen: impl IntoIterator<Item = &'a std::sync::Arc<Seen>>) -> usize {
    seen.into_iter().map(|seen| seen.source).collect::<HashSet<_>>().len()
}

#[test]
fn bodies_come_but_for_their_last_byte() {
    for (scenario, line, status) in [
        ("bodies-refused", "POST /nowhere", Some(404)),
        ("bodies-keyless", "POST /publish", Some(401)),
        ("bodies-underway", "POST /publish", None),
    ] {
        let (victim, figures) = play(scenario, |victim, _| {
            let strangers = victim.strangers();
            let whole = strangers.iter().flat_map(|seen| seen.requests());
            reaches("bodies", whole.filter(|request| request.body.len() == MEBIBYTE - 1).count(), 500)
        });
        let key = victim.honest().iter().flat_map(|seen| seen.requests()).find_map(|request| {
            let is_publish = request.line == "POST /publish";
            is_publish.then(|| request.token().map(str::to_owned)).flatten()
        });
        let strangers = victim.strangers();
        for request in strangers.iter().flat_map(|seen| seen.requests()) {
            assert_eq!((&*request.line, request.field("Content-Length")), (line, Some("1048576")));
            assert!(request.body.len() < MEBIBYTE);
            assert_eq!(request.token(), key.as_deref().filter(|_| status.is_none()), "{scenario}");
        }
        assert!(sources(&strangers) > 100);
        assert_eq!(figures["attack_held"], 500.0, "{figures}");
        for of in [401, 404] {
            let expected = (status == Some(of)).then_some(500.0);
            assert_eq!(figures[format!("attack_status_{of}")].as_f64(), expected, "{figures}");
        }
    }
}

#[test]
fn forged_tokens_are_all_others_and_well_formed() {
    for (scenario, algorithm, addresses) in
        [("forged-es256", "ES256", 16), ("forged-rs256", "RS256", 16), ("forged-shared", "RS256", 1)]
    {
        let (victim, figures) = play(scenario, |victim, figures| {
            let requests = victim.strangers().iter().map(|seen| seen.requests().len()).min();
            reaches("requests on each connection", requests.unwrap_or_default(), 16)?;
            reaches("refusals", figures["attack_status_401"].as_f64().unwrap_or_default() as usize, 16)
        });
        let strangers = victim.strangers();
        assert_eq!((strangers.len(), sources(&strangers)), (16, addresses));
        let requests: Vec<_> = strangers.iter().flat_map(|seen| seen.requests()).collect();
        let lines: HashSet<&str> = requests.iter().map(|request| &*request.line).collect();
        assert_eq!(lines, HashSet::from(["POST /publish", "GET /sse"]));
        let tokens: HashSet<&str> = requests.iter().filter_map(|request| request.token()).collect();
        assert_eq!(tokens.len(), requests.len());
        for token in tokens {
            let parts: Vec<&str> = token.split('.').collect();
            let header: Value = serde_json::from_slice(&BASE64.decode(parts[0]).unwrap()).unwrap();
            let claims: Value = serde_json::from_slice(&BASE64.decode(parts[1]).unwrap()).unwrap();
            assert_eq!(header["alg"], algorithm);
            assert!(claims["exp"].as_u64().unwrap() > 0 && claims["sub"] == "u-0");
        }
        assert!(figures["attack_requests"].as_f64().unwrap() >= requests.len() as f64, "{figures}");
    }
}

#[test]
fn idle_connections_say_what_they_are_to_and_no_more() {
    for (scenario, asks, rest, addresses) in [
        ("idling-asked", 1, "", 200),
        ("idling-silent", 0, "", 200),
        ("idling-heads", 0, "X-Half: ", 200),
        ("idling-shared", 1, "", 1),
    ] {
        let is_done = |seen: &Seen| seen.requests().len() == asks && seen.rest().ends_with(rest);
        let (victim, figures) = play(scenario, |victim, figures| {
            let done = victim.strangers().iter().filter(|seen| is_done(seen)).count();
            reaches("connections", done, 1200)?;
            let answers = figures["attack_status_200"].as_f64().unwrap_or_default();
            reaches("answers", answers as usize, 1200 * asks)
        });
        let strangers = victim.strangers();
        assert_eq!((strangers.len(), sources(&strangers)), (1200, addresses));
        for seen in &strangers {
            let requests = seen.requests();
            assert_eq!(requests.len(), asks);
            assert!(requests.iter().all(|request| request.line == "GET /health"));
            assert!(seen.rest().ends_with(rest) && seen.rest().is_empty() == rest.is_empty());
        }
        assert_eq!(figures["attack_held"], 1200.0, "{figures}");
        // The honest publisher comes anew each time: that is what runs short.
        let honest = victim.honest();
        let publishes = honest
            .iter()
            .filter(|seen| seen.requests().first().is_some_and(|request| request.line == "POST /publish"));
        assert!(publishes.count() > 100);
    }
}

#[test]
fn wildcards_are_as_many_as_the_server_takes_and_come_back_for_all_of_history() {
    for (scenario, attackers, addresses) in
        [("wildcards-one", 1, 1), ("wildcards-eight", 8, 8), ("wildcards-shared", 8, 1)]
    {
        let (victim, figures) = play(scenario, |victim, figures| {
            reaches("streams", victim.strangers().len(), attackers * 2)?;
            let answers = figures["attack_status_200"].as_f64().unwrap_or_default();
            reaches("answers", answers as usize, attackers * 2)
        });
        assert_eq!(figures["attack_pattern_tokens"], PATTERN_TOKENS as f64);
        let strangers = victim.strangers();
        assert_eq!(sources(&strangers), addresses);
        for request in strangers.iter().flat_map(|seen| seen.requests()) {
            let patterns: HashSet<&str> = request.line.split("topic=").skip(1).collect();
            assert_eq!(patterns.len(), 64);
            // All that fills history comes after it. One without an id looks for what the server takes.
            assert!(request.field("Last-Event-ID").is_none_or(|id| id == "1-3"), "{request:?}");
        }
        let requests = victim.honest().iter().flat_map(|seen| seen.requests()).collect::<Vec<_>>();
        let bodies = requests.iter().filter_map(|one| serde_json::from_slice::<Value>(&one.body).ok());
        let topics: Vec<Value> =
            bodies.map(|body| body["to"]["topic"].clone()).filter(Value::is_array).collect();
        assert_eq!((topics.len(), topics[0].as_array().unwrap().len()), (20, 100));
        assert_eq!(topics[0][0].as_str().unwrap().split('.').count(), PATTERN_TOKENS);
    }
}

#[test]
fn tokens_are_new_once_and_then_the_same() {
    let victim = Victim::start();
    let args = format!("tokens --rounds 1 --streams 20 --peer {}", victim.peer());
    let (output, lines) = run(&args);
    assert!(output.status.success(), "{lines:?}");
    let figures = &lines[0]["figures"];
    for trial in ["open", "first", "again"] {
        for figure in ["connects_per_second", "connect_p50_ms", "connect_p99_ms", "publish_p99_ms"] {
            assert!(figures[format!("{trial}_{figure}")].as_f64().unwrap() >= 0.0, "{trial}_{figure}");
        }
    }
    assert!(figures["first_publish_p99_ratio"].is_f64() && figures["again_publish_p99_ratio"].is_f64());
    let mut tokens: HashMap<Option<String>, usize> = HashMap::new();
    for request in victim.honest().iter().flat_map(|seen| seen.requests()) {
        if request.line.starts_with("GET") {
            *tokens.entry(request.token().map(str::to_owned)).or_default() += 1;
        }
    }
    // Three turns, each kind once by itself and once while somebody publishes.
    assert_eq!(tokens.remove(&None), Some(3 * 2 * 20));
    assert_eq!(tokens.len(), 3 * 2 * 20);
    assert!(tokens.values().all(|&count| count == 2));
}

#[test]
fn a_swarm_brings_the_token_that_it_is_given_or_one_for_each_stream() {
    let secret = scratch("secret");
    fs::write(&secret, "not much of a secret\n").unwrap();
    let key = concat!(env!("CARGO_MANIFEST_DIR"), "/keys/ec.pem");
    for (args, distinct) in [
        ("--token abc".to_owned(), 1),
        (format!("--token-key {}", secret.display()), 5),
        (format!("--token-key {key} --token-alg ES256 --first 7"), 5),
    ] {
        let victim = Victim::start();
        let url = format!("http://{}/sse", victim.address);
        let command = format!("swarm --json --streams 5 --threads 2 --duration 2s --url {url} {args}");
        let output = loadtest(&command).output().unwrap();
        assert!(summary(&output)["connect_p50_ms"].as_f64().unwrap() >= 0.0);
        let requests = victim.honest().iter().flat_map(|seen| seen.requests()).collect::<Vec<_>>();
        let tokens: HashSet<&str> = requests.iter().filter_map(|request| request.token()).collect();
        assert_eq!((requests.len(), tokens.len()), (5, distinct), "{args}");
        if args.contains("ES256") {
            let claims: HashSet<String> = tokens.iter().map(|token| sub(token)).collect();
            assert_eq!(claims, (7..12).map(|n| format!("u-{n}")).collect());
        }
    }
    for bad in ["--token a --token-key b", "--token-alg ES256", "--token-key f --token-alg none"] {
        assert_eq!(loadtest(&format!("swarm {bad}")).output().unwrap().status.code(), Some(2), "{bad}");
    }
    let output = loadtest("swarm --token-key /does/not/exist").output().unwrap();
    assert_eq!(output.status.code(), Some(1));
}

fn sub(token: &str) -> String {
    let claims = BASE64.decode(token.split('.').nth(1).unwrap()).unwrap();
    let claims: Value = serde_json::from_slice(&claims).unwrap();
    claims["sub"].as_str().unwrap().to_owned()
}

#[test]
fn a_server_that_cannot_tell_strangers_takes_no_part() {
    let (output, lines) = run("abuse tokens --rounds 1 --duration 1s --target floor");
    assert!(lines.is_empty());
    assert!(String::from_utf8_lossy(&output.stderr).contains("its file has no [secured]"));
}
