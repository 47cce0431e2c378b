//! Publications from a pipe, one per line, in batches of what has arrived.

use std::io::{self, BufRead, BufReader, Read};
use std::sync::mpsc::{Receiver, RecvError, sync_channel};
use std::thread;

use fanfare::Publication;

/// Maximum number of lines in a batch.
const MAX_LINES: usize = 1000;
/// A batch of this many bytes takes no more lines. A server accepts 1 MiB by default.
const ENOUGH: usize = 256 * 1024;
/// Maximum bytes of a line.
const MAX_LINE: usize = 16 * 1024 * 1024;
/// Number of lines that are read ahead.
const AHEAD: usize = 2 * MAX_LINES;

/// A publication and the number of its line, from 1.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) number: usize,
    pub(super) text: String,
}

/// A line that is not a publication.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) number: usize,
    pub(super) what: String,
}

/// The contents of one request, and the error in the line after it. Nothing follows an error.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Batch {
    pub(super) lines: Vec<Line>,
    pub(super) fault: Option<Fault>,
}

/// Batches of what has arrived: a single line is sent at once, and lines that arrive fast are sent together.
pub(super) struct Batches {
    lines: Receiver<Result<Line, Fault>>,
}

impl Batches {
    /// Reads on a thread of its own, so that reading and sending overlap.
    pub(super) fn read(input: impl Read + Send + 'static) -> io::Result<Self> {
        let (sender, lines) = sync_channel(AHEAD);
        let mut input = BufReader::with_capacity(64 * 1024, input);
        let read = move || {
            for number in 1.. {
                let line = read_line(&mut input, number);
                let is_last = matches!(line, Ok(None) | Err(_));
                let is_gone = match line.transpose() {
                    // Empty lines are ignored.
                    Some(Ok(line)) if line.text.is_empty() => false,
                    Some(line) => sender.send(line).is_err(),
                    None => true,
                };
                if is_last || is_gone {
                    return;
                }
            }
        };
        thread::Builder::new().name("input".to_owned()).spawn(read)?;
        Ok(Self { lines })
    }
}

impl Iterator for Batches {
    type Item = Batch;

    fn next(&mut self) -> Option<Batch> {
        let mut batch = Batch::default();
        let mut bytes = 0;
        let mut next = match self.lines.recv() {
            Ok(line) => Some(line),
            Err(RecvError) => return None,
        };
        while let Some(line) = next {
            match line {
                Ok(line) => {
                    bytes += line.text.len();
                    batch.lines.push(line);
                }
                Err(fault) => {
                    batch.fault = Some(fault);
                    break;
                }
            }
            next = match batch.lines.len() < MAX_LINES && bytes < ENOUGH {
                true => self.lines.try_recv().ok(),
                false => None,
            };
        }
        Some(batch)
    }
}

/// The next line, checked; `None` at the end.
fn read_line(input: &mut impl BufRead, number: usize) -> Result<Option<Line>, Fault> {
    let fault = |what: String| Fault { number, what };
    let mut bytes = Vec::new();
    let limit = MAX_LINE as u64 + 1;
    match input.by_ref().take(limit).read_until(b'\n', &mut bytes) {
        Err(error) => return Err(fault(format!("cannot be read: {error}"))),
        Ok(0) => return Ok(None),
        Ok(_) if bytes.len() > MAX_LINE => return Err(fault(format!("is over {MAX_LINE} bytes"))),
        Ok(_) => {}
    }
    let text = String::from_utf8(bytes).map_err(|_| fault("is not UTF-8".to_owned()))?;
    let text = text.trim_ascii().to_owned();
    if !text.is_empty() {
        Publication::from_json(&text).map_err(|error| fault(error.to_string()))?;
    }
    Ok(Some(Line { number, text }))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers of the lines, and the fault, over all batches.
    fn read(input: impl Into<Vec<u8>>) -> (Vec<usize>, Option<Fault>) {
        let mut numbers = Vec::new();
        let mut fault = None;
        for batch in Batches::read(io::Cursor::new(input.into())).unwrap() {
            assert_eq!(fault, None, "nothing follows a fault");
            assert!(batch.lines.len() <= MAX_LINES);
            numbers.extend(batch.lines.iter().map(|line| line.number));
            fault = batch.fault;
        }
        (numbers, fault)
    }

    #[test]
    fn every_line_is_in_its_place() {
        assert_eq!(read(""), (vec![], None));
        assert_eq!(read("{\"data\":1}"), (vec![1], None));
        assert_eq!(read("\n{\"data\":1}\r\n \n{\"data\":2}\n\n"), (vec![2, 4], None));
        let many = "{\"data\":1}\n".repeat(5000);
        assert_eq!(read(many), ((1..=5000).collect(), None));
    }

    #[test]
    fn a_fault_names_its_line_and_what_is_before_it_is_there() {
        let fault = |number, what: &str| Some(Fault { number, what: what.to_owned() });
        let missing = "data: is missing: data or text is needed";
        assert_eq!(read("{\"data\":1}\n\n{}\n{\"data\":2}\n"), (vec![1], fault(3, missing)));
        assert_eq!(read(b"{\"data\":1}\n{\"data\":\"\xff\"}\n"), (vec![1], fault(2, "is not UTF-8")));
        let long = "x".repeat(MAX_LINE + 1);
        assert_eq!(read(long), (vec![], fault(1, "is over 16777216 bytes")));
    }

    #[test]
    fn a_batch_is_no_larger_than_a_server_takes() {
        let line = format!("{{\"data\":\"{}\"}}\n", "x".repeat(100_000));
        for batch in Batches::read(io::Cursor::new(line.repeat(20).into_bytes())).unwrap() {
            let bytes: usize = batch.lines.iter().map(|line| line.text.len()).sum();
            assert!(bytes < ENOUGH + line.len(), "{bytes}");
        }
    }
}
