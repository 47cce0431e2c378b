//! The HTTP interface: routes, subscriptions, responses, problems.

mod browser_client;
mod cors;
mod history_answer;
mod history_query;
mod idempotency_key;
mod openapi;
mod panel;
mod parameter;
mod problem;
mod response;
mod route;
mod stream_head;
mod subscription;
mod test_event;

pub use browser_client::{browser_client, holds_browser_client};
pub use cors::{AskedFields, Cors, CrossOrigin, InvalidOrigin};
pub use history_answer::HistoryAnswer;
pub use history_query::HistoryQuery;
pub use idempotency_key::{MAX_KEY, idempotency_key};
pub use openapi::openapi;
pub use panel::PanelFile;
pub use parameter::{Parameters, meant_token};
pub use problem::{PROBLEM_TYPE, PROBLEMS, Problem, ProblemKind};
pub use response::{Response, ResponseOptions};
pub use route::{ListenerKind, Route, Routes, Scope};
pub use stream_head::write_head;
pub use subscription::{LastEventId, MAX_ENTRIES, MAX_NAME, StreamGrant, Subscription, framing_of};
pub use test_event::TestEvent;
