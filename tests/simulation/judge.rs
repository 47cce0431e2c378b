//! Streams whose requests are not believed: somebody says who they are from, at once or late, never, out of order; and
//! meanwhile clients hang up, servers drain, and limits fill.

use std::net::IpAddr;
use std::sync::{Arc, Mutex};

use fanfare::api::{Parameters, Problem, StreamGrant, Subscription};
use fanfare::event::{Now, Refusal};
use fanfare::http::Head;
use fanfare::shard::{Command, Decision, HandOver, Inquiry, Judge, ShardSender};
use fastrand::Rng;

use crate::client::Connection;
use crate::socket::FakeSocket;
use crate::world::World;

/// What became of streams that were asked about.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Judged {
    pub permitted: u64,
    pub denied: u64,
    pub refused: u64,
    /// Nobody said anything in time.
    pub late: u64,
    /// Nobody waited any more.
    pub abandoned: u64,
}

/// Says of some at once who they are, and of most that it takes longer.
pub(crate) struct FakeJudge(Mutex<Rng>);

impl FakeJudge {
    pub(crate) fn new(seed: u64) -> Arc<Self> {
        Arc::new(Self(Mutex::new(Rng::with_seed(seed))))
    }
}

impl Judge for FakeJudge {
    fn judge(&self, _: &Head<'_>, _: IpAddr, asked: &Subscription, _: Now) -> Option<Decision> {
        match self.0.lock().unwrap().u32(..10) {
            0 => Some(permitted(asked)),
            1 => Some(denied()),
            _ => None,
        }
    }
}

fn permitted(asked: &Subscription) -> Decision {
    Decision::Permitted(StreamGrant { profile: asked.claims.clone(), expires_unix_ms: None })
}

fn denied() -> Decision {
    Decision::Denied(Problem::new(401, "who are you?"))
}

impl World {
    /// The connection that an inquiry is about, while it waits for the answer.
    fn asks(&self, inquiry: &Inquiry) -> Option<&Connection> {
        let token = inquiry.token;
        let place = (usize::from(token.shard), token.slot);
        let mut connections = self.clients.iter().filter_map(|client| client.connection.as_ref());
        connections.find(|c| (c.shard, c.slot) == place && !c.pipe.borrow().server_closed)
    }

    pub(crate) fn inquire(&mut self, inquiry: Inquiry) {
        if inquiry.request.upgrade().is_none() {
            // It asked, and hung up in the same turn.
            self.judged.abandoned += 1;
            return;
        }
        let asks = self.asks(&inquiry).expect("somebody asks");
        assert!(asks.greeting.is_none(), "and waits");
        // Of a few, nobody ever says anything.
        match self.fate.u32(..15) {
            0 => self.forgotten.push((inquiry, self.now_ms.get())),
            _ => self.inquiries.push((inquiry, self.now_ms.get())),
        }
    }

    /// Some of those who wait are told, in any order: all but one in so many.
    pub(crate) fn decide(&mut self, but_one_in: u32) {
        let mut inquiries = std::mem::take(&mut self.inquiries);
        self.fate.shuffle(&mut inquiries);
        if but_one_in == 0 {
            inquiries.append(&mut self.forgotten);
        }
        for (inquiry, since_ms) in inquiries {
            if but_one_in > 0 && self.fate.u32(..but_one_in) == 0 {
                self.inquiries.push((inquiry, since_ms));
                continue;
            }
            let Some(request) = inquiry.request.upgrade() else {
                self.judged.abandoned += 1;
                continue;
            };
            let head = request.head().expect("a sound head");
            let asked =
                Subscription::from_head(&head, Parameters::All, &self.settings.topics, Now::default())
                    .expect("a stream");
            let decision = match self.fate.u32(..10) {
                0 => denied(),
                1 => Decision::Refused(Refusal::Auth),
                _ => permitted(&asked),
            };
            match &decision {
                Decision::Permitted(_) => self.judged.permitted += 1,
                Decision::Denied(_) => self.judged.denied += 1,
                Decision::Refused(_) => self.judged.refused += 1,
            }
            let token = inquiry.token;
            // Sometimes said twice: the second is too late.
            if self.fate.u32(..20) == 0 {
                self.inboxes[usize::from(token.shard)].send(Command::Decided(token, denied()));
                self.inboxes[usize::from(token.shard)].send(Command::Decided(token, decision));
            } else {
                self.inboxes[usize::from(token.shard)].send(Command::Decided(token, decision));
            }
        }
    }

    /// The control thread would answer; here it hangs up. It has all that was read, and knows what was decided.
    pub(crate) fn take_over(&mut self, hand_over: HandOver<FakeSocket>) {
        let HandOver { socket, bytes, refusal, decision, .. } = hand_over;
        assert_eq!(bytes, socket.taken(), "every byte that was read, and no other");
        assert!(!matches!(decision, Some(Decision::Permitted(_))), "a stream that is permitted is opened");
        assert!(refusal.is_none() || decision.is_none(), "one word");
        if let Some(Decision::Refused(Refusal::Draining)) = decision {
            assert!(self.admission.is_draining());
        }
        if let Some(Decision::Refused(Refusal::Auth)) = decision {
            self.judged.late += 1;
        }
    }

    /// Whoever waits for a decision is there, was not told anything, and does not wait for ever.
    pub(crate) fn check_inquiries(&self) {
        let timeout_ms = self.settings.decision_timeout.as_millis() as u64;
        let mut places: Vec<_> = Vec::new();
        for (inquiry, since_ms) in self.inquiries.iter().chain(&self.forgotten) {
            if inquiry.request.upgrade().is_none() {
                continue;
            }
            let asks = self.asks(inquiry).expect("a request that is held is one of somebody");
            assert!(asks.greeting.is_none(), "a stream before it is known for whom");
            places.push((inquiry.token.shard, inquiry.token.slot));
            // Shards have their turns, but not all the time.
            let waited_ms = self.now_ms.get() - since_ms;
            assert!(waited_ms <= timeout_ms + 60_000, "it waits for ever: {waited_ms} ms");
        }
        let count = places.len();
        places.sort_unstable();
        places.dedup();
        assert_eq!(places.len(), count, "each waits for one decision");
    }
}
