//! Who is online.

use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::bounded;

use crate::shard::{Reply, UserStreams};

/// Tells which users have a stream open, on this process or any other. [`Admission`](crate::shard::Admission) limits
/// the streams of this process.
pub(crate) trait Presence: Send + Sync {
    /// Answers a question. Returns the answer if it is known at once, and drops `reply`. Otherwise returns `None` and
    /// calls `reply` later, from any thread. Never blocks.
    fn ask(&self, question: Question<'_>, reply: Reply<usize>) -> Option<usize>;
}

/// A question. Each answer is a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Question<'q> {
    /// How many users have a stream open.
    Users,
    /// How many streams this user has open.
    StreamsOf(&'q str),
}

/// The users online in this process, when there is no other. Answers at once.
pub(super) struct LocalPresence(pub(super) Arc<UserStreams>);

impl Presence for LocalPresence {
    fn ask(&self, question: Question<'_>, _: Reply<usize>) -> Option<usize> {
        Some(match question {
            Question::Users => self.0.users(),
            Question::StreamsOf(user) => self.0.streams_of(user),
        })
    }
}

/// Asks, and waits for the answer up to a limit; `None` if there was none by then.
pub(crate) fn ask_and_wait(
    presence: &dyn Presence,
    question: Question<'_>,
    at_most: Duration,
) -> Option<usize> {
    let (sender, answer) = bounded(1);
    // Nobody may be waiting any more.
    let reply = Box::new(move |count| {
        let _ = sender.try_send(count);
    });
    presence.ask(question, reply).or_else(|| answer.recv_timeout(at_most).ok())
}

#[cfg(test)]
pub(super) mod tests {
    use std::sync::Mutex;

    use super::*;

    /// Answers when it is told to.
    #[derive(Default)]
    pub(in crate::net) struct Remote(Mutex<Vec<Reply<usize>>>);

    impl Presence for Remote {
        fn ask(&self, _: Question<'_>, reply: Reply<usize>) -> Option<usize> {
            self.0.lock().unwrap().push(reply);
            None
        }
    }

    impl Remote {
        /// Answers everything that was asked; returns how many questions that were.
        pub(in crate::net) fn answer(&self, count: usize) -> usize {
            let asked = std::mem::take(&mut *self.0.lock().unwrap());
            asked.into_iter().map(|reply| reply(count)).count()
        }
    }

    #[test]
    fn an_answer_that_comes_later_is_waited_for() {
        let remote = Remote::default();
        std::thread::scope(|threads| {
            let waits = threads.spawn(|| ask_and_wait(&remote, Question::Users, Duration::from_secs(60)));
            while remote.answer(7) == 0 {
                std::thread::yield_now();
            }
            assert_eq!(waits.join().unwrap(), Some(7));
        });
    }

    #[test]
    fn an_answer_that_does_not_come_is_not_waited_for_for_ever() {
        let remote = Remote::default();
        assert_eq!(ask_and_wait(&remote, Question::StreamsOf("ada"), Duration::from_millis(1)), None);
        assert_eq!(remote.answer(1), 1, "whoever answers too late does no harm");
    }
}
