//! Chunked bodies.

use super::{CHUNKED, Case, GET, bad_after, bad_chunks, good, request};

pub(super) fn cases() -> Vec<Case> {
    let mut cases = good_bodies();
    cases.extend(bad_sizes());
    cases.extend(bad_extensions());
    cases.extend(bad_data());
    cases
}

fn good_bodies() -> Vec<Case> {
    let whole = |name, body: &str, payload: &str| {
        good(name, [CHUNKED, body].concat(), &[request("POST", "/", payload)])
    };
    vec![
        whole("no chunk", "0\r\n\r\n", ""),
        whole("two chunks", "5\r\nhello\r\n7\r\n, world\r\n0\r\n\r\n", "hello, world"),
        whole("a size in capitals", "A\r\n0123456789\r\n0\r\n\r\n", "0123456789"),
        whole("a size in small letters", "a\r\n0123456789\r\n0\r\n\r\n", "0123456789"),
        whole("a size of 16 digits", "0000000000000002\r\nhi\r\n0\r\n\r\n", "hi"),
        whole("a last chunk of 16 digits", "2\r\nhi\r\n0000000000000000\r\n\r\n", "hi"),
        whole("data that looks like framing", "7\r\n\r\n0\r\n\r\n\r\n0\r\n\r\n", "\r\n0\r\n\r\n"),
        whole("an extension", "2;a\r\nhi\r\n0\r\n\r\n", "hi"),
        whole("an extension with a value", "2;a=b\r\nhi\r\n0;c=d\r\n\r\n", "hi"),
        whole("an extension with blanks", "2 ; a\t=  b ;c\r\nhi\r\n0\r\n\r\n", "hi"),
        whole("an extension in quotes", "2;a=\"b; \\\" \t é\\\\c\";d=\"\"\r\nhi\r\n0\r\n\r\n", "hi"),
        whole("a trailer", "2\r\nhi\r\n0\r\nX: y\r\n\r\n", "hi"),
        whole("trailers that mean nothing here", "0\r\nContent-Length: 5\r\nHost: b\r\nX:\r\n\r\n", ""),
        good(
            "a request after chunks",
            [CHUNKED, "2\r\nhi\r\n0\r\nX: y\r\n\r\n", GET, "\r\n"].concat(),
            &[request("POST", "/", "hi"), request("GET", "/", "")],
        ),
    ]
}

fn bad_sizes() -> Vec<Case> {
    vec![
        bad_chunks("no size", 400, "\r¶\nhi\r\n0\r\n\r\n"),
        bad_chunks("a size with a prefix", 400, "0x¶2\r\nhi\r\n0\r\n\r\n"),
        bad_chunks("a size with a minus", 400, "-¶2\r\nhi\r\n0\r\n\r\n"),
        bad_chunks("a size with a plus", 400, "+¶2\r\nhi\r\n0\r\n\r\n"),
        bad_chunks("a size behind a blank", 400, " ¶2\r\nhi\r\n0\r\n\r\n"),
        bad_chunks("a size before a blank", 400, "2 \r¶\nhi\r\n0\r\n\r\n"),
        bad_chunks("a size before a tab", 400, "2\t\r¶\nhi\r\n0\r\n\r\n"),
        bad_chunks("a size with a blank inside", 400, "2 2¶\r\nhi\r\n0\r\n\r\n"),
        bad_chunks("a size with another letter", 400, "2g¶\r\nhi\r\n0\r\n\r\n"),
        bad_chunks("a size with an underscore", 400, "2_¶0\r\nhi\r\n0\r\n\r\n"),
        bad_chunks("a size with a comma", 400, "2,¶2\r\nhi\r\n0\r\n\r\n"),
        bad_chunks("a size and NUL", 400, "2\0¶\r\nhi\r\n0\r\n\r\n"),
        bad_chunks("a size of 17 digits", 400, "00000000000000002¶\r\nhi\r\n0\r\n\r\n"),
        bad_chunks("a size that overflows", 400, "10000000000000002¶\r\nhi\r\n0\r\n\r\n"),
        bad_chunks("a size of many digits", 400, "FFFFFFFFFFFFFFFFF¶FFFFFF\r\nhi\r\n0\r\n\r\n"),
        bad_chunks("a last chunk of 17 digits", 400, "00000000000000000¶\r\n\r\n"),
        bad_chunks("the largest size", 413, "FFFFFFFFFFFFFFFF\r\n¶hi"),
        bad_chunks("a size beyond the limit", 413, "100001\r\n¶"),
        bad_chunks("a size that goes beyond the limit", 413, "2\r\nhi\r\nFFFFF\r\n¶"),
        bad_chunks("a size beyond the limit, and a bad extension", 400, "100001;\r¶\n"),
        bad_chunks("bare LF after a size", 400, "2\n¶hi\r\n0\r\n\r\n"),
        bad_chunks("bare CR after a size", 400, "2\rh¶i\r\n0\r\n\r\n"),
        bad_chunks("two CR after a size", 400, "2\r\r¶\nhi\r\n0\r\n\r\n"),
        bad_chunks("bare LF after the last chunk", 400, "0\n¶\n"),
        bad_chunks("bare LF at the end", 400, "0\r\n\n¶"),
        bad_chunks("bare CR at the end", 400, "0\r\n\rG¶"),
    ]
}

fn bad_extensions() -> Vec<Case> {
    vec![
        bad_chunks("an extension without name", 400, "2;\r¶\nhi\r\n0\r\n\r\n"),
        bad_chunks("two semicolons", 400, "2;;¶a\r\nhi\r\n0\r\n\r\n"),
        bad_chunks("an extension without its value", 400, "2;a=\r¶\nhi\r\n0\r\n\r\n"),
        bad_chunks("a value without name", 400, "2;=¶b\r\nhi\r\n0\r\n\r\n"),
        bad_chunks("an extension without semicolon", 400, "2 a¶\r\nhi\r\n0\r\n\r\n"),
        bad_chunks("a blank after a name", 400, "2;a \r¶\nhi\r\n0\r\n\r\n"),
        bad_chunks("a blank after a value of an extension", 400, "2;a=b \r¶\nhi\r\n0\r\n\r\n"),
        bad_chunks("a name in two words", 400, "2;a b¶\r\nhi\r\n0\r\n\r\n"),
        bad_chunks("a value in two words", 400, "2;a=b c¶\r\nhi\r\n0\r\n\r\n"),
        bad_chunks("a value off the grammar", 400, "2;a=b/¶\r\nhi\r\n0\r\n\r\n"),
        bad_chunks("text after a quote", 400, "2;a=\"b\"c¶\r\nhi\r\n0\r\n\r\n"),
        bad_chunks("an open quote", 400, "2;a=\"b\r¶\nhi\r\n0\r\n\r\n"),
        bad_chunks("bare LF in an extension", 400, "2;a\n¶hi\r\n0\r\n\r\n"),
        bad_chunks("bare LF in a quote", 400, "2;a=\"\n¶\"\r\nhi\r\n0\r\n\r\n"),
        bad_chunks("an escaped LF in a quote", 400, "2;a=\"\\\n¶\"\r\nhi\r\n0\r\n\r\n"),
        bad_chunks("bare CR in an extension", 400, "2;a\rx¶\r\nhi\r\n0\r\n\r\n"),
        bad_chunks("NUL in an extension", 400, "2;\0¶\r\nhi\r\n0\r\n\r\n"),
        bad_chunks("NUL in a quote", 400, "2;a=\"\0¶\"\r\nhi\r\n0\r\n\r\n"),
    ]
}

fn bad_data() -> Vec<Case> {
    vec![
        bad_chunks("data longer than its size", 400, "2\r\nhix¶\r\n0\r\n\r\n"),
        bad_chunks("data shorter than its size", 400, "4\r\nhi\r\n0¶\r\n\r\n"),
        bad_chunks("no CRLF after data", 400, "2\r\nhi0¶\r\n\r\n"),
        bad_chunks("bare LF after data", 400, "2\r\nhi\n¶0\r\n\r\n"),
        bad_chunks("bare CR after data", 400, "2\r\nhi\r0¶\r\n\r\n"),
        bad_chunks("an empty line too many", 400, "2\r\nhi\r\n\r¶\n0\r\n\r\n"),
        bad_chunks("a trailer without colon", 400, "0\r\nX\r¶\n\r\n"),
        bad_chunks("a trailer with a blank before its colon", 400, "0\r\nX ¶: y\r\n\r\n"),
        bad_chunks("a trailer without name", 400, "0\r\n:¶ y\r\n\r\n"),
        bad_chunks("a trailer that is folded", 400, "0\r\nX: y\r\n ¶z\r\n\r\n"),
        bad_chunks("a blank before a trailer", 400, "0\r\n ¶X: y\r\n\r\n"),
        bad_chunks("NUL in a trailer", 400, "0\r\nX: \0¶\r\n\r\n"),
        bad_chunks("bare LF after a trailer", 400, "0\r\nX: y\n¶\r\n"),
        bad_chunks("bare CR in a trailer", 400, "0\r\nX: y\rz¶\r\n\r\n"),
        bad_chunks("a request instead of trailers", 400, "0\r\nGET ¶/ HTTP/1.1\r\n\r\n"),
        bad_after("a good body before a bad one", &[request("POST", "/", "hi")], 400, {
            [CHUNKED, "2\r\nhi\r\n0\r\n\r\n", CHUNKED, "x¶\r\n"].concat()
        }),
    ]
}
