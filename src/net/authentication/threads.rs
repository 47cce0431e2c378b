//! The threads that find out who requests are from.

use std::net::IpAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::PoisonError;
use std::thread;

use super::{Outcome, Waiting};
use crate::access::{Access, Identity};
use crate::api::{Problem, Scope, Subscription};
use crate::event::{Now, Refusal};
use crate::http::{Head, KeptHead};
use crate::net::message::{ControlMessage, LoopMessage};
use crate::net::shared::Shared;
use crate::net::verdict::{Undecided, Verdict};
use crate::shard::{Command, Decision, Judge};

/// The niceness of these threads, from 0 to 19: they get a third of the processor time that others get when all are
/// busy. With forged tokens from 16 connections, the median latency of publishing is a tenth of what it is at 0.
#[cfg(target_os = "linux")]
const NICE: i32 = 5;

/// The number and kind of these threads in an engine.
#[derive(Clone, Copy, Debug)]
pub(crate) enum AuthenticationThreads {
    /// None: every request is decided at once.
    None,
    /// This many, which call a hook and may block.
    Hook(usize),
    /// Threads that verify signatures: one for every second processor.
    Signatures,
}

impl AuthenticationThreads {
    pub(in crate::net) fn count(self) -> usize {
        match self {
            Self::None => 0,
            Self::Hook(count) => count,
            Self::Signatures => (thread::available_parallelism().map_or(1, usize::from) / 2).max(1),
        }
    }

    /// Runs one of them until the queue is closed.
    pub(in crate::net) fn run(self, shared: &Shared) {
        // They give way to event loops and the control thread. On Linux this sets the priority of the calling thread
        // only.
        #[cfg(target_os = "linux")]
        if let Self::Signatures = self
            && let Err(error) = rustix::process::setpriority_process(None, NICE)
        {
            tracing::debug!(%error, "signatures are verified at the priority of all else");
        }
        run(shared);
    }
}

fn run(shared: &Shared) {
    let authentication = &shared.authentication;
    let mut done = None;
    while let Some((address, (job, since))) = authentication.next(done) {
        done = Some(address);
        // Skip requests of clients that have left.
        let Some(request) = job.request.upgrade() else {
            authentication.outcomes.count(Outcome::Abandoned);
            continue;
        };
        let waited = shared.clock.elapsed().saturating_sub(since);
        authentication.waited.lock().unwrap_or_else(PoisonError::into_inner).observe(waited);
        let unix_ms = shared.clock.now().unix_ms;
        match job.asker {
            Waiting::Stream(token) => {
                let decision = decide_stream(shared, &request, job.peer, unix_ms);
                let command = Command::Decided(token, decision);
                if let Some(inbox) = shared.loops.get(usize::from(token.shard)) {
                    inbox.send(LoopMessage::Command(command));
                }
            }
            Waiting::HttpConnection(asker, scope) => {
                let verdict = judge(shared, &request, job.peer, scope, unix_ms);
                shared.control.send(ControlMessage::Identified(asker, Box::new(verdict)));
            }
        }
    }
}

fn judge(shared: &Shared, request: &KeptHead, peer: IpAddr, scope: Scope, unix_ms: u64) -> Verdict {
    let judged = catch_unwind(AssertUnwindSafe(|| {
        let head =
            request.head().map_err(|rejection| Problem::new(rejection.status, rejection.to_string()))?;
        shared.access.judge(&head, peer, scope, unix_ms)
    }));
    let (verdict, outcome) = match judged {
        Ok(judged) => {
            let outcome = if judged.is_ok() { Outcome::Verified } else { Outcome::Denied };
            (Verdict::Judged(judged), outcome)
        }
        Err(_) => {
            tracing::error!("an authenticate hook panicked; its request is refused");
            (Verdict::Undecided(Undecided::Failed), Outcome::Failed)
        }
    };
    shared.authentication.outcomes.count(outcome);
    verdict
}

fn decide_stream(shared: &Shared, request: &KeptHead, peer: IpAddr, unix_ms: u64) -> Decision {
    let identity = match judge(shared, request, peer, Scope::Subscribe, unix_ms) {
        Verdict::Judged(identity) => identity,
        Verdict::Undecided(_) => return Decision::Refused(Refusal::Auth),
    };
    let Ok(head) = request.head() else { return Decision::Refused(Refusal::Auth) };
    match Subscription::from_head(
        &head,
        shared.access.parameters(),
        &shared.settings.topics,
        shared.clock.now(),
    ) {
        Ok(asked) => permit(&shared.access, identity, &head, peer, &asked),
        Err(problem) => Decision::Denied(problem),
    }
}

fn permit(
    access: &Access,
    identity: Result<Identity, Problem>,
    head: &Head<'_>,
    peer: IpAddr,
    asked: &Subscription,
) -> Decision {
    match identity.and_then(|identity| access.permit(identity, asked)) {
        Ok(grant) => {
            // The control thread answers, and logs, those that are refused.
            tracing::debug!(%peer, method = ?head.method, path = ?head.path, "request");
            Decision::Permitted(grant)
        }
        Err(problem) => Decision::Denied(problem),
    }
}

impl Judge for Shared {
    fn judge(&self, head: &Head<'_>, peer: IpAddr, asked: &Subscription, now: Now) -> Option<Decision> {
        let identity = self.access.judge_at_once(head, peer, Scope::Subscribe, now.unix_ms)?;
        Some(permit(&self.access, identity, head, peer, asked))
    }
}
