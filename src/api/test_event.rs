//! Test events: the short form that the development endpoint takes.

use std::borrow::Cow;
use std::sync::Arc;

use serde::Serialize;
use serde_json::value::RawValue;

use crate::event::Event;
use crate::event::Publication;
use crate::event::Target;
use crate::event::json::{self, JsonError, Members};
use crate::event::{Announcement, Level, Notification, Progress};

/// What a test event stands for.
#[derive(Clone, Debug)]
pub enum TestEvent {
    /// An ordinary event.
    Publication(Box<Publication>),
    /// A heartbeat that is sent at once, and is not in history.
    Ping {
        /// The user whose streams get it; `None`: all streams.
        user: Option<Arc<str>>,
    },
}

/// The members of a test event, each parsed separately.
struct Fields<'j>(Members<'j>);

impl TestEvent {
    /// Parses a test event, `{"type": "notification", "message": "Test message"}`, and builds the event of that type,
    /// for everyone or for `userId`.
    pub fn from_json(text: &str) -> Result<Self, JsonError> {
        let mut fields = Fields(Members::parse(text, "the test event")?);
        let kind = fields.text("type", "notification")?;
        let user = fields.0.take("userId").map(|value| json::string(value, "userId")).transpose()?;
        let user: Option<Arc<str>> = user.map(|user| (*user).into());
        if kind == "ping" {
            return Ok(Self::Ping { user });
        }
        let event = fields.event(&kind)?;
        let target = user.as_deref().map_or_else(Target::all, Target::user);
        Ok(Self::Publication(Box::new(Publication::new(event, target))))
    }
}

impl Fields<'_> {
    fn event(mut self, kind: &str) -> Result<Event, JsonError> {
        match kind {
            "notification" => self.notification(),
            "announcement" => self.announcement(),
            "progress" => self.progress(),
            _ => self.custom(kind),
        }
    }

    fn notification(&mut self) -> Result<Event, JsonError> {
        let notification = Notification {
            kind: "test".into(),
            title: self.text("title", "Test notification")?,
            message: self.text("message", "Test message")?,
            data: self.data()?,
        };
        encode("notification", &notification)
    }

    fn announcement(&mut self) -> Result<Event, JsonError> {
        let level = match self.text("level", "info")?.as_str() {
            "info" => Level::Info,
            "warning" => Level::Warning,
            "error" => Level::Error,
            _ => return Err(JsonError::invalid("level", "must be info, warning or error")),
        };
        let title = self.text("title", "Test announcement")?;
        encode("announcement", &Announcement { title, message: self.text("message", "Test message")?, level })
    }

    fn progress(&mut self) -> Result<Event, JsonError> {
        let percentage = self.number("percentage", 50.0)?;
        let completed = self.0.take("completed").map(|value| serde_json::from_str(value.get())).transpose();
        let completed = completed.map_err(|_| JsonError::invalid("completed", "must be true or false"))?;
        let progress = Progress {
            operation_id: self.text("operationId", "test")?,
            percentage,
            message: self.text("message", "Test message")?,
            completed: completed.unwrap_or(percentage >= 100.0),
        };
        encode("progress", &progress)
    }

    /// For `update`, and for names that the application defines: the data, or the message.
    fn custom(&mut self, kind: &str) -> Result<Event, JsonError> {
        let event = match self.0.take("data") {
            Some(data) => Event::raw_json(kind, data),
            None => {
                Event::json(kind, &serde_json::json!({ "message": self.text("message", "Test message")? }))
            }
        };
        event.map_err(|error| JsonError::invalid("type", error.to_string()))
    }

    fn text(&mut self, name: &str, default: &str) -> Result<String, JsonError> {
        self.0
            .take(name)
            .map_or_else(|| Ok(default.to_owned()), |value| json::string(value, name).map(Cow::into_owned))
    }

    fn number(&mut self, name: &str, default: f64) -> Result<f64, JsonError> {
        let number = |value: &RawValue| serde_json::from_str(value.get());
        let value = self.0.take(name).map(number).transpose();
        value.map(|value| value.unwrap_or(default)).map_err(|_| JsonError::invalid(name, "must be a number"))
    }

    fn data(&mut self) -> Result<Option<serde_json::Value>, JsonError> {
        let data = self.0.take("data").map(|value| serde_json::from_str(value.get())).transpose();
        data.map_err(|error| JsonError::invalid("data", error.to_string()))
    }
}

fn encode<T: Serialize>(name: &str, payload: &T) -> Result<Event, JsonError> {
    Event::json(name, payload).map_err(|error| JsonError::invalid("type", error.to_string()))
}
