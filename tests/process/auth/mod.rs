//! Who may do what, looked at from outside: tokens, keys, scopes, origins, hosts, limits, and what the log says.
//!
//! Tokens are put together here byte by byte, so that any of them can be wrong in any way.

mod algorithm;
mod anonymous;
mod api_key;
mod claim;
mod control;
mod cors;
mod encoding;
mod expiry;
mod fanfare_claim;
mod header;
mod host;
mod jwks;
mod key;
mod key_file;
mod keyed;
mod place;
mod proxy;
mod publishing;
mod rate;
mod refusal;
mod reload;
mod remembered;
mod scope;
mod secrecy;
mod token;
mod topic;
mod verdict;
