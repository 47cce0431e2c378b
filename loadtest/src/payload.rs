//! The data of an event: a line of JSON with its series, its number in the series, and the time at which it was due.
//!
//! Each stream follows one series, whose events are numbered from 1 without gaps. So each stream can tell by itself which
//! events are missing, repeated, out of order, or meant for others.

use std::fmt::Write as _;

use anyhow::{Result, ensure};

const BEGIN: &[u8] = b"{\"s\":";
const NUMBER: &[u8] = b",\"n\":";
const DUE: &[u8] = b",\"t\":";
const PAD: &[u8] = b",\"pad\":\"";
const PAD_BYTE: u8 = b'x';
/// Padding is written and compared in blocks of this.
const PADDING: &[u8] = &[PAD_BYTE; 4096];
const END: &[u8] = b"\"}";

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Payload {
    pub(crate) series: u32,
    /// The number in the series, from 1.
    pub(crate) n: u64,
    /// When the event was due, in nanoseconds of `clock::nanos`; 0 for an event that is not measured.
    pub(crate) due: u64,
}

/// The fewest bytes that hold any payload of this many series.
pub(crate) fn least_bytes(series: u32) -> usize {
    let largest = Payload { series, n: 999_999_999_999, due: u64::MAX };
    largest.text(0).len()
}

pub(crate) fn check_bytes(bytes: usize, series: u32) -> Result<()> {
    let least = least_bytes(series);
    ensure!(bytes >= least, "a payload has at least {least} bytes");
    Ok(())
}

impl Payload {
    /// The JSON, padded to `bytes`.
    pub(crate) fn text(&self, bytes: usize) -> String {
        let mut text = String::with_capacity(bytes);
        self.append(bytes, &mut text);
        text
    }

    pub(crate) fn append(&self, bytes: usize, out: &mut String) {
        let Self { series, n, due } = self;
        let start = out.len();
        // Writing to a string does not fail.
        let _ = write!(out, "{{\"s\":{series},\"n\":{n},\"t\":{due},\"pad\":\"");
        let pad = bytes.saturating_sub(out.len() - start + END.len());
        // In blocks, not by the character: the time spent here counts as latency.
        let piece = std::str::from_utf8(PADDING).unwrap_or_default();
        (0..pad / PADDING.len()).for_each(|_| out.push_str(piece));
        out.push_str(&piece[..pad % PADDING.len()]);
        out.push_str("\"}");
    }

    /// Reads a payload, and returns it with its length; `None` if it is incomplete or was published by others. Other bytes may
    /// surround it: some servers wrap the data in JSON of their own.
    pub(crate) fn parse(data: &[u8]) -> Option<(Self, usize)> {
        let begin = match data.starts_with(BEGIN) {
            true => 0,
            false => data.windows(BEGIN.len()).position(|window| window == BEGIN)?,
        };
        let (series, rest) = number(data[begin..].strip_prefix(BEGIN)?)?;
        let (n, rest) = number(rest.strip_prefix(NUMBER)?)?;
        let (due, rest) = number(rest.strip_prefix(DUE)?)?;
        let rest = rest.strip_prefix(PAD)?;
        let rest = rest[padding(rest)..].strip_prefix(END)?;
        if begin == 0 && !rest.is_empty() {
            return None;
        }
        let length = data.len() - begin - rest.len();
        Some((Self { series: u32::try_from(series).ok()?, n, due }, length))
    }
}

/// The number of leading bytes that are padding. Compares blocks: with large events most of the time is spent here.
fn padding(bytes: &[u8]) -> usize {
    let is_padding = |piece: &&[u8]| **piece == PADDING[..piece.len()];
    let whole: usize = bytes.chunks(PADDING.len()).take_while(is_padding).map(<[u8]>::len).sum();
    let rest = &bytes[whole..];
    // The rest is shorter than a block: halves the block until it fits.
    let mut at = 0;
    let mut step = PADDING.len() / 2;
    while step > 0 {
        if rest.get(at..at + step).is_some_and(|piece| *piece == PADDING[..step]) {
            at += step;
        }
        step /= 2;
    }
    whole + at
}

fn number(text: &[u8]) -> Option<(u64, &[u8])> {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (number, rest) = text.split_at(digits);
    Some((std::str::from_utf8(number).ok()?.parse().ok()?, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: Payload = Payload { series: 3, n: 7, due: 12 };

    #[test]
    fn a_text_has_exactly_the_size_and_is_json() {
        assert_eq!(ONE.text(34), r#"{"s":3,"n":7,"t":12,"pad":"xxxxx"}"#);
        for bytes in [100, 128, 16 * 1024, 1_000_000] {
            let text = ONE.text(bytes);
            assert_eq!(text.len(), bytes);
            let value: serde_json::Value = serde_json::from_str(&text).unwrap();
            assert_eq!((&value["s"], &value["n"], &value["t"]), (&3.into(), &7.into(), &12.into()));
            assert_eq!(Payload::parse(text.as_bytes()), Some((ONE, bytes)));
        }
        assert!(least_bytes(u32::MAX) <= 128);
    }

    #[test]
    fn padding_ends_wherever_another_byte_stands() {
        for at in (0..10_000).step_by(7).chain([4095, 4096, 4097, 8192]) {
            let mut bytes = [PAD_BYTE; 10_001];
            assert_eq!(padding(&bytes[..at]), at);
            bytes[at] = b'y';
            assert_eq!(padding(&bytes), at);
        }
    }

    #[test]
    fn damage_is_seen() {
        let text = ONE.text(64);
        let parse = |text: &str| Payload::parse(text.as_bytes());
        for bad in [
            &text[1..],
            &text[..63],
            &format!("{text} "),
            &text.replacen("xx", "xy", 1),
            &text.replace("\"n\"", "\"m\""),
            &text.replace(":7,", ":,"),
            "",
        ] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn wrapped_by_a_server() {
        let text = format!("{{\"push\":{{\"channel\":\"a\",\"pub\":{{\"data\":{}}}}}}}", ONE.text(64));
        assert_eq!(Payload::parse(text.as_bytes()), Some((ONE, 64)));
        assert_eq!(Payload::parse(&text.as_bytes()[..text.len() - 6]), None);
    }
}
