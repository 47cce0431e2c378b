//! What Prometheus is told, read with a strict parser of our own.

use std::collections::{BTreeMap, BTreeSet};

use fanfare::{Denial, Identity};
use serde_json::json;

use crate::server::Server;
use crate::support::clock::eventually;

/// One exposition: each sample by its name and labels, as they stand.
struct Exposition {
    kinds: BTreeMap<String, String>,
    samples: BTreeMap<String, f64>,
}

impl Exposition {
    fn of(server: &Server) -> Self {
        let response = server.connect().get("/metrics");
        assert_eq!(response.status(), 200);
        let content_type = response.field("content-type").expect("a type");
        assert!(content_type.starts_with("application/openmetrics-text; version=1.0.0"), "{content_type}");
        Self::parse(response.text())
    }

    /// Reads OpenMetrics 1.0, as far as there are counters, gauges and histograms, and checks its rules: each family
    /// has its type and help before its samples, no sample stands twice, buckets grow, and the end is told.
    fn parse(text: &str) -> Self {
        let body = text.strip_suffix("# EOF\n").expect("ends with EOF");
        let (mut kinds, mut helped) = (BTreeMap::new(), BTreeSet::new());
        let (mut samples, mut family): (BTreeMap<String, f64>, String) = (BTreeMap::new(), String::new());
        for line in body.lines() {
            if let Some(rest) = line.strip_prefix("# ") {
                let mut words = rest.splitn(3, ' ');
                let (keyword, name, value) =
                    (words.next().unwrap(), words.next().unwrap(), words.next().unwrap());
                match keyword {
                    "HELP" => assert!(helped.insert(name.to_owned()) && !value.is_empty(), "{line}"),
                    "TYPE" => assert!(kinds.insert(name.to_owned(), value.to_owned()).is_none(), "{line}"),
                    _ => panic!("{line}"),
                }
                assert!(family.is_empty() || family == name || !samples.contains_key(name), "{line}");
                name.clone_into(&mut family);
                continue;
            }
            let (key, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("{line}"));
            let (name, labels) = key.split_once('{').unwrap_or((key, "}"));
            assert!(labels.ends_with('}'), "{line}");
            let suffixes: &[&str] = match kinds[&family].as_str() {
                "counter" => &["_total"],
                "gauge" => &[""],
                "histogram" => &["_bucket", "_sum", "_count"],
                kind => panic!("{family} is a {kind}"),
            };
            let is_own = suffixes.iter().any(|suffix| format!("{family}{suffix}") == name);
            assert!(is_own && helped.contains(&family), "{line} in {family}");
            let value: f64 = value.parse().unwrap_or_else(|_| panic!("{line}"));
            assert!(samples.insert(key.to_owned(), value).is_none(), "{line} stands twice");
        }
        let exposition = Self { kinds, samples };
        exposition.check_histograms(text);
        exposition
    }

    /// Buckets of a series grow, and the last is how many there were.
    fn check_histograms(&self, text: &str) {
        for (name, _) in self.kinds.iter().filter(|(_, kind)| *kind == "histogram") {
            let mut last: BTreeMap<String, f64> = BTreeMap::new();
            for line in text.lines().filter_map(|line| line.strip_prefix(&format!("{name}_bucket{{"))) {
                let (labels, count) = line.rsplit_once("} ").expect("labels and a value");
                let count: f64 = count.parse().expect("a number");
                let (bounds, others): (Vec<&str>, Vec<&str>) =
                    labels.split(',').partition(|label| label.starts_with("le=\""));
                let series =
                    if others.is_empty() { String::new() } else { format!("{{{}}}", others.join(",")) };
                let before = last.insert(series.clone(), count).unwrap_or_default();
                assert!(bounds.len() == 1 && count >= before, "{line} is less than the bucket before it");
                if bounds == ["le=\"+Inf\""] {
                    assert_eq!(self.samples[&format!("{name}_count{series}")], count, "{line}");
                }
            }
            assert!(!last.is_empty(), "{name} has no buckets");
        }
    }

    fn value(&self, sample: &str) -> f64 {
        self.samples.get(sample).copied().unwrap_or_else(|| panic!("there is no {sample}"))
    }
}

#[test]
fn counters_say_exactly_what_happened() {
    let server = Server::with(|builder| builder.workers(2).max_connections_per_user(1));
    let before = Exposition::of(&server);
    let mut ada = server.subscribe("?userId=ada&topic=news.*");
    let refused = server.subscribe("?userId=ada");
    assert_eq!(refused.greeting()["reason"], "user");
    let mut everyone = vec![server.subscribe(""), server.subscribe("")];
    let first = server.publish(&json!({"data": 1}));
    for to in [json!({"user": "ada"}), json!({"topic": "news.eu"}), json!({"user": "ada", "session": "s"})] {
        server.publish(&json!({"data": 2, "to": to}));
    }
    server.publish(&json!({"data": 3, "to": {"where": {"k": "v"}}}));
    assert_eq!(server.post("{").status(), 400);
    (0..4).for_each(|_| drop(ada.next()));
    let resumed = server.resume("", &first);
    assert_eq!(resumed.greeting()["recovered"], true);
    let lost = server.resume("", "1-1");
    assert_eq!(lost.greeting()["reason"], "epoch");
    server.settle();
    let after = Exposition::of(&server);
    let grown = |sample: &str| after.value(sample) - before.samples.get(sample).copied().unwrap_or_default();
    for (sample, by) in [
        ("fanfare_events_published_total{target=\"everyone\"}", 1.0),
        ("fanfare_events_published_total{target=\"user\"}", 1.0),
        ("fanfare_events_published_total{target=\"topic\"}", 1.0),
        ("fanfare_events_published_total{target=\"mixed\"}", 1.0),
        ("fanfare_events_published_total{target=\"where\"}", 1.0),
        ("fanfare_events_published_total{target=\"filter\"}", 0.0),
        // To three streams, then three to one; and to one what history holds for it: the first event.
        ("fanfare_event_deliveries_total", 7.0),
        ("fanfare_event_replays_total", 1.0),
        ("fanfare_event_withdrawals_total", 0.0),
        ("fanfare_connections_opened_total", 5.0),
        ("fanfare_connections_refused_total{reason=\"user\"}", 1.0),
        ("fanfare_connections_refused_total{reason=\"full\"}", 0.0),
        ("fanfare_connections_greeted_total{continuity=\"none\"}", 3.0),
        ("fanfare_connections_greeted_total{continuity=\"recovered\"}", 1.0),
        ("fanfare_connections_greeted_total{continuity=\"epoch\"}", 1.0),
        ("fanfare_http_responses_total{code=\"202\"}", 5.0),
        ("fanfare_http_responses_total{code=\"400\"}", 1.0),
        ("fanfare_publish_duration_seconds_count", 5.0),
    ] {
        assert_eq!(grown(sample), by, "{sample}");
    }
    for (sample, value) in [
        ("fanfare_connections{state=\"streaming\"}", 5.0),
        ("fanfare_connections{state=\"behind\"}", 0.0),
        ("fanfare_connected_users", 1.0),
        ("fanfare_history_events", 5.0),
        ("fanfare_backlog_bytes", 0.0),
    ] {
        assert_eq!(after.value(sample), value, "{sample}");
    }
    let loops: f64 = (0..2).map(|n| after.value(&format!("fanfare_loop_connections{{loop=\"{n}\"}}"))).sum();
    assert_eq!(loops, 5.0);
    // One that closes without having read all resets the connection, which counts as another reason.
    everyone.iter_mut().for_each(|stream| drop(stream.next()));
    everyone.clear();
    let closed = "fanfare_connections_closed_total{reason=\"peer_closed\"}";
    eventually("both are counted", || Exposition::of(&server).value(closed) == 2.0);
}

#[test]
fn counters_never_shrink() {
    let server = Server::start();
    let mut last = Exposition::of(&server);
    for round in 0..5 {
        let mut subscriber = server.subscribe("");
        server.publish(&json!({"data": round}));
        subscriber.next();
        let next = Exposition::of(&server);
        for (sample, value) in &last.samples {
            let family = sample.split('{').next().expect("a name");
            if family.ends_with("_total") || family.ends_with("_count") || family.ends_with("_bucket") {
                assert!(next.value(sample) >= *value, "{sample} shrank");
            }
        }
        last = next;
    }
}

#[test]
fn only_administrators_see_it() {
    let judge = |head: &fanfare::RequestHead<'_>| match head.bearer() {
        Some("admin") => Ok(Identity::new().allow_admin()),
        Some("ada") => Ok(Identity::new()),
        _ => Err(Denial::Unauthorized("who are you?".into())),
    };
    let server = Server::with(|builder| builder.authenticate(judge));
    for (fields, status) in
        [("", 401), ("Authorization: Bearer ada\r\n", 403), ("Authorization: Bearer admin\r\n", 200)]
    {
        assert_eq!(server.connect().request("GET", "/metrics", fields, "").status(), status);
    }
}
