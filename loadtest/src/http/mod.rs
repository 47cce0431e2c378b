//! The client side of HTTP/1.1: the head and the body of an answer; input may be split anywhere.

mod answer;
mod body;
mod chunked;
mod head;

pub(crate) use answer::Answered;
pub(crate) use body::Body;
pub(crate) use head::Head;
