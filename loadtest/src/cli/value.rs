//! Values of options, checked.

use std::path::Path;
use std::time::Duration;

use crate::payload::least_bytes;
use crate::peer::Peer;

pub(super) fn at_least_one(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|&n| n > 0).ok_or_else(|| "a whole number above zero".to_owned())
}

pub(super) fn payload(text: &str) -> Result<usize, String> {
    let least = least_bytes(u32::MAX);
    let bytes = text.parse().ok().filter(|&bytes| bytes >= least);
    bytes.ok_or_else(|| format!("a number of bytes, at least the {least} that any event takes"))
}

pub(super) fn built_in(name: &str) -> Result<Peer, String> {
    Peer::built_in(name).map_err(|error| format!("{error:#}"))
}

pub(super) fn peer(path: &str) -> Result<Peer, String> {
    Peer::read(Path::new(path)).map_err(|error| format!("{error:#}"))
}

pub(super) fn rate(text: &str) -> Result<f64, String> {
    let valid = |rate: &f64| (0.001..=1e6).contains(rate);
    text.parse().ok().filter(valid).ok_or_else(|| "a number from 0.001 to 1000000".to_owned())
}

pub(super) fn header(text: &str) -> Result<String, String> {
    match text.split_once(':') {
        Some((name, _)) if !name.is_empty() && !text.contains(|c: char| c.is_ascii_control()) => {
            Ok(text.to_owned())
        }
        _ => Err("a field like `Name: value`".to_owned()),
    }
}

/// A number and `ms`, `s`, `m` or `h`; at most a day.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let split = text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len());
    let unit = match &text[split..] {
        "ms" => 0.001,
        "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        _ => return Err("a time like 500ms, 30s or 2m".to_owned()),
    };
    let seconds = text[..split].parse::<f64>().map_err(|error| error.to_string())? * unit;
    if !(0.001..=86_400.0).contains(&seconds) {
        return Err("a time from 1ms to a day".to_owned());
    }
    Ok(Duration::from_secs_f64(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(duration("1.5s"), Ok(Duration::from_millis(1500)));
        assert_eq!(duration("2m"), Ok(Duration::from_secs(120)));
        assert_eq!(duration("24h"), Ok(Duration::from_secs(86_400)));
        for bad in ["", "5", "s", "-1s", "0s", "nans", "infs", "1d", "2000m"] {
            assert!(duration(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn headers() {
        assert!(header("A: b").is_ok() && header("A:").is_ok());
        for bad in ["", "A", ": b", "A: b\r\nC: d"] {
            assert!(header(bad).is_err(), "{bad}");
        }
    }
}
