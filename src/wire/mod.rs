//! Bytes and values: everything that is read from or written to a wire, without any I/O.

mod client;
mod event;
mod frame;
mod greeting;
pub mod http;
mod id;
mod json;
mod payload;
mod publication;
mod query;
mod response;
mod route;
mod subscription;
mod target;
mod topic;

pub use client::{Client, ClientId, InvalidClientId, Profile};
pub use event::{Event, EventError, MAX_EVENT_NAME};
pub use frame::{Frame, Framing};
pub use id::{EventId, InvalidEventId};
pub use json::JsonError;
pub use payload::{Announcement, Level, Notification, Progress};
pub use publication::{Draft, Publication, Record};
pub use target::{Selector, Target};
pub use topic::{Pattern, Topic, TopicError};
