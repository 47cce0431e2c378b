//! Attacks a server while others use it: many connections from several addresses, each with one script.
//!
//! An attacker does not give up: it reopens each connection that the server closes.

mod attacker;
mod plan;
mod tally;

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Result, anyhow};
use mio::{Events, Interest, Poll, Token};

use crate::clock;
use crate::dial::dial;
use attacker::{Attacker, Next};
pub(crate) use plan::{Plan, Script, source};
pub(crate) use tally::Tally;

const EVENTS: usize = 1024;
const READ_BUFFER: usize = 64 * 1024;
const TICK: Duration = Duration::from_millis(10);
/// Pause before a connection that failed or was closed is opened again, in nanoseconds. Without it, an attack on a server
/// that refuses would consist of connects.
const AGAIN_AFTER: u64 = 20_000_000;

/// A running attack. It ends when this is dropped.
pub(crate) struct Attack {
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<Result<Tally>>>,
}

impl Attack {
    /// Starts an attack, which ends after `time` by resetting its connections.
    pub(crate) fn start(plan: Plan, time: Duration) -> Result<Self> {
        let is_over = Arc::new(AtomicBool::new(false));
        let mut attackers = Attackers::new(plan)?;
        let flag = is_over.clone();
        let thread = thread::Builder::new().name("attack".to_owned());
        let thread = thread.spawn(move || {
            let end = clock::now() + time;
            while clock::now() < end && !flag.load(Ordering::Relaxed) {
                attackers.turn()?;
            }
            Ok(attackers.finish())
        })?;
        Ok(Self { is_over, thread: Some(thread) })
    }

    /// Waits for the end, and returns the counts.
    pub(crate) fn finish(mut self) -> Result<Tally> {
        let Some(thread) = self.thread.take() else { return Ok(Tally::default()) };
        thread.join().map_err(|_| anyhow!("the attack has panicked"))?
    }
}

impl Drop for Attack {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        // The counts are not needed.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

struct Attackers {
    plan: Plan,
    poll: Poll,
    events: Events,
    buffer: Box<[u8]>,
    all: Vec<Option<Attacker>>,
    /// Attackers to connect and the times to do so, in nanoseconds, earliest first.
    waiting: BinaryHeap<Reverse<(u64, usize)>>,
    tally: Tally,
}

impl Attackers {
    fn new(plan: Plan) -> Result<Self> {
        let waiting = (0..plan.connections).map(|number| Reverse((0, number))).collect();
        Ok(Self {
            poll: Poll::new()?,
            events: Events::with_capacity(EVENTS),
            buffer: vec![0; READ_BUFFER].into(),
            all: (0..plan.connections).map(|_| None).collect(),
            waiting,
            tally: Tally::default(),
            plan,
        })
    }

    fn turn(&mut self) -> Result<()> {
        let now = clock::nanos();
        while let Some(&Reverse((due, number))) = self.waiting.peek()
            && due <= now
        {
            self.waiting.pop();
            self.connect(number)?;
        }
        match self.poll.poll(&mut self.events, Some(TICK)) {
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => return Ok(()),
            polled => polled?,
        }
        let ready: Vec<usize> = self.events.iter().map(|event| event.token().0).collect();
        for number in ready {
            let Some(attacker) = self.all.get_mut(number).and_then(Option::as_mut) else { continue };
            match attacker.ready(&self.plan.script, &mut self.buffer, &mut self.tally) {
                Next::Stay => {}
                Next::Again => self.again(number, 0),
                Next::Later | Next::Lost => self.again(number, AGAIN_AFTER),
            }
        }
        Ok(())
    }

    fn again(&mut self, number: usize, after: u64) {
        self.all[number] = None;
        self.waiting.push(Reverse((clock::nanos() + after, number)));
    }

    fn connect(&mut self, number: usize) -> Result<()> {
        let Ok(mut socket) = dial(self.plan.address, self.plan.source(number)) else {
            self.tally.failed += 1;
            self.again(number, AGAIN_AFTER);
            return Ok(());
        };
        self.poll.registry().register(&mut socket, Token(number), Interest::READABLE | Interest::WRITABLE)?;
        self.all[number] = Some(Attacker::new(socket));
        Ok(())
    }

    fn finish(self) -> Tally {
        let held = self.all.iter().flatten().filter(|attacker| attacker.is_connected()).count();
        Tally { held: held as u64, ..self.tally }
    }
}
