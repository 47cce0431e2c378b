//! Publishes in an open loop, as fast as the server acknowledges, or as fast as all streams receive.

mod command;
mod connection;
mod publisher;
mod request;
mod work;

pub(crate) use command::command;
pub(crate) use publisher::{Published, Publisher};
pub(crate) use work::{Door, Numbers, Pace, Work};
