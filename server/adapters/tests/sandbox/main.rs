//! The adapters against the sandbox, which speaks the real protocols of AWS and GitHub.
#![cfg(test)]

mod actions;
mod engine;
mod fleet;
mod github;
mod lambda;
mod metrics;
mod native;
mod once;
mod prometheus;
mod task_sets;
mod world;
