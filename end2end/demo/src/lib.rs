//! What makes `make demo` a living product: a past written into the database before the server's first start, and the
//! people and pipelines of a fictional organisation that go on from there.
//!
//! The past is made by the domain's own planner and transitions, at past times; nothing in it could not have happened.
//! The present goes through the server's public interfaces only. The server knows of neither.

pub mod cloud;
pub mod ids;
pub mod live;
pub mod play;
pub mod plot;
pub mod seed;
pub mod story;
