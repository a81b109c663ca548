//! Health: what is measured, what counts as healthy, and what follows when it is not.
//!
//! Everything here is pure: samples come in, a verdict comes out. Who reads the samples is no concern of this module.

mod metric;

pub use metric::{Point, Query, Samples, Series, Stat, Unread};
