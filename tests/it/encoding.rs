//! 500 random events through the API, against what an event stream parser makes of them.

use fastrand::Rng;
use serde_json::json;

use crate::server::{Server, id_of};

const EVENTS: usize = 500;
const SEED: u64 = 0x5eed_0001;

fn text(rng: &mut Rng, alphabet: &[&str], most: usize) -> String {
    (0..rng.usize(..=most)).map(|_| alphabet[rng.usize(..alphabet.len())]).collect()
}

fn name(rng: &mut Rng) -> String {
    let alphabet = [
        "a", "B", "7", " ", ":", "-", "é", "data", "id: ", "\u{2028}", "\u{a0}", "💥", "\"", "\\", "\u{feff}",
    ];
    match text(rng, &alphabet, 12) {
        name if name.is_empty() => "message".to_owned(),
        name => name,
    }
}

fn lines(rng: &mut Rng) -> String {
    let alphabet = [
        "\r", "\n", "\r\n", "a", " ", "  ", ":", "data: x", "id: 9", "event: e", "retry: 1", "\u{2028}",
        "\u{85}", "\u{b}", "\0", "é", "💥", "\u{feff}", "\t",
    ];
    text(rng, &alphabet, 24)
}

/// What a parser reads where a text was sent: each of the three line ends is LF.
fn as_read(text: &str) -> String {
    text.replace("\r\n", "\n").replace('\r', "\n")
}

/// Random JSON twice: as it is posted, with white space between tokens, and as it must arrive, without.
fn value(rng: &mut Rng, depth: usize, loose: &mut String, tight: &mut String) {
    let mut both = |part: &str| {
        loose.push_str(part);
        tight.push_str(part);
    };
    let numbers = ["0", "-0.0", "1.0e+5", "1E-400", "12345678901234567890123", "3.10"];
    let strings = [
        r#""""#,
        r#""a b""#,
        r#""\u00e9\ud83d\ude00""#,
        r#""\\""#,
        r#""\"{ , }""#,
        r#""\r\n""#,
        "\"é💥\u{2028}\"",
    ];
    match rng.usize(..if depth == 0 { 3 } else { 5 }) {
        0 => both(numbers[rng.usize(..numbers.len())]),
        1 => both(strings[rng.usize(..strings.len())]),
        2 => both(["true", "false", "null"][rng.usize(..3)]),
        kind => {
            let (open, close) = if kind == 3 { ("[", "]") } else { ("{", "}") };
            both(open);
            for n in 0..rng.usize(..4) {
                if n > 0 {
                    loose.push(',');
                    tight.push(',');
                }
                space(rng, loose);
                if kind == 4 {
                    let key = strings[rng.usize(..strings.len())];
                    loose.push_str(key);
                    tight.push_str(key);
                    space(rng, loose);
                    loose.push(':');
                    tight.push(':');
                    space(rng, loose);
                }
                value(rng, depth - 1, loose, tight);
                space(rng, loose);
            }
            loose.push_str(close);
            tight.push_str(close);
        }
    }
}

fn space(rng: &mut Rng, out: &mut String) {
    out.push_str(["", "", " ", "\r\n\t", "\n"][rng.usize(..5)]);
}

#[test]
fn what_is_published_is_what_a_parser_reads() {
    let server = Server::start();
    let (mut subscriber, mut connection) = (server.subscribe(""), server.connect());
    let mut rng = Rng::with_seed(SEED);
    for n in 0..EVENTS {
        let name = name(&mut rng);
        let retry = rng.bool().then(|| rng.u64(..100_000));
        let (member, posted, expected) = if rng.bool() {
            let text = lines(&mut rng);
            ("text", json!(text).to_string(), as_read(&text))
        } else {
            let (mut loose, mut tight) = (String::new(), String::new());
            value(&mut rng, 3, &mut loose, &mut tight);
            ("data", loose, tight)
        };
        let retry_member = retry.map_or(String::new(), |ms| format!("\"retry\":{ms},"));
        let body = format!("{{{retry_member}\"event\":{},\"{member}\":{posted}}}", json!(name));
        let id = id_of(&connection.post("/api/sse/events", &body));
        let message = subscriber.next();
        assert_eq!((message.event, message.data), (name, expected), "seed {SEED}, event {n}: {body}");
        assert_eq!((message.id, message.retry), (Some(id), retry), "seed {SEED}, event {n}: {body}");
    }
    assert!(subscriber.reader().comments().is_empty());
}
