//! The server behind the pages: use cases, workers, HTTP and their wiring. The binary `tidegate` is a thin command line
//! over this library.
//!
//! Who may import whom is drawn in ARCHITECTURE.md and held by `tests/layering.rs`.

pub mod config;
pub mod http;
pub mod replay;
pub mod service;
pub mod wiring;
pub mod worker;
