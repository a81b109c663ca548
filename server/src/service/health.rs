//! Whether the server can do its work: the database answers with the tables of this version, and the audit log can be
//! written, without which nothing may be changed (R20).

use serde_json::json;
use tidegate_domain::{
    access::Actor,
    audit::{AuditEvent, EventKind, Subject},
};
use tidegate_store::{Db, StoreError};

#[derive(Debug, thiserror::Error)]
pub enum NotReady {
    #[error("the database: {0}")]
    Database(#[source] StoreError),
    #[error("the audit log: {0}")]
    Audit(#[source] StoreError),
}

impl NotReady {
    /// For anyone who asks, without the database's own words.
    pub const fn words(&self) -> &'static str {
        match self {
            Self::Database(_) => "the database does not answer, or its tables are of another version",
            Self::Audit(_) => "the audit log cannot be written: nothing can be changed, reading goes on",
        }
    }
}

#[derive(Clone)]
pub struct Health(Db);

impl Health {
    pub const fn new(db: Db) -> Self {
        Self(db)
    }

    /// What an operator should know although the server can do its work.
    ///
    /// # Errors
    /// What is in the way.
    pub async fn check(&self) -> Result<Option<&'static str>, NotReady> {
        self.0.ping().await.map_err(NotReady::Database)?;
        let probe = AuditEvent {
            kind: EventKind::WorkerWarning,
            actor: Actor::system("readiness"),
            subject: Subject::default(),
            data: json!({}),
            text: None,
        };
        let mut tx = self.0.begin().await.map_err(NotReady::Audit)?;
        tx.append_audit(&[probe]).await.map_err(NotReady::Audit)?;
        // Dropped without a commit: the probe was possible, and leaves nothing.
        drop(tx);
        let power = self.0.power().await.map_err(NotReady::Database)?;
        Ok(power.warning())
    }
}
