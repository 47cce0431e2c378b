//! Where a body ends: Content-Length and Transfer-Encoding.

use super::{CHUNKED, Case, GET, POST, bad, bad_after, bad_post, good, request};

pub(super) fn cases() -> Vec<Case> {
    let mut cases = lengths();
    cases.extend(codings());
    cases.extend(both());
    cases
}

fn lengths() -> Vec<Case> {
    vec![
        bad_post("a length with a plus", 400, "Content-Length: +¶5\r\n\r\nhello"),
        bad_post("a length with a minus", 400, "Content-Length: -¶5\r\n\r\nhello"),
        bad_post("a hexadecimal length", 400, "Content-Length: 0x¶5\r\n\r\nhello"),
        bad_post("a length with a letter", 400, "Content-Length: 5a¶\r\n\r\nhello"),
        bad_post("a length with a dot", 400, "Content-Length: 5.¶0\r\n\r\nhello"),
        bad_post("a length with an exponent", 400, "Content-Length: 1e¶1\r\n\r\nhello"),
        bad_post("a length with an underscore", 400, "Content-Length: 1_¶0\r\n\r\nhello"),
        bad_post("a length in quotes", 400, "Content-Length: \"¶5\"\r\n\r\nhello"),
        bad_post("an empty length", 400, "Content-Length:\r¶\n\r\n"),
        bad_post("a length of blanks", 400, "Content-Length: \t\r¶\n\r\n"),
        bad_post("a list of lengths", 400, "Content-Length: 5,¶5\r\n\r\nhello"),
        bad_post("a list of a length", 400, "Content-Length: 5,¶\r\n\r\nhello"),
        bad_post("a list that begins with nothing", 400, "Content-Length: ,¶5\r\n\r\nhello"),
        bad_post("two lengths", 400, "Content-Length: 5 6¶\r\n\r\nhello"),
        bad_post("a length with a tab inside", 400, "Content-Length: 1\t1¶\r\n\r\nhello"),
        bad_post("a length and NUL", 400, "Content-Length: 5\0¶\r\n\r\nhello"),
        bad_post("a length and a vertical tab", 400, "Content-Length: \x0b¶5\r\n\r\nhello"),
        bad_post("a length in full width", 400, "Content-Length: ５\r\n\r\nhello"),
        bad_post("a length and a blank before its colon", 400, "Content-Length ¶: 5\r\n\r\nhello"),
        bad_post("a length that is folded", 400, "Content-Length:\r¶\n 5\r\n\r\nhello"),
        bad_post("Content-Length twice", 400, "Content-Length: 5\r\nContent-Length:¶ 6\r\n\r\nhello"),
        bad_post(
            "the same Content-Length twice",
            400,
            "Content-Length: 5\r\nX: y\r\ncontent-length:¶ 5\r\n\r\nhello",
        ),
        bad(
            "the same Content-Length twice in 1.0",
            400,
            "POST / HTTP/1.0\r\nContent-Length: 5\r\nContent-Length:¶ 5\r\n\r\n",
        ),
        good(
            "blanks around a length",
            [POST, "Content-Length: \t2 \r\n\r\nhi"].concat(),
            &[request("POST", "/", "hi")],
        ),
        good(
            "a name like Content-Length",
            [POST, "Content_Length: x\r\n\r\n"].concat(),
            &[request("POST", "/", "")],
        ),
        bad_after("a body shorter than its length says", &[request("POST", "/", "hi")], 400, {
            [POST, "Content-Length: 2\r\n\r\nhi", "llo\0¶"].concat()
        }),
    ]
}

fn codings() -> Vec<Case> {
    let chunks = "0\r\n\r\n";
    let coding = |value: &str| format!("{POST}Transfer-Encoding:{value}\r\n\r\n{chunks}");
    let coding_to_end = |value: &str| format!("{POST}Transfer-Encoding:{value}\r¶\n\r\n{chunks}");
    vec![
        good("chunked in capitals", coding(" CHUNKED"), &[request("POST", "/", "")]),
        good("blanks around chunked", coding("\t chunked \t"), &[request("POST", "/", "")]),
        good(
            "a name like Transfer-Encoding",
            [POST, "Transfer_Encoding: x\r\n\r\n"].concat(),
            &[request("POST", "/", "")],
        ),
        good("TE", [POST, "TE: trailers\r\nConnection: TE\r\n\r\n"].concat(), &[request("POST", "/", "")]),
        bad("identity", 400, coding(" i¶dentity")),
        bad("gzip", 400, coding(" g¶zip")),
        bad("gzip and chunked", 400, coding(" g¶zip, chunked")),
        bad("chunked and gzip", 400, coding(" chunked,¶ gzip")),
        bad("chunked twice", 400, coding(" chunked,¶ chunked")),
        bad("chunked and a comma", 400, coding(" chunked,¶")),
        bad("a comma and chunked", 400, coding(" ,¶chunked")),
        bad("chunked with a parameter", 400, coding(" chunked;¶q=1")),
        bad("chunked in quotes", 400, coding(" \"¶chunked\"")),
        bad("chunked with a letter too many", 400, coding(" chunkedx¶")),
        bad("chunked with a letter too few", 400, coding_to_end(" chunke")),
        bad("chunked with a blank inside", 400, coding(" chun k¶ed")),
        bad("chunked after a vertical tab", 400, coding(" \x0b¶chunked")),
        bad("chunked before a form feed", 400, coding(" chunked\x0c¶")),
        bad("chunked and NUL", 400, coding(" chunked\0¶")),
        bad("chunked and bare CR", 400, coding(" chunked\rx¶")),
        bad("chunked behind a bare LF", 400, coding("\n¶ chunked")),
        bad("a no-break space", 400, coding("\u{a0}chunked")),
        bad("an empty coding", 400, coding_to_end("")),
        bad("a coding that is folded", 400, coding("\r¶\n chunked")),
        bad_post("a blank before a coding's colon", 400, "Transfer-Encoding ¶: chunked\r\n\r\n0\r\n\r\n"),
        bad_post("a tab before a coding's colon", 400, "Transfer-Encoding\t¶: chunked\r\n\r\n0\r\n\r\n"),
        bad_post("a coding behind a blank", 400, "X: y\r\n ¶Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        bad_post("a coding behind NUL", 400, "\0¶Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        bad_post(
            "two codings",
            400,
            "Transfer-Encoding: chunked\r\nTransfer-Encoding:¶ chunked\r\n\r\n0\r\n\r\n",
        ),
        bad_post(
            "a coding and another",
            400,
            "Transfer-Encoding: chunked\r\ntransfer-encoding:¶ x\r\n\r\n0\r\n\r\n",
        ),
        bad(
            "a coding in 1.0",
            400,
            "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding:¶ chunked\r\n\r\n0\r\n\r\n",
        ),
        good("a coding in 1.2", CHUNKED.replace("1.1", "1.2") + chunks, &[request("POST", "/", "")]),
    ]
}

fn both() -> Vec<Case> {
    vec![
        bad_post(
            "a length, then a coding",
            400,
            "Content-Length: 5\r\nTransfer-Encoding:¶ chunked\r\n\r\n0\r\n\r\n",
        ),
        bad_post(
            "a coding, then a length",
            400,
            "Transfer-Encoding: chunked\r\nContent-Length:¶ 5\r\n\r\n0\r\n\r\n",
        ),
        bad_post(
            "a coding, then a length of 0",
            400,
            "Transfer-Encoding: chunked\r\nX: y\r\nContent-Length:¶ 0\r\n\r\n",
        ),
        bad_post(
            "a length too large, then a coding",
            400,
            "Content-Length: 9999999\r\nTransfer-Encoding:¶ chunked\r\n\r\n",
        ),
        bad_after(
            "a request that is smuggled behind another",
            &[request("GET", "/", "")],
            400,
            [
                GET,
                "\r\n",
                POST,
                "Content-Length: 6\r\nTransfer-Encoding:¶ chunked\r\n\r\n0\r\n\r\nGET /admin HTTP/1.1\r\n",
            ]
            .concat(),
        ),
        bad_after(
            "a request that is smuggled in a body",
            &[request("POST", "/", "0\r\n\r\n")],
            400,
            [POST, "Content-Length: 5\r\n\r\n0\r\n\r\n", "GET /admin HTTP/1.1\r\n\r\n¶"].concat(),
        ),
    ]
}
