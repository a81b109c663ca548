//! The HTTP side as its callers find it: the real router behind a real listener, on SQLite, with GitHub stood in for by
//! the sandbox over its real protocol.

#![expect(clippy::unwrap_used, reason = "a story that cannot go on has failed")]

mod api;
mod bridge;
mod forms;
mod headers;
mod limits;
mod live;
mod mutations;
mod policy;
mod seed;
mod sign_in;
mod webhooks;
mod world;
