//! Parses as little of a request as the floor needs.

use std::ops::Range;

use anyhow::{Context as _, Result};

#[derive(Debug, PartialEq)]
pub(super) enum Request {
    /// A request for a stream, with a user or without.
    Get { user: Option<u64> },
    /// A publish, for everyone or for a user: the position of its `data` member in the bytes, and that of the next request.
    Post { user: Option<u64>, data: Range<usize>, end: usize },
}

const DATA: &[u8] = b"\"data\":";
/// Users are named `u-` and a number.
const STREAM_OF_USER: &[u8] = b"?userId=u-";
const TO_USER: &[u8] = b"\"to\":{\"user\":\"u-";
const LENGTH: &[u8] = b"\r\ncontent-length:";

/// `None` while the request is incomplete.
pub(super) fn parse(bytes: &[u8]) -> Result<Option<Request>> {
    let Some(head_end) = bytes.windows(4).position(|four| four == b"\r\n\r\n").map(|at| at + 4) else {
        return Ok(None);
    };
    if bytes.starts_with(b"GET ") {
        return Ok(Some(Request::Get { user: number_after(&bytes[..head_end], STREAM_OF_USER) }));
    }
    let head = bytes[..head_end].to_ascii_lowercase();
    let at = find(&head, LENGTH).context("neither a GET nor a request with a Content-Length")?;
    let value = head[at + LENGTH.len()..].split(|&byte| byte == b'\r').next().unwrap_or_default();
    let length: usize = std::str::from_utf8(value)?.trim().parse().context("Content-Length")?;
    let end = head_end + length;
    let Some(body) = bytes.get(head_end..end) else { return Ok(None) };
    // The load tester's `data` is the last member, so it ends where the body's last brace begins.
    let start = find(body, DATA).context("a publish without data")? + DATA.len();
    let stop = body.iter().rposition(|&byte| byte == b'}').context("a publish that is no object")?;
    let user = number_after(&body[..start], TO_USER);
    Ok(Some(Request::Post { user, data: head_end + start..head_end + stop.max(start), end }))
}

fn number_after(bytes: &[u8], prefix: &[u8]) -> Option<u64> {
    let rest = &bytes[find(bytes, prefix)? + prefix.len()..];
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    std::str::from_utf8(&rest[..digits]).ok()?.parse().ok()
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests() {
        assert_eq!(parse(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap(), Some(Request::Get { user: None }));
        let of_user = b"GET /?userId=u-57 HTTP/1.1\r\nHost: a\r\n\r\n";
        assert_eq!(parse(of_user).unwrap(), Some(Request::Get { user: Some(57) }));
        let to_user =
            b"POST /e HTTP/1.1\r\nContent-Length: 37\r\n\r\n{\"to\":{\"user\":\"u-57\"},\"data\":{\"n\":1}}";
        let Some(Request::Post { user, data, .. }) = parse(to_user).unwrap() else { panic!("not a post") };
        assert_eq!((user, &to_user[data]), (Some(57), &b"{\"n\":1}"[..]));
        let post =
            b"POST /e HTTP/1.1\r\nContent-Length: 31\r\n\r\n{\"event\":\"load\",\"data\":{\"n\":1}}POST";
        for cut in 0..post.len() - 4 {
            assert_eq!(parse(&post[..cut]).unwrap(), None, "cut at {cut}");
        }
        let Some(Request::Post { user: None, data, end }) = parse(post).unwrap() else {
            panic!("not a post")
        };
        assert_eq!(&post[data], b"{\"n\":1}");
        assert_eq!(&post[end..], b"POST");
        assert!(parse(b"PUT / HTTP/1.1\r\n\r\n").is_err());
        assert!(parse(b"POST / HTTP/1.1\r\ncontent-length: 2\r\n\r\n{}").is_err());
    }
}
