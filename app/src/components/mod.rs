//! Parts that several pages show. Each is a function from domain types to a view.

pub(crate) mod attempt;
pub(crate) mod breakglass;
pub(crate) mod commits;
pub(crate) mod curve;
pub(crate) mod empty;
pub(crate) mod field;
pub(crate) mod flash;
pub(crate) mod gates;
pub(crate) mod health;
pub(crate) mod icon;
pub(crate) mod label;
pub(crate) mod monitors;
pub(crate) mod pager;
pub(crate) mod rolling;
pub(crate) mod rows;
pub(crate) mod sentence;
pub(crate) mod state;
pub(crate) mod strategy;
pub(crate) mod timeline;
pub(crate) mod told;
pub(crate) mod traffic;
