//! The way of a release, through the use cases, the worker and the real adapters, against the sandbox, on both databases.

#![expect(clippy::unwrap_used, reason = "a story that cannot go on has failed")]

#[path = "../acme/mod.rs"]
mod acme;
mod watching;
mod world;

mod approving;
mod authority;
mod authors;
mod broken;
mod engines_ecs;
mod engines_lambda;
mod exactly_once;
mod gates;
mod in_flight;
mod lab;
mod lane;
mod measured;
mod monitoring;
mod rolling;
mod rolling_back;
mod story;
mod telling;
mod verifying;
