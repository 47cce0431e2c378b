//! Builds publish requests fast: the publisher shares the machine with the server that it measures.

use std::fmt::Write as _;

use super::work::{Numbers, Work};
use crate::payload::Payload;

pub(super) struct RequestWriter {
    /// Reused for their memory.
    body: String,
    data: String,
}

impl RequestWriter {
    pub(super) fn new(work: &Work) -> Self {
        let capacity = (work.payload + 256) * work.batch;
        Self { body: String::with_capacity(capacity), data: String::with_capacity(work.payload) }
    }

    /// A request with the next `events` events. A batch uses the target of its first event's series.
    pub(super) fn write(&mut self, work: &Work, numbers: &mut Numbers, events: u64, due: u64) -> String {
        let door = &work.door;
        let first = numbers.peek() as u64;
        self.body.clear();
        for event in 0..events {
            let (series, n) = numbers.take();
            let due = if work.is_measured { due } else { 0 };
            self.data.clear();
            let payload = Payload { series: u32::try_from(series).unwrap_or(u32::MAX), n, due };
            payload.append(work.payload, &mut self.data);
            if event > 0 {
                self.body.push('\n');
            }
            door.body.render(series as u64, &self.data, &mut self.body);
        }
        let mut text = String::with_capacity(self.body.len() + 256);
        text.push_str(&door.method);
        text.push(' ');
        door.target.render(first, "", &mut text);
        text.push_str(" HTTP/1.1\r\nHost: ");
        text.push_str(&door.host);
        for header in &door.headers {
            text.push_str("\r\n");
            text.push_str(header);
        }
        // Writing to a string does not fail.
        let _ = write!(text, "\r\nContent-Length: {}\r\n\r\n", self.body.len());
        text.push_str(&self.body);
        text
    }
}

#[cfg(test)]
mod tests {
    use super::super::work::{Door, Pace};
    use super::*;
    use std::time::Duration;

    use crate::template::Template;

    #[test]
    fn written() {
        let door = Door {
            method: "PUT".to_owned(),
            host: "a:1".to_owned(),
            target: Template::parse("/pub?id={n}"),
            headers: vec!["X: y".to_owned()],
            body: Template::parse("<{n}:{data}>"),
        };
        let mut work = Work {
            door,
            pace: Pace::Acknowledged,
            events: None,
            payload: 40,
            is_measured: false,
            connections: 1,
            is_single: false,
            window: 1,
            batch: 1,
            patience: Duration::from_secs(1),
        };
        let mut numbers = Numbers::new(1);
        let mut writer = RequestWriter::new(&work);
        let body = |n| format!("<0:{}>", Payload { series: 0, n, due: 0 }.text(40));
        let head = "PUT /pub?id=0 HTTP/1.1\r\nHost: a:1\r\nX: y\r\n";
        let expected = format!("{head}Content-Length: 44\r\n\r\n{}", body(1));
        assert_eq!(writer.write(&work, &mut numbers, 1, 7), expected);
        work.batch = 2;
        let expected = format!("{head}Content-Length: 89\r\n\r\n{}\n{}", body(2), body(3));
        assert_eq!(writer.write(&work, &mut numbers, 2, 7), expected);
    }
}
