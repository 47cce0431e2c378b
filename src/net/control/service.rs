//! What requests do: the part of a request's life between its head and its response.

use std::cell::{Cell, RefCell};
use std::net::IpAddr;
use std::sync::Arc;

use serde::Serialize;
use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::body_total::BodyShare;
use super::history;
use super::media_type::{JSON, is_batch, unsupported};
use super::online;
use super::outcome::Outcome;
use super::problems::{overloaded, problem, unavailable};
use crate::access::{PublishGrant, RateLimit};
use crate::api::{
    AskedFields, Cors, CrossOrigin, HistoryQuery, ListenerKind, Problem, Response, Route, Scope, StreamGrant,
    Subscription, TestEvent, browser_client, framing_of, holds_browser_client, idempotency_key, openapi,
    write_head,
};
use crate::event::{Framing, JsonError, Now, Publication, Refusal, ServerEvent, Target};
use crate::http::prefers_open_metrics;
use crate::http::{Head, Method, TargetForm, Undecodable, Version, is_escaped};
use crate::journal::{Acknowledge, AppendError, Appended, IdempotencyKey};
use crate::metrics::Format;
use crate::net::message::{Asker, ControlMessage};
use crate::net::shared::Shared;
use crate::net::verdict::{Undecided, Verdict};
use crate::shard::{Arrival, Decision, DisconnectTarget};

/// What a head asks for, decided before its body is read.
pub(super) struct Plan {
    /// What to do with the body, or why the request is refused.
    pub(super) task: Result<Task, Problem>,
    /// Whether the response has no body.
    pub(super) head_only: bool,
    /// Whether the connection stays open after the response.
    pub(super) keep_alive: bool,
    pub(super) framing: Framing,
    /// What the response tells the page that asked.
    pub(super) cross_origin: CrossOrigin,
    /// The name of the route, for statistics.
    pub(super) route: &'static str,
}

/// What is known of who a request is from.
pub(super) enum Known {
    Nothing,
    /// The decision about a request for a stream.
    Decision(Decision),
    Verdict(Verdict),
}

/// What to do.
pub(super) enum Task {
    /// First find out who at this address the request is from. They need this scope.
    Identify(IpAddr, Scope),
    /// Refuse a stream temporarily.
    Refuse(Refusal),
    /// Open a stream.
    Stream(Box<Arrival>),
    /// Publish events.
    Publish { batch: bool, grant: Box<PublishGrant>, key: Option<Box<str>> },
    /// Publish an event in the short form of the test endpoint.
    Test(Box<PublishGrant>),
    /// Answer a CORS preflight.
    Preflight { allow: &'static str, cross_origin: CrossOrigin, asked: Box<AskedFields> },
    /// Report all metrics.
    Metrics(Format),
    /// Read what history holds.
    History(Box<HistoryQuery>),
    /// Serve the browser client, unless the client has this version.
    BrowserClient { is_held: bool },
    /// Anything else, without a body.
    Route(Route),
}

impl Plan {
    /// Refuses every request from an address with too many connections. Streams are refused in their own way.
    pub(super) fn refuse_other(&mut self) {
        if !matches!(self.task, Ok(Task::Stream(_)) | Err(_)) {
            self.task = Err(Problem::new(429, "too many connections from this address").retry_after(1));
        }
    }
}

impl Task {
    /// Whether the task uses the body of the request.
    pub(super) fn takes_body(&self) -> bool {
        matches!(self, Self::Publish { .. } | Self::Test(_))
    }
}

/// The name of an unknown route.
pub(super) const NO_ROUTE: &str = "none";

/// The requests of one engine.
pub(super) struct Service {
    shared: Arc<Shared>,
    rates: RefCell<RateLimit>,
    /// The OpenAPI description.
    openapi: String,
    /// Number of requests that have published since the event loops were woken.
    unseen: Cell<usize>,
}

/// Maximum number of requests in a turn that may publish before the event loops are woken, so that a long turn does not
/// delay the first of them.
const UNSEEN: usize = 32;

impl Service {
    pub(super) fn new(shared: Arc<Shared>, rates: RateLimit) -> Self {
        let openapi = openapi(shared.settings.routes.base());
        Self { shared, rates: RefCell::new(rates), openapi, unseen: Cell::new(0) }
    }

    /// The CORS fields of a response.
    pub(super) fn cross_origin(&self, verdict: CrossOrigin) -> &[u8] {
        self.shared.settings.cors.fields(verdict)
    }

    /// A share of the memory for bodies, for one more connection.
    pub(super) fn body_share(&self) -> BodyShare {
        self.shared.bodies.share()
    }

    pub(super) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Checks a head: path and method, then permission, then what it says of the body.
    pub(super) fn plan(
        &self,
        head: &Head<'_>,
        peer: IpAddr,
        listener_kind: ListenerKind,
        known: Known,
        now: Now,
    ) -> Plan {
        let settings = &self.shared.settings;
        let peer = settings.proxies.client(peer, head);
        let cross_origin = settings.cors.judge(head.only_field("origin"));
        let route = self.route(head, listener_kind);
        let name = route.as_ref().map_or(NO_ROUTE, Route::as_str);
        let task = route.and_then(|route| self.task(route, head, peer, cross_origin, known, now));
        // Never log the query, which may hold a token. Escape what clients wrote.
        let (path, refused) = (head.path, task.as_ref().err().map(|problem| problem.status));
        if !matches!(task, Ok(Task::Identify(..))) {
            tracing::debug!(%peer, method = ?head.method, ?path, refused, "request");
        }
        Plan {
            task,
            head_only: head.method == Method::Head,
            // An HTTP/1.0 client would have to be told that the connection stays open.
            keep_alive: head.keep_alive && head.version == Version::Http11,
            framing: framing_of(head.version),
            cross_origin,
            route: name,
        }
    }

    fn route(&self, head: &Head<'_>, listener_kind: ListenerKind) -> Result<Route, Problem> {
        for (part, text) in [("path", head.path), ("query", head.query.unwrap_or_default())] {
            if !is_escaped(text) {
                return Err(Problem::new(400, format!("the {part}: {}", Undecodable::Escape)));
            }
        }
        match head.form {
            TargetForm::Asterisk => Ok(Route::Options("GET, HEAD, POST, DELETE, OPTIONS")),
            _ => self.shared.settings.routes.find(head.method, head.path, listener_kind),
        }
    }

    fn task(
        &self,
        route: Route,
        head: &Head<'_>,
        peer: IpAddr,
        cross_origin: CrossOrigin,
        known: Known,
        now: Now,
    ) -> Result<Task, Problem> {
        if head.expects_unknown {
            return Err(Problem::new(417, "only 100-continue can be expected"));
        }
        let scope = route.scope();
        let identity = match known {
            Known::Decision(Decision::Denied(problem)) => return Err(problem),
            Known::Decision(Decision::Refused(reason)) => return Ok(Task::Refuse(reason)),
            Known::Verdict(Verdict::Undecided(why)) => return undecided(&route, why),
            Known::Verdict(Verdict::Judged(identity)) => identity?,
            // Streams that are permitted are opened elsewhere.
            Known::Nothing | Known::Decision(Decision::Permitted(_)) => {
                match self.shared.access.judge_at_once(head, peer, scope, now.unix_ms) {
                    Some(identity) => identity?,
                    None => return Ok(Task::Identify(peer, scope)),
                }
            }
        };
        match route {
            Route::Stream | Route::StreamHead => {
                let topics = &self.shared.settings.topics;
                let subscription =
                    Subscription::from_head(head, self.shared.access.parameters(), topics, now)?;
                let grant = self.shared.access.permit(identity, &subscription)?;
                if route == Route::StreamHead {
                    return Ok(Task::Route(route));
                }
                let Subscription { framing, last_event_id, .. } = subscription;
                let StreamGrant { profile, expires_unix_ms } = grant;
                let arrival =
                    Arrival { peer, framing, last_event_id, profile, expires_unix_ms, cross_origin };
                Ok(Task::Stream(Box::new(arrival)))
            }
            Route::Publish => {
                let grant = Box::new(PublishGrant::new(identity, peer));
                Ok(Task::Publish { batch: is_batch(head)?, grant, key: idempotency_key(head)? })
            }
            Route::Test => match is_batch(head)? {
                false => Ok(Task::Test(Box::new(PublishGrant::new(identity, peer)))),
                true => Err(unsupported(JSON, JSON)),
            },
            Route::History => {
                Ok(Task::History(Box::new(HistoryQuery::parse(head.query.unwrap_or_default())?)))
            }
            Route::BrowserClient => Ok(Task::BrowserClient { is_held: holds_browser_client(head) }),
            Route::Metrics if prefers_open_metrics(head) => Ok(Task::Metrics(Format::OpenMetrics)),
            Route::Metrics => Ok(Task::Metrics(Format::Text)),
            Route::Options(allow) if head.field("access-control-request-method").is_some() => {
                let asked = Box::new(AskedFields::of(head));
                Ok(Task::Preflight { allow, cross_origin, asked })
            }
            route => Ok(Task::Route(route)),
        }
    }

    /// Performs a task. An answer that comes later is sent to `asker`.
    pub(super) fn perform(
        &self,
        task: Task,
        body: &[u8],
        asker: Asker,
        now: Now,
    ) -> Result<Outcome, Problem> {
        let shared = self.shared.clone();
        let later = move |response| {
            shared.control.send(ControlMessage::Answer(asker, response));
        };
        match task {
            Task::Identify(..) => Err(Problem::new(500, "it is not known who this is from")),
            Task::Refuse(reason) => Ok(Outcome::Refused(reason)),
            Task::Stream(arrival) => Ok(Outcome::Stream(arrival)),
            Task::Publish { batch, grant, key } => {
                let key = key.map(|key| once(key, &grant, batch, body));
                match batch {
                    false => self.publish_one(Publication::from_json(text(body)?), &grant, key, asker, now),
                    true => self.publish_batch(text(body)?, &grant, key, asker, now),
                }
            }
            Task::Test(grant) => self.send_test(text(body)?, &grant, asker, now),
            Task::Preflight { allow, cross_origin, asked } => {
                Ok(Outcome::Answer(Cors::preflight(cross_origin, &asked, options(allow))))
            }
            Task::Metrics(format) => {
                let answer = move |text: String| Response::text(200, &text).of_type(format.content_type());
                self.shared.metrics(format, move |text| later(answer(text)));
                Ok(Outcome::Later)
            }
            Task::History(query) => {
                history::read(&*self.shared.journal, *query, now, later);
                Ok(Outcome::Later)
            }
            Task::BrowserClient { is_held } => Ok(Outcome::Answer(browser_client(is_held))),
            Task::Route(route) => self.answer(route, later),
        }
    }

    fn answer(
        &self,
        route: Route,
        later: impl FnOnce(Response) + Send + 'static,
    ) -> Result<Outcome, Problem> {
        let presence = &*self.shared.presence;
        Ok(Outcome::Answer(match route {
            Route::Options(allow) => options(allow),
            Route::Users => return Ok(online::users(presence, later)),
            Route::User(user) => return Ok(online::user(presence, user, later)),
            Route::OpenApi => Response::text(200, &self.openapi).of_type("application/json"),
            Route::Liveness => Response::text(200, "ok\n"),
            Route::Readiness if self.shared.is_shutting_down() => return Err(unavailable("draining")),
            Route::Readiness if self.shared.journal.has_failed() => {
                return Err(overloaded(&AppendError::Failed));
            }
            Route::Readiness => Response::text(200, "ready\n"),
            Route::Panel(file) => file.response(self.shared.settings.routes.base()),
            Route::StreamHead => return Ok(Outcome::StreamHead),
            Route::Statistics => {
                self.shared.statistics(|statistics| later(Response::json(200, &statistics)));
                return Ok(Outcome::Later);
            }
            Route::DisconnectUser(user) => {
                return Ok(self.disconnect(&DisconnectTarget::User(user.into()), later));
            }
            Route::DisconnectClient(client) => match client.parse() {
                Ok(client) => return Ok(self.disconnect(&DisconnectTarget::Client(client), later)),
                // An id that is not one of ours belongs to no stream.
                Err(_) => Response::json(200, &json!({ "disconnected": 0 })),
            },
            Route::Stream
            | Route::Publish
            | Route::Test
            | Route::Metrics
            | Route::History
            | Route::BrowserClient => {
                return Err(Problem::new(500, "not a plain answer"));
            }
        }))
    }

    fn disconnect(&self, who: &DisconnectTarget, later: impl FnOnce(Response) + Send + 'static) -> Outcome {
        self.shared.disconnect(who, |count| later(Response::json(200, &json!({ "disconnected": count }))));
        Outcome::Later
    }

    fn publish_one(
        &self,
        publication: Result<Publication, JsonError>,
        grant: &PublishGrant,
        key: Option<Box<IdempotencyKey>>,
        asker: Asker,
        now: Now,
    ) -> Result<Outcome, Problem> {
        let publication = publication.map_err(|error| problem(&error, None))?;
        grant.judge(&publication.target)?;
        self.take_rate(grant, 1, now)?;
        self.append([publication], key, asker, now, |appended| Response::published(appended.first))
    }

    fn send_test(
        &self,
        text: &str,
        grant: &PublishGrant,
        asker: Asker,
        now: Now,
    ) -> Result<Outcome, Problem> {
        match TestEvent::from_json(text).map_err(|error| problem(&error, None))? {
            TestEvent::Publication(publication) => {
                self.publish_one(Ok(*publication), grant, None, asker, now)
            }
            TestEvent::Ping { user } => {
                grant.judge(&user.as_deref().map_or_else(Target::all, Target::user))?;
                if self.shared.admission.is_draining() {
                    return Err(overloaded(&AppendError::Ended));
                }
                self.take_rate(grant, 1, now)?;
                self.shared.ping(user.as_ref());
                Ok(Outcome::Answer(Response::sent()))
            }
        }
    }

    fn publish_batch(
        &self,
        text: &str,
        grant: &PublishGrant,
        key: Option<Box<IdempotencyKey>>,
        asker: Asker,
        now: Now,
    ) -> Result<Outcome, Problem> {
        let batch = Publication::from_ndjson(text).map_err(|(line, error)| problem(&error, Some(line)))?;
        if batch.is_empty() {
            return Err(Problem::new(422, "the batch has no event"));
        }
        batch.iter().try_for_each(|publication| grant.judge(&publication.target))?;
        let count = batch.len();
        self.take_rate(grant, count, now)?;
        self.append(batch, key, asker, now, move |Appended { first, last, .. }| {
            let (first_id, last_id) = (first.to_string(), last.to_string());
            Response::json(202, &Accepted { accepted: count, first_id, last_id })
        })
    }

    /// Publishes; `answer` makes the response. The event loops are woken at the end of the turn at the latest.
    fn append(
        &self,
        publications: impl IntoIterator<Item = Publication>,
        key: Option<Box<IdempotencyKey>>,
        asker: Asker,
        now: Now,
        answer: impl FnOnce(Appended) -> Response + Copy + Send + 'static,
    ) -> Result<Outcome, Problem> {
        let answer = move |appended: Appended| match appended.is_repeat {
            true => answer(appended).with_field("Idempotency-Replayed", "true"),
            false => answer(appended),
        };
        let mut later = || -> Acknowledge {
            let shared = self.shared.clone();
            Box::new(move |acknowledged| {
                let response = acknowledged.map_or_else(|error| Response::from(overloaded(&error)), answer);
                shared.control.send(ControlMessage::Answer(asker, response));
            })
        };
        let appended =
            self.shared.append(publications, key, now, &mut later).map_err(|error| overloaded(&error))?;
        self.unseen.set(self.unseen.get() + 1);
        if self.unseen.get() >= UNSEEN {
            self.wake_loops();
        }
        Ok(appended.map_or(Outcome::Later, |appended| Outcome::Answer(answer(appended))))
    }

    /// Wakes the event loops, if anything was published.
    pub(super) fn wake_loops(&self) {
        if self.unseen.take() > 0 {
            self.shared.journal.wake();
        }
    }

    fn take_rate(&self, grant: &PublishGrant, events: usize, now: Now) -> Result<(), Problem> {
        let mut rates = self.rates.borrow_mut();
        if !rates.is_on() {
            return Ok(());
        }
        rates.take(&grant.rate_key(), events, now).map_err(|wait| {
            Problem::new(429, "published faster than allowed").retry_after(wait.as_secs_f64().ceil() as u64)
        })
    }

    /// The whole response of a stream that is refused temporarily. A browser gives up for good on any status but 200.
    pub(super) fn write_refusal(
        &self,
        out: &mut Vec<u8>,
        framing: Framing,
        reason: Refusal,
        date: &str,
        cross_origin: CrossOrigin,
    ) {
        self.shared.meters.refused.count(reason);
        let retry = self.shared.settings.refusal_retry(fastrand::f64());
        write_head(out, framing, true, date, self.cross_origin(cross_origin));
        ServerEvent::Refused { retry, reason }.write(framing, out);
        out.extend_from_slice(framing.end());
    }
}

/// The key of a request, and what it stands for: the body, and how it was to be read.
fn once(key: Box<str>, grant: &PublishGrant, is_batch: bool, body: &[u8]) -> Box<IdempotencyKey> {
    let hash = Sha256::new().chain_update([u8::from(is_batch)]).chain_update(body);
    Box::new(IdempotencyKey { scope: grant.key_scope(), key, body: hash.finalize().into() })
}

/// The response to a batch.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Accepted {
    accepted: usize,
    first_id: String,
    last_id: String,
}

fn text(body: &[u8]) -> Result<&str, Problem> {
    std::str::from_utf8(body).map_err(|_| Problem::new(400, "the body is not UTF-8"))
}

fn options(allow: &'static str) -> Response {
    Response::empty().with_field("Allow", allow)
}

/// Handles a request when it could not be found out who it is from.
fn undecided(route: &Route, why: Undecided) -> Result<Task, Problem> {
    match (route, why) {
        // That is not the client's fault, so it is told to come back.
        (Route::Stream, _) => Ok(Task::Refuse(Refusal::Auth)),
        (_, Undecided::Full) => Err(unavailable("as many requests as may wait to be told who they are from")),
        (_, Undecided::Late) => Err(unavailable("it could not be decided in time who this is from")),
        (_, Undecided::Failed) => Err(Problem::new(500, "it could not be decided who this is from")),
    }
}
