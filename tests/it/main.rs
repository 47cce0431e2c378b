//! Integration tests: the library over real sockets, on free ports, with deadlines.
//!
//! They hold the server to its wire contract with parsers of their own (`tests/support`). Each file is about
//! one noun of the contract.

#[path = "../support/mod.rs"]
mod support;

mod access;
mod authentication;
mod batch;
mod body;
mod cors;
mod crowd;
mod durable;
mod encoding;
mod exchange;
mod handover;
mod heartbeat;
mod hooks;
mod idempotency;
mod large;
mod late_journal;
mod limits;
mod metrics;
mod model;
mod negotiation;
mod openapi;
mod panel;
mod payload;
mod pipeline;
mod publisher;
mod publishing;
mod reading;
mod resume;
mod routes;
mod server;
mod shutdown;
mod sleeper;
mod start;
mod statistics;
mod stream;
mod table;
mod target;
mod test_event;
mod timeout;
mod ttl;
mod waiting;
