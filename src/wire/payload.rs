//! The payloads of the built-in events.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Data of a `notification`: something for one user, or everyone, to see.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Notification {
    /// What kind of notification it is, in the application's terms: `info`, `order`, …
    #[serde(rename = "type")]
    pub kind: String,
    /// A short heading.
    pub title: String,
    /// The text.
    pub message: String,
    /// Anything else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<Value>,
}

/// How much an [`Announcement`] matters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Good to know.
    #[default]
    Info,
    /// Act soon.
    Warning,
    /// Something is broken.
    Error,
}

/// Data of an `announcement`: a message to all.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Announcement {
    /// A short heading.
    pub title: String,
    /// The text.
    pub message: String,
    /// How much it matters.
    pub level: Level,
}

/// Data of a `progress`: how far a long job is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Progress {
    /// The job.
    pub operation_id: String,
    /// 0 to 100.
    pub percentage: f64,
    /// What it is doing.
    pub message: String,
    /// Whether it is over.
    pub completed: bool,
}
