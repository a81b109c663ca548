//! What people see. Knows no SQL and no AWS: it asks a [`portal::Portal`], which the server implements.
//!
//! Pages are HTML from the server, complete without JavaScript. Only what lies in [`islands`] is compiled for the browser
//! too, and it only adds liveness: everything else here exists under the feature `ssr` alone.

#![recursion_limit = "256"]

pub mod health;
pub mod islands;
pub mod model;
pub mod portal;
pub mod shape;
pub mod visitor;
pub mod words;

#[cfg(feature = "ssr")]
pub mod app;
#[cfg(feature = "ssr")]
pub mod assets;
#[cfg(feature = "ssr")]
mod components;
#[cfg(feature = "ssr")]
mod pages;
#[cfg(feature = "ssr")]
pub mod problem;
#[cfg(feature = "ssr")]
pub mod rpc;
#[cfg(feature = "ssr")]
pub mod shell;

#[cfg(feature = "ssr")]
pub use assets::SiteAssets;
pub use visitor::{Flash, Theme, Tone, Visitor};
