//! Request lines that are wrong.

use super::{Case, bad, bad_after, request};

pub(super) fn cases() -> Vec<Case> {
    let mut cases = methods();
    cases.extend(targets());
    cases.extend(versions());
    cases
}

fn methods() -> Vec<Case> {
    vec![
        bad("bare LF before it", 400, "\n¶GET / HTTP/1.1\r\nHost: a\r\n\r\n"),
        bad("bare CR before it", 400, "\rG¶ET / HTTP/1.1\r\nHost: a\r\n\r\n"),
        bad("two empty lines before it", 400, "\r\n\r¶\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"),
        bad("a blank before it", 400, " ¶GET / HTTP/1.1\r\nHost: a\r\n\r\n"),
        bad("a tab before it", 400, "\t¶GET / HTTP/1.1\r\nHost: a\r\n\r\n"),
        bad("NUL before it", 400, "\0¶GET / HTTP/1.1\r\nHost: a\r\n\r\n"),
        bad("a byte order mark", 400, "\u{feff}GET / HTTP/1.1\r\nHost: a\r\n\r\n"),
        bad("a TLS hello", 400, "\x16¶\x03\x01\x02"),
        bad("an answer", 400, "HTTP/¶1.1 200 OK\r\n\r\n"),
        bad("a method with a colon", 400, "GET:¶ / HTTP/1.1\r\nHost: a\r\n\r\n"),
        bad("a method with a quote", 400, "G\"¶ET / HTTP/1.1\r\nHost: a\r\n\r\n"),
        bad("a method with a control", 400, "G\x7f¶ET / HTTP/1.1\r\nHost: a\r\n\r\n"),
        bad("a method beyond ASCII", 400, "GÉT / HTTP/1.1\r\nHost: a\r\n\r\n"),
        bad("a tab after the method", 400, "GET\t¶/ HTTP/1.1\r\nHost: a\r\n\r\n"),
        bad("no method", 400, "/¶ HTTP/1.1\r\nHost: a\r\n\r\n"),
        bad("a method alone", 400, "GET\r¶\n\r\n"),
        bad("a method alone and bare LF", 400, "GET\n¶\n"),
        bad_after(
            "two empty lines between requests",
            &[request("GET", "/", "")],
            400,
            "GET / HTTP/1.1\r\nHost: a\r\n\r\n\r\n\r¶\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
        ),
    ]
}

fn targets() -> Vec<Case> {
    vec![
        bad("two spaces before the target", 400, "GET  ¶/ HTTP/1.1\r\nHost: a\r\n\r\n"),
        bad("a tab before the target", 400, "GET \t¶/ HTTP/1.1\r\nHost: a\r\n\r\n"),
        bad("two spaces after the target", 400, "GET /  ¶HTTP/1.1\r\nHost: a\r\n\r\n"),
        bad("a tab after the target", 400, "GET /\t¶HTTP/1.1\r\nHost: a\r\n\r\n"),
        bad("a space in the target", 400, "GET /a b¶ HTTP/1.1\r\nHost: a\r\n\r\n"),
        bad("a fragment", 400, "GET /a#¶b HTTP/1.1\r\nHost: a\r\n\r\n"),
        bad("NUL in the target", 400, "GET /a\0¶b HTTP/1.1\r\nHost: a\r\n\r\n"),
        bad("DEL in the target", 400, "GET /a\x7f¶ HTTP/1.1\r\nHost: a\r\n\r\n"),
        bad("a vertical tab in the target", 400, "GET /a\x0b¶ HTTP/1.1\r\nHost: a\r\n\r\n"),
        bad("a target beyond ASCII", 400, "GET /é HTTP/1.1\r\nHost: a\r\n\r\n"),
        bad("a bare LF in the target", 400, "GET /\n¶ HTTP/1.1\r\nHost: a\r\n\r\n"),
        bad("a bare CR in the target", 400, "GET /\r¶ HTTP/1.1\r\nHost: a\r\n\r\n"),
        bad("no target", 400, "GET HTTP/1.1\r¶\nHost: a\r\n\r\n"),
        bad("a target without slash", 400, "GET a ¶HTTP/1.1\r\nHost: a\r\n\r\n"),
        bad("a query alone", 400, "GET ?a ¶HTTP/1.1\r\nHost: a\r\n\r\n"),
        bad("a backslash first", 400, "GET \\a ¶HTTP/1.1\r\nHost: a\r\n\r\n"),
        bad("an asterisk for GET", 400, "GET * ¶HTTP/1.1\r\nHost: a\r\n\r\n"),
        bad("an asterisk and more", 400, "OPTIONS *a ¶HTTP/1.1\r\nHost: a\r\n\r\n"),
        bad("an authority for GET", 400, "GET a:80 ¶HTTP/1.1\r\nHost: a:80\r\n\r\n"),
        bad("a path for CONNECT", 400, "CONNECT / ¶HTTP/1.1\r\nHost: a\r\n\r\n"),
        bad("a URI for CONNECT", 400, "CONNECT http://a:80/ ¶HTTP/1.1\r\nHost: a\r\n\r\n"),
        bad("CONNECT without port", 400, "CONNECT a ¶HTTP/1.1\r\nHost: a\r\n\r\n"),
        bad("CONNECT with half a port", 400, "CONNECT a: ¶HTTP/1.1\r\nHost: a\r\n\r\n"),
        bad("another scheme", 400, "GET ftp://a/ ¶HTTP/1.1\r\nHost: a\r\n\r\n"),
        bad("a scheme and one slash", 400, "GET http:/a ¶HTTP/1.1\r\nHost: a\r\n\r\n"),
        bad("an absolute target without host", 400, "GET http:///a ¶HTTP/1.1\r\nHost: a\r\n\r\n"),
        bad("an absolute target with a user", 400, "GET http://u@a/ ¶HTTP/1.1\r\nHost: a\r\n\r\n"),
        bad("an absolute target with a bad port", 400, "GET http://a:b/ ¶HTTP/1.1\r\nHost: a\r\n\r\n"),
    ]
}

fn versions() -> Vec<Case> {
    vec![
        bad("HTTP/0.9", 400, "GET /\r¶\n"),
        bad("HTTP/0.9 and bare LF", 400, "GET /\n¶"),
        bad("a space and no version", 400, "GET / \r¶\nHost: a\r\n\r\n"),
        bad("version 0.9, written out", 505, "GET / HTTP/0.9\r\n¶Host: a\r\n\r\n"),
        bad("version 2.0", 505, "GET / HTTP/2.0\r\n¶Host: a\r\n\r\n"),
        bad("version 3.1", 505, "GET / HTTP/3.1\r\n¶"),
        bad("version 2.0 and bare LF", 400, "GET / HTTP/2.0\n¶Host: a\r\n\r\n"),
        bad("version 2.0 and bare CR", 400, "GET / HTTP/2.0\rH¶ost: a\r\n\r\n"),
        bad("the preface of HTTP/2", 505, "PRI * HTTP/2.0\r\n¶\r\nSM\r\n\r\n"),
        bad("the preface's line in 1.1", 400, "PRI * HTTP/1.1\r\n¶Host: a\r\n\r\n"),
        bad("a version in lower case", 400, "GET / h¶ttp/1.1\r\nHost: a\r\n\r\n"),
        bad("another protocol", 400, "GET / HTTPS¶/1.1\r\nHost: a\r\n\r\n"),
        bad("another protocol's name", 400, "GET / I¶CAP/1.0\r\nHost: a\r\n\r\n"),
        bad("no minor version", 400, "GET / HTTP/1.\r¶\nHost: a\r\n\r\n"),
        bad("only a major version", 400, "GET / HTTP/2\r¶\nHost: a\r\n\r\n"),
        bad("a major version of two digits", 400, "GET / HTTP/11¶.1\r\nHost: a\r\n\r\n"),
        bad("a minor version of two digits", 400, "GET / HTTP/1.11¶\r\nHost: a\r\n\r\n"),
        bad("a letter for a version", 400, "GET / HTTP/x¶.1\r\nHost: a\r\n\r\n"),
        bad("a comma in the version", 400, "GET / HTTP/1,¶1\r\nHost: a\r\n\r\n"),
        bad("a space after the version", 400, "GET / HTTP/1.1 ¶\r\nHost: a\r\n\r\n"),
        bad("a tab after the version", 400, "GET / HTTP/1.1\t¶\r\nHost: a\r\n\r\n"),
        bad("bare LF after the version", 400, "GET / HTTP/1.1\n¶Host: a\r\n\r\n"),
        bad("bare CR after the version", 400, "GET / HTTP/1.1\rH¶ost: a\r\n\r\n"),
        bad("two CR after the version", 400, "GET / HTTP/1.1\r\r¶\nHost: a\r\n\r\n"),
    ]
}
