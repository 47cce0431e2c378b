//! What becomes of text and JSON on the wire.

use serde_json::json;

use crate::server::{Server, id_of};

#[test]
fn text_is_split_at_the_three_line_ends_and_nowhere_else() {
    let server = Server::start();
    let mut subscriber = server.subscribe("");
    for (text, lines) in [
        ("", ""),
        ("one", "one"),
        (" two spaces ", " two spaces "),
        ("a\nb", "a\nb"),
        ("a\rb", "a\nb"),
        ("a\r\nb", "a\nb"),
        ("a\n\rb", "a\n\nb"),
        ("a\r\r\n\nb", "a\n\n\nb"),
        ("\n", "\n"),
        ("\r\n\r\n", "\n\n"),
        ("end\n", "end\n"),
        ("a\u{2028}b\u{2029}c\u{85}d\u{b}e\u{c}f", "a\u{2028}b\u{2029}c\u{85}d\u{b}e\u{c}f"),
        ("data: x\nid: 1\nevent: y\nretry: 1\n: z\n\n", "data: x\nid: 1\nevent: y\nretry: 1\n: z\n\n"),
        ("\0\u{feff}é💥", "\0\u{feff}é💥"),
    ] {
        let id = server.publish(&json!({"text": text}));
        let message = subscriber.next();
        assert_eq!(
            (&*message.data, message.event, message.retry),
            (lines, "message".to_owned(), None),
            "{text:?}"
        );
        assert_eq!(message.id, Some(id), "no text becomes an id");
    }
}

#[test]
fn json_passes_through_byte_for_byte() {
    let server = Server::start();
    let mut subscriber = server.subscribe("");
    let mut connection = server.connect();
    for json in [
        "1.0e+5",
        "1E400",
        "-0",
        "-0.0",
        "0.10",
        "123456789012345678901234567890",
        "3.14159265358979323846264338327950288",
        r#"{"b":1,"a":2,"B":{"z":[],"y":{}}}"#,
        r#"{"a":1,"a":2}"#,
        r#""\u00e9\/\"\\\b\f\n\r\t\ud83d\ude00""#,
        r#""é\u2028💥""#,
        "\"\u{2028}\u{2029}\u{85}\u{7f}\"",
        r#""  spaces  stay  \" in strings ""#,
        r#""\ud800""#,
        "null",
        "true",
        "[]",
        "{}",
        r#""""#,
        r#"{"":""}"#,
        r#"[[[[1,[2,{"x":null}]]]]]"#,
    ] {
        id_of(&connection.post("/api/sse/events", format!("{{\"data\":{json}}}")));
        assert_eq!(subscriber.next().data, json);
    }
}

#[test]
fn white_space_between_tokens_goes_and_nothing_else() {
    let server = Server::start();
    let mut subscriber = server.subscribe("");
    let mut connection = server.connect();
    let body =
        "\r\n{ \"data\" :\t{ \"b\" : [ 1 ,\r\n 2.50 ] ,\n\t\"a\" : \" x \\\" , y \" } , \"event\":\"e\" }\n";
    id_of(&connection.post("/api/sse/events", body));
    let message = subscriber.next();
    assert_eq!((&*message.event, &*message.data), ("e", r#"{"b":[1,2.50],"a":" x \" , y "}"#));
}
