//! The HTTP side as its callers find it: the real router behind a real listener, with GitHub stood in for by
//! the sandbox over its real protocol. What is about the database runs on PostgreSQL, too.

#![expect(clippy::unwrap_used, reason = "a story that cannot go on has failed")]

mod api;
mod away;
mod bridge;
mod ci;
mod colliding;
mod deciding;
mod forms;
mod given;
mod headers;
mod lab;
mod limits;
mod live;
mod mutations;
mod once;
mod policy;
mod reading;
mod secrets;
mod seed;
mod sessions;
mod sign_in;
mod webhooks;
mod world;
