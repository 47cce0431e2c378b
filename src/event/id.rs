//! Event ids.

use std::fmt;
use std::io;
use std::str::FromStr;

/// The position of an event in a history, printed as `epoch-seq`.
///
/// `epoch` tells histories apart. It is the Unix time in ms at which the history began, less a random time of up to 18
/// minutes, so that no two histories share one; do not use it as a time. `seq` counts from 1 without holes. So an id
/// from before a restart, a gap, or a forged id is recognised. The printed form is a valid Redis Streams id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventId {
    /// Which history: about when it began, in Unix ms.
    pub epoch: u64,
    /// The number of the event in its history, from 1; 0 is the position before the first event.
    pub seq: u64,
}

/// A string that is not an event id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an event id of the form <epoch>-<seq>")]
pub struct InvalidEventId;

impl EventId {
    /// The id before this one: a client that continues from it is sent this event first.
    pub(crate) fn preceding(self) -> Self {
        Self { seq: self.seq.saturating_sub(1), ..self }
    }

    /// Writes the printed form, at a third of the cost of formatting, since every event and every publish response
    /// contains one.
    pub(crate) fn write_to(self, out: &mut impl io::Write) -> io::Result<()> {
        let mut number = itoa::Buffer::new();
        out.write_all(number.format(self.epoch).as_bytes())?;
        out.write_all(b"-")?;
        out.write_all(number.format(self.seq).as_bytes())
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.epoch, self.seq)
    }
}

impl FromStr for EventId {
    type Err = InvalidEventId;

    /// Accepts exactly what [`Display`](fmt::Display) prints: no sign, no white space, no leading zero.
    fn from_str(text: &str) -> Result<Self, InvalidEventId> {
        let (epoch, seq) = text.split_once('-').ok_or(InvalidEventId)?;
        Ok(Self { epoch: canonical(epoch)?, seq: canonical(seq)? })
    }
}

fn canonical(digits: &str) -> Result<u64, InvalidEventId> {
    let leading_zero = digits.len() > 1 && digits.starts_with('0');
    if leading_zero || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(InvalidEventId);
    }
    digits.parse().map_err(|_| InvalidEventId)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_and_parses() {
        let id = EventId { epoch: 1_790_000_000_000, seq: 41 };
        assert_eq!(id.to_string(), "1790000000000-41");
        assert_eq!("1790000000000-41".parse(), Ok(id));
        assert_eq!("0-0".parse(), Ok(EventId { epoch: 0, seq: 0 }));
    }

    #[test]
    fn refuses_what_it_would_not_print() {
        for text in
            ["", "-", "1", "1-", "-1", "1-2-3", "+1-2", "1-+2", "01-2", "1-02", " 1-2", "1-2 ", "a-1", "1-b"]
        {
            assert_eq!(text.parse::<EventId>(), Err(InvalidEventId), "{text:?}");
        }
        assert!("18446744073709551616-1".parse::<EventId>().is_err());
        assert!("1-18446744073709551615".parse::<EventId>().is_ok());
    }
}
