//! The adapters against the sandbox, which speaks the real protocols of AWS and GitHub.
#![cfg(test)]

mod actions;
mod engine;
mod github;
mod metrics;
mod once;
mod prometheus;
mod world;
