//! What history is asked, and a journal that takes its time to answer.

use fanfare::event::Now;
use fanfare::journal::{Acknowledge, Journal};
use fanfare::shard::{Command, Join, Resume, ShardSender};

use crate::client::Connection;
use crate::settings::TIMEOUT_MS;
use crate::world::World;

/// One that is under way.
pub(crate) struct Answer {
    /// Comparisons that it may take.
    effort: usize,
    asked_ms: u64,
    /// It will never come.
    forgotten: bool,
}

/// In memory everything is acknowledged at once.
pub(crate) fn later() -> Acknowledge {
    unreachable!()
}

/// A shard counts on an answer for no longer than this, with the time that it takes to notice.
const AWAITED_MS: u64 = TIMEOUT_MS + 1_000;

impl World {
    pub(crate) fn note(&mut self, resume: &Resume) {
        let answer = Answer { effort: resume.effort, asked_ms: self.now_ms.get(), forgotten: false };
        self.answers.insert(resume.token, answer);
    }

    /// The journal answers all but one in so many of those who asked; it forgets a few, and cannot read what some ask for.
    pub(crate) fn answer(&mut self, but_one_in: u32, now: Now) {
        for resume in std::mem::take(&mut self.asked) {
            if but_one_in > 0 && self.fate.u32(..but_one_in) == 0 {
                self.asked.push(resume);
                continue;
            }
            let chance = if but_one_in > 0 { self.fate.u32(..400) } else { u32::MAX };
            match chance {
                0 | 1 => {
                    self.forsake(&resume);
                    if let Some(answer) = self.answers.get_mut(&resume.token) {
                        answer.forgotten = true;
                    }
                }
                2 => {
                    self.forsake(&resume);
                    let failed = Join { token: resume.token, missed: None };
                    self.inboxes[usize::from(resume.token.shard)].send(Command::Join(failed));
                }
                _ => self.journal.resume(&resume, now),
            }
        }
    }

    fn forsake(&mut self, resume: &Resume) {
        let token = resume.token;
        let mut connections = self.clients.iter_mut().filter_map(|client| client.connection.as_mut());
        let asks = |c: &&mut Connection| {
            (c.shard, c.slot) == (usize::from(token.shard), token.slot) && !c.pipe.borrow().server_closed
        };
        if let Some(connection) = connections.find(asks) {
            connection.forsaken = true;
        }
    }

    /// Whether a shard still waits for an answer that will not come.
    pub(crate) fn has_forgotten(&self) -> bool {
        let now_ms = self.now_ms.get();
        let awaited = |answer: &Answer| answer.forgotten && now_ms <= answer.asked_ms + AWAITED_MS;
        self.answers.values().any(awaited)
    }

    /// However many streams want history, a shard has only so much to compare for them at a time.
    pub(crate) fn check_efforts(&self, n: usize) {
        let now_ms = self.now_ms.get();
        let own = self.answers.iter().filter(|(token, _)| usize::from(token.shard) == n);
        let awaited = own.filter(|(_, answer)| now_ms <= answer.asked_ms + TIMEOUT_MS);
        let effort: usize = awaited.map(|(_, answer)| answer.effort).sum();
        let limit = self.settings.replay_effort;
        assert!(effort <= limit, "{effort} comparisons are under way where {limit} may be");
    }
}
