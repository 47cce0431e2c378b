//! Tests of the layer as a whole.

mod mutation;
mod oracle;
#[path = "../../../tests/support/requests.rs"]
mod requests;
mod table;

use std::cell::Cell;

use super::{Head, RequestLimits, RequestReader, Step};
use requests::Expected;

thread_local! {
    static LOOKS: Cell<usize> = const { Cell::new(0) };
}

/// Counts looks at bytes in runs of a class, on this thread.
pub(super) fn note_looks(looks: usize) {
    LOOKS.set(LOOKS.get() + looks);
}

/// A connection that is fed, and what came of it.
#[derive(Default)]
struct Connection {
    reader: RequestReader,
    seen: Vec<Expected>,
    head: Option<(String, String, bool)>,
    fed: usize,
    /// After how many bytes a request was rejected.
    rejected_at: Option<usize>,
    detail: Option<&'static str>,
}

impl Connection {
    fn feed(&mut self, bytes: &[u8]) {
        self.reader.push(bytes);
        self.fed += bytes.len();
        while self.rejected_at.is_none() {
            match self.reader.next(&RequestLimits::default()) {
                Step::Incomplete => return,
                Step::Paused => {}
                Step::Head(head) => {
                    assert!(self.head.is_none(), "a head before the body of the last request");
                    self.head = Some((head.method.as_str().into(), target(&head), head.keep_alive));
                }
                Step::Body(body) => {
                    let (method, target, keeps_alive) = self.head.take().expect("a body without a head");
                    self.seen.push(Expected::Request { method, target, body, keeps_alive });
                }
                Step::Rejected(rejection) => {
                    self.seen.push(Expected::Rejected(rejection.status));
                    self.rejected_at = Some(self.fed);
                    self.detail = Some(rejection.detail);
                }
            }
        }
    }
}

fn target(head: &Head<'_>) -> String {
    head.query.map_or_else(|| head.path.to_owned(), |query| format!("{}?{query}", head.path))
}

/// What comes of these pieces.
fn outcome<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Connection {
    let mut connection = Connection::default();
    for piece in pieces {
        connection.feed(piece);
    }
    connection
}
