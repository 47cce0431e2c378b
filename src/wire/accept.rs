//! What a client would rather have (RFC 9110, 12.5.1).

use super::http::Head;

/// Whether the answer is to be OpenMetrics: named, and with at least the weight of plain text. What any range covers
/// gets plain text, which everything that scrapes can read.
pub fn prefers_open_metrics(head: &Head<'_>) -> bool {
    let (mut open, mut plain) = (0.0, 0.0);
    for range in head.fields("accept").flat_map(|value| value.split(|byte| *byte == b',')) {
        let mut parts = range.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
        let name = parts.next().unwrap_or_default();
        let (mut weight, mut version): (f32, &[u8]) = (1.0, b"");
        for parameter in parts {
            let Some(at) = parameter.iter().position(|byte| *byte == b'=') else { continue };
            match (&parameter[..at], &parameter[at + 1..]) {
                (name, value) if name.eq_ignore_ascii_case(b"q") => weight = weight_of(value),
                (name, value) if name.eq_ignore_ascii_case(b"version") => version = value,
                _ => {}
            }
        }
        if name.eq_ignore_ascii_case(b"application/openmetrics-text")
            && matches!(version, b"" | b"1.0.0" | b"\"1.0.0\"")
        {
            open = weight.max(open);
        } else if name.eq_ignore_ascii_case(b"text/plain") && matches!(version, b"" | b"0.0.4" | b"\"0.0.4\"")
        {
            plain = weight.max(plain);
        }
    }
    open > 0.0 && open >= plain
}

/// A weight that cannot be read is none.
fn weight_of(value: &[u8]) -> f32 {
    let weight = std::str::from_utf8(value).ok().and_then(|text| text.parse().ok());
    weight.filter(|weight| (0.0..=1.0).contains(weight)).unwrap_or(0.0)
}
