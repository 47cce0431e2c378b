//! The server as a process: options, signals, descriptors, slow and vanished clients, crowds and churn;
//! and the subcommands for the shell.
//!
//! It is started as a user would start it, on a free port, and looked at from outside only: through sockets,
//! its output, its exit status, and `/proc`. Every server, and every other process that a test starts, ends
//! with its test.
#![cfg(target_os = "linux")]

#[path = "../support/mod.rs"]
mod support;

mod auth;
mod churn;
mod config;
mod crash;
mod crowd;
mod descriptors;
mod drain;
mod file;
mod folder;
mod follower;
mod history;
mod idle;
mod log;
mod options;
mod panic;
mod publish;
mod server;
mod service;
mod shell;
mod signals;
mod slow;
mod start;
mod tail;
mod throughput;
mod usage;
mod vanished;
