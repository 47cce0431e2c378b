//! Responses that come later, and the requests after them.
//!
//! A publish may be performed before earlier publishes are acknowledged: a journal keeps their order, and one commit
//! then keeps many. No other request runs ahead of a pending response, nor does any request behind a pending response
//! to anything else: RFC 9112 (9.3.2) allows only safe requests in parallel, and a client that publishes and then asks
//! for statistics expects those after its event. A refused request does nothing, so its response takes its place at
//! once.

use super::super::service::{Plan, Service, Task};
use super::{HttpConnection, Phase};
use crate::api::{Response, ResponseOptions};
use crate::event::Now;
use crate::net::message::Asker;

/// A request that waits until no earlier response is pending.
pub(super) struct Held {
    pub(super) plan: Plan,
    pub(super) expects: bool,
}

impl Plan {
    /// Whether it may run while earlier publishes are pending. A client that `expects` an interim response gets it only
    /// after their responses, and would have to send the body meanwhile to be in time.
    pub(super) fn may_run_ahead(&self, expects: bool) -> bool {
        match self.task {
            Ok(Task::Publish { .. }) => !expects,
            Ok(_) => false,
            Err(_) => true,
        }
    }
}

impl HttpConnection {
    /// Where to send the answer to the last request.
    pub(super) fn numbered(&self, asker: Asker) -> Asker {
        Asker { request: self.request, ..asker }
    }

    /// Handles an answer that was pending.
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

    /// Continues with a request that was held.
    fn release(&mut self, service: &Service, date: &str, now: Now) {
        // `begin` sets the next phase.
        if let Phase::Held(held) = std::mem::replace(&mut self.phase, Phase::Closed) {
            let Held { plan, expects } = *held;
            self.begin(plan, expects, service, date, now);
        }
    }
}
