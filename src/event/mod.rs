//! Events: what is published, for whom, and the bytes that streams are sent.

mod client;
mod content;
mod continuity;
mod encoded;
mod excerpt;
mod frame;
mod framing;
mod id;
pub(crate) mod json;
mod payload;
mod publication;
mod refusal;
mod server_event;
mod target;
mod time;
mod topic;

pub use client::{Client, ClientId, ClientKey, InvalidClientId, Profile, StreamToken};
pub use content::{Event, EventError, MAX_EVENT_NAME, MAX_RETRY_MS};
pub use continuity::{Continuity, Gap};
pub(crate) use encoded::EncodedFields;
pub(crate) use excerpt::excerpt;
pub use frame::Frame;
pub use framing::{Framing, PerFraming};
pub use id::{EventId, InvalidEventId};
pub use json::JsonError;
pub use payload::{Announcement, Level, Notification, Progress};
pub use publication::{Draft, Drafts, Publication, Record};
pub use refusal::Refusal;
pub use server_event::ServerEvent;
pub use target::{Selector, Target, TargetKind};
pub use time::{HttpDate, Now};
pub use topic::{MAX_TOKENS, MAX_TOPIC, Pattern, Topic, TopicError, TopicLimits};
