//! Field lines that are wrong.

use super::{Case, GET, bad, bad_after, bad_get, good, request};

pub(super) fn cases() -> Vec<Case> {
    vec![
        bad("a blank before the first field", 400, "GET / HTTP/1.1\r\n ¶Host: a\r\n\r\n"),
        bad("a tab before the first field", 400, "GET / HTTP/1.1\r\n\t¶Host: a\r\n\r\n"),
        bad_get("obs-fold", 400, "X: a\r\n ¶b\r\n\r\n"),
        bad_get("obs-fold with a tab", 400, "X: a\r\n\t¶b\r\n\r\n"),
        bad_get("obs-fold of nothing", 400, "X: a\r\n ¶\r\n\r\n"),
        bad_get("a blank before the colon", 400, "X ¶: a\r\n\r\n"),
        bad_get("a tab before the colon", 400, "X\t¶: a\r\n\r\n"),
        bad_get("a blank in a name", 400, "X ¶Y: a\r\n\r\n"),
        bad_get("no name", 400, ":¶ a\r\n\r\n"),
        bad_get("no colon", 400, "X\r¶\nY: a\r\n\r\n"),
        bad_get("no colon and bare LF", 400, "X\n¶Y: a\r\n\r\n"),
        bad_get("a slash in a name", 400, "X/¶: a\r\n\r\n"),
        bad_get("a bracket in a name", 400, "X(¶: a\r\n\r\n"),
        bad_get("a quote first in a name", 400, "\"¶X\": a\r\n\r\n"),
        bad_get("NUL in a name", 400, "X\0¶: a\r\n\r\n"),
        bad_get("a control first in a name", 400, "\x01¶X: a\r\n\r\n"),
        bad_get("a name beyond ASCII", 400, "Xé: a\r\n\r\n"),
        bad_get("a name in full width", 400, "Ｘ: a\r\n\r\n"),
        bad_get("bare LF after a value", 400, "X: a\n¶Y: b\r\n\r\n"),
        bad_get("bare LF in front of a value", 400, "X:\n¶ a\r\n\r\n"),
        bad_get("bare CR in a value", 400, "X: a\rb¶\r\n\r\n"),
        bad_get("bare CR that hides a field", 400, "X: a\rT¶ransfer-Encoding: chunked\r\n\r\n"),
        bad_get("two CR after a value", 400, "X: a\r\r¶\n\r\n"),
        bad_get("CR and NUL", 400, "X: a\r\0¶\n\r\n"),
        bad_get("NUL in a value", 400, "X: a\0¶b\r\n\r\n"),
        bad_get("NUL alone in a value", 400, "X:\0¶\r\n\r\n"),
        bad_get("a backspace in a value", 400, "X: a\x08¶\r\n\r\n"),
        bad_get("an escape character in a value", 400, "X: \x1b¶[2J\r\n\r\n"),
        bad_get("DEL in a value", 400, "X: a\x7f¶\r\n\r\n"),
        bad_get("a vertical tab for a blank", 400, "X:\x0b¶a\r\n\r\n"),
        bad_get("a form feed after a value", 400, "X: a\x0c¶\r\n\r\n"),
        bad_get("bare LF for the empty line", 400, "\n¶GET /2 HTTP/1.1\r\n"),
        bad_get("bare CR for the empty line", 400, "\rG¶ET /2 HTTP/1.1\r\n"),
        bad_get("the whole head with bare LF, but for its line", 400, "X: a\n¶\n"),
        bad("the whole head with bare LF", 400, "GET / HTTP/1.1\n¶Host: a\n\n"),
        bad("LF and CR", 400, "GET / HTTP/1.1\n¶\rHost: a\n\r\n\r"),
        bad_after(
            "a good request before a bad one",
            &[request("GET", "/", "")],
            400,
            [GET, "\r\n", GET, "X : a\r\n\r\n", GET, "\r\n"].concat(),
        ),
        bad_after(
            "two good requests before a bad one",
            &[request("GET", "/", ""), request("POST", "/p", "hi")],
            400,
            [
                GET,
                "\r\n",
                "POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi",
                "GET / HTTP/1.1\r\n\r\n¶",
            ]
            .concat(),
        ),
        good(
            "an unknown field with a long value",
            [GET, "X: ", &"a".repeat(8000), "\r\n\r\n"].concat(),
            &[request("GET", "/", "")],
        ),
    ]
}
