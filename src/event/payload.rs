//! The payloads of the built-in events.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Data of a `notification`: something to show to one user, or to everyone.
///
/// ```
/// use fanfare::Notification;
/// let notification = Notification::new("order", "Shipped", "Your order is on its way").data(serde_json::json!({"order": 7}));
/// assert_eq!(notification.title, "Shipped");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Notification {
    /// The kind of notification, as the application defines it: `info`, `order`, …
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

impl Notification {
    /// Creates a notification without data.
    pub fn new(kind: impl Into<String>, title: impl Into<String>, message: impl Into<String>) -> Self {
        Self { kind: kind.into(), title: title.into(), message: message.into(), data: None }
    }

    /// Adds data.
    #[must_use]
    pub fn data(mut self, data: impl Into<Value>) -> Self {
        self.data = Some(data.into());
        self
    }
}

/// The importance of an [`Announcement`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// For information.
    #[default]
    Info,
    /// Needs attention soon.
    Warning,
    /// Something is broken.
    Error,
}

/// Data of an `announcement`: a message to everyone.
///
/// ```
/// use fanfare::{Announcement, Level};
/// let announcement = Announcement::new("Maintenance", "Back in five minutes").level(Level::Warning);
/// assert_eq!(announcement.level, Level::Warning);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Announcement {
    /// A short heading.
    pub title: String,
    /// The text.
    pub message: String,
    /// The importance.
    pub level: Level,
}

impl Announcement {
    /// Creates an announcement of level [`Level::Info`].
    pub fn new(title: impl Into<String>, message: impl Into<String>) -> Self {
        Self { title: title.into(), message: message.into(), level: Level::Info }
    }

    /// Sets the level.
    #[must_use]
    pub fn level(mut self, level: Level) -> Self {
        self.level = level;
        self
    }
}

/// Data of a `progress`: how far a long operation has come.
///
/// ```
/// use fanfare::Progress;
/// let progress = Progress::new("export-7", 40.0, "Reading");
/// assert!(!progress.completed && Progress::new("export-7", 100.0, "Done").completed().completed);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Progress {
    /// Identifies the operation.
    pub operation_id: String,
    /// From 0 to 100.
    pub percentage: f64,
    /// What the operation is doing.
    pub message: String,
    /// Whether the operation has ended.
    pub completed: bool,
}

impl Progress {
    /// The progress of an operation that has not ended.
    pub fn new(operation_id: impl Into<String>, percentage: f64, message: impl Into<String>) -> Self {
        Self { operation_id: operation_id.into(), percentage, message: message.into(), completed: false }
    }

    /// Marks the operation as ended.
    #[must_use]
    pub fn completed(mut self) -> Self {
        self.completed = true;
        self
    }
}
