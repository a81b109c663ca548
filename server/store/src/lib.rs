//! The only place with SQL: everything Tidegate remembers, on SQLite or PostgreSQL.
//!
//! [`Db`] reads and [`Tx`] writes; every statement is written once and runs on whichever database is open. What is saved
//! in one [`Tx`] becomes visible together or not at all, audit events included. Time is always the database's. This crate
//! decides nothing: a lost race comes back as [`StoreError::Conflict`], and the caller loads again and asks the domain.

mod audit;
mod breakglass;
mod changes;
mod claims;
mod clock;
mod db;
mod deployments;
mod error;
mod gates;
mod health;
mod history;
mod lanes;
mod monitors;
mod once;
mod people;
#[cfg(test)]
mod plans;
mod pushes;
mod releases;
mod roles;
mod runs;
mod schema_record;
mod sessions;
mod sql;
#[doc(hidden)]
pub mod testing;
mod tx;

pub use audit::AuditQuery;
pub use changes::{Change, News};
pub use claims::Claim;
pub use clock::Clock;
pub use db::{Db, PoolOptions};
pub use deployments::Versioned;
pub use error::{Conflict, StoreError};
pub use health::{
    EvaluationsQuery, HealthRetention, HealthRow, HealthWatch, KeptDefinition, Marked, NewEvaluation, RecordedQuery,
    RecordedRow,
};
pub use history::HistoryQuery;
pub use lanes::LaneSummary;
pub use monitors::{MonitorClaim, MonitorRow};
pub use once::{IDEMPOTENCY_STUCK_MILLIS, Idempotency, OauthState, Retention};
pub use people::Person;
pub use pushes::Push;
pub use roles::Power;
pub use runs::Run;
pub use sessions::{Session, SessionLife};
pub use tx::Tx;

pub type Result<T, E = StoreError> = std::result::Result<T, E>;
