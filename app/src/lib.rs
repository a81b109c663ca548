//! What people see. Knows no SQL and no AWS: it asks a [`portal::Portal`], which the server implements.

#![recursion_limit = "256"]

pub mod model;
pub mod portal;
