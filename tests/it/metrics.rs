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
        Self::accepted(server, "")
    }

    /// What is answered to a request with these fields, in the format that it says it is.
    fn accepted(server: &Server, fields: &str) -> Self {
        let response = server.connect().request("GET", "/metrics", fields, "");
        assert_eq!(response.status(), 200);
        match response.field("content-type") {
            Some(PLAIN) => Self::parse(response.text(), false),
            Some(OPEN) => Self::parse(response.text(), true),
            other => panic!("{other:?}"),
        }
    }

    /// Reads the text format 0.0.4, or OpenMetrics 1.0, as far as there are counters, gauges and histograms, and checks
    /// its rules: each family has its type and help before its samples, which stand together, no sample stands twice,
    /// labels are named and quoted as they must be, buckets grow, and in OpenMetrics the end is told.
    fn parse(text: &str, open: bool) -> Self {
        assert!(text.ends_with('\n') && !text.contains('\r'));
        let body = match open {
            true => text.strip_suffix("# EOF\n").expect("ends with EOF"),
            false => text,
        };
        assert!(!body.contains("EOF"), "only OpenMetrics tells its end, and once");
        let (mut kinds, mut helped) = (BTreeMap::new(), BTreeSet::new());
        let (mut samples, mut family): (BTreeMap<String, f64>, String) = (BTreeMap::new(), String::new());
        let mut families = 0;
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
                let is_new = kinds.len().max(helped.len()) > families;
                assert!(family == name || is_new, "{line}: a family stands together");
                families = kinds.len().max(helped.len());
                name.clone_into(&mut family);
                continue;
            }
            let (key, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("{line}"));
            let (name, labels) = key.split_once('{').unwrap_or((key, "}"));
            assert!(labels == "}" && !key.contains('{') || labels_are_sound(labels), "{line}");
            let suffixes: &[&str] = match kinds[&family].as_str() {
                "counter" if open => &["_total"],
                // There the family's name has the suffix.
                "counter" => {
                    assert!(family.ends_with("_total"), "{family}");
                    &[""]
                }
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
            let (mut last, mut bound_of): (BTreeMap<String, f64>, BTreeMap<String, f64>) = Default::default();
            for line in text.lines().filter_map(|line| line.strip_prefix(&format!("{name}_bucket{{"))) {
                let (labels, count) = line.rsplit_once("} ").expect("labels and a value");
                let count: f64 = count.parse().expect("a number");
                let (bounds, others): (Vec<&str>, Vec<&str>) =
                    labels.split(',').partition(|label| label.starts_with("le=\""));
                let series =
                    if others.is_empty() { String::new() } else { format!("{{{}}}", others.join(",")) };
                let before = last.insert(series.clone(), count).unwrap_or_default();
                assert!(bounds.len() == 1 && count >= before, "{line} is less than the bucket before it");
                let bound = bounds[0].strip_prefix("le=\"").and_then(|bound| bound.strip_suffix('"'));
                let bound: f64 = bound.and_then(|bound| bound.parse().ok()).expect("a bound");
                let bound_before = bound_of.insert(series.clone(), bound).unwrap_or(f64::NEG_INFINITY);
                assert!(bound > bound_before, "{line} is below the bound before it");
                if bounds == ["le=\"+Inf\""] {
                    assert_eq!(self.samples[&format!("{name}_count{series}")], count, "{line}");
                }
            }
            assert!(!last.is_empty(), "{name} has no buckets");
            assert!(bound_of.values().all(|bound| bound.is_infinite()), "{name} ends before +Inf");
        }
    }

    fn value(&self, sample: &str) -> f64 {
        self.samples.get(sample).copied().unwrap_or_else(|| panic!("there is no {sample}"))
    }
}

const PLAIN: &str = "text/plain; version=0.0.4; charset=utf-8";
const OPEN: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Whether what follows the opening brace is `name="value"`, separated by commas, with nothing in a value that had to
/// be escaped.
fn labels_are_sound(labels: &str) -> bool {
    let Some(mut rest) = labels.strip_suffix('}') else { return false };
    loop {
        let Some((name, value)) = rest.split_once("=\"") else { return false };
        let is_name = name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
        let Some(end) = value.find(['"', '\\', '\n']) else { return false };
        if name.is_empty() || !is_name || !value[end..].starts_with('"') {
            return false;
        }
        match value[end + 1..].strip_prefix(',') {
            Some(next) => rest = next,
            None => return value.len() == end + 1,
        }
    }
}

#[test]
fn the_parser_of_these_tests_is_strict() {
    let sound = "# HELP a_total x.\n# TYPE a_total counter\na_total{k=\"v\",l=\"w\"} 1\n";
    assert_eq!(Exposition::parse(sound, false).value("a_total{k=\"v\",l=\"w\"}"), 1.0);
    let histogram = "# HELP h x.\n# TYPE h histogram\nh_sum 1\nh_count 2\nh_bucket{le=\"1\"} 1\nh_bucket{le=\"+Inf\"} 2\n";
    assert_eq!(Exposition::parse(histogram, false).value("h_count"), 2.0);
    let bad = [
        sound.replace("a_total", "a"),
        sound.replace("# TYPE a_total counter\n", ""),
        sound.replace("k=\"v\"", "k=v"),
        sound.replace("\"v\"", "\"v\"\""),
        sound.replace("} 1", "} one"),
        format!("{sound}a_total{{k=\"v\",l=\"w\"}} 1\n"),
        format!("{sound}b_total 1\n"),
        format!("{sound}{histogram}# HELP a_total x.\n"),
        format!("{sound}# EOF\n"),
        sound.trim_end().to_owned(),
        histogram.replace("+Inf\"} 2", "+Inf\"} 3"),
        histogram.replace("\"1\"} 1", "\"1\"} 3"),
        histogram.replace("h_bucket{le=\"+Inf\"} 2\n", ""),
    ];
    for text in bad {
        let read = std::panic::catch_unwind(|| drop(Exposition::parse(&text, false)));
        assert!(read.is_err(), "{text}");
    }
    assert!(std::panic::catch_unwind(|| drop(Exposition::parse("", true))).is_err());
}

#[test]
fn it_is_plain_text_unless_open_metrics_is_asked_for() {
    let server = Server::start();
    let prometheus = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,\
        application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=0.0.4;q=0.2,*/*;q=0.1";
    for (accept, expected) in [
        (None, PLAIN),
        (Some("*/*"), PLAIN),
        (Some("text/html, */*;q=0.8"), PLAIN),
        (Some("text/plain;version=0.0.4"), PLAIN),
        (Some("application/openmetrics-text; version=0.0.1"), PLAIN),
        (Some("application/openmetrics-text;q=0, */*"), PLAIN),
        (Some("application/openmetrics-text;q=0.5, text/plain"), PLAIN),
        (Some("application/openmetrics-text;q=x"), PLAIN),
        (Some("application/openmetrics-text"), OPEN),
        (Some("text/plain;q=0.5, Application/OpenMetrics-Text; Version=\"1.0.0\""), OPEN),
        (Some(prometheus), OPEN),
    ] {
        let fields = accept.map_or_else(String::new, |accept| format!("Accept: {accept}\r\n"));
        let response = server.connect().request("GET", "/metrics", &fields, "");
        assert_eq!(response.field("content-type"), Some(expected), "{accept:?}");
    }
    let open = Exposition::accepted(&server, &format!("Accept: {prometheus}\r\n"));
    let plain = Exposition::of(&server);
    let names = |exposition: &Exposition| exposition.samples.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&open), names(&plain), "samples are the same in both");
}

#[test]
fn every_metric_of_the_list_is_exposed_as_the_list_says() {
    let server = Server::start();
    server.publish(&json!({"data": 1}));
    let exposition = Exposition::of(&server);
    let list = include_str!("../../src/metrics/metrics.md");
    let rows = list.lines().filter(|line| line.starts_with("| `fanfare_") || line.starts_with("| `process_"));
    let mut listed = BTreeSet::new();
    for row in rows {
        let cells: Vec<&str> =
            row.trim_matches('|').split(" | ").map(|cell| cell.trim_matches([' ', '`'])).collect();
        let (name, kind) = (cells[0], cells[1]);
        listed.insert(name.to_owned());
        // Not every kernel tells the one, and in memory there is none of the other.
        let may_miss = ["process_open_fds", "fanfare_history_disk_free_bytes"].contains(&name);
        if may_miss && !exposition.samples.contains_key(name) {
            continue;
        }
        assert_eq!(exposition.kinds.get(name).map(String::as_str), Some(kind), "{name}");
        let label_names: Vec<&str> = cells[2].split(", ").map(|label| label.trim_matches('`')).collect();
        let sample = if kind == "histogram" { format!("{name}_count") } else { name.to_owned() };
        let mut found =
            exposition.samples.keys().filter(|key| key.split('{').next() == Some(&sample)).peekable();
        assert!(found.peek().is_some(), "{name} has no sample");
        for key in found {
            let labels = key.split_once('{').map_or("", |(_, labels)| labels.trim_end_matches('}'));
            let names: Vec<&str> =
                labels.split(',').map(|label| label.split('=').next().unwrap_or("")).collect();
            assert_eq!(names, label_names, "{key}");
        }
    }
    assert_eq!(exposition.kinds.keys().cloned().collect::<BTreeSet<_>>(), listed);
}

/// Requests with names that a label must not take over, and some that are refused.
fn ask_amiss(server: &Server) {
    for (path, fields, status) in [
        ("/api/sse/users/%22%0Aada", "", 200),
        ("/%22", "", 404),
        ("/api/sse", "Accept: text/html\r\n", 406),
        ("/api/sse", "Bad Name: x\r\n", 400),
    ] {
        assert_eq!(server.connect().request("GET", path, fields, "").status(), status, "{path}");
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
    ask_amiss(&server);
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
        ("fanfare_http_responses_total{route=\"publish\",code=\"202\"}", 5.0),
        ("fanfare_http_responses_total{route=\"publish\",code=\"400\"}", 1.0),
        ("fanfare_http_responses_total{route=\"none\",code=\"404\"}", 1.0),
        ("fanfare_http_responses_total{route=\"none\",code=\"400\"}", 1.0),
        ("fanfare_http_responses_total{route=\"stream\",code=\"406\"}", 1.0),
        ("fanfare_http_responses_total{route=\"user\",code=\"200\"}", 1.0),
        ("fanfare_publish_duration_seconds_count", 5.0),
    ] {
        assert_eq!(grown(sample), by, "{sample}");
    }
    for (sample, value) in [
        ("fanfare_connections{state=\"streaming\"}", 5.0),
        ("fanfare_connections{state=\"joining\"}", 0.0),
        ("fanfare_connections{state=\"lagging\"}", 0.0),
        ("fanfare_connections{state=\"ending\"}", 0.0),
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
