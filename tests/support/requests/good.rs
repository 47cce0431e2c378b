//! Requests that are as they should be, and those that must be waited for.

use super::{CHUNKED, Case, GET, POST, good, last, request};

pub(super) fn cases() -> Vec<Case> {
    let mut cases = single();
    cases.extend(bodies());
    cases.extend(persistence());
    cases.extend(unfinished());
    cases
}

fn single() -> Vec<Case> {
    let root = &[request("GET", "/", "")];
    vec![
        good("nothing", "", &[]),
        good("the least request", "GET / HTTP/1.1\r\nHost: a\r\n\r\n", root),
        good("an empty line before it", "\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", root),
        good("no blank after the colon", "GET / HTTP/1.1\r\nhost:localhost\r\n\r\n", root),
        good("blanks around a value", "GET / HTTP/1.1\r\nHost: \t localhost \t \r\n\r\n", root),
        good("an empty value", [GET, "X:\r\nY: \r\n\r\n"].concat(), root),
        good("obs-text in a value", [GET, "X: é\r\n\r\n"].concat(), root),
        good("a tab in a value", [GET, "X: a\tb\r\n\r\n"].concat(), root),
        good("all of tchar in a name", [GET, "!#$%&'*+-.^_`|~09azAZ: a\r\n\r\n"].concat(), root),
        good("colons in a value", [GET, "X: a:b: c\r\n\r\n"].concat(), root),
        good("the same field twice", [GET, "X: a\r\nx: b\r\n\r\n"].concat(), root),
        good("a field whose name only begins like another", [GET, "Host-X: a b\r\n\r\n"].concat(), root),
        good(
            "an event stream",
            "GET /api/sse?topic=a.b&meta.x=1 HTTP/1.1\r\nHost: localhost:3000\r\nAccept: text/event-stream\r\n\r\n",
            &[request("GET", "/api/sse?topic=a.b&meta.x=1", "")],
        ),
        good("an unknown method", "BREW /pot HTTP/1.1\r\nHost: a\r\n\r\n", &[request("BREW", "/pot", "")]),
        good("a method in lower case", "get / HTTP/1.1\r\nHost: a\r\n\r\n", &[request("get", "/", "")]),
        good(
            "a method of odd characters",
            "!#$|~ / HTTP/1.1\r\nHost: a\r\n\r\n",
            &[request("!#$|~", "/", "")],
        ),
        good("an empty query", "GET /? HTTP/1.1\r\nHost: a\r\n\r\n", &[request("GET", "/?", "")]),
        good("two slashes", "GET //a HTTP/1.1\r\nHost: a\r\n\r\n", &[request("GET", "//a", "")]),
        good(
            "raw characters as browsers leave them",
            "GET /a|b?{c|d}^\\\"<>` HTTP/1.1\r\nHost: a\r\n\r\n",
            &[request("GET", "/a|b?{c|d}^\\\"<>`", "")],
        ),
        good("a broken escape", "GET /%zz%? HTTP/1.1\r\nHost: a\r\n\r\n", &[request("GET", "/%zz%?", "")]),
        good(
            "a broken escape in the query, and another request",
            "GET /?a=%4 HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
            &[request("GET", "/?a=%4", ""), request("GET", "/", "")],
        ),
        good("an expectation that nobody knows", "GET / HTTP/1.1\r\nHost: a\r\nExpect: tea\r\n\r\n", root),
        good(
            "the server as a whole",
            "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
            &[request("OPTIONS", "*", "")],
        ),
        good("OPTIONS of a path", "OPTIONS /a HTTP/1.1\r\nHost: a\r\n\r\n", &[request("OPTIONS", "/a", "")]),
        good("a tunnel", "CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n", &[request("CONNECT", "", "")]),
        good("version 1.2", "GET / HTTP/1.2\r\nHost: a\r\n\r\n", root),
        good("version 1.9", "GET / HTTP/1.9\r\nHost: a\r\n\r\n", root),
        good("version 1.0", "GET / HTTP/1.0\r\n\r\n", &[last("GET", "/", "")]),
    ]
}

fn bodies() -> Vec<Case> {
    vec![
        good("a body", [POST, "Content-Length: 5\r\n\r\nhello"].concat(), &[request("POST", "/", "hello")]),
        good("a body of nothing", [POST, "Content-Length: 0\r\n\r\n"].concat(), &[request("POST", "/", "")]),
        good("no body", [POST, "\r\n"].concat(), &[request("POST", "/", "")]),
        good(
            "a length with zeros",
            [POST, "Content-Length: 0005\r\n\r\nhello"].concat(),
            &[request("POST", "/", "hello")],
        ),
        good(
            "a length with more zeros than a number has digits",
            [POST, "Content-Length: 0000000000000000000000002\r\n\r\nhi"].concat(),
            &[request("POST", "/", "hi")],
        ),
        good("a body of GET", [GET, "Content-Length: 2\r\n\r\nhi"].concat(), &[request("GET", "/", "hi")]),
        good(
            "a body that looks like a request",
            [POST, "Content-Length: 18\r\n\r\nGET / HTTP/1.1\r\n\r\n"].concat(),
            &[request("POST", "/", "GET / HTTP/1.1\r\n\r\n")],
        ),
        good("a body in 1.0", "POST / HTTP/1.0\r\nContent-Length: 2\r\n\r\nhi", &[last("POST", "/", "hi")]),
        good(
            "an expectation",
            [POST, "Expect: 100-continue\r\nContent-Length: 2\r\n\r\nhi"].concat(),
            &[request("POST", "/", "hi")],
        ),
    ]
}

fn persistence() -> Vec<Case> {
    let get = |line: &str, fields: &str| format!("GET / HTTP/1.{line}\r\nHost: a\r\n{fields}\r\n");
    let (kept, closed) = (&[request("GET", "/", "")], &[last("GET", "/", "")]);
    vec![
        good("close", get("1", "Connection: close\r\n"), closed),
        good("close in a list", get("1", "Connection: upgrade, CLOSE ,x\r\n"), closed),
        good("close in a second field", get("1", "Connection: x\r\nConnection: close\r\n"), closed),
        good("close in a first field", get("1", "Connection: close\r\nConnection: x\r\n"), closed),
        good("keep-alive in a first field", get("0", "Connection: keep-alive\r\nConnection: x\r\n"), kept),
        good("close wins", get("1", "Connection: keep-alive, close\r\n"), closed),
        good("a name that only begins with close", get("1", "Connection: closed\r\n"), kept),
        good("keep-alive in 1.0", get("0", "Connection: Keep-Alive\r\n"), kept),
        good("close wins in 1.0", get("0", "Connection: close, keep-alive\r\n"), closed),
        good("a proxy's field", get("0", "Proxy-Connection: keep-alive\r\n"), closed),
        good(
            "two requests at once",
            "GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n",
            &[request("GET", "/1", ""), request("GET", "/2", "")],
        ),
        good(
            "bodies in a row",
            [
                POST,
                "Content-Length: 1\r\n\r\na",
                CHUNKED,
                "1\r\nb\r\n0\r\n\r\n",
                POST,
                "Content-Length: 0\r\n\r\n",
                GET,
                "\r\n",
            ]
            .concat(),
            &[
                request("POST", "/", "a"),
                request("POST", "/", "b"),
                request("POST", "/", ""),
                request("GET", "/", ""),
            ],
        ),
        good(
            "an empty line after a body",
            [POST, "Content-Length: 1\r\n\r\na\r\n", GET, "\r\n"].concat(),
            &[request("POST", "/", "a"), request("GET", "/", "")],
        ),
        good(
            "an empty line after a chunked body",
            [CHUNKED, "1\r\nb\r\n0\r\n\r\n\r\n", GET, "\r\n"].concat(),
            &[request("POST", "/", "b"), request("GET", "/", "")],
        ),
        good(
            "an empty line after each request",
            [GET, "\r\n\r\n", GET, "\r\n\r\n"].concat(),
            &[request("GET", "/", ""), request("GET", "/", "")],
        ),
        good(
            "100 requests at once",
            "GET / HTTP/1.1\r\nHost: a\r\n\r\n".repeat(100),
            &vec![kept[0].clone(); 100],
        ),
    ]
}

fn unfinished() -> Vec<Case> {
    vec![
        good("half a method", "GE", &[]),
        good("half an empty line", "\r", &[]),
        good("an empty line", "\r\n", &[]),
        good("half a target", "GET /a", &[]),
        good("no line end", "GET / HTTP/1.1", &[]),
        good("half a line end", "GET / HTTP/1.1\r", &[]),
        good("half an empty line at the end", [GET, "\r"].concat(), &[]),
        good("half a field", [GET, "Content-Le"].concat(), &[]),
        good("half a body", [POST, "Content-Length: 5\r\n\r\nhell"].concat(), &[]),
        good("half a chunk", [CHUNKED, "5\r\nhell"].concat(), &[]),
        good("no last chunk", [CHUNKED, "5\r\nhello\r\n"].concat(), &[]),
        good("half a trailer section", [CHUNKED, "0\r\nX: y\r\n"].concat(), &[]),
        good("a request, and half of one", [GET, "\r\n", GET].concat(), &[request("GET", "/", "")]),
    ]
}
