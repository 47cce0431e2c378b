//! Content negotiation by `Accept` (RFC 9110, 12.5.1).

use crate::http::Head;

/// A media range of an `Accept` field.
struct MediaRange<'h> {
    name: &'h [u8],
    /// From 0 to 1; `None` if invalid.
    weight: Option<f32>,
    version: &'h [u8],
}

impl<'h> MediaRange<'h> {
    fn of(text: &'h [u8]) -> Self {
        let mut parts = text.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
        let name = parts.next().unwrap_or_default();
        let mut range = Self { name, weight: Some(1.0), version: b"" };
        for parameter in parts {
            let Some(at) = parameter.iter().position(|byte| *byte == b'=') else { continue };
            match (&parameter[..at], &parameter[at + 1..]) {
                (name, value) if name.eq_ignore_ascii_case(b"q") => range.weight = weight_of(value),
                (name, value) if name.eq_ignore_ascii_case(b"version") => range.version = value,
                _ => {}
            }
        }
        range
    }

    fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name.as_bytes())
    }
}

fn ranges<'h>(head: &'h Head<'_>) -> impl Iterator<Item = MediaRange<'h>> {
    head.fields("accept").flat_map(|value| value.split(|byte| *byte == b',')).map(MediaRange::of)
}

fn weight_of(value: &[u8]) -> Option<f32> {
    let is_number = value.iter().all(|byte| byte.is_ascii_digit() || *byte == b'.');
    let weight = std::str::from_utf8(value).ok().filter(|_| is_number)?.parse().ok();
    weight.filter(|weight| (0.0..=1.0).contains(weight))
}

/// Whether the client accepts `text/event-stream`: the most specific range that covers it decides. Without a range,
/// anything is accepted, and an invalid weight excludes nothing.
pub fn accepts_event_stream(head: &Head<'_>) -> bool {
    // An empty list means no preference.
    if !head.fields("accept").any(|value| !value.is_empty()) {
        return true;
    }
    let mut best: Option<(u8, bool)> = None;
    for range in ranges(head) {
        let specificity = match () {
            () if range.is("text/event-stream") => 3,
            () if range.is("text/*") => 2,
            () if range.is("*/*") => 1,
            () => continue,
        };
        if best.is_none_or(|(so_far, _)| specificity > so_far) {
            best = Some((specificity, range.weight != Some(0.0)));
        }
    }
    best.is_some_and(|(_, allowed)| allowed)
}

/// Whether to respond with OpenMetrics: if it is named, with at least the weight of plain text. Otherwise plain text is
/// sent, which every scraper can read. An invalid weight counts as zero.
pub fn prefers_open_metrics(head: &Head<'_>) -> bool {
    let (mut open, mut plain) = (0.0_f32, 0.0_f32);
    for range in ranges(head) {
        let weight = range.weight.unwrap_or(0.0);
        if range.is("application/openmetrics-text") && matches!(range.version, b"" | b"1.0.0" | b"\"1.0.0\"")
        {
            open = weight.max(open);
        } else if range.is("text/plain") && matches!(range.version, b"" | b"0.0.4" | b"\"0.0.4\"") {
            plain = weight.max(plain);
        }
    }
    open > 0.0 && open >= plain
}
