//! Code that the test binaries share. It shares none with the server: tests/tidy checks that.
#![allow(dead_code, unreachable_pub, reason = "no test binary uses all of it")]

pub mod client;
pub mod clock;
pub mod endpoint;
pub mod folder;
pub mod port;
pub mod requests;
pub mod response;
pub mod sse;
pub mod stream;
pub mod subscriber;
