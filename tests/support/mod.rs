//! What test binaries share. Nothing here shares code with the server.
#![allow(dead_code, unreachable_pub, reason = "no test binary uses all of it")]

pub mod client;
pub mod clock;
pub mod port;
pub mod requests;
pub mod response;
pub mod sse;
pub mod stream;
pub mod subscriber;
