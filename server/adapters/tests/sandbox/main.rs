//! The adapters against the sandbox, which speaks the real protocols of AWS and GitHub.
#![cfg(test)]

mod actions;
mod engine;
mod fleet;
mod github;
mod native;
mod once;
mod task_sets;
mod world;
