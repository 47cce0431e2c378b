//! Subscribers whose patterns cost the most to look at, and a history that has much to look at.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use socket2::{Domain, Protocol, Socket, Type};

use super::course::Course;
use super::stage::Stage;
use crate::attack::{self, Script};
use crate::http::{Body, Head};
use crate::publish::{Numbers, Pace, Publisher, Work};
use crate::sse::{Block, EventScanner, Spare};
use crate::template::Template;

/// Of one subscriber.
pub(super) const PATTERNS: usize = 64;
/// Topics that each event in history goes to.
const TOPICS: usize = 100;
/// Tokens of a pattern, and how many of them may be wild, as far as the server allows: it takes the first.
const SHAPES: [(usize, u32); 6] = [(32, 31), (32, 4), (16, 15), (16, 4), (8, 4), (4, 1)];
const ANSWERS_WITHIN: Duration = Duration::from_secs(30);

/// Fills the history, and returns a request for all of it with patterns that match nothing, but differ from the topics only
/// in their last token.
pub(super) fn prepare(stage: &mut Stage<'_>, events: u64) -> Result<Script> {
    let wildcards = stage.peer.wildcards.as_ref().context("its file has no [wildcards]")?;
    let access = stage.access.context("the server has no keys")?;
    // Many servers let clients without a token follow nothing.
    let token = access.tokens(1, "attacker")?.concat();
    let mut status = 0;
    for (tokens, wild) in SHAPES {
        let patterns: Vec<String> =
            patterns(tokens, wild).map(|one| format!("{}={one}", wildcards.parameter)).collect();
        let stream = stage.peer.all.stream.text(0);
        let mark = if stream.contains('?') { '&' } else { '?' };
        let target = format!("{stream}{mark}{}", patterns.join("&"));
        let host = stage.server.address;
        let request = format!("GET {target} HTTP/1.1\r\nHost: {host}\r\nAccept: text/event-stream\r\n");
        let request = format!("{request}Authorization: Bearer {token}\r\n");
        let id = match ask(stage, &request)? {
            Ok(id) => id,
            Err(refusal) => {
                status = refusal;
                continue;
            }
        };
        stage.set("attack_pattern_tokens", tokens as f64);
        stage.set("attack_pattern_wildcards", f64::from(wild.min(tokens as u32 - 1)));
        fill(stage, &wildcards.body, tokens, events)?;
        return Ok(Script::Reopen { request: format!("{request}Last-Event-ID: {id}\r\n\r\n") });
    }
    bail!("the server takes no patterns: {status}");
}

/// Opens a stream, and returns its position, or the status with which the server refuses it.
fn ask(stage: &Stage<'_>, request: &str) -> Result<Result<String, u16>> {
    let mut socket = connect(stage.server.address)?;
    socket.set_read_timeout(Some(ANSWERS_WITHIN))?;
    socket.write_all(format!("{request}\r\n").as_bytes())?;
    let (mut unread, mut buffer) = (Vec::new(), [0; 4096]);
    let head = loop {
        let length = socket.read(&mut buffer).context("a stream with patterns is not answered")?;
        ensure!(length > 0, "a stream with patterns is closed without an answer");
        unread.extend_from_slice(&buffer[..length]);
        if let Some(head) = Head::parse(&unread)? {
            break head;
        }
    };
    if head.status != 200 {
        return Ok(Err(head.status));
    }
    let mut body = Body::new(head.framing);
    let (mut scanner, mut spare, mut id) = (EventScanner::default(), Spare::default(), None::<String>);
    let mut rest = unread.split_off(head.length);
    loop {
        let mut scanned = Ok(());
        body.feed(&rest, |payload| {
            scanned = scanner.feed(payload, &mut spare, &mut |block: Block<'_>| {
                id = id.take().or(block.id.map(|id| String::from_utf8_lossy(id).into_owned()));
            });
        })?;
        scanned?;
        if let Some(id) = id.take() {
            return Ok(Ok(id));
        }
        let length = socket.read(&mut buffer).context("a stream with patterns does not tell its position")?;
        ensure!(length > 0, "a stream with patterns is refused");
        rest = buffer[..length].to_vec();
    }
}

/// Connects from the attackers' first address: other addresses may have streams that count against a limit.
fn connect(address: SocketAddr) -> Result<TcpStream> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if let Some(source) = attack::source(address, 0, 1) {
        socket.bind(&SocketAddr::from((source, 0)).into())?;
    }
    socket.connect(&address.into())?;
    Ok(socket.into())
}

/// Every combination of `a` and `*`, with a last token that no topic has.
fn patterns(tokens: usize, wild: u32) -> impl Iterator<Item = String> {
    // 20 places already have more combinations than needed.
    let places = (tokens - 1).min(20);
    let combinations = (1_u32..1 << places).filter(move |bits| bits.count_ones() <= wild);
    combinations.take(PATTERNS).map(move |bits| {
        let token = |at: usize| if bits >> at & 1 == 1 { "*." } else { "a." };
        let first: String = (0..tokens - 1).map(token).collect();
        format!("{first}x")
    })
}

/// Publishes events that no honest subscriber follows.
fn fill(stage: &Stage<'_>, body: &str, tokens: usize, events: u64) -> Result<()> {
    let first = "a.".repeat(tokens - 1);
    let topics: Vec<String> = (0..TOPICS).map(|topic| format!("{first}t{topic}")).collect();
    let body = body.replace("{topics}", &serde_json::to_string(&topics)?);
    let mut work: Work = stage.work(Course::measured(Pace::Acknowledged, events))?;
    work.door.body = Template::parse(&body);
    let mut publisher = Publisher::connect(stage.server.address, work.connections)?;
    let mut published = publisher.run(&work, &mut Numbers::new(1), stage.stop, |_| Ok(Some(0)))?;
    published.trouble.take().map_or(Ok(()), Err).context("history is not filled")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn patterns_are_different_and_of_their_shape() {
        for (tokens, wild) in SHAPES {
            let all: HashSet<String> = patterns(tokens, wild).collect();
            let expected = if tokens == 4 { 3 } else { PATTERNS };
            assert_eq!(all.len(), expected, "{tokens} tokens");
            for pattern in all {
                let parts: Vec<&str> = pattern.split('.').collect();
                assert_eq!((parts.len(), parts.last()), (tokens, Some(&"x")));
                assert!(parts.iter().filter(|part| **part == "*").count() <= wild as usize, "{pattern}");
            }
        }
    }
}
