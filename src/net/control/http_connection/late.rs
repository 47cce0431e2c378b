//! Answers that come later, and the requests behind them.
//!
//! A publish may be done before the answers to publishes before it have come: a journal keeps their order, and many are
//! then kept by one commit. Nothing else is done ahead of an answer, nor behind the answer to anything else: RFC 9112
//! (9.3.2) allows only safe requests to be done at the same time, and whoever publishes and then asks for statistics
//! means those after it. What is refused does nothing, so its answer takes its place at once.

use super::super::service::{Plan, Service, Task};
use super::{HttpConnection, Phase};
use crate::api::{Response, ResponseOptions};
use crate::event::Now;
use crate::net::message::Asker;

/// A request that waits until no answer before its own is awaited.
pub(super) struct Held {
    pub(super) plan: Plan,
    pub(super) expects: bool,
}

impl Plan {
    /// Whether it may be done while answers to publishes before it are awaited. Whoever `expects` a word before the body
    /// gets it behind those answers, and would have to send the body meanwhile to be in time.
    pub(super) fn may_run_ahead(&self, expects: bool) -> bool {
        match self.task {
            Ok(Task::Publish { .. }) => !expects,
            Ok(_) => false,
            Err(_) => true,
        }
    }
}

impl HttpConnection {
    /// Where the answer to the request goes that was looked at last.
    pub(super) fn numbered(&self, asker: Asker) -> Asker {
        Asker { request: self.request, ..asker }
    }

    /// An answer that was awaited.
    pub(in crate::net::control) fn answer_late(
        &mut self,
        request: u32,
        response: &Response,
        service: &Service,
        date: &str,
        now: Now,
    ) {
        let is_awaited = self.answers.settle(request, |awaited, out| {
            service.shared().meters.count_response(awaited.route, response.status());
            let cross_origin = service.cross_origin(awaited.cross_origin);
            let (head_only, close) = (awaited.head_only, !awaited.keep_alive);
            response.write(out, ResponseOptions { head_only, close, date, cross_origin });
        });
        if !is_awaited {
            return;
        }
        self.idle_since_ms = now.elapsed_ms;
        match &self.phase {
            Phase::Waiting { keep_alive } => self.go_on(*keep_alive, now),
            Phase::Idle { .. } => self.since_ms = now.elapsed_ms,
            Phase::Held(_) if !self.answers.is_awaiting() => self.release(service, date, now),
            _ => {}
        }
    }

    /// Goes on with a request that was held.
    fn release(&mut self, service: &Service, date: &str, now: Now) {
        // The phase is the next one in any case.
        if let Phase::Held(held) = std::mem::replace(&mut self.phase, Phase::Closed) {
            let Held { plan, expects } = *held;
            self.begin(plan, expects, service, date, now);
        }
    }
}
