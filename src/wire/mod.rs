//! Bytes and values: everything that is read from or written to a wire, without any I/O, clock or thread.

mod client;
mod event;
mod frame;
mod greeting;
mod host;
pub mod http;
mod id;
mod json;
mod payload;
mod publication;
mod response;
mod route;
mod subscription;
mod target;
mod test_event;
mod time;
mod topic;

pub use client::{Client, ClientId, InvalidClientId, Profile};
pub use event::{Event, EventError, MAX_EVENT_NAME};
pub use frame::{Frame, Framing};
pub use greeting::{Continuity, Gap, Refusal, comment, connected, draining, ping, refused, write_head};
pub use host::is_loopback_host;
pub use id::{EventId, InvalidEventId};
pub use json::JsonError;
pub use payload::{Announcement, Level, Notification, Progress};
pub use publication::{Draft, Publication, Record};
pub use response::{Problem, Response};
pub use route::{Route, Routes, Scope};
pub use subscription::{LastEventId, MAX_ENTRIES, MAX_NAME, Subscription, framing_of};
pub use target::{Selector, Target};
pub use time::{HttpDate, Now};
pub use topic::{MAX_TOKENS, MAX_TOPIC, Pattern, Topic, TopicError};
