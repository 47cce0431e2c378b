//! The responses of one connection, in the order of its requests.

use std::collections::VecDeque;

use crate::api::CrossOrigin;

/// Memory kept between responses: bytes to write, and places behind a pending response.
const KEPT_BYTES: usize = 4 * 1024;
const KEPT_PLACES: usize = 16;

/// Responses to write, and what follows one that is still pending.
///
/// If none is pending, a response is written directly to where the socket takes it from.
#[derive(Default)]
pub(super) struct Answers {
    out: Vec<u8>,
    written: usize,
    /// From the first pending response on: empty, or starting with that response.
    behind: VecDeque<Place>,
    awaited: usize,
    /// Bytes that are ready in `behind`.
    bytes_behind: usize,
}

enum Place {
    Awaited(Awaited),
    Ready(Vec<u8>),
}

/// A pending response, and what its request said about it.
pub(super) struct Awaited {
    /// The number of the request on its connection.
    pub(super) request: u32,
    pub(super) head_only: bool,
    pub(super) keep_alive: bool,
    pub(super) cross_origin: CrossOrigin,
    pub(super) route: &'static str,
}

impl Answers {
    /// Adds a response, or a part of one, that is ready.
    pub(super) fn push(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        if self.behind.is_empty() {
            return write(&mut self.out);
        }
        if !matches!(self.behind.back(), Some(Place::Ready(_))) {
            self.behind.push_back(Place::Ready(Vec::new()));
        }
        if let Some(Place::Ready(bytes)) = self.behind.back_mut() {
            let before = bytes.len();
            write(bytes);
            self.bytes_behind += bytes.len() - before;
        }
    }

    /// Adds a response that comes later.
    pub(super) fn push_awaited(&mut self, awaited: Awaited) {
        self.behind.push_back(Place::Awaited(awaited));
        self.awaited += 1;
    }

    /// Writes the response to a request in its place; false if none is pending for it.
    pub(super) fn settle(&mut self, request: u32, write: impl FnOnce(&Awaited, &mut Vec<u8>)) -> bool {
        let is_it = |place: &Place| matches!(place, Place::Awaited(awaited) if awaited.request == request);
        // Usually it is the first.
        let Some(index) = self.behind.iter().position(is_it) else { return false };
        let Some(place) = self.behind.get_mut(index) else { return false };
        let Place::Awaited(awaited) = std::mem::replace(place, Place::Ready(Vec::new())) else {
            return false;
        };
        self.awaited -= 1;
        if index == 0 {
            write(&awaited, &mut self.out);
        } else if let Place::Ready(bytes) = place {
            write(&awaited, bytes);
            self.bytes_behind += bytes.len();
        }
        while let Some(Place::Ready(bytes)) = self.behind.front() {
            self.out.extend_from_slice(bytes);
            self.bytes_behind -= bytes.len();
            self.behind.pop_front();
        }
        true
    }

    /// Number of pending responses.
    pub(super) fn awaited(&self) -> usize {
        self.awaited
    }

    pub(super) fn is_awaiting(&self) -> bool {
        self.awaited > 0
    }

    /// Bytes that are ready, whether they can be written or follow a pending response.
    pub(super) fn bytes(&self) -> usize {
        self.unwritten().len() + self.bytes_behind
    }

    /// Bytes that can be written now.
    pub(super) fn unwritten(&self) -> &[u8] {
        self.out.get(self.written..).unwrap_or_default()
    }

    /// Whether nothing can be written now.
    pub(super) fn is_written(&self) -> bool {
        self.written == self.out.len()
    }

    /// Removes this many written bytes.
    pub(super) fn advance(&mut self, count: usize) {
        self.written += count;
        if self.is_written() {
            self.out.clear();
            self.written = 0;
            self.out.shrink_to(KEPT_BYTES);
            self.behind.shrink_to(KEPT_PLACES);
        } else if self.written >= KEPT_BYTES && self.written >= self.out.len() / 2 {
            // Do not keep what was written for a client that never reads all.
            self.out.drain(..self.written);
            self.written = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn awaited(request: u32) -> Awaited {
        Awaited {
            request,
            head_only: false,
            keep_alive: true,
            cross_origin: CrossOrigin::Silent,
            route: "publish",
        }
    }

    fn write(text: &str) -> impl FnOnce(&mut Vec<u8>) {
        move |out| out.extend_from_slice(text.as_bytes())
    }

    fn take(answers: &mut Answers) -> String {
        let text = String::from_utf8(answers.unwritten().to_vec()).expect("text");
        answers.advance(text.len());
        text
    }

    #[test]
    fn what_is_written_is_not_kept_though_something_always_waits() {
        let mut answers = Answers::default();
        let text = "x".repeat(1_000);
        answers.push(write(&text));
        for _ in 0..10_000 {
            answers.push(write(&text));
            answers.advance(1_000);
            assert_eq!(answers.unwritten().len(), 1_000);
            assert!(answers.out.capacity() < 4 * KEPT_BYTES, "{}", answers.out.capacity());
        }
        answers.advance(1_000);
        assert!(answers.is_written() && answers.out.capacity() <= KEPT_BYTES);
    }

    #[test]
    fn what_stands_behind_an_awaited_answer_waits_for_it() {
        let mut answers = Answers::default();
        answers.push(write("a"));
        answers.push_awaited(awaited(2));
        answers.push(write("b"));
        answers.push(write("c"));
        answers.push_awaited(awaited(4));
        answers.push_awaited(awaited(5));
        answers.push(write("d"));
        assert_eq!((answers.bytes(), answers.awaited()), (4, 3));
        assert_eq!(take(&mut answers), "a");
        assert!(!answers.settle(3, |_, _| panic!("nobody waits for it")));
        // Out of order, which a journal does not do, it still gets its place.
        assert!(answers.settle(4, |of, out| write(&of.request.to_string())(out)));
        assert_eq!((take(&mut answers).as_str(), answers.bytes()), ("", 4));
        assert!(answers.settle(2, |of, out| write(&of.request.to_string())(out)));
        assert_eq!((take(&mut answers).as_str(), answers.bytes()), ("2bc4", 1));
        assert!(!answers.settle(2, |_, _| panic!("it is answered")));
        assert!(answers.settle(5, |of, out| write(&of.request.to_string())(out)));
        assert_eq!((take(&mut answers).as_str(), answers.bytes(), answers.is_awaiting()), ("5d", 0, false));
        answers.push(write("e"));
        assert_eq!(take(&mut answers), "e");
    }

    /// Against a model that holds each answer by itself.
    #[test]
    fn any_order_of_events_gives_the_order_of_requests() {
        for seed in 0..500 {
            let mut random = fastrand::Rng::with_seed(seed);
            let (mut answers, mut model, mut read) =
                (Answers::default(), Vec::<(String, bool)>::new(), String::new());
            for n in 0..random.u32(1..200) {
                let text = format!("<{n}:{}>", "x".repeat(random.usize(..20)));
                match random.u8(..4) {
                    0 => {
                        answers.push(write(&text));
                        model.push((text, true));
                    }
                    1 => {
                        answers.push_awaited(awaited(model.len() as u32));
                        model.push((text, false));
                    }
                    2 => {
                        let open: Vec<usize> = (0..model.len()).filter(|n| !model[*n].1).collect();
                        // Mostly in order.
                        let next = if random.u8(..8) == 0 { random.choice(&open) } else { open.first() };
                        if let Some(next) = next {
                            let text = model[*next].0.clone();
                            assert!(answers.settle(*next as u32, |_, out| write(&text)(out)), "seed {seed}");
                            model[*next].1 = true;
                        }
                    }
                    _ => {
                        let count = random.usize(..=answers.unwritten().len());
                        read += std::str::from_utf8(&answers.unwritten()[..count]).expect("text");
                        answers.advance(count);
                    }
                }
                let ready: String =
                    model.iter().take_while(|(_, is_ready)| *is_ready).map(|(text, _)| &**text).collect();
                let shown = read.clone() + std::str::from_utf8(answers.unwritten()).expect("text");
                assert_eq!(shown, ready, "seed {seed}");
                let all: usize =
                    model.iter().filter(|(_, is_ready)| *is_ready).map(|(text, _)| text.len()).sum();
                assert_eq!(answers.bytes(), all - read.len(), "seed {seed}");
                assert_eq!(answers.awaited(), model.iter().filter(|(_, is_ready)| !is_ready).count());
            }
        }
    }
}
